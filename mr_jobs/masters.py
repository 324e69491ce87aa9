"""What step 1 finds out about cards: their two half profiles (`mr_jobs.cards`), and which of them have one number."""

from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter

from movimento_flat.problem_lists import WARNING, Warn, warning
from movimento_flat.schema import ASSOCIADO, CARTAO
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from mr_jobs.buckets import NO_ID, REPORT, Located, SmallBuckets, by_slot, locate

try:
    from mr_jobs.usual_masters import Masters
except ModuleNotFoundError:  # a cluster's node without NumPy looks at each row by itself
    Masters = None  # type: ignore[assignment,misc]


class Halver:
    """Turns buckets of masters, with the cards that name them, into half profiles of the cards."""

    def __init__(self) -> None:
        self._buckets = SmallBuckets()

    def add(self, key: bytes, packs: Iterable[bytes]) -> Iterable[Located]:
        """A bucket's packs -> half profiles in the cards' buckets, now or at a later call."""
        if Masters is None or key[1:] == NO_ID[0]:
            return half_profiles(key[:1], packs)
        large = self._buckets.keep(key, packs)
        now = self.flush() if self._buckets.are_full else ()
        return chain(now, half_profiles(key[:1], large))

    def flush(self) -> Iterable[Located]:
        """-> half profiles of the buckets that are kept, which are then forgotten."""
        buckets = groupby(self._buckets.forget(), key=lambda bucket: bucket[0][:1])
        return chain.from_iterable(
            _of_buckets(tag, [packs for _, packs in of_tag]) for tag, of_tag in buckets
        )


def _of_buckets(tag: bytes, buckets: list[list[bytes]]) -> Iterable[Located]:
    masters = Masters(tag, buckets)
    return chain(masters.half_profiles(), *(half_profiles(tag, buckets[left]) for left in masters.left))


def half_profiles(tag: bytes, packs: Iterable[bytes]) -> Iterator[Located]:
    """A bucket of associates or accounts (`tag`) with their cards -> half profiles, in the cards' buckets."""
    for _, rows in by_slot(packs):
        masters: list[tuple[bytes, bytes]] = []
        for row in rows:
            if row[2:3] == tag:
                master = _master(tag, row[3:])
                if master not in masters:
                    masters = [*masters[-1:], master]
                continue
            identity, comma, rest = row[3:].partition(b",")
            bucket, slot = locate(identity)
            if not masters:
                yield bucket, slot + tag
            for link, columns in masters:
                yield bucket, slot + tag + b"%b\t%b%b%b" % (link, comma, rest, columns)


def _master(tag: bytes, columns: bytes) -> tuple[bytes, bytes]:
    """What a master's row has behind its tag -> the id of the holder or owner, and the columns that show."""
    if tag == ASSOCIADO.tag:
        identity, _, shown = columns.partition(b",")
    else:
        shown, _, identity = columns.rpartition(b",")
    return identity, shown


def duplicate_numbers(packs: Iterable[bytes]) -> Iterator[Located]:
    """A bucket of cards by their numbers -> a warning for each card whose number another one has, too."""
    buckets = SmallBuckets()
    large = buckets.keep(b"", packs)
    small = [pack for _, kept in buckets.forget() for pack in kept]
    rows = ROW_SEPARATOR.join(small).split(ROW_SEPARATOR)
    if len({row.partition(b"\t")[0] for row in rows}) == len(rows):
        small = []
    bucket, slot = REPORT
    for _, rows_of_slot in by_slot(chain(small, large)):
        for _, same in groupby((row[3:].partition(b"\t") for row in rows_of_slot), key=itemgetter(0)):
            cards = {card for _, _, card in same}
            for card in cards if len(cards) > 1 else ():
                yield bucket, slot + WARNING + warning(Warn.DUPLICATE, CARTAO, card, card, b"")
