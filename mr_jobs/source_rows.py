r"""Tagged TSV as frames: what is a row of its table, with as much in it as may show; and what is none, and why.

A row is rejected that has too few or too many fields, an id that is none, an amount without two decimals, an escape
that tagged TSV does not have, or bytes that are no UTF-8. What must not show is hidden here, before any shuffle.
"""

import re
from collections.abc import Callable

from movimento_flat.card_numbers import SHORTEST, mask, mask_card_numbers
from movimento_flat.columnar import pl
from movimento_flat.privacy import (
    COARSE,
    FULL,
    MASK,
    TOKEN,
    Privacy,
    card_token,
    fingerprint,
    fingerprint_key,
    person_token,
)
from movimento_flat.problem_lists import Reject, rejected_line
from movimento_flat.schema import (
    AGE,
    ASSOCIADO,
    CARD,
    CARTAO,
    CONTA,
    FLAT_BY_NAME,
    MOVIMENTO,
    TABLES,
    Column,
    Kind,
    Shows,
    Table,
)
from movimento_flat.tagged_tsv import ESCAPE_PATTERN, ESCAPES, escape, unescape
from mr_jobs.frames import NULL_TEXT, fields_of, is_id, lines_of

_TAG = "tag"
_AMOUNT = r"^-?[0-9]+\.[0-9][0-9]$"
_ESCAPES = rf"^(?:[^\\]|{ESCAPE_PATTERN})*$"
#: Bytes that a line may have bare where it is not the extraction that has written it.
_BARE = {bare: letter for bare, letter in ESCAPES.items() if bare not in b"\\\t\n"}
_find_bare = re.compile(rb"\\.|[%b]" % b"".join(_BARE), re.DOTALL).sub
#: Some programs begin a file with it; Hadoop takes one off, and only at the beginning of a file.
_MARK = b"\xef\xbb\xbf"
_find_marks = re.compile(rb"^(?:%b)+" % _MARK, re.MULTILINE).sub
#: Digits of any script, superscript and circled ones included.
_DIGIT = r"[\p{Nd}\p{No}]"
_DATE = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"


def _key(table: Table, other: Table) -> str:
    """Return the name of the column of a table that points to another."""
    (name,) = (column.name for column in table.columns if column.points_to == other.name)
    return name


#: Columns of the source tables by which the join itself does something.
CARD_OF_MOVEMENT = _key(MOVIMENTO, CARTAO)
ACCOUNT_OF_CARD, HOLDER_OF_CARD = _key(CARTAO, CONTA), _key(CARTAO, ASSOCIADO)
OWNER_OF_ACCOUNT = _key(CONTA, ASSOCIADO)
NUMBER_OF_CARD, AGE_OF_ASSOCIATE = (FLAT_BY_NAME[name].source.name for name in (CARD, AGE))

Frames = dict[Table, pl.DataFrame]


class SourceRows:
    """Reads blocks of tagged TSV, and shows of them what `privacy` lets show."""

    def __init__(self, privacy: Privacy, key: bytes) -> None:
        """Args:
        privacy: what shows.
        key: of tokens and fingerprints.
        """
        self._privacy = privacy
        self._key = key
        self._hides_cards = privacy.card != FULL
        self._fingerprint_key = fingerprint_key(key) if privacy.hides_numbers else None

    def read(self, block: bytes) -> tuple[Frames, list[bytes]]:
        """Return the rows of each table that the block has, in columns of text; and its rejected lines as reports.

        The rows are as they are: call `hide` before they go on. An empty line is no row.
        """
        lines, bad = _lines_in_utf8(_escaped(block.removesuffix(b"\n")))
        rejected = [self._rejected(Reject.INVALID_UTF8, line) for line in bad]
        frames: Frames = {}
        for table in sorted(TABLES, key=lambda table: not block.startswith(table.tag)):
            is_mine = lines.str.starts_with(f"{table.tag.decode()}\t")
            if not is_mine.any():
                continue
            frames[table], malformed = _rows(table, lines if is_mine.all() else lines.filter(is_mine))
            rejected += [self._rejected(Reject.MALFORMED, line.encode()) for line in malformed]
            lines = lines.clear() if is_mine.all() else lines.filter(~is_mine)
        return frames, rejected + [self._rejected(Reject.MALFORMED, line.encode()) for line in lines if line]

    def _rejected(self, reason: Reject, line: bytes) -> bytes:
        return rejected_line(reason, line, self._privacy.hides, self._hides_cards)

    def hide(self, table: Table, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a table with as much in their columns as may show."""
        changes = [
            changed.alias(column.name)
            for column in table.columns
            if (changed := self._hidden(column, rows)) is not None
        ]
        return rows.with_columns(changes)

    def _hidden(self, column: Column, rows: pl.DataFrame) -> pl.Series | None:
        """Return a column as it may show, where that is not as it is."""
        fields = rows[column.name]
        if self._privacy.people == TOKEN and column.shows is Shows.GIVEN_NAME:
            return _each(rows["id"], lambda identity: person_token(self._key, identity))
        if self._privacy.people == TOKEN and column.shows is Shows.PERSON:
            return pl.Series([NULL_TEXT]).new_from_index(0, len(rows))
        if self._privacy.dates != FULL and column.kind is Kind.MOMENT:
            return _coarse(fields, self._privacy.dates)
        if not self._hides_cards or column.kind in (Kind.ID, Kind.MONEY):
            return None
        if column.shows is Shows.CARD_NUMBER:
            hide = mask if self._privacy.card == MASK else (lambda number: card_token(self._key, number))
            return _each(fields, hide)
        # A moment's digits may look like a card number's by chance.
        may_hold = (fields.str.count_matches(_DIGIT) >= SHORTEST) & ~fields.str.contains(_MOMENT)
        places = may_hold.arg_true()
        return (
            fields.scatter(places, _each(fields.gather(places), mask_card_numbers)) if len(places) else None
        )

    def fingerprints(self, numbers: pl.Series) -> pl.Series:
        """Return card numbers; where they are hidden, fingerprints by which cards of one number find each other."""
        key = self._fingerprint_key
        return numbers if key is None else _each(numbers, lambda number: fingerprint(key, number))


def _coarse(fields: pl.Series, dates: str) -> pl.Series:
    """Return moments as the first second of their day or month; what does not begin like one is NULL."""
    length, rest = COARSE[dates]
    shown = fields.str.head(length) + rest
    return shown.zip_with(fields.str.contains(_DATE), pl.Series([NULL_TEXT]))


def _each(fields: pl.Series, change: Callable[[bytes], bytes]) -> pl.Series:
    """Return fields whose text is changed, but those that are NULL."""
    changed = [
        field if field == NULL_TEXT else escape(change(unescape(field.encode()))).decode()
        for field in fields.to_list()
    ]
    return pl.Series(changed, dtype=pl.String)


def _lines_in_utf8(block: bytes) -> tuple[pl.Series, list[bytes]]:
    """Return the lines of a block; and apart from them those that are no UTF-8."""
    try:
        return lines_of(block), []
    except pl.exceptions.ComputeError:
        lines = [(line, _is_utf8(line)) for line in block.split(b"\n")]
        good = b"\n".join(line for line, is_utf8 in lines if is_utf8)
        return lines_of(good), [line for line, is_utf8 in lines if not is_utf8]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _rows(table: Table, lines: pl.Series) -> tuple[pl.DataFrame, list[str]]:
    """Return the valid rows of a table's lines, and the lines that are none."""
    rows = fields_of(lines, (_TAG, *table.column_names))
    last = pl.col(table.column_names[-1])
    is_row = last.is_not_null() & ~last.str.contains("\t", literal=True)
    for column in table.columns:
        field = pl.col(column.name)
        is_null = (field == NULL_TEXT) if column.name != "id" else pl.lit(False)
        if column.kind is Kind.ID:
            is_row &= is_id(column.name) | is_null
        elif column.kind is Kind.MONEY:
            is_row &= field.str.contains(_AMOUNT) | is_null
    is_valid = rows.select(is_row.fill_null(False)).to_series()
    for column in table.columns:
        if column.kind not in (Kind.ID, Kind.MONEY):
            is_valid = is_valid.scatter(_bad_escapes(rows[column.name]), False)
    if is_valid.all():
        return rows.drop(_TAG), []
    return rows.filter(is_valid).drop(_TAG), lines.filter(~is_valid).to_list()


def _bad_escapes(fields: pl.Series) -> pl.Series:
    """Return at which places a field has an escape that tagged TSV does not have."""
    places = fields.str.contains("\\", literal=True).arg_true()
    some = fields.gather(places)
    return places.filter((some != NULL_TEXT) & ~some.str.contains(_ESCAPES))


def _escaped(block: bytes) -> bytes:
    """Return a block in which what a text may hold bare is escaped like everything else.

    Byte order marks before a line are no part of it: so a line is the same wherever a file is cut.
    """
    if _MARK[:1] in block and _MARK in block:  # one byte is found much faster, and in few texts
        block = _find_marks(b"", block)
    if not any(bare in block for bare in _BARE):
        return block
    return _find_bare(lambda found: b"\\" + _BARE[found[0]] if found[0] in _BARE else found[0], block)
