r"""Tagged TSV, the format between `extract` and `mr_jobs`. No other module parses or writes it.

A line is a row: its table's one-letter tag (`movimento_flat.schema`), then the columns, separated by tabs.
NULL is `\N`. In a field the backslash, tab, line feed, carriage return, NUL and 0x1e (which separates rows in one
record of the join) are written as a backslash and a letter, so a line never holds them bare.
Fields are bytes: they are UTF-8 where the source was, and nothing here decodes them.
"""

import re
from collections.abc import Iterable

from movimento_flat.schema import Table

NULL = rb"\N"
ROW_SEPARATOR = b"\x1e"

#: By bare byte: the letter after the backslash. The backslash comes first, so that SQL may replace in this order.
ESCAPES = {b"\\": b"\\", b"\t": b"t", b"\n": b"n", b"\r": b"r", b"\0": b"0", ROW_SEPARATOR: b"s"}
_BARE = {letter: bare for bare, letter in ESCAPES.items()}
#: Pattern of a backslash and one of these letters.
ESCAPE_PATTERN = rf"\\[{re.escape(b''.join(_BARE).decode())}]"

_find_bare = re.compile(rb"[\\\t\n\r\0\x1e]").search
_replace_bare = re.compile(rb"[\\\t\n\r\0\x1e]").sub
_replace_known = re.compile(ESCAPE_PATTERN.encode()).sub


def escape(text: bytes) -> bytes:
    """Return the field of a text. It is never NULL: the text `\\N` gets a second backslash."""
    if not _find_bare(text):
        return text
    return _replace_bare(lambda bare: b"\\" + ESCAPES[bare[0]], text)


def unescape(field: bytes) -> bytes:
    """Return the text of a field, or of several with the separators between them: the inverse of `escape`.

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
    """Return the text of a field that may be damaged: a backslash before an unknown letter stays."""
    return _replace_known(lambda escaped: _BARE[escaped[0][1:]], field)


def line(table: Table, values: tuple[bytes | None, ...]) -> bytes:
    """Return a row as a line, without line end; its values are in the order of the table's columns."""
    fields = (NULL if value is None else escape(value) for value in values)
    return b"\t".join((table.tag, *fields))


class EscapedByClient:
    """A line encoding for columns of UTF-8: the server separates fields by bytes that no UTF-8 has; this class escapes.

    Escaping would be a third of the server's work on a movement. Here it takes a few milliseconds a page.
    """

    SEPARATOR, LINE_END, NULL = b"\xff", b"\xfe", b"\xfd"

    @classmethod
    def sql_text(cls, column: str) -> str:
        """Return the SQL expression of a text column as a field; the column is a quoted name.

        The column itself is compared with NULL. A text that is too long for one of the server's functions also becomes
        NULL; then the whole line is NULL, so the row is missed instead of its text being lost.
        """
        return f"IF({column} IS NULL, X'{cls.NULL.hex()}', {cls._sql_bytes(column)})"

    @classmethod
    def sql_value(cls, expression: str) -> str:
        """Return the SQL expression of a value as a field; its text needs no escapes."""
        return f"IFNULL({expression}, X'{cls.NULL.hex()}')"

    @classmethod
    def sql_line(cls, table: Table, fields: Iterable[str]) -> str:
        """Return the SQL expression of a row's line, with its line end."""
        separated = "".join(f", X'{cls.SEPARATOR.hex()}', {field}" for field in fields)
        return f"CONCAT(X'{table.tag.hex()}'{separated}, X'{cls.LINE_END.hex()}')"

    @classmethod
    def lines(cls, text: bytes) -> bytes:
        """Return what the server has written as lines of tagged TSV."""
        for bare, letter in ESCAPES.items():
            text = text.replace(bare, b"\\" + letter)
        # Three times as fast as one translation.
        return text.replace(cls.SEPARATOR, b"\t").replace(cls.LINE_END, b"\n").replace(cls.NULL, NULL)

    @classmethod
    def _sql_bytes(cls, column: str) -> str:
        return f"CAST({column} AS BINARY)"


class EscapedByServer(EscapedByClient):
    """A line encoding for columns of any bytes: the server writes finished lines of tagged TSV."""

    SEPARATOR, LINE_END, NULL = b"\t", b"\n", NULL

    @classmethod
    def lines(cls, text: bytes) -> bytes:
        """Return what the server has written: it is finished."""
        return text

    @classmethod
    def _sql_bytes(cls, column: str) -> str:
        """Replace in bytes, not in text: a collation must not decide what equals a tab."""
        expression = super()._sql_bytes(column)
        for bare, letter in ESCAPES.items():
            expression = f"REPLACE({expression}, X'{bare.hex()}', X'{(chr(92).encode() + letter).hex()}')"
        return expression


#: How a server writes lines.
LineEncoding = type[EscapedByClient]
