"""What a part of a CSV adds up to, from the blocks that its audit sees: exact, in memory of the part's size.

Every sum is in whole centavos. Rows of a card lie together in the CSV, so each card is complete when the next one
begins; the first and the last card of a part may have rows in its neighbours, too.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from movimento_flat.money import Totals
from movimento_flat.publish.csv_audit import Block, Centavos, Positions
from movimento_flat.schema import ACCOUNT_KIND, AMOUNT, CARD, MOMENT
from movimento_flat.words import FIRST_BYTES, WORD, Flags

TOP_CARDS = 10
#: Bytes of the name of a kind of account that is told apart from others.
LONGEST_KIND = 200
#: Where bins of amounts begin, in centavos. The first bin, below all, is refunds; the second is zero.
BINS = (0, 1, *(worth * unit for unit in (100, 1000, 10_000, 100_000) for worth in (1, 2, 5)), 1_000_000)
DAYS, HOURS = 7, 24
#: The weekday of the day from which days are counted, 1970-01-01.
_THURSDAY = 3

#: Places beyond which only those are looked at that have a row.
_MANY_PLACES = 1 << 17
#: Bytes of a field that are compared for all rows at once.
_SHORT = 40
_MONTHS_OF_ALL_YEARS = 12 * 10_000
#: The month of rows without a date of the calendar.
NO_MONTH = _MONTHS_OF_ALL_YEARS
#: Of each month since year 0, and of the one behind them: its first day, counted from 1970-01-01.
_FIRST_DAY = (
    (np.arange(_MONTHS_OF_ALL_YEARS + 1) - 12 * 1970).astype("M8[M]").astype("M8[D]").astype(np.int64)
)
#: Of a moment, `2024-02-29 23`: where its digits and the marks between them are, and where its hour ends.
_DIGITS, _MARKS, _HOUR_END = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12), ((4, 45), (7, 45), (10, 32)), 13
_ZERO = ord("0")

Name = TypeVar("Name", bound=Hashable)
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Card:
    """A card number as the CSV has it, and what was moved with it."""

    number: str
    totals: Totals


class Places(Generic[Name]):
    """Gives each name a place, in the order in which they come; those beyond the limit share the one behind it."""

    def __init__(self, limit: int | None = None) -> None:
        """Args:
        limit: names at most that have a place of their own; any number when None.
        """
        self._places: dict[Name, int] = {}
        self._limit = limit

    def of(self, name: Name) -> int:
        """-> its place, a new one for a new name."""
        place = self._places.get(name)
        if place is None:
            place = len(self._places)
            if place != self._limit:
                self._places[name] = place
        return place

    @property
    def names(self) -> list[Name]:
        """Those that have a place, in order."""
        return list(self._places)


@dataclass
class Part:
    """What a part adds up to.

    Attributes:
        totals: its rows, and their sum.
        without_amount: rows whose amount is NULL.
        days: the first and the last day, counted from 1970-01-01; none where no row has a date.
        kinds: fields of the kinds of account, in order of the rows; None for all that have long names.
        months: counted since year 0, or NO_MONTH, in order of the rows.
        cells: totals by place among the months and place among the kinds.
        bins: totals by place among BINS.
        hours: rows by weekday, Monday first, and hour.
        first: the first card, where another one is behind it.
        cards: how many are between the first and the last one. Rows without a number are none.
        top: those of them with the largest sums, the largest first.
        last: the last card, which may be one without a number.
    """

    totals: Totals = field(default_factory=Totals)
    without_amount: int = 0
    days: list[int] = field(default_factory=list)
    kinds: Places[bytes | None] = field(default_factory=Places)
    months: Places[int] = field(default_factory=Places)
    cells: dict[tuple[int, int], Totals] = field(default_factory=dict)
    bins: dict[int, Totals] = field(default_factory=dict)
    hours: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(DAYS * HOURS, np.int64))
    first: Card | None = None
    cards: int = 0
    top: list[Card] = field(default_factory=list)
    last: Card | None = None


class Adding:
    """Adds up the blocks of a part, in order."""

    def __init__(self, columns: Sequence[str]) -> None:
        """Args:
        columns: that the CSV has; what needs another one stays empty.
        """
        self.part = Part()
        self._columns = frozenset(columns)
        self._place_of_month = np.full(NO_MONTH + 1, -1)

    def add(self, block: Block) -> None:
        """Add up what is in a block."""
        self.part.totals += Totals(len(block), int(block.centavos.sum()))
        self._add_amounts(block)
        months = self._month_places(block)
        kinds = self._kind_places(block)
        width = int(kinds.max()) + 1
        cells = _sums(months * width + kinds, block.centavos)
        add_sums(self.part.cells, ((divmod(cell, width), totals) for cell, totals in cells))
        if CARD in self._columns:
            self._add_cards(block)

    def _add_amounts(self, block: Block) -> None:
        start, end = block.field(AMOUNT)
        known = end > start
        centavos = block.centavos if known.all() else block.centavos[known]
        self.part.without_amount += len(block) - len(centavos)
        clipped = np.clip(centavos, -BINS[-1], BINS[-1]).astype(np.int64)
        add_sums(self.part.bins, _sums(np.searchsorted(BINS, clipped, side="right"), centavos))

    def _month_places(self, block: Block) -> Positions:
        """-> each row's place among the months; days and hours are counted on the way."""
        if MOMENT not in self._columns:
            return np.full(len(block), self.part.months.of(NO_MONTH), np.intp)
        months, days, hours = _moments(block)
        if len(days):
            all_days = [*self.part.days, int(days.min()), int(days.max())]
            self.part.days = [min(all_days), max(all_days)]
            self.part.hours += np.bincount((days + _THURSDAY) % DAYS * HOURS + hours, minlength=DAYS * HOURS)
        new = months[self._place_of_month[months] < 0]
        for row in np.sort(np.unique(new, return_index=True)[1]).tolist():
            self._place_of_month[new[row]] = self.part.months.of(int(new[row]))
        places: Positions = self._place_of_month[months]
        return places

    def _kind_places(self, block: Block) -> Positions:
        """-> each row's place among the kinds of account."""
        if ACCOUNT_KIND not in self._columns:
            return np.full(len(block), self.part.kinds.of(None), np.intp)
        start, end = block.field(ACCOUNT_KIND)
        begins = np.flatnonzero(_differs_from_row_before(block, start, end))
        texts = _texts(block, start[begins], end[begins])
        places = [self.part.kinds.of(text if len(text) <= LONGEST_KIND else None) for text in texts]
        return np.repeat(np.array(places, np.intp), np.diff(begins, append=len(block)))

    def _add_cards(self, block: Block) -> None:
        part = self.part
        start, end = block.field(CARD)
        begins = np.flatnonzero(_differs_from_row_before(block, start, end))
        rows = np.diff(begins, append=len(block))
        sums = np.add.reduceat(block.centavos, begins)

        def card(place: int) -> Card:
            row = begins[place]
            number = block.content[start[row] : end[row]].tobytes()
            return Card(unquoted(number), Totals(int(rows[place]), int(sums[place])))

        self._extend(card(0))
        if len(begins) > 1:
            # Cards without a number are none, and their field is empty.
            whole = np.flatnonzero((end > start)[begins[1:-1]]) + 1
            self._close()
            part.cards += len(whole)
            if len(part.top) == TOP_CARDS:
                whole = whole[sums[whole] > part.top[-1].totals.centavos]
            best = whole[np.argsort(-sums[whole], kind="stable")[:TOP_CARDS]]
            part.top = top_cards(part.top, map(card, best.tolist()))
            part.last = card(-1)

    def _extend(self, card: Card) -> None:
        """A card comes behind the last one, or is the same."""
        last = self.part.last
        if last and last.number == card.number:
            card = Card(card.number, last.totals + card.totals)
        else:
            self._close()
        self.part.last = card

    def _close(self) -> None:
        """The last card has ended, and it is the first one or one of those between."""
        part = self.part
        if not part.last:
            return
        if not part.first:
            part.first = part.last
        elif part.last.number:
            part.cards += 1
            part.top = top_cards(part.top, [part.last])
        part.last = None


def top_cards(top: list[Card], cards: Iterable[Card]) -> list[Card]:
    """-> the cards with the largest sums. At ties the first ones stay."""
    return sorted([*top, *cards], key=lambda card: -card.totals.centavos)[:TOP_CARDS]


def add_sums(sums: dict[Name, Totals], more: Iterable[tuple[Name, Totals]]) -> None:
    """Add to the sums of the same names."""
    for name, totals in more:
        sums[name] = sums.get(name, Totals()) + totals


def _sums(places: Positions, centavos: Centavos) -> Iterable[tuple[int, Totals]]:
    """-> the totals of the rows at each place. A block's sums fit in 64 bits, as the audit's do."""
    names = None
    if places.max(initial=0) > _MANY_PLACES:
        names, places = np.unique(places, return_inverse=True)
    rows = np.bincount(places)
    sums = np.zeros(len(rows), centavos.dtype)
    np.add.at(sums, places, centavos)
    for place in np.flatnonzero(rows).tolist():
        yield place if names is None else int(names[place]), Totals(int(rows[place]), int(sums[place]))


def _moments(block: Block) -> tuple[Integers, Integers, Integers]:
    """-> each row's month since year 0, or NO_MONTH; and of the rows that have one, day since 1970 and hour.

    A date is one of the calendar: MySQL also holds 0000-00-00, 2024-00-10 and 2024-02-30.
    """
    months = np.full(len(block), NO_MONTH)
    start, end = block.field(MOMENT)
    long_enough = np.flatnonzero(end - start >= _HOUR_END)
    if not len(long_enough):
        return months, months[:0], months[:0]
    texts = sliding_window_view(block.content, _HOUR_END)[start[long_enough]]
    digits = [texts[:, place] - np.uint8(_ZERO) for place in _DIGITS]
    is_moment = np.logical_and.reduce(
        [digit <= 9 for digit in digits] + [texts[:, place] == mark for place, mark in _MARKS]
    )
    digits = [digit.astype(np.int32) for digit in digits]
    year = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]
    month, day, hour = digits[4] * 10 + digits[5], digits[6] * 10 + digits[7], digits[8] * 10 + digits[9]
    is_moment &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (hour < HOURS)
    known = np.where(is_moment, year * 12 + month - 1, 0)
    is_moment &= day <= _FIRST_DAY[known + 1] - _FIRST_DAY[known]
    known = known[is_moment]
    months[long_enough[is_moment]] = known
    return months, _FIRST_DAY[known] + day[is_moment] - 1, hour[is_moment]


def _differs_from_row_before(block: Block, start: Positions, end: Positions) -> Flags:
    """Whether each row's field is another than that of the row before; the first row's is."""
    length = end - start
    differs = np.ones(len(block), np.bool_)
    differs[1:] = length[1:] != length[:-1]
    for place in range(0, min(_SHORT, int(length.max(initial=0))), WORD):
        inside = np.clip(length - place, 0, WORD)
        word = block.words[np.where(inside > 0, start + place, 0)] & FIRST_BYTES[inside]
        differs[1:] |= word[1:] != word[:-1]
    long = np.flatnonzero(~differs & (length > _SHORT))
    differs[long] = [
        a != b
        for a, b in zip(
            _texts(block, start[long - 1], end[long - 1]), _texts(block, start[long], end[long]), strict=True
        )
    ]
    return differs


def _texts(block: Block, start: Positions, end: Positions) -> list[bytes]:
    content = block.content.tobytes() if len(start) else b""
    return [content[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]


def unquoted(field: bytes) -> str:
    """Field of a CSV -> its text."""
    if field.startswith(b'"'):
        field = field[1:-1].replace(b'""', b'"')
    return field.decode()
