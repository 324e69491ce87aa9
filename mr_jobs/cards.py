r"""A card's two half profiles, and with them its movements as lines of the flat table or rejected rows.

A half profile is a row of the card's slot: tag A, id of the holder, tab, `nome,sobrenome,idade,`; or tag C,
id of the account's owner, tab, `,num_cartao,nom_impresso,data_criacao,tipo,data_criacao`, and `,id` of the account
where the delivery has ids. Nothing stands behind the tag where the card has no such associate or account. Where a
table has no unique key, its rows may contradict each other, and a card has several different halves of one kind: two
of them are as good as all.

Output values are `kind \t rows`, the rows of a bucket's cards separated by 0x1e and otherwise escaped as in tagged TSV.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from operator import itemgetter

from movimento_flat.money import centavos
from movimento_flat.privacy import FULL, Privacy
from movimento_flat.problem_lists import (
    FLAT,
    MISMATCH,
    REJECTED,
    WARNING,
    Reject,
    mismatch,
    rejected_movement,
    with_masked_ids,
)
from movimento_flat.schema import ASSOCIADO, CONTA, MOVIMENTO
from movimento_flat.tagged_tsv import NULL, ROW_SEPARATOR
from mr_jobs.buckets import NO_ID, REPORT, Record, SmallBuckets, by_slot
from mr_jobs.quality_checks import Suspicions

try:
    from mr_jobs.usual_cards import Card, Cards
except ModuleNotFoundError:  # a cluster's node without NumPy looks at each card by itself
    Card = Cards = None  # type: ignore[assignment,misc]

#: Rows of a card that are held at once.
ROWS_AT_ONCE = 4096
#: Rows of a card beyond which they are not one output, but one each time that ROWS_AT_ONCE are held.
MANY_ROWS = 16384
#: Bytes of rows that go out as one record: a bucket's, unless it has a hot card.
RECORD_BYTES = 1 << 18

#: (kind, rows)
Output = tuple[bytes, bytes]

_tag = itemgetter(slice(2, 3))
_C, _M = CONTA.tag[0], MOVIMENTO.tag[0]
#: Length of slot and tag, behind which nothing stands in a half that is missing.
_EMPTY = 3
_NO_CARDS = (NO_ID[0], REPORT[0])


class Flattener:
    """Turns cards' rows into output values, many buckets at once."""

    def __init__(self, privacy: Privacy = Privacy(), now: str | None = None) -> None:  # noqa: B008  # it is frozen
        """Args:
        privacy: what shows, and so stands in the rows.
        now: the clock of the source; movements after it lie in the future.
        """
        self._suspicions = Suspicions(privacy, now)
        self._has_ids = privacy.ids
        self._hides_cards = privacy.card != FULL
        self._takes_many = Cards is not None and not privacy.dropped and not privacy.ids
        self._buckets = SmallBuckets()

    def add(self, bucket: bytes, packs: Iterable[bytes]) -> Iterator[Record]:
        """Keep a bucket's packs, which come in order of the buckets; -> the records to hand on now."""
        if self._takes_many and bucket not in _NO_CARDS:
            packs = self._buckets.keep(bucket, packs)
            if packs or self._buckets.are_full:
                yield from self.flush()
        else:
            yield from self.flush()
        slots = by_slot(packs)
        outputs = (output for slot, rows in slots for output in self._card(bucket, slot, rows))
        for value in self._values_of(outputs):
            yield bucket, value

    def flush(self) -> Iterator[Record]:
        """-> the records of the buckets that are kept, which are then forgotten."""
        buckets = self._buckets.forget()
        if not buckets:
            return
        cards = Cards([packs for _, packs in buckets], self._suspicions.now)
        texts = cards.texts()
        for number, of_bucket in groupby(cards, key=itemgetter(0)):
            bucket = buckets[number][0]
            outputs = chain.from_iterable(self._outputs(bucket, card, cards, texts) for card in of_bucket)
            for value in self._values_of(outputs):
                yield bucket, value

    def _values_of(self, outputs: Iterable[Output]) -> Iterator[bytes]:
        """What a bucket's cards give, in their order -> output values."""
        if self._hides_cards:
            outputs = (
                (kind, text if kind == FLAT else with_masked_ids(kind, text)) for kind, text in outputs
            )
        return _values_of(outputs)

    def _outputs(self, bucket: bytes, card: Card, cards: Cards, texts: list[bytes]) -> Iterable[Output]:
        """A card, among others whose rows have these texts -> output."""
        _, slot, is_usual, first, behind = card
        is_usual = is_usual and behind - first <= MANY_ROWS
        if is_usual:
            holder, _, head = texts[first].partition(b",")
            owner, _, tail = texts[first + 1].partition(b",")
        if not is_usual or self._suspicions.unlike(head, tail):
            return self._card(bucket, slot, cards.rows(first, behind))
        movements = texts[first + 2 : behind]
        between = b"%b%b%b" % (tail, ROW_SEPARATOR, head)
        flat = FLAT, b"%b%b%b" % (head, between.join(movements), tail)
        if holder == owner:
            return (flat,) if movements else ()
        total = sum(centavos(columns.partition(b",")[0]) for columns in movements)
        listed = MISMATCH, mismatch(_card_id(bucket, slot), holder, owner, len(movements), total)
        return (flat, listed) if movements else (listed,)

    def _card(self, bucket: bytes, slot: bytes, rows: Iterable[bytes]) -> Iterator[Output]:
        """A card's sorted rows (A < C < M, movements by id) -> output; halves are held, the rest streams."""
        if (bucket, slot) == REPORT:
            for kind, reports in groupby(rows, key=_tag):
                yield from _chunks(kind, (row[3:] for row in reports))
            return
        card = _card_id(bucket, slot)
        halves, movements = _parted(rows)
        if reason := _reason_to_reject(card, halves):
            yield from _chunks(REJECTED, (_rejected(reason, card, row) for row in movements))
        else:
            profile, account = halves
            yield from self._joined(card, profile[3:], account[3:], movements)

    def _joined(
        self, card: bytes, profile: bytes, account: bytes, movements: Iterator[bytes]
    ) -> Iterator[Output]:
        holder, _, head = profile.partition(b"\t")
        owner, _, tail = account.partition(b"\t")
        end = tail
        if self._has_ids:
            tail, _, account_id = tail.rpartition(b",")
            end = b",%b,%b,%b" % (card, account_id, holder)
        between = end + ROW_SEPARATOR + head
        suspicious = self._suspicions.of_card(card, head, tail)
        if suspicious.unlike:
            yield from _chunks(WARNING, suspicious.card_warnings())
        count = total = 0
        while rows := list(islice(movements, ROWS_AT_ONCE)):
            chunk = _texts(rows)
            lines = _with_tail_and_id(rows, chunk, tail) if self._has_ids else chunk
            yield FLAT, b"%b%b%b" % (head, between.join(lines).replace(b"\t", b","), end)
            if suspicious.any_of(chunk):
                yield from _chunks(WARNING, suspicious.movement_warnings(rows))
            if holder != owner:
                count += len(chunk)
                total += sum(centavos(fields.partition(b"\t")[0]) for fields in chunk)
        if holder != owner:
            yield MISMATCH, mismatch(card, holder, owner, count, total)


def _parted(rows: Iterable[bytes]) -> tuple[list[bytes], Iterator[bytes]]:
    """A card's sorted rows -> its different halves, two of a kind at most, and its movements."""
    halves: list[bytes] = []
    rows = iter(rows)
    for row in rows:
        if row[2] == _M:
            return halves, chain((row,), rows)
        if len(halves) > 1 and halves[-2][2] == row[2]:
            del halves[-1]  # two that differ are as good as all
        if row not in halves:
            halves.append(row)
    return halves, rows


def _texts(rows: list[bytes]) -> list[bytes]:
    """A card's sorted rows of movements -> their fields; where all ids have as many digits, one cut does for all."""
    start = rows[0].index(b"\t") + 1
    if rows[0][3:4] == rows[-1][3:4]:
        return [row[start:] for row in rows]
    return [row[row.index(b"\t") + 1 :] for row in rows]


def _with_tail_and_id(rows: list[bytes], texts: list[bytes], tail: bytes) -> list[bytes]:
    """A card's rows of movements, and their fields -> these with the card's tail and the movement's id behind."""
    between = tail + b","
    return [fields + between + row[4 : -len(fields) - 1] for row, fields in zip(rows, texts, strict=True)]


def _chunks(kind: bytes, rows: Iterator[bytes]) -> Iterator[Output]:
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        yield kind, ROW_SEPARATOR.join(chunk)


def _values_of(outputs: Iterable[Output]) -> Iterator[bytes]:
    """What a bucket's cards give, in their order -> output values."""
    held: dict[bytes, list[bytes]] = {}
    size = 0
    for kind, text in outputs:
        held.setdefault(kind, []).append(text)
        size += len(text)
        if size > RECORD_BYTES:
            yield from _values(held)
            held, size = {}, 0
    yield from _values(held)


def _values(held: dict[bytes, list[bytes]]) -> Iterator[bytes]:
    for kind, texts in held.items():
        yield b"%b\t%b" % (kind, ROW_SEPARATOR.join(texts))


def _reason_to_reject(card: bytes, halves: list[bytes]) -> Reject | None:
    """All different halves -> why the card's movements have no line; None where they have one."""
    if card == NULL:
        return Reject.NO_CARD
    if not halves:
        return Reject.UNKNOWN_CARD
    if len(halves[-1]) == _EMPTY:  # of two accounts the last is one that is there
        return Reject.NO_ACCOUNT
    if len(halves[0]) == _EMPTY and halves[1][2] == _C:
        return Reject.NO_HOLDER
    return None if len(halves) == len((ASSOCIADO, CONTA)) else Reject.AMBIGUOUS


def _rejected(reason: Reject, card: bytes, row: bytes) -> bytes:
    identity, _, fields = row[4:].partition(b"\t")
    return rejected_movement(reason, identity, card, fields.replace(b"\t", b","))


def _card_id(bucket: bytes, slot: bytes) -> bytes:
    if (bucket, slot) == NO_ID:
        return NULL
    return (bucket[1:] + slot).lstrip(b"0") or b"0"
