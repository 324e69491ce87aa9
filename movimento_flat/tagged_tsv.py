r"""Tagged TSV, the format between `extract` and `mr_jobs`. Nothing else knows it.

A line is a row: its table's one-letter tag (`movimento_flat.schema`), then the columns, separated by tabs.
NULL is `\N`. In a field the backslash, tab, line feed, carriage return, NUL and 0x1e (which separates
rows that travel together) are a backslash and a letter, so a line never holds them bare.
Fields are bytes: they are UTF-8 where the source was, and nothing here decodes them.
"""

import re

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


def sql_text_field(column: str) -> str:
    """SQL expression: a text column, already quoted as a name, as a field.

    The replacements work on bytes: a collation must not decide what equals a tab. Whether it is NULL is asked
    of the column: a text too long for the server to replace in is NULL, too, and must not pass for a missing one.
    """
    expression = f"CAST({column} AS BINARY)"
    for bare, letter in ESCAPES.items():
        expression = f"REPLACE({expression}, X'{bare.hex()}', X'{(chr(92).encode() + letter).hex()}')"
    return f"IF({column} IS NULL, X'{NULL.hex()}', {expression})"


def sql_null(expression: str) -> str:
    """SQL expression: `expression`, or the mark of NULL."""
    return f"IFNULL({expression}, X'{NULL.hex()}')"
