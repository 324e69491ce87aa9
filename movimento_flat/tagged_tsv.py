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
_replace_known = re.compile(rb"\\([\\tnr0s])").sub


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
    backslash = field.find(b"\\")
    if backslash < 0:
        return field
    texts: list[bytes] = []
    done = 0
    try:
        while backslash >= 0:
            texts += field[done:backslash], _BARE[field[backslash + 1 : backslash + 2]]
            done = backslash + 2
            backslash = field.find(b"\\", done)
    except KeyError as unknown:
        raise ValueError(f"unknown escape in {field!r}") from unknown
    return b"".join((*texts, field[done:]))


def replace_escapes(field: bytes) -> bytes:
    """Field of a line that may be damaged -> text; a backslash before anything else stays."""
    return _replace_known(lambda escaped: _BARE[escaped[1]], field)


def line(table: Table, values: tuple[bytes | None, ...]) -> bytes:
    """One row of `table`, its values in the order of its columns, as a line without line end."""
    fields = (NULL if value is None else escape(value) for value in values)
    return b"\t".join((table.tag, *fields))


class Marked:
    """Lines that a server writes with bytes that no UTF-8 has for separators and NULL; the escapes are made here.

    To look for what must be escaped is a third of the server's work on a movement, and a few milliseconds' here.
    """

    SEPARATOR, LINE_END, NULL = b"\xff", b"\xfe", b"\xfd"

    @classmethod
    def sql_text(cls, column: str) -> str:
        """SQL expression: a text column, already quoted as a name, as a field.

        Whether it is NULL is asked of the column: a text that is too long for one of the server's functions is NULL,
        too, and must not pass for a missing one. The line is NULL then, and the row is missed.
        """
        return f"IF({column} IS NULL, X'{cls.NULL.hex()}', {cls._sql_bytes(column)})"

    @classmethod
    def sql_value(cls, expression: str) -> str:
        """SQL expression: a value whose text needs no escapes, as a field."""
        return f"IFNULL({expression}, X'{cls.NULL.hex()}')"

    @classmethod
    def sql_line(cls, table: Table, fields: Iterable[str]) -> str:
        """SQL expression: fields as a row's line, line end included."""
        separated = "".join(f", X'{cls.SEPARATOR.hex()}', {field}" for field in fields)
        return f"CONCAT(X'{table.tag.hex()}'{separated}, X'{cls.LINE_END.hex()}')"

    @classmethod
    def lines(cls, text: bytes) -> bytes:
        """What the server has written -> lines."""
        for bare, letter in ESCAPES.items():
            text = text.replace(bare, b"\\" + letter)
        # Three times quicker than one translation.
        return text.replace(cls.SEPARATOR, b"\t").replace(cls.LINE_END, b"\n").replace(cls.NULL, NULL)

    @classmethod
    def _sql_bytes(cls, column: str) -> str:
        return f"CAST({column} AS BINARY)"


class Escaped(Marked):
    """Lines that a server writes as they are to be: for columns that may hold any bytes."""

    SEPARATOR, LINE_END, NULL = b"\t", b"\n", NULL

    @classmethod
    def lines(cls, text: bytes) -> bytes:
        """What the server has written -> the same."""
        return text

    @classmethod
    def _sql_bytes(cls, column: str) -> str:
        """The replacements work on bytes: a collation must not decide what equals a tab."""
        expression = super()._sql_bytes(column)
        for bare, letter in ESCAPES.items():
            expression = f"REPLACE({expression}, X'{bare.hex()}', X'{(chr(92).encode() + letter).hex()}')"
        return expression


#: How a server writes lines.
Wire = type[Marked]
