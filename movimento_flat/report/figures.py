"""The figures of a delivery, from what the parts of its CSV add up to, in their order: exact, in bounded memory.

Months and kinds of account are counted by name, up to a limit of different ones; all others share a place.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import date

from movimento_flat.money import Totals
from movimento_flat.report.adding import BINS, Card, Part, add_sums

#: Kinds of account that a page tells apart.
TOP_KINDS = 8
#: Different kinds and different months that are counted apart. It bounds the memory.
MOST_KINDS, MOST_MONTHS = 64, 1200
#: Beside months as `2024-03`: those beyond the limit, and rows without a date of the calendar.
OTHER_MONTHS, UNDATED = "other", "undated"


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
        self._all = Part()
        self._months: set[str] = set()
        self._kinds: set[str] = set()

    def add(self, part: Part) -> None:
        """Add the next part."""
        cells: dict[tuple[str | None, str | None], Totals] = {}
        for (month, kind), totals in part.cells.items():
            period = UNDATED if month is None else OTHER_MONTHS
            if month and _has_room(self._months, month, MOST_MONTHS):
                period = month
            is_apart = kind is not None and _has_room(self._kinds, kind, MOST_KINDS)
            add_sums(cells, [((period, kind if is_apart else None), totals)])
        self._all.add(replace(part, cells=cells))

    def figures(self) -> Figures:
        """Return what all parts so far add up to."""
        rows = Counter[str | None]()
        for (_, kind), totals in self._all.cells.items():
            rows[kind] += totals.rows
        ranked = sorted(self._kinds, key=lambda kind: (-rows[kind], kind))[:TOP_KINDS]
        kinds = (*ranked, *([None] if set(rows) - set(ranked) else []))
        table: dict[str, list[Totals]] = {}
        for (month, kind), totals in self._all.cells.items():
            row = table.setdefault(str(month), [Totals()] * len(kinds))
            row[kinds.index(kind) if kind in ranked else -1] += totals
        return Figures(
            self._all.totals,
            self._all.without_amount,
            self._all.first,
            self._all.last,
            kinds,
            {month: tuple(table[month]) for month in sorted(table)},
            *self._all.cards.finished(),
            tuple(self._all.bins.get(place, Totals()) for place in range(len(BINS) + 1)),
            tuple(tuple(self._all.hours[day, hour] for hour in range(24)) for day in range(7)),
        )


def _has_room(names: set[str], name: str, most: int) -> bool:
    """Tell whether a name is among the first `most` ones, to which it is added if it is."""
    if len(names) < most:
        names.add(name)
    return name in names
