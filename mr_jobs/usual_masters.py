"""Half profiles of many buckets at once: NumPy finds the master of each card."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from operator import add

import numpy as np

from movimento_flat.schema import ASSOCIADO, CARTAO
from movimento_flat.words import Places, Words, numbers
from mr_jobs.buckets import SLOT_TEXTS, SLOTS, Located, id_key
from mr_jobs.spans import located
from mr_jobs.usual_rows import TAG, BucketRows

_COMMA = ord(",")
#: Where a row has its first column.
_COLUMNS = TAG + 1


class Masters:
    """Buckets of associates or of accounts, with their cards.

    Attributes:
        left: numbers of the buckets of which nothing is told: two masters there have one id, or the id of a card has
            more than sixteen digits.
    """

    def __init__(self, tag: bytes, buckets: Sequence[Sequence[bytes]]) -> None:
        """Args:
        tag: of the associates or accounts.
        buckets: packs of each bucket; at least one.
        """
        self._tag = tag
        self._rows = rows = BucketRows(buckets)
        is_card = rows.tag == CARTAO.tag[0]
        cards, masters = np.flatnonzero(is_card), np.flatnonzero(~is_card)
        masters = masters[np.argsort(rows.place[masters], kind="stable")]
        commas = np.flatnonzero(rows.content == _COMMA)
        #: Of each row, where its first comma is, or its end where it has none; and the last comma before its end.
        self._first_comma = np.append(commas, len(rows.content))[np.searchsorted(commas, rows.starts)]
        self._first_comma = np.minimum(self._first_comma, rows.ends)
        self._last_comma = np.append(0, commas)[np.searchsorted(commas, rows.ends)]
        identity = rows.starts[cards] + _COLUMNS
        ids, are_ids = numbers(rows.word, identity, self._first_comma[cards] - identity)

        is_left = np.zeros(len(buckets), np.bool_)
        is_left[rows.place[cards[~are_ids]] // SLOTS] = True
        is_left[rows.place[masters[1:][np.diff(rows.place[masters]) == 0]] // SLOTS] = True
        self.left: list[int] = np.flatnonzero(is_left).tolist()

        is_taken = ~is_left[rows.place[cards] // SLOTS]
        self._masters, self._cards, self._ids = masters, cards[is_taken], ids[is_taken]

    def half_profiles(self) -> Iterator[Located]:
        """-> half profiles of all cards but those of the buckets that are left, in the cards' buckets."""
        places = self._rows.place[self._masters]
        wanted = self._rows.place[self._cards]
        master = np.searchsorted(places, wanted)
        has_master = np.append(places, -1)[master] == wanted
        made = self._of_cards(self._cards[has_master], master[has_master])
        without = _located(self._ids[~has_master], repeat(self._tag))
        return chain(_located(self._ids[has_master], made), without)

    def _of_cards(self, cards: Places, master: Places) -> Iterator[bytes]:
        """Cards, and each one's master by its number among the masters -> half profiles without slot."""
        text, starts, ends = self._rows.text, self._rows.starts + _COLUMNS, self._rows.ends
        if self._tag == ASSOCIADO.tag:
            spans = _spans(self._masters, starts, self._first_comma, ends)
            halves = [b"A%b\t%b" % (text[start:comma], text[comma + 1 : end]) for start, comma, end in spans]
            return map(halves.__getitem__, master.tolist())
        spans = _spans(self._masters, starts, self._last_comma, ends)
        accounts = [(b"C%b\t" % text[comma + 1 : end], text[start:comma]) for start, comma, end in spans]
        columns = (text[start:end] for start, end in _spans(cards, self._first_comma, ends))
        of_cards = map(accounts.__getitem__, master.tolist())
        return (
            owner + of_card + of_account
            for of_card, (owner, of_account) in zip(columns, of_cards, strict=True)
        )


def _spans(rows: Places, *places: Places) -> Iterator[tuple[int, ...]]:
    return zip(*(of_row[rows].tolist() for of_row in places), strict=True)


def _located(cards: Words, halves: Iterable[bytes]) -> Iterator[Located]:
    """Ids of cards, and what comes to each -> the same by bucket, behind the slot."""
    buckets, slots = located(cards)
    different, number = np.unique(buckets, return_inverse=True)
    keys = [id_key(bucket) for bucket in different.tolist()]
    rows: Iterator[bytes] = map(add, map(SLOT_TEXTS.__getitem__, slots.tolist()), halves)
    return zip(map(keys.__getitem__, number.tolist()), rows)  # noqa: B905  # one half may do for all
