r"""A card's two half profiles, and with them its movements as lines of the flat table or rejected rows.

A half profile is a row of the card's slot: tag A, id of the holder, tab, `nome,sobrenome,idade`; or tag C,
id of the account's owner, tab, `num_cartao,nom_impresso,data_criacao,tipo,data_criacao`. Nothing stands behind
the tag where the card has no such associate or account.

Output values are `kind \t rows`, the rows separated by 0x1e and otherwise escaped as in tagged TSV.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from movimento_flat.money import centavos
from movimento_flat.schema import ASSOCIADO, CONTA, MOVIMENTO
from movimento_flat.tagged_tsv import NULL, ROW_SEPARATOR
from mr_jobs.buckets import NO_ID, REJECTED_LINES, Located, by_slot, locate

FLAT, REJECTED, DISAGREEMENT = b"F", b"R", b"D"
REJECTED_COLUMNS = ("reason", "table", "id", "id_cartao", "vlr_transacao", "row")
DISAGREEMENT_COLUMNS = ("id_cartao", "id_holder", "id_account_owner", "movements", "centavos")

#: Rows that go out as one record, and are held at once.
ROWS_PER_RECORD = 4096


def half_profiles(tag: bytes, packs: Iterable[bytes]) -> Iterator[Located]:
    """A bucket of associates or accounts (`tag`) with their cards -> half profiles, in the cards' buckets."""
    for _, rows in by_slot(packs):
        link = columns = b""
        found = False
        for row in rows:
            head, _, rest = row[3:].partition(b"\t")
            if row[2:3] == tag:
                found, link, columns = True, head, rest
            else:
                bucket, slot = locate(head)
                yield bucket, slot + tag + (b"%b\t%b%b" % (link, rest, columns) if found else b"")


def flatten_card(bucket: bytes, slot: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    """A card's sorted rows (A < C < M, movements by id) -> output values; the halves are held, the rest streams."""
    if (bucket, slot) == REJECTED_LINES:
        yield from _records(REJECTED, (row[3:] for row in rows))
        return
    halves: dict[bytes, bytes] = {}
    movements: Iterator[bytes] = iter(())
    for row in rows:
        if row[2:3] == MOVIMENTO.tag:
            movements = chain((row,), rows)
            break
        halves[row[2:3]] = row[3:]
    card = _card_id(bucket, slot)
    reason = _reason_to_reject(card, halves)
    if reason:
        yield from _records(REJECTED, (_rejected(reason, card, row) for row in movements))
    else:
        yield from _joined(card, halves, movements)


def _joined(card: bytes, halves: dict[bytes, bytes], movements: Iterator[bytes]) -> Iterator[bytes]:
    holder, _, holder_columns = halves[ASSOCIADO.tag].partition(b"\t")
    owner, _, account_columns = halves[CONTA.tag].partition(b"\t")
    head, tail = FLAT + b"\t" + holder_columns + b",", b"," + account_columns
    between = tail + ROW_SEPARATOR + head[2:]
    count = total = 0
    while chunk := [row[row.index(b"\t") + 1 :] for row in islice(movements, ROWS_PER_RECORD)]:
        yield head + between.join(chunk) + tail
        if holder != owner:
            count += len(chunk)
            total += sum(centavos(columns.partition(b",")[0]) for columns in chunk)
    if holder != owner:
        yield b"%b\t%b\t%b\t%b\t%d\t%d" % (DISAGREEMENT, card, holder, owner, count, total)


def _records(kind: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := list(islice(rows, ROWS_PER_RECORD)):
        yield kind + b"\t" + ROW_SEPARATOR.join(chunk)


def _reason_to_reject(card: bytes, halves: dict[bytes, bytes]) -> bytes:
    """-> why the card's movements have no line in the flat table; empty where they have."""
    if card == NULL:
        return b"movement_without_card"
    if not halves:
        return b"unknown_card"
    if not halves.get(CONTA.tag):
        return b"card_without_account"
    if not halves.get(ASSOCIADO.tag):
        return b"card_without_holder"
    return b""


def _rejected(reason: bytes, card: bytes, row: bytes) -> bytes:
    """A movement's row -> REJECTED_COLUMNS; the last is its text as CSV."""
    identity, _, columns = row[4:].partition(b"\t")
    amount = columns.partition(b",")[0]
    return b"\t".join((reason, MOVIMENTO.name.encode(), identity, card, amount, columns))


def _card_id(bucket: bytes, slot: bytes) -> bytes:
    if (bucket, slot) == NO_ID:
        return NULL
    return (bucket[1:] + slot).lstrip(b"0") or b"0"
