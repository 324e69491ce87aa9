"""The figures of a delivery, added up from the blocks of its CSV that the audit sees: exact, in bounded memory.

Every sum is in whole centavos. Rows of a card lie together in the CSV, so each card is complete when the next one
begins. Months and kinds of account are counted by name, up to a limit of different ones; all others share a place.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from merge.csv_audit import Block, Centavos, Positions
from movimento_flat.money import Totals
from movimento_flat.schema import ACCOUNT_KIND, AMOUNT, CARD, MOMENT
from movimento_flat.words import FIRST_BYTES, WORD, Flags

TOP_CARDS = 10
#: Kinds of account that a page tells apart.
TOP_KINDS = 8
#: Different kinds, bytes of a name, and different months that are counted apart. It bounds the memory.
MOST_KINDS, LONGEST_KIND, MOST_MONTHS = 64, 200, 1200
#: Beside months as `2024-03`: those beyond the limit, and rows without a date of the calendar.
OTHER_MONTHS, UNDATED = "other", "undated"

#: Where bins of amounts begin, in centavos. The first bin, below all, is refunds; the second is zero.
BINS = (0, 1, *(worth * unit for unit in (100, 1000, 10_000, 100_000) for worth in (1, 2, 5)), 1_000_000)
DAYS, HOURS = 7, 24

#: Bytes of a field that are compared for all rows at once.
_SHORT = 40
_MONTHS_OF_ALL_YEARS = 12 * 10_000
_NO_MONTH = _MONTHS_OF_ALL_YEARS
#: Of each month since year 0, and of the one behind them: its first day, counted from 1970-01-01.
_FIRST_DAY = (
    (np.arange(_MONTHS_OF_ALL_YEARS + 1) - 12 * 1970).astype("M8[M]").astype("M8[D]").astype(np.int64)
)
_EPOCH = date(1970, 1, 1)
#: Of a moment, `2024-02-29 23`: where its digits and the marks between them are, and where its hour ends.
_DIGITS, _MARKS, _HOUR_END = (0, 1, 2, 3, 5, 6, 8, 9, 11, 12), ((4, 45), (7, 45), (10, 32)), 13
_ZERO = ord("0")

Name = TypeVar("Name", bytes, int)
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Card:
    """A card number as the CSV has it, and what was moved with it."""

    number: str
    totals: Totals


@dataclass(frozen=True)
class Figures:
    """What a page shows.

    Attributes:
        totals: rows of the CSV, and their sum.
        without_amount: rows of them whose amount is NULL.
        first, last: the days of the first and the last movement; None where no movement has a date.
        kinds: names of the largest kinds of account, the largest first; then None for all others, if there are any.
        months: `2024-03`, in order, then OTHER_MONTHS and UNDATED if there are any -> the totals of each of `kinds`.
        cards: how many cards have movements. Two that lie together and have one number count as one.
        top_cards: the cards with the largest sums, the largest first.
        bins: refunds, zeros, then as BINS has it; amounts that are NULL are in none.
        hours: movements by weekday, Monday first, and hour.
    """

    totals: Totals
    without_amount: int
    first: date | None
    last: date | None
    kinds: tuple[str | None, ...]
    months: dict[str, tuple[Totals, ...]]
    cards: int
    top_cards: tuple[Card, ...]
    bins: tuple[Totals, ...]
    hours: tuple[tuple[int, ...], ...]


class Adding:
    """Takes the blocks of a CSV, in order, and gives its figures."""

    def __init__(self, columns: Sequence[str]) -> None:
        """Args:
        columns: that the CSV has; what needs another one stays empty.
        """
        self._columns = frozenset(columns)
        self._totals = Totals()
        self._without_amount = 0
        self._days: list[int] = []
        self._kinds, self._months = _Places[bytes](MOST_KINDS), _Places[int](MOST_MONTHS)
        self._place_of_month = np.full(_NO_MONTH + 1, -1)
        self._cells: dict[int, Totals] = {}
        self._bins: dict[int, Totals] = {}
        self._hours = np.zeros(DAYS * HOURS, np.int64)
        self._cards = _Cards()

    def add(self, block: Block) -> None:
        """Add up what is in a block."""
        centavos = block.centavos
        self._totals += Totals(len(block), int(centavos.sum()))
        self._add_amounts(block)
        months = self._month_places(block)
        kinds = self._kind_places(block)
        _add(self._cells, months * (MOST_KINDS + 1) + kinds, centavos)
        if CARD in self._columns:
            self._cards.add(block)

    def _add_amounts(self, block: Block) -> None:
        start, end = block.field(AMOUNT)
        known = end > start
        centavos = block.centavos if known.all() else block.centavos[known]
        self._without_amount += len(block) - len(centavos)
        clipped = np.clip(centavos, -BINS[-1], BINS[-1]).astype(np.int64)
        _add(self._bins, np.searchsorted(BINS, clipped, side="right"), centavos)

    def _month_places(self, block: Block) -> Positions:
        """-> each row's place among the months; days and hours are counted on the way."""
        if MOMENT not in self._columns:
            return np.zeros(len(block), np.intp)
        months, days, hours = _moments(block)
        if len(days):
            self._days += [int(days.min()), int(days.max())]
            self._days = [min(self._days), max(self._days)]
            self._hours += np.bincount(
                (days + _EPOCH.weekday()) % DAYS * HOURS + hours, minlength=DAYS * HOURS
            )
        for month in np.unique(months[self._place_of_month[months] < 0]).tolist():
            self._place_of_month[month] = self._months.of(month)
        places: Positions = self._place_of_month[months]
        return places

    def _kind_places(self, block: Block) -> Positions:
        """-> each row's place among the kinds of account."""
        if ACCOUNT_KIND not in self._columns:
            return np.zeros(len(block), np.intp)
        start, end = block.field(ACCOUNT_KIND)
        begins = np.flatnonzero(_differs_from_row_before(block, start, end))
        texts = _texts(block, start[begins], end[begins])
        places = [self._kinds.of(text) if len(text) <= LONGEST_KIND else MOST_KINDS for text in texts]
        return np.repeat(np.array(places, np.intp), np.diff(begins, append=len(block)))

    def figures(self) -> Figures:
        """-> what all blocks so far add up to."""
        cells = {divmod(cell, MOST_KINDS + 1): totals for cell, totals in self._cells.items()}
        rows = Counter[int]()
        for (_, kind), totals in cells.items():
            rows[kind] += totals.rows
        names = [_unquoted(field) for field in self._kinds.names] if ACCOUNT_KIND in self._columns else []
        ranked = sorted(range(len(names)), key=lambda kind: (-rows[kind], names[kind]))[:TOP_KINDS]
        kinds: list[str | None] = [names[kind] for kind in ranked]
        if set(rows) - set(ranked):
            kinds.append(None)
        place = {kind: place for place, kind in enumerate(ranked)}
        table: dict[str, list[Totals]] = {}
        for (month, kind), totals in cells.items():
            row = table.setdefault(self._month_name(month), [Totals()] * len(kinds))
            row[place.get(kind, len(ranked))] += totals
        first, last = (_EPOCH + timedelta(day) for day in self._days) if self._days else (None, None)
        return Figures(
            self._totals,
            self._without_amount,
            first,
            last,
            tuple(kinds),
            {month: tuple(table[month]) for month in sorted(table)},
            *self._cards.finished(),
            tuple(self._bins.get(place, Totals()) for place in range(len(BINS) + 1)),
            tuple(map(tuple, self._hours.reshape(DAYS, HOURS).tolist())),
        )

    def _month_name(self, place: int) -> str:
        if MOMENT not in self._columns:
            return UNDATED
        if place == MOST_MONTHS:
            return OTHER_MONTHS
        month = self._months.names[place]
        return UNDATED if month == _NO_MONTH else f"{month // 12:04d}-{month % 12 + 1:02d}"


class _Places(Generic[Name]):
    """Gives each name a place; all that come after the first so many share the one behind them."""

    def __init__(self, limit: int) -> None:
        self.names: list[Name] = []
        self._places: dict[Name, int] = {}
        self._limit = limit

    def of(self, name: Name) -> int:
        place = self._places.get(name)
        if place is not None:
            return place
        if len(self.names) == self._limit:
            return self._limit
        self.names.append(name)
        return self._places.setdefault(name, len(self._places))


class _Cards:
    """Adds up each card's rows, which lie together, and keeps the largest sums. At ties the first card stays."""

    def __init__(self) -> None:
        self._open: Card | None = None
        self._count = 0
        self._top: list[Card] = []

    def add(self, block: Block) -> None:
        start, end = block.field(CARD)
        begins = np.flatnonzero(_differs_from_row_before(block, start, end))
        rows = np.diff(begins, append=len(block))
        sums = np.add.reduceat(block.centavos, begins)

        def card(place: int) -> Card:
            row = begins[place]
            number = block.content[start[row] : end[row]].tobytes()
            return Card(_unquoted(number), Totals(int(rows[place]), int(sums[place])))

        first = card(0)
        if self._open and self._open.number == first.number:
            self._open = Card(first.number, self._open.totals + first.totals)
        else:
            self._close()
            self._open = first
        if len(begins) > 1:
            self._close()
            # Cards without a number are none, and their field is empty.
            whole = np.flatnonzero((end > start)[begins[1:-1]]) + 1
            self._count += len(whole)
            if len(self._top) == TOP_CARDS:
                whole = whole[sums[whole] > self._top[-1].totals.centavos]
            best = whole[np.argsort(-sums[whole], kind="stable")[:TOP_CARDS]]
            self._keep(map(card, best.tolist()))
            self._open = card(-1)

    def _close(self) -> None:
        if self._open and self._open.number:
            self._count += 1
            self._keep([self._open])
        self._open = None

    def _keep(self, cards: Iterable[Card]) -> None:
        self._top = sorted([*self._top, *cards], key=lambda card: -card.totals.centavos)[:TOP_CARDS]

    def finished(self) -> tuple[int, tuple[Card, ...]]:
        """-> how many cards there are, and those with the largest sums."""
        self._close()
        return self._count, tuple(self._top)


def _add(cells: dict[int, Totals], places: Positions, centavos: Centavos) -> None:
    """Add each row's amount to the cell at its place. A block's sums fit in 64 bits, as the audit's do."""
    rows = np.bincount(places)
    sums = np.zeros(len(rows), centavos.dtype)
    np.add.at(sums, places, centavos)
    for place in np.flatnonzero(rows).tolist():
        cells[place] = cells.get(place, Totals()) + Totals(int(rows[place]), int(sums[place]))


def _moments(block: Block) -> tuple[Integers, Integers, Integers]:
    """-> each row's month since year 0, or _NO_MONTH; and of the rows that have one, day since 1970 and hour.

    A date is one of the calendar: MySQL also holds 0000-00-00, 2024-00-10 and 2024-02-30.
    """
    months = np.full(len(block), _NO_MONTH)
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


def _unquoted(field: bytes) -> str:
    """Field of a CSV -> its text."""
    if field.startswith(b'"'):
        field = field[1:-1].replace(b'""', b'"')
    return field.decode()
