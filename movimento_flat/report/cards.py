"""What each card has moved: the largest ones, how many have movements in a month, and how the sums are spread."""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from movimento_flat.columnar import pl
from movimento_flat.money import Totals
from movimento_flat.publish.csv_audit import PIECES, of_pieces
from movimento_flat.schema import CARD

TOP_CARDS = 10
#: Sums of so many cards are kept, the largest ones: 1 % of a hundred times as many.
MOST_SUMS = 100_000
_MORE_THAN_MONTHS = 1_000_000


class Card(NamedTuple):
    """A card number as the CSV has it, what was moved with it, and in which months."""

    number: str
    totals: Totals
    months: frozenset[int] = frozenset()


@dataclass
class Cards:
    """The cards of some rows. Those of a card lie together; the first and the last may go on in the rows beside.

    Attributes:
        edges: the first card, and the last one if it is another.
        count: how many of the others have a number.
        top: those of them with the largest sums, the largest first.
        sums: the largest of their sums, in centavos; at least MOST_SUMS if there are so many.
        active: how many of them have movements in each month.
    """

    edges: list[Card] = field(default_factory=list)
    count: int = 0
    top: list[Card] = field(default_factory=list)
    sums: list[int] = field(default_factory=list)
    active: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, table: pl.DataFrame) -> "Cards":
        """Return the cards of some rows, which have CARD, `period`, where what is below 0 is no month, and PIECES."""
        rows = table.select(CARD, "period", PIECES, run=pl.col(CARD).rle_id())
        runs = rows.group_by("run", maintain_order=True).agg(pl.col(CARD).first(), pl.len(), PIECES.sum())
        run_and_month = pl.col("run").cast(pl.Int64) * _MORE_THAN_MONTHS + pl.col("period")
        is_known = (pl.col(CARD) != "") & (pl.col("period") >= 0)
        pairs = rows.select(pl.when(is_known).then(run_and_month)).to_series().drop_nulls().unique()
        months = pl.DataFrame({"run": pairs // _MORE_THAN_MONTHS, "month": pairs % _MORE_THAN_MONTHS})
        last = len(runs) - 1
        edges = [
            card._replace(months=frozenset(months.filter(pl.col("run") == run)["month"]))
            for run in sorted({0, last})
            for card in _cards(runs[run : run + 1])
        ]
        between = runs[1:last].filter(pl.col(CARD) != "")
        sums = _centavos(between)
        least = min(heapq.nlargest(TOP_CARDS, sums), default=0)
        largest = between.filter(pl.Series([centavos >= least for centavos in sums], dtype=pl.Boolean))
        active = months.filter(pl.col("run").is_between(1, last - 1)).group_by("month").len()
        return cls(edges, len(between), _top(_cards(largest)), sums, Counter(dict(active.iter_rows())))

    def add(self, more: "Cards") -> None:
        """Add the cards of the rows that come next."""
        before, after = self.edges, more.edges
        if before and after and before[-1].number == after[0].number:
            (number, totals, months), (_, more_totals, more_months) = before[-1], after[0]
            card = Card(number, totals + more_totals, months | more_months)
            before, after = before[:-1], [card, *after[1:]]
        edges = [*before, *after]
        self.edges = [*edges[:1], *edges[1:][-1:]]
        self._complete(edges[1:-1])
        self.count += more.count
        self.top = _top([*self.top, *more.top])
        self.active += more.active
        self.sums += more.sums
        if len(self.sums) > 2 * MOST_SUMS:
            self.sums = sorted(self.sums, reverse=True)[:MOST_SUMS]

    def finish(self) -> None:
        """Count the first and the last card with the others, since no more rows come."""
        self._complete(self.edges)
        self.edges = []
        self.sums.sort(reverse=True)

    def largest_hundredth(self) -> Totals:
        """Return how many cards are 1 % of all, at least one and at most MOST_SUMS, and what the largest ones moved."""
        count = min(-(-self.count // 100), MOST_SUMS)
        return Totals(count, sum(self.sums[:count]))

    def _complete(self, cards: list[Card]) -> None:
        """Count cards that have no further rows."""
        for number, totals, months in cards:
            if number:
                self.count += 1
                self.top = _top([*self.top, Card(number, totals)])
                self.sums.append(totals.centavos)
                self.active.update(months)


def _cards(runs: pl.DataFrame) -> list[Card]:
    sums = zip(runs["len"], _centavos(runs), strict=True)
    return [Card(number, Totals(*totals)) for number, totals in zip(runs[CARD], sums, strict=True)]


def _centavos(sums: pl.DataFrame) -> list[int]:
    """Return sums in centavos from those of their pieces."""
    columns = [column.to_list() for column in sums.select(PIECES)]
    return columns[0] if len(columns) == 1 else [of_pieces(row) for row in zip(*columns, strict=True)]


def _top(cards: list[Card]) -> list[Card]:
    """Return the cards with the largest sums; where these are equal, in the order of their numbers and rows."""
    return sorted(cards, key=lambda card: (-card.totals.centavos, card.number, card.totals.rows))[:TOP_CARDS]
