"""What a part of a CSV adds up to, from the frames that its audit reads: exact, in memory of the part's size."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from movimento_flat.columnar import pl
from movimento_flat.money import Totals
from movimento_flat.publish.csv_audit import PIECES, of_pieces, totals_of
from movimento_flat.schema import ACCOUNT_KIND, AMOUNT, CARD, MOMENT

#: Columns of the flat table that figures need beside the amounts.
COLUMNS = (MOMENT, CARD, ACCOUNT_KIND)
TOP_CARDS = 10
#: Bytes of the name of a kind of account that is told apart from others.
LONGEST_KIND = 200
#: Where bins of amounts begin, in centavos. The first bin, below all, is refunds; the second is zero.
BINS = (0, 1, *(worth * unit for unit in (100, 1000, 10_000, 100_000) for worth in (1, 2, 5)), 1_000_000)
_BINS = pl.Series([centavos / 100 for centavos in BINS])

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Card:
    """A card number as the CSV has it, and what was moved with it; rows without a number have an empty one."""

    number: str
    totals: Totals


@dataclass
class Cards:
    """The cards of some rows. Those of a card lie together, but the first and the last may go on in the parts beside.

    Attributes:
        first: the first card; None where there are no rows.
        count: how many lie between the first and the last one.
        top: those of them with the largest sums, the largest first.
        last: the last card, where it is another than the first one.
    """

    first: Card | None = None
    count: int = 0
    top: list[Card] = field(default_factory=list)
    last: Card | None = None

    def add(self, more: "Cards") -> None:
        """Add the cards of the rows that come next."""
        edges = [card for card in (self.first, self.last) if card]
        behind = [card for card in (more.first, more.last) if card]
        if edges and behind and edges[-1].number == behind[0].number:
            behind[0] = Card(behind[0].number, edges.pop().totals + behind[0].totals)
        edges += behind
        between = [card for card in edges[1:-1] if card.number]
        self.count += len(between) + more.count
        self.top = top_cards([*self.top, *between, *more.top])
        self.first, self.last = (edges[0] if edges else None), (edges[-1] if len(edges) > 1 else None)

    def finished(self) -> tuple[int, tuple[Card, ...]]:
        """Return how many cards there are, and those with the largest sums, the largest first."""
        first, last = ([card] if card and card.number else [] for card in (self.first, self.last))
        return len(first) + self.count + len(last), tuple(top_cards([*first, *self.top, *last]))


@dataclass
class Part:
    """What a part adds up to.

    Attributes:
        totals: its rows, and their sum.
        without_amount: rows whose amount is NULL.
        first, last: the first and the last day; None where no row has a date.
        cells: totals by month, such as `2024-03`, and kind of account; None for rows without a date, and for all kinds
            with long names.
        bins: totals by place among BINS.
        hours: rows by weekday, Monday is 0, and hour.
        cards: its cards.
    """

    totals: Totals = Totals()  # noqa: RUF009  # it is frozen
    without_amount: int = 0
    first: date | None = None
    last: date | None = None
    cells: dict[tuple[str | None, str | None], Totals] = field(default_factory=dict)
    bins: dict[int, Totals] = field(default_factory=dict)
    hours: Counter[tuple[int, int]] = field(default_factory=Counter)
    cards: Cards = field(default_factory=Cards)

    def add(self, more: "Part") -> None:
        """Add the part that comes next."""
        self.totals += more.totals
        self.without_amount += more.without_amount
        self.first = min((day for day in (self.first, more.first) if day), default=None)
        self.last = max((day for day in (self.last, more.last) if day), default=None)
        add_sums(self.cells, more.cells.items())
        add_sums(self.bins, more.bins.items())
        self.hours += more.hours
        self.cards.add(more.cards)


def part_of(rows: pl.DataFrame, amounts: pl.DataFrame, at: pl.Series) -> Part:
    """Return what some rows of a CSV add up to.

    Args:
        rows: text columns of the CSV: the amounts, and of COLUMNS those that there are. Without cards there are no
            cards, without kinds of account or moments there is one cell.
        amounts: in pieces.
        at: moments of the rows, null where they have none.
    """
    absent = [pl.lit(None, pl.String).alias(name) for name in COLUMNS if name not in rows.columns]
    texts = rows.select(pl.col(AMOUNT), pl.exclude(AMOUNT).fill_null("")).with_columns(absent)
    table = texts.select(
        *amounts,
        card=CARD,
        kind=pl.when(pl.col(ACCOUNT_KIND).str.len_bytes() <= LONGEST_KIND).then(pl.col(ACCOUNT_KIND)),
        at=at,
        month=pl.col(MOMENT).str.head(len("2024-02")),
        bin=_BINS.search_sorted(rows[AMOUNT].cast(pl.Float64), side="right"),
        has_amount=pl.col(AMOUNT).is_not_null(),
    ).with_columns(
        month=pl.when(pl.col("at").is_not_null()).then("month"), bin=pl.when("has_amount").then("bin")
    )
    of_moment = pl.col("at").dt
    first, last = table.select(first=pl.col("at").min().dt.date(), last=pl.col("at").max().dt.date()).row(0)
    hours = Counter(
        {
            row[:2]: row[2]
            for row in table.group_by(weekday=of_moment.weekday() - 1, hour=of_moment.hour())
            .len()
            .iter_rows()
        }
    )
    bins = dict(_sums(table, "bin"))
    hours.pop((None, None), None)
    return Part(
        totals_of(amounts),
        bins.pop(None, Totals()).rows,
        first,
        last,
        {(month, kind): totals for month, kind, totals in _sums(table, "month", "kind")},
        bins,
        hours,
        _cards(table) if CARD in rows.columns else Cards(),
    )


def _sums(table: pl.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    """Return each combination of values in these columns, in the order of their first rows, and its totals."""
    sums = table.group_by(names, maintain_order=True).agg(pl.len(), PIECES.sum())
    for row in sums.iter_rows():
        *values, count = row[: len(names) + 1]
        yield *values, Totals(count, of_pieces(row[len(names) + 1 :]))


def _cards(table: pl.DataFrame) -> Cards:
    """Return the cards of some rows; only of those that may be among the largest their sums are looked at."""
    runs = (
        table.group_by(run=pl.col("card").rle_id(), maintain_order=True)
        .agg(pl.col("card").first(), pl.len(), PIECES.sum())
        .drop("run")
    )
    between = runs[1:-1].filter(pl.col("card") != "")
    lowest, *higher = runs.select(PIECES).columns
    largest = between if higher else between.filter(pl.col(lowest) >= pl.col(lowest).top_k(TOP_CARDS).min())

    def cards(some: pl.DataFrame) -> list[Card]:
        return [Card(number, Totals(count, of_pieces(sums))) for number, count, *sums in some.iter_rows()]

    first, last = cards(runs[:1]), cards(runs[1:][-1:])
    return Cards(first[0], len(between), top_cards(cards(largest)), last[0] if last else None)


def top_cards(cards: Iterable[Card]) -> list[Card]:
    """Return the cards with the largest sums. At ties the first ones stay."""
    return sorted(cards, key=lambda card: -card.totals.centavos)[:TOP_CARDS]


def add_sums(sums: dict[Name, Totals], more: Iterable[tuple[Name, Totals]]) -> None:
    """Add to the sums of the same names."""
    for name, totals in more:
        sums[name] = sums.get(name, Totals()) + totals
