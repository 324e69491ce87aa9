"""The figures of a delivery, from what the parts of its CSV add up to, in their order: exact, in bounded memory.

Months and kinds of account are counted by name, up to a limit of different ones; all others share a place.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from movimento_flat.money import Totals
from movimento_flat.report.adding import (
    BINS,
    DAYS,
    HOURS,
    NO_MONTH,
    Card,
    Part,
    Places,
    add_sums,
    top_cards,
    unquoted,
)

#: Kinds of account that a page tells apart.
TOP_KINDS = 8
#: Different kinds and different months that are counted apart. It bounds the memory.
MOST_KINDS, MOST_MONTHS = 64, 1200
#: Beside months as `2024-03`: those beyond the limit, and rows without a date of the calendar.
OTHER_MONTHS, UNDATED = "other", "undated"
_EPOCH = date(1970, 1, 1)


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


class Figuring:
    """Takes the parts of a CSV, in order, and gives its figures."""

    def __init__(self) -> None:
        self._totals = Totals()
        self._without_amount = 0
        self._days: list[int] = []
        self._kinds, self._months = Places[bytes](MOST_KINDS), Places[int](MOST_MONTHS)
        self._cells: dict[tuple[int, int], Totals] = {}
        self._bins: dict[int, Totals] = {}
        self._hours = np.zeros(DAYS * HOURS, np.int64)
        self._cards = _Cards()

    def add(self, part: Part) -> None:
        """Add the next part."""
        self._totals += part.totals
        self._without_amount += part.without_amount
        days = [*self._days, *part.days]
        self._days = [min(days), max(days)] if days else []
        self._hours += part.hours
        add_sums(self._bins, part.bins.items())
        kinds = [MOST_KINDS if kind is None else self._kinds.of(kind) for kind in part.kinds.names]
        months = [self._months.of(month) for month in part.months.names]
        add_sums(
            self._cells,
            (((months[month], kinds[kind]), totals) for (month, kind), totals in part.cells.items()),
        )
        self._cards.add(part)

    def figures(self) -> Figures:
        """-> what all parts so far add up to."""
        rows = Counter[int]()
        for (_, kind), totals in self._cells.items():
            rows[kind] += totals.rows
        names = [unquoted(field) for field in self._kinds.names]
        ranked = sorted(range(len(names)), key=lambda kind: (-rows[kind], names[kind]))[:TOP_KINDS]
        kinds: list[str | None] = [names[kind] for kind in ranked]
        if set(rows) - set(ranked):
            kinds.append(None)
        place = {kind: place for place, kind in enumerate(ranked)}
        months = self._months.names
        table: dict[str, list[Totals]] = {}
        for (month, kind), totals in self._cells.items():
            row = table.setdefault(_month_name(month, months), [Totals()] * len(kinds))
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


def _month_name(place: int, months: list[int]) -> str:
    if place == MOST_MONTHS:
        return OTHER_MONTHS
    month = months[place]
    return UNDATED if month == NO_MONTH else f"{month // 12:04d}-{month % 12 + 1:02d}"


class _Cards:
    """Counts cards, and keeps those with the largest sums."""

    def __init__(self) -> None:
        self._last: Card | None = None
        self._count = 0
        self._top: list[Card] = []

    def add(self, part: Part) -> None:
        """A part's first card may be the last one so far."""
        begins = part.first or part.last
        if begins and self._last and self._last.number == begins.number:
            self._last = Card(begins.number, self._last.totals + begins.totals)
        elif begins:
            self._close()
            self._last = begins
        if part.first:
            self._close()
            self._count += part.cards
            self._top = top_cards(self._top, part.top)
            self._last = part.last

    def _close(self) -> None:
        if self._last and self._last.number:
            self._count += 1
            self._top = top_cards(self._top, [self._last])
        self._last = None

    def finished(self) -> tuple[int, tuple[Card, ...]]:
        """-> how many cards there are, and those with the largest sums."""
        self._close()
        return self._count, tuple(self._top)
