r"""The quality report: movements that have no line in the flat table, and what looks wrong without hindering.

A report is columns separated by tabs, escaped as in tagged TSV, about a row of the source: its table and its id.
"""

from enum import Enum

from movimento_flat.card_numbers import mask_card_numbers
from movimento_flat.money import is_amount
from movimento_flat.schema import TABLES
from movimento_flat.tagged_tsv import ROW_SEPARATOR, escape, replace_escapes

#: Kinds of output records: rows of the CSV, and of the three lists beside it.
FLAT, REJECTED, MISMATCH, WARNING = b"F", b"R", b"D", b"W"

#: Those between the table and the row are columns of the source.
REJECTED_COLUMNS = ("reason", "table", "id", "id_cartao", "vlr_transacao", "row")
MISMATCH_COLUMNS = ("id_cartao", "id_holder", "id_account_owner", "movements", "centavos")
WARNING_COLUMNS = ("reason", "table", "id", "id_cartao", "value")


class Reject(Enum):
    """Why a movement has no line in the flat table."""

    NO_CARD = "movement_without_card"
    UNKNOWN_CARD = "unknown_card"
    NO_ACCOUNT = "card_without_account"
    NO_HOLDER = "card_without_holder"
    AMBIGUOUS = "ambiguous_card"
    MALFORMED = "malformed"
    INVALID_UTF8 = "invalid_utf8"


class Warn(Enum):
    """What looks wrong and is delivered all the same."""

    LUHN = "luhn"
    DUPLICATE = "duplicate_card_number"
    AGE = "age_out_of_range"
    PRINTED_NAME = "printed_name_unlike_holder"
    CARD_BEFORE_ACCOUNT = "card_before_account"
    BEFORE_CARD = "movement_before_card"
    BEFORE_ACCOUNT = "movement_before_account"
    FUTURE = "movement_in_future"
    ZERO = "zero_amount"


def rejected_line(reason: Reject, line: bytes, hidden: bool, hides_cards: bool) -> bytes:
    """Return REJECTED_COLUMNS of a line that is no row.

    Args:
        reason: why.
        line: as it came.
        hidden: whether anything is to be hidden: then the line itself is left out.
        hides_cards: whether card numbers are: they are masked where the ids, or an amount that is none, should be.
    """
    tag, *fields = line.split(b"\t")
    table = next((table for table in TABLES if table.tag == tag), None)
    row: dict[str, bytes] = {}
    if table and len(fields) == len(table.columns):
        row = dict(zip(table.column_names, fields, strict=True))
    identity, card, amount = (row.get(column, b"") for column in REJECTED_COLUMNS[2:5])
    if hides_cards:
        identity, card = map(_without_card_numbers, (identity, card))
        amount = amount if is_amount(amount) else _without_card_numbers(amount)
    name = table.name.encode() if table else b""
    shown = map(_as_text, (identity, card, amount, b"" if hidden else line))
    return b"\t".join((reason.value.encode(), name, *shown))


def _without_card_numbers(field: bytes) -> bytes:
    """Return a field, whose escapes may be wrong, or what it says with card numbers masked if there are any."""
    text = replace_escapes(field)
    masked = mask_card_numbers(text)
    return field if masked == text else escape(masked)


def _as_text(field: bytes) -> bytes:
    """Return a field that shows the bytes of one that may hold any."""
    return escape(field.decode(errors="backslashreplace").encode())


#: Where each kind of report has ids.
_IDS = {REJECTED: (2, 3), MISMATCH: (0, 1, 2), WARNING: (2, 3)}


def with_masked_ids(kind: bytes, reports: bytes) -> bytes:
    """Return the reports of one record with each id masked that may be a card number."""
    return ROW_SEPARATOR.join(_with_masked_ids(kind, report) for report in reports.split(ROW_SEPARATOR))


def _with_masked_ids(kind: bytes, report: bytes) -> bytes:
    columns = report.split(b"\t")
    for place in _IDS[kind]:
        columns[place] = mask_card_numbers(columns[place])
    return b"\t".join(columns)
