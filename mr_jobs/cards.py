r"""A card's two half profiles, and with them its movements as lines of the flat table or rejected rows.

A half profile is a row of the card's slot: tag A, id of the holder, tab, `nome,sobrenome,idade,`; or tag C,
id of the account's owner, tab, `,num_cartao,nom_impresso,data_criacao,tipo,data_criacao`, and `,id` of the account
where the delivery has ids. Nothing stands behind the tag where the card has no such associate or account. Where a
table has no unique key, its rows may contradict each other, and a card has several different halves of one kind: two
of them are as good as all.

Output values are `kind \t rows`, the rows separated by 0x1e and otherwise escaped as in tagged TSV.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from operator import itemgetter

from movimento_flat.money import centavos
from movimento_flat.privacy import Privacy
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO
from movimento_flat.tagged_tsv import NULL, ROW_SEPARATOR
from mr_jobs.buckets import NO_ID, REPORT, Located, by_slot, locate
from mr_jobs.report import DISAGREEMENT, FLAT, REJECTED, WARNING, Reject, Warn, rejected_movement, warning
from mr_jobs.suspicions import Suspicions

#: Rows that go out as one record, and are held at once.
ROWS_PER_RECORD = 4096

_tag = itemgetter(slice(2, 3))


def half_profiles(tag: bytes, packs: Iterable[bytes]) -> Iterator[Located]:
    """A bucket of associates or accounts (`tag`) with their cards -> half profiles, in the cards' buckets."""
    for _, rows in by_slot(packs):
        masters: list[tuple[bytes, bytes]] = []
        for row in rows:
            head, _, rest = row[3:].partition(b"\t")
            if row[2:3] == tag:
                if (head, rest) not in masters:
                    masters = [*masters[-1:], (head, rest)]
                continue
            bucket, slot = locate(head)
            if not masters:
                yield bucket, slot + tag
            for link, columns in masters:
                yield bucket, slot + tag + b"%b\t%b%b" % (link, rest, columns)


def duplicate_numbers(packs: Iterable[bytes]) -> Iterator[Located]:
    """A bucket of card numbers' fingerprints -> a warning for each card whose number another one has, too."""
    bucket, slot = REPORT
    for _, rows in by_slot(packs):
        for _, same in groupby((row[3:].partition(b"\t") for row in rows), key=itemgetter(0)):
            cards = {card for _, _, card in same}
            for card in cards if len(cards) > 1 else ():
                yield bucket, slot + WARNING + warning(Warn.DUPLICATE, CARTAO, card, card, b"")


class Flattener:
    """Turns a card's rows into output values."""

    def __init__(self, privacy: Privacy = Privacy(), now: str | None = None) -> None:  # noqa: B008  # it is frozen
        """Args:
        privacy: what shows, and so stands in the rows.
        now: the clock of the source; movements after it lie in the future.
        """
        self._suspicions = Suspicions(privacy, now)
        self._has_ids = privacy.ids

    def flatten(self, bucket: bytes, slot: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
        """A card's sorted rows (A < C < M, movements by id) -> output values; halves are held, the rest streams."""
        if (bucket, slot) == REPORT:
            for kind, reports in groupby(rows, key=_tag):
                yield from _records(kind, (row[3:] for row in reports))
            return
        halves: dict[bytes, list[bytes]] = {}
        movements: Iterator[bytes] = iter(())
        for row in rows:
            if row[2:3] == MOVIMENTO.tag:
                movements = chain((row,), rows)
                break
            known = halves.setdefault(row[2:3], [])
            if row[3:] not in known:
                known[1:] = [row[3:]]
        card = _card_id(bucket, slot)
        if reason := _reason_to_reject(card, halves):
            yield from _records(REJECTED, (_rejected(reason, card, row) for row in movements))
        else:
            (profile,), (account,) = halves[ASSOCIADO.tag], halves[CONTA.tag]
            yield from self._joined(card, profile, account, movements)

    def _joined(
        self, card: bytes, profile: bytes, account: bytes, movements: Iterator[bytes]
    ) -> Iterator[bytes]:
        holder, _, head = profile.partition(b"\t")
        owner, _, tail = account.partition(b"\t")
        end = tail
        if self._has_ids:
            tail, _, account_id = tail.rpartition(b",")
            end = b",%b,%b,%b" % (card, account_id, holder)
        between = end + ROW_SEPARATOR + head
        suspicious = self._suspicions.of_card(card, head, tail)
        if suspicious.unlike:
            yield from _records(WARNING, suspicious.card_warnings())
        count = total = 0
        while rows := list(islice(movements, ROWS_PER_RECORD)):
            chunk = _texts(rows)
            lines = _with_tail_and_id(rows, chunk, tail) if self._has_ids else chunk
            yield b"%b\t%b%b%b" % (FLAT, head, between.join(lines), end)
            if suspicious.any_of(chunk):
                yield from _records(WARNING, suspicious.movement_warnings(rows))
            if holder != owner:
                count += len(chunk)
                total += sum(centavos(columns.partition(b",")[0]) for columns in chunk)
        if holder != owner:
            yield b"%b\t%b\t%b\t%b\t%d\t%d" % (DISAGREEMENT, card, holder, owner, count, total)


def _texts(rows: list[bytes]) -> list[bytes]:
    """A card's sorted rows of movements -> their CSV texts; where all ids have as many digits, one cut does for all."""
    start = rows[0].index(b"\t") + 1
    if rows[0][3:4] == rows[-1][3:4]:
        return [row[start:] for row in rows]
    return [row[row.index(b"\t") + 1 :] for row in rows]


def _with_tail_and_id(rows: list[bytes], texts: list[bytes], tail: bytes) -> list[bytes]:
    """A card's rows of movements, and their CSV texts -> these with the card's tail and the movement's id behind."""
    return [
        b"%b%b,%b" % (text, tail, row[4 : row.index(b"\t")]) for row, text in zip(rows, texts, strict=True)
    ]


def _records(kind: bytes, rows: Iterator[bytes]) -> Iterator[bytes]:
    while chunk := list(islice(rows, ROWS_PER_RECORD)):
        yield kind + b"\t" + ROW_SEPARATOR.join(chunk)


def _reason_to_reject(card: bytes, halves: dict[bytes, list[bytes]]) -> Reject | None:
    """Of each kind all different halves -> why the card's movements have no line; None where they have one."""
    if card == NULL:
        return Reject.NO_CARD
    if not halves:
        return Reject.UNKNOWN_CARD
    if halves[CONTA.tag] == [b""]:
        return Reject.NO_ACCOUNT
    if halves[ASSOCIADO.tag] == [b""]:
        return Reject.NO_HOLDER
    if len(halves[CONTA.tag]) > 1 or len(halves[ASSOCIADO.tag]) > 1:
        return Reject.AMBIGUOUS
    return None


def _rejected(reason: Reject, card: bytes, row: bytes) -> bytes:
    identity, _, columns = row[4:].partition(b"\t")
    return rejected_movement(reason, identity, card, columns)


def _card_id(bucket: bytes, slot: bytes) -> bytes:
    if (bucket, slot) == NO_ID:
        return NULL
    return (bucket[1:] + slot).lstrip(b"0") or b"0"
