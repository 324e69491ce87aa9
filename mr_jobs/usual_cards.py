"""Cards of many buckets at once: NumPy sorts their rows, and tells which cards need no closer look.

A usual card has one half of each kind with no comma in a text of the card or its account, and its movements have
different ids of up to sixteen digits, amounts other than zero, and moments after the card's and the account's beginning
and before now.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from movimento_flat.schema import ASSOCIADO, CONTA, MOVIMENTO
from movimento_flat.words import FIRST_BYTES, MOST_DIGITS, Flags, Places, Words, numbers
from mr_jobs.buckets import NO_DIGIT, SLOT_TEXTS, SLOTS
from mr_jobs.usual_rows import TAG, BucketRows

_COMMA = ord(",")
_A, _C, _M = (table.tag[0] for table in (ASSOCIADO, CONTA, MOVIMENTO))
#: Where a movement's row has the first digit of its id, behind the letter that tells how many there are.
_ID = 4
#: A card and an id of no more bits than this make one number to sort by.
_ID_BITS = 40
#: Amounts that are zero, and which bytes of a word they are.
_ZEROS = [(np.uint64(int.from_bytes(text, "little")), FIRST_BYTES[len(text)]) for text in (b"0.00", b"-0.00")]
_MOMENT, _MINUTE = len(b"2024-02-29 23:59:59"), len(b"2024-02-29 23:59")
#: Of a card's half with its account: `,num_cartao,nom_impresso,data_criacao,tipo,data_criacao`.
_COMMAS = 5

#: A card's bucket, as a number in their order; its slot; whether it is usual; where its rows begin and end in order.
Card = tuple[int, bytes, bool, int, int]


class Cards:
    """Rows of whole buckets, sorted by card, halves before movements, and these by id."""

    def __init__(self, buckets: Sequence[Sequence[bytes]], now: bytes) -> None:
        """Args:
        buckets: packs of each bucket of cards, with halves and movements of which all columns show but ids.
        now: movements after it lie in the future.
        """
        rows = BucketRows(buckets)
        self._text, self._bytes, self._word = rows.text, rows.content, rows.word
        self._sort(rows)
        self._is_usual = self._find_usual(_Minutes.of(now))

    def __iter__(self) -> Iterator[Card]:
        buckets, slots = np.divmod(self._card[self._first], SLOTS)
        texts = [SLOT_TEXTS[slot] for slot in slots.tolist()]
        first = self._first.tolist()
        behind = [*first[1:], len(self._card)]
        return zip(buckets.tolist(), texts, self._is_usual.tolist(), first, behind, strict=True)

    def texts(self) -> list[bytes]:
        """-> what each row has behind its tag or, of a movement, behind its id, with commas for tabs."""
        text = self._text.replace(b"\t", b",")
        spans = zip(self._columns.tolist(), self._ends.tolist(), strict=True)
        return [text[start:end] for start, end in spans]

    def rows(self, first: int, behind: int) -> list[bytes]:
        """-> a card's rows as they came, sorted by bytes."""
        starts, ends = (places[first:behind].tolist() for places in (self._starts, self._ends))
        return sorted(self._text[start:end] for start, end in zip(starts, ends, strict=True))

    def _sort(self, rows: BucketRows) -> None:
        starts, ends, card, tag = rows.starts, rows.ends, rows.place, rows.tag
        is_movement = tag == _M
        letter = self._bytes[starts + _ID - 1].astype(np.int64)
        digits = np.where(is_movement, letter - NO_DIGIT, 1)
        # A longer id makes its card unusual, which is sorted otherwise.
        ids = numbers(self._word, starts + _ID, digits)[0].astype(np.int64)
        rank = np.where(is_movement, ids + 2, tag == _C)
        if int(rank.max()) >> _ID_BITS:
            order = np.lexsort((rank, card))
        else:
            order = np.argsort(card << _ID_BITS | rank, kind="stable")
        card, rank, digits, is_movement = (of_row[order] for of_row in (card, rank, digits, is_movement))
        self._card, self._tag, self._starts, self._ends = card, tag[order], starts[order], ends[order]
        self._columns = self._starts + np.where(is_movement, _ID + digits + 1, TAG + 1)
        is_first = np.diff(card, prepend=-1) != 0
        self._first, self._group = np.flatnonzero(is_first), np.cumsum(is_first) - 1
        self._is_odd = digits > MOST_DIGITS
        self._is_odd[1:] |= (rank[1:] == rank[:-1]) & ~is_first[1:]

    def _find_usual(self, now: "_Minutes") -> Flags:
        """-> of each card whether it is usual."""
        profile = self._first
        account = np.minimum(profile + 1, len(self._tag) - 1)
        is_usual: Flags = (self._tag[profile] == _A) & (self._tag[account] == _C)
        is_usual &= self._group[profile] == self._group[account]
        for half in (profile, account):
            is_usual &= self._ends[half] > self._columns[half]
        commas = np.flatnonzero(self._bytes == _COMMA)
        comma, behind = (np.searchsorted(commas, places[account]) for places in (self._starts, self._ends))
        is_usual &= behind - comma == _COMMAS
        commas = np.append(commas, [0] * _COMMAS)  # of the last halves, which may have none
        since = _Minutes.of(b"")
        for start, end in (
            (commas[comma + 2] + 1, commas[comma + 3]),
            (commas[comma + 4] + 1, self._ends[account]),
        ):
            is_known = end - start == _MOMENT
            is_usual &= is_known | (end == start)
            since = since.or_later(self._minutes(np.where(is_known, start, 0)).only(is_known))
        rows = np.flatnonzero(self._tag == _M)
        self._is_odd[rows] |= self._deserve_a_look(rows, since, now)
        is_usual &= ~np.logical_or.reduceat(self._is_odd, self._first)
        return is_usual

    def _deserve_a_look(self, rows: Places, since: "_Minutes", now: "_Minutes") -> Flags:
        """Whether movements have no amount but zero, or no moment after their card's `since` and before now."""
        start, end = self._columns[rows], self._ends[rows]
        moment = self._minutes(end - _MOMENT)
        deserve: Flags = moment.are_until(since.at(self._group[rows])) | now.are_until(moment)
        deserve |= end - start < _MOMENT
        amount = self._word[start]
        for zero, place in _ZEROS:
            deserve |= amount & place == zero
        return deserve

    def _minutes(self, starts: Places) -> "_Minutes":
        return _Minutes(self._word[starts].byteswap(), self._word[starts + 8].byteswap())


class _Minutes(NamedTuple):
    """The beginnings of moments, `2024-02-29 23:59`, each as two numbers that are ordered as the text is."""

    high: Words
    low: Words

    @classmethod
    def of(cls, moment: bytes) -> "_Minutes":
        """Of a single one."""
        high, low = struct.unpack(">2Q", moment[:_MINUTE].ljust(_MINUTE, b"\0"))
        return cls(np.array([high], np.uint64), np.array([low], np.uint64))

    def are_until(self, others: "_Minutes") -> Flags:
        """Whether they are not after the others."""
        until: Flags = (self.high < others.high) | ((self.high == others.high) & (self.low <= others.low))
        return until

    def or_later(self, others: "_Minutes") -> "_Minutes":
        """The later ones of these and the others."""
        are_earlier = self.are_until(others)
        return _Minutes(*(np.where(are_earlier, *both) for both in zip(others, self, strict=True)))

    def only(self, which: Flags) -> "_Minutes":
        """Some of them; none comes before any."""
        return _Minutes(*(np.where(which, number, np.uint64(0)) for number in self))

    def at(self, places: Places) -> "_Minutes":
        """Those at some places."""
        return _Minutes(*(number[places] for number in self))
