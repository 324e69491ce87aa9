r"""Lines of tagged TSV -> rows that sort into the join's order, their CSV text already made.

A row begins with its slot (`mr_jobs.buckets`), then a tag. Behind them CSV text is kept escaped as in tagged TSV,
so that a row has no line end of its own until the merge writes it. Rows of the step that knows masters only:

    associate   slot, A, id, tab, `nome,sobrenome,idade`
    account     slot, C, id of its owner, tab, `tipo,data_criacao`
    card        slot of its holder, K, id, tab
                slot of its account, K, id, tab, `num_cartao,nom_impresso,data_criacao,`

and of the one that knows cards:

    movement    slot, M, sortable id, tab, `vlr_transacao,des_transacao,data_movimento`
    rejected    slot, R, the columns of the quality report
"""

import re
from collections.abc import Callable, Iterable, Iterator

from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, TABLES, Table
from movimento_flat.tagged_tsv import NULL, escape, unescape
from mr_jobs.buckets import DIGITS, REJECTED_LINES, Located, locate, sortable

_is_id = re.compile(rb"0|[1-9]\d{0,19}").fullmatch
_is_amount = re.compile(rb"-?\d+\.\d\d").fullmatch
_needs_care = re.compile(rb'[\\",\r\0\x1e]').search
_must_be_quoted = re.compile(rb'[",\r\n]').search

#: A line is the usual movement, whose description is plain or must be looked at, or any other line.
_find_lines = re.compile(
    rb"^(?:M\t(0|[1-9]\d{0,19})\t(-?\d+\.\d\d)"
    rb'\t(?:([^\t\n",\\\r\0\x1e]*)|([^\t\n\r\0\x1e]*))\t([^\t\n",\\\r\0\x1e]*)'
    rb"\t((?:[1-9]\d{0,17})?)(\d\d)|(.*))$",
    re.MULTILINE,
).findall
_MOVEMENT = tuple(MOVIMENTO.tag + letter for letter in DIGITS)

OtherLine = Callable[[bytes], Iterable[Located]]


class RejectedLineError(ValueError):
    """A line that is no row of its table; the message is the reason in the quality report."""


def rows_of(block: bytes, other_line: OtherLine) -> Iterator[Located]:
    """A block of whole lines -> the rows of its movements, and what `other_line` makes of each other line.

    This is the one loop that sees every movement on the map side: a regular expression finds, checks
    and cuts the usual line in one go, and UTF-8 is checked a block at a time.
    """
    try:
        block.decode()
    except UnicodeDecodeError:
        for line in block.split(b"\n"):
            yield from other_line(line)
        return
    for identity, amount, plain, special, timestamp, hundreds, slot, other in _find_lines(block):
        if other:
            yield from other_line(other)
        elif slot:
            try:
                text = csv_field(special) if special else plain
            except ValueError:
                yield from other_line(
                    b"\t".join((b"M", identity, amount, special, timestamp, hundreds + slot))
                )
                continue
            row = (slot, _MOVEMENT[len(identity)], identity, b"\t", amount, b",", text, b",", timestamp)
            yield DIGITS[len(hundreds)] + hundreds, b"".join(row)


def table_rows(line: bytes) -> list[Located]:
    """Line of any table -> its rows in every bucket that must see it; or a rejected row. None for an empty line."""
    parse = _PARSERS.get(line[:1])
    if not line:
        return []
    try:
        if not parse:
            raise RejectedLineError("malformed")
        return parse(line)
    except RejectedLineError as reason:
        return [_rejected_row(reason, line)]


def _movement_rows(line: bytes) -> list[Located]:
    identity, amount, description, timestamp, card = _columns(line, MOVIMENTO)
    _check_ids(identity, card)
    if amount != NULL and not _is_amount(amount):
        raise RejectedLineError("malformed")
    bucket, slot = locate(card)
    columns = _csv(amount, description, timestamp)
    return [(bucket, b"%bM%b\t%b" % (slot, sortable(identity), columns))]


def _associate_rows(line: bytes) -> list[Located]:
    identity, *columns = _columns(line, ASSOCIADO)
    _check_ids(identity)
    bucket, slot = locate(identity)
    row = b"%bA%b\t%b" % (slot, identity, _csv(*columns))
    return [(ASSOCIADO.tag + bucket, row)]


def _account_rows(line: bytes) -> list[Located]:
    identity, kind, created, owner = _columns(line, CONTA)
    _check_ids(identity, owner)
    bucket, slot = locate(identity)
    row = b"%bC%b\t%b" % (slot, owner, _csv(kind, created))
    return [(CONTA.tag + bucket, row)]


def _card_rows(line: bytes) -> list[Located]:
    identity, number, printed_name, created, account, holder = _columns(line, CARTAO)
    _check_ids(identity, account, holder)
    (holder_bucket, holder_slot), (account_bucket, account_slot) = locate(holder), locate(account)
    columns = _csv(number, printed_name, created)
    return [
        (ASSOCIADO.tag + holder_bucket, b"%bK%b\t" % (holder_slot, identity)),
        (CONTA.tag + account_bucket, b"%bK%b\t%b," % (account_slot, identity, columns)),
    ]


def _rejected_row(reason: RejectedLineError, line: bytes) -> Located:
    """A line that is no row -> a row of the quality report, in the bucket of such lines."""
    line = line.decode(errors="backslashreplace").encode()
    tag, *fields = line.split(b"\t")
    table = next((table for table in TABLES if table.tag == tag), None)
    identity = amount = card = b""
    if table is MOVIMENTO and len(fields) == len(MOVIMENTO.columns):
        identity, amount, _, _, card = map(escape, fields)
    name = table.name.encode() if table else b""
    report = b"\t".join((str(reason).encode(), name, identity, card, amount, escape(line)))
    bucket, slot = REJECTED_LINES
    return bucket, slot + b"R" + report


_PARSERS = {
    ASSOCIADO.tag: _associate_rows,
    CONTA.tag: _account_rows,
    CARTAO.tag: _card_rows,
    MOVIMENTO.tag: _movement_rows,
}


def _csv(*fields: bytes) -> bytes:
    """Fields of tagged TSV -> the same as CSV. Most need no second look, which one search tells."""
    if _needs_care(b"".join(fields)):
        return b",".join(map(csv_field, fields))
    return b",".join(fields)


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
        raise RejectedLineError("malformed")
    try:
        if not line.isascii():
            line.decode()
        if b"\\" in line:
            for field in fields:
                if field != NULL:
                    unescape(field)
    except UnicodeDecodeError as error:
        raise RejectedLineError("invalid_utf8") from error
    except ValueError as error:
        raise RejectedLineError("malformed") from error
    return fields


def _check_ids(identity: bytes, *others: bytes) -> None:
    """A row's own id is a BIGINT UNSIGNED in decimal, and those it points to are that or NULL."""
    if not _is_id(identity):
        raise RejectedLineError("malformed")
    for other in others:
        if other != NULL and not _is_id(other):
            raise RejectedLineError("malformed")
