r"""How a PostgreSQL server writes lines: as text, with control characters for separators and NULL.

In a text the server writes these characters as another one and a letter; all other escapes are made here, as for MySQL.
"""

import re
from collections.abc import Iterable

from movimento_flat.schema import Table
from movimento_flat.tagged_tsv import EscapedByClient

#: The encoding of a database whose text may be any bytes.
SQL_ASCII = "SQL_ASCII"
_ESCAPE = b"\x04"


class Lines(EscapedByClient):
    """A line encoding; see `EscapedByClient`."""

    SEPARATOR, LINE_END, NULL = b"\x01", b"\x02", b"\x03"

    @classmethod
    def lines(cls, text: bytes) -> bytes:
        """Return what the server has written as lines of tagged TSV."""
        lines = super().lines(text)
        return _replace_escaped(lambda found: _BARE[found[1]], lines) if _ESCAPE in lines else lines


#: By letter: the character that it stands for; ESCAPE comes first, so that SQL may replace in this order.
_BARE = {b"d": _ESCAPE, b"a": Lines.SEPARATOR, b"b": Lines.LINE_END, b"c": Lines.NULL}
_replace_escaped = re.compile(_ESCAPE + rb"([a-d])").sub


def escaped(text: str) -> str:
    """Return the SQL expression of a text in which the characters of a line are escaped."""
    for letter, bare in _BARE.items():
        text = f"replace({text}, {_literal(bare)}, {_literal(_ESCAPE + letter)})"
    return text


def line(table: Table, fields: Iterable[str]) -> str:
    """Return the SQL expression of a row's line, with its line end; a field that is NULL is one in the line, too."""
    separated = "".join(
        f" || {_literal(Lines.SEPARATOR)} || coalesce({each}, {_literal(Lines.NULL)})" for each in fields
    )
    return f"{_literal(table.tag)}{separated} || {_literal(Lines.LINE_END)}"


def as_bytes(text: str, encoding: str) -> str:
    """Return the SQL expression of a text's bytes; `encoding` is the database's."""
    return f"convert_to({text}, '{_written_in(encoding)}')"


def as_text(written: str, encoding: str) -> str:
    """Return the SQL expression of the text of such bytes."""
    return f"convert_from({written}, '{_written_in(encoding)}')"


def _written_in(encoding: str) -> str:
    """Return the encoding of the bytes: UTF-8, but the text of SQL_ASCII, which may be any bytes, stays as it is."""
    return SQL_ASCII if encoding == SQL_ASCII else "UTF8"


def _literal(text: bytes) -> str:
    return "E'" + "".join(f"\\x{byte:02x}" for byte in text) + "'"
