r"""Tagged TSV, the format between `extract` and `mr_jobs`. Nothing else knows it.

A line is a row: its table's one-letter tag (`movimento_flat.schema`), then the columns, separated by tabs.
NULL is `\N`. In a field the backslash, tab, line feed, carriage return, NUL and 0x1e (which separates
rows that travel together) are a backslash and a letter, so a line never holds them bare.
Fields are bytes: they are UTF-8 where the source was, and nothing here decodes them.
"""

import re
from collections.abc import Iterable

from movimento_flat.schema import Table

NULL = rb"\N"
ROW_SEPARATOR = b"\x1e"

#: Bare byte -> letter after the backslash. The backslash comes first, so that SQL may replace in this order.
ESCAPES = {b"\\": b"\\", b"\t": b"t", b"\n": b"n", b"\r": b"r", b"\0": b"0", ROW_SEPARATOR: b"s"}
_BARE = {letter: bare for bare, letter in ESCAPES.items()}

_find_bare = re.compile(rb"[\\\t\n\r\0\x1e]").search
_replace_bare = re.compile(rb"[\\\t\n\r\0\x1e]").sub
_replace_escape = re.compile(rb"\\(.?)", re.DOTALL).sub


def escape(text: bytes) -> bytes:
    """Text -> field. Never NULL: a text that reads `\\N` comes out with two backslashes."""
    if not _find_bare(text):
        return text
    return _replace_bare(lambda bare: b"\\" + ESCAPES[bare[0]], text)


def unescape(field: bytes) -> bytes:
    """Field -> text, the inverse of `escape`; also for many fields at once, separators and all.

    Raises:
        ValueError: a backslash is followed by no known letter.
    """
    if b"\\" not in field:
        return field
    try:
        return _replace_escape(lambda escaped: _BARE[escaped[1]], field)
    except KeyError as unknown:
        raise ValueError(f"unknown escape in {field!r}") from unknown


def line(table: Table, values: tuple[bytes | None, ...]) -> bytes:
    """One row of `table`, its values in the order of its columns, as a line without line end."""
    fields = (NULL if value is None else escape(value) for value in values)
    return b"\t".join((table.tag, *fields))


class Escaped:
    """Lines that a server writes as they are to be: for columns that may hold any bytes."""

    LINE_END = b"\n"

    @staticmethod
    def sql_text(column: str) -> str:
        """SQL expression: a text column, already quoted as a name, as a field.

        The replacements work on bytes: a collation must not decide what equals a tab. Whether it is NULL is asked
        of the column: a text too long for the server to replace in is NULL, too, and must not pass for a missing one.
        """
        expression = f"CAST({column} AS BINARY)"
        for bare, letter in ESCAPES.items():
            expression = f"REPLACE({expression}, X'{bare.hex()}', X'{(chr(92).encode() + letter).hex()}')"
        return f"IF({column} IS NULL, X'{NULL.hex()}', {expression})"

    @staticmethod
    def sql_value(expression: str) -> str:
        """SQL expression: a value whose text needs no escapes, as a field."""
        return f"IFNULL({expression}, X'{NULL.hex()}')"

    @staticmethod
    def sql_line(table: Table, fields: Iterable[str]) -> str:
        """SQL expression: fields as a row's line, line end included."""
        after_tabs = "".join(f", X'09', {field}" for field in fields)
        return f"CONCAT(X'{table.tag.hex()}'{after_tabs}, X'0A')"

    @staticmethod
    def lines(text: bytes) -> bytes:
        """What the server has written -> lines."""
        return text


class Marked:
    """Lines that a server writes with bytes that no UTF-8 has in the place of separators; the escapes are made here.

    It is a third of the server's work on a movement to look for what must be escaped, and a few milliseconds here.
    """

    LINE_END = b"\xfe"
    _SEPARATOR, _NULL = b"\xff", b"\xfd"

    @classmethod
    def sql_text(cls, column: str) -> str:
        """SQL expression: a text column in UTF-8 as a field."""
        return cls.sql_value(f"CAST({column} AS BINARY)")

    @classmethod
    def sql_value(cls, expression: str) -> str:
        """SQL expression: a value as a field."""
        return f"IFNULL({expression}, X'{cls._NULL.hex()}')"

    @classmethod
    def sql_line(cls, table: Table, fields: Iterable[str]) -> str:
        """SQL expression: fields as a row's line, line end included."""
        *columns, last = (f"X'{table.tag.hex()}'", *fields)
        end = f"CONCAT({last}, X'{cls.LINE_END.hex()}')"
        return f"CONCAT_WS(X'{cls._SEPARATOR.hex()}', {', '.join((*columns, end))})"

    @classmethod
    def lines(cls, text: bytes) -> bytes:
        """What the server has written -> lines."""
        for bare, letter in ESCAPES.items():
            text = text.replace(bare, b"\\" + letter)
        # Three times quicker than one translation.
        return text.replace(cls._SEPARATOR, b"\t").replace(cls.LINE_END, b"\n").replace(cls._NULL, NULL)


#: How a server writes lines.
Wire = type[Escaped] | type[Marked]
