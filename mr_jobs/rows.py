r"""Lines of tagged TSV -> rows that sort into the join's order, their CSV text already made.

A row begins with its slot (`mr_jobs.buckets`), then a tag. Behind them CSV text is kept escaped as in tagged TSV,
so that a row has no line end of its own until the merge writes it; movements get their commas in the reducer. Rows
of the step that knows masters only:

    associate   slot, A, `id,nome,sobrenome,idade,`
    account     slot, C, `,tipo,data_criacao`, and `,id` where the delivery has ids, then `,` and id of its owner
    card        slot of its holder, K, id
                slot of its account, K, `id,num_cartao,nom_impresso,data_criacao`
                slot of its number, K, that or, where it is not to show, its fingerprint, tab, id

and of the one that knows cards:

    movement    slot, M, sortable id, tab, vlr_transacao, tab, des_transacao, tab, data_movimento
    report      slot, R or W, the columns of a rejected line or of a warning

Columns that the delivery does not show are not in a row; neither is their comma.
"""

import re
from collections.abc import Iterable

from movimento_flat.card_numbers import SHORTEST, mask, mask_card_numbers
from movimento_flat.luhn import is_luhn
from movimento_flat.money import is_amount
from movimento_flat.privacy import (
    FULL,
    MASK,
    TOKEN,
    Privacy,
    card_token,
    fingerprint,
    fingerprint_key,
    person_token,
)
from movimento_flat.problem_lists import REJECTED, WARNING, Reject, Warn, rejected_line, warning
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, TABLES, Table
from movimento_flat.tagged_tsv import NULL, escape, unescape
from mr_jobs.buckets import (
    NUMBERS_TAG,
    REPORT,
    Located,
    locate,
    locate_fingerprint,
    locate_number,
    sortable,
)

_is_short_id = re.compile(rb"0|[1-9]\d{0,18}").fullmatch
#: Numbers of twenty digits have the order of their texts.
_is_long_id = re.compile(rb"[1-9]\d{19}").fullmatch
_LARGEST_ID = b"%d" % (2**64 - 1)
_is_usual_age = re.compile(rb"\d\d?|1[0-2]\d|130").fullmatch
_needs_care = re.compile(rb'[\\",\r\0\x1e]').search
_is_moment = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d").fullmatch
#: Some programs begin a file with it; Hadoop takes one off, and only at the beginning of a file.
_byte_order_marks = re.compile(rb"(?:\xef\xbb\xbf)*").match
_must_be_quoted = re.compile(rb'[",\r\n]').search

#: Quantifiers that give nothing back are a quarter quicker, where what follows cannot be part of the field.
_TEXT = rb'[^\t\n",\\\r\0\x1e]*+'
#: Ids of twenty digits may be too large to be any.
_ID = rb"(0|[1-9]\d{0,18}+)"
#: An id of two digits or more, cut as `locate` does.
_LOCATED_ID = rb"(?=[1-9])(\d{0,17})(\d\d)"

#: A movement with any description.
_is_movement = re.compile(
    rb"M\t%b(\t-?+\d++\.\d\d\t)([^\t\r\0\x1e]*+)(\t%b)\t%b" % (_ID, _TEXT, _LOCATED_ID)
).fullmatch


class RejectedLineError(ValueError):
    """A line that is no row of its table."""

    def __init__(self, reason: Reject) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Rows:
    """Makes rows, with as much in them as `privacy` lets show."""

    def __init__(self, privacy: Privacy = Privacy(), key: bytes = b"") -> None:  # noqa: B008  # it is frozen
        """Args:
        privacy: what shows.
        key: of tokens and fingerprints.
        """
        self._privacy = privacy
        self._key = key
        self._shown = {table.tag: privacy.shows(table) for table in TABLES}
        self._hides_cards = privacy.card != FULL
        self._fingerprint_key = fingerprint_key(key) if privacy.hides_numbers else None
        self._drops_of_movements = self._shown[MOVIMENTO.tag].count(True) < len(MOVIMENTO.columns) - 2
        self._parsers = {
            ASSOCIADO.tag: self._associate_rows,
            CONTA.tag: self._account_rows,
            CARTAO.tag: self._card_rows,
            MOVIMENTO.tag: self._movement_rows,
        }

    @property
    def show_all(self) -> bool:
        """Whether each row has all columns of its table as they are."""
        return self._privacy == Privacy()

    @property
    def hides_cards(self) -> bool:
        """Whether whole card numbers are to be in no text."""
        return self._hides_cards

    def are_plain(self, block: bytes) -> bool:
        """Whether a block of lines is UTF-8, and all columns of its movements show."""
        if self._drops_of_movements:
            return False
        try:
            block.decode()
        except UnicodeDecodeError:
            return False
        return True

    def of_plain_line(self, line: bytes) -> Iterable[Located]:
        """A line of a plain block -> its rows, a movement's in a quicker way where none of its texts is changed."""
        return (not self._hides_cards and _usual_movement(line)) or self.of_line(line)

    def of_line(self, line: bytes) -> list[Located]:
        """Line of any table -> its rows in every bucket that must see it; or a rejected row. None for an empty line.

        Byte order marks before a line are no part of it: so a line is the same wherever a file is cut.
        """
        if marks := _byte_order_marks(line):
            line = line[marks.end() :]
        parse = self._parsers.get(line[:1])
        if not line:
            return []
        try:
            if not parse:
                raise RejectedLineError(Reject.MALFORMED)
            return parse(line)
        except RejectedLineError as error:
            rejected = rejected_line(error.reason, line, self._privacy.hides, self._hides_cards)
            return [_report(REJECTED, rejected)]

    def _movement_rows(self, line: bytes) -> list[Located]:
        identity, amount, description, timestamp, card = _columns(line, MOVIMENTO)
        _check_ids(identity, card)
        if amount != NULL and not is_amount(amount):
            raise RejectedLineError(Reject.MALFORMED)
        bucket, slot = locate(card)
        columns = self._csv(
            MOVIMENTO, identity, amount, self._text(description), self._moment(timestamp), card
        )
        return [(bucket, b"%bM%b\t%b" % (slot, sortable(identity), b"\t".join(columns)))]

    def _associate_rows(self, line: bytes) -> list[Located]:
        identity, given, family, age = _columns(line, ASSOCIADO)
        _check_ids(identity)
        bucket, slot = locate(identity)
        given, family, age = map(self._text, (given, family, age))
        if self._privacy.people == TOKEN:
            given, family = person_token(self._key, identity), NULL
        columns = self._csv(ASSOCIADO, identity, given, family, age)
        row = b"%bA%b," % (slot, b",".join([identity, *columns]))
        rows = [(ASSOCIADO.tag + bucket, row)]
        if age != NULL and not _is_usual_age(age):
            rows.append(_report(WARNING, warning(Warn.AGE, ASSOCIADO, identity, b"", escape(unescape(age)))))
        return rows

    def _account_rows(self, line: bytes) -> list[Located]:
        identity, kind, created, owner = _columns(line, CONTA)
        _check_ids(identity, owner)
        bucket, slot = locate(identity)
        columns = self._csv(CONTA, identity, self._text(kind), self._moment(created), owner)
        if self._privacy.ids:
            columns = [*columns, identity]
        row = b"%bC%b" % (slot, b"".join([b"," + column for column in (*columns, owner)]))
        return [(CONTA.tag + bucket, row)]

    def _card_rows(self, line: bytes) -> list[Located]:
        identity, number, printed_name, created, account, holder = _columns(line, CARTAO)
        _check_ids(identity, account, holder)
        (holder_bucket, holder_slot), (account_bucket, account_slot) = locate(holder), locate(account)
        rows = [(ASSOCIADO.tag + holder_bucket, b"%bK%b" % (holder_slot, identity))]
        if number != NULL:
            text = unescape(number)
            rows.append(self._number_row(text, identity))
            if not is_luhn(text):
                rows.append(_report(WARNING, warning(Warn.LUHN, CARTAO, identity, identity, b"")))
            if self._privacy.card == MASK:
                number = escape(mask(text))
            elif self._privacy.card == TOKEN:
                number = card_token(self._key, text)
        printed_name = NULL if self._privacy.people == TOKEN else self._text(printed_name)
        columns = self._csv(CARTAO, identity, number, printed_name, self._moment(created), account, holder)
        row = b"%bK%b" % (account_slot, b",".join([identity, *columns]))
        rows.append((CONTA.tag + account_bucket, row))
        return rows

    def _text(self, field: bytes) -> bytes:
        """Field -> the same text, without whole card numbers where these are hidden."""
        if not self._hides_cards or len(field) < SHORTEST:
            return field
        return escape(mask_card_numbers(unescape(field)))

    def _moment(self, field: bytes) -> bytes:
        """Field -> a moment as it is, whose digits may look like a card number's by chance; anything else is a text."""
        return field if _is_moment(field) else self._text(field)

    def _number_row(self, text: bytes, identity: bytes) -> Located:
        """A card as those of the same number meet it: by that, or by a fingerprint where it is not to show."""
        if self._fingerprint_key is not None:
            bucket, slot, number = locate_fingerprint(fingerprint(self._fingerprint_key, text))
        else:
            number = escape(text)
            bucket, slot = locate_number(number)
        return NUMBERS_TAG + bucket, b"%bK%b\t%b" % (slot, number, identity)

    def _csv(self, table: Table, *fields: bytes) -> list[bytes]:
        """A row's fields of tagged TSV -> those that show, as CSV. Most need no second look, which one search tells."""
        shown = [field for field, shows in zip(fields, self._shown[table.tag], strict=True) if shows]
        return [csv_field(field) for field in shown] if _needs_care(b"".join(shown)) else shown


def _usual_movement(line: bytes) -> Iterable[Located]:
    if not (found := _is_movement(line)):
        return ()
    identity, amount, description, moment, hundreds, slot = found.groups()
    try:
        description = csv_field(description)
    except ValueError:
        return ()
    row = b"%bM%b%b%b%b" % (slot, sortable(identity), amount, description, moment)
    return ((sortable(hundreds), row),)


def _report(kind: bytes, report: bytes) -> Located:
    bucket, slot = REPORT
    return bucket, slot + kind + report


def csv_field(field: bytes) -> bytes:
    """Field of tagged TSV -> the CSV field (RFC 4180, quoted only where needed), escaped in the same way.

    Raises:
        ValueError: an unknown escape.
    """
    if field == NULL:
        return b""
    if not _needs_care(field):
        return field
    text = unescape(field)
    if _must_be_quoted(text):
        text = b'"' + text.replace(b'"', b'""') + b'"'
    return escape(text)


def _columns(line: bytes, table: Table) -> list[bytes]:
    """Line -> its fields without the tag: as many as the table has columns, well-formed UTF-8 and escapes."""
    tag, *fields = line.split(b"\t")
    if tag != table.tag or len(fields) != len(table.columns):
        raise RejectedLineError(Reject.MALFORMED)
    try:
        if not line.isascii():
            line.decode()
        if b"\\" in line:
            for field in fields:
                if field != NULL:
                    unescape(field)
    except UnicodeDecodeError as error:
        raise RejectedLineError(Reject.INVALID_UTF8) from error
    except ValueError as error:
        raise RejectedLineError(Reject.MALFORMED) from error
    return fields


def _check_ids(identity: bytes, *others: bytes) -> None:
    """A row's own id is a BIGINT UNSIGNED in decimal, and those it points to are that or NULL."""
    if not _is_id(identity):
        raise RejectedLineError(Reject.MALFORMED)
    for other in others:
        if other != NULL and not _is_id(other):
            raise RejectedLineError(Reject.MALFORMED)


def _is_id(field: bytes) -> bool:
    """Whether it is a BIGINT UNSIGNED in decimal."""
    return bool(_is_short_id(field) or (_is_long_id(field) and field <= _LARGEST_ID))
