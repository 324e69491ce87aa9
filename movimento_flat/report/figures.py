"""The figures of a CSV, or of a part of it, from the frames that its audit reads: exact, in bounded memory."""

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any

from movimento_flat import schema
from movimento_flat.columnar import pl
from movimento_flat.money import Totals
from movimento_flat.problem_lists import Warn
from movimento_flat.publish.csv_audit import DAY, PIECES, in_floats, of_pieces, totals_of
from movimento_flat.report.cards import Cards
from movimento_flat.report.merchants import Merchants
from mr_jobs.quality_checks import movement_checks

#: Columns of the flat table that figures need beside the amounts.
COLUMNS = (
    *(schema.MOMENT, schema.CARD, schema.ACCOUNT_KIND, schema.AGE, schema.DESCRIPTION),
    *(schema.CARD_CREATED, schema.ACCOUNT_CREATED),
)
#: Different kinds of account that are told apart, and bytes of the longest name. It bounds the memory.
MOST_KINDS, LONGEST_KIND = 64, 200
#: A period is a number of months since the year 0; those from the first to before the last of these are told apart.
FIRST_MONTH, END_OF_MONTHS = 1950 * 12, 2050 * 12
_FIRST_DAY = date(FIRST_MONTH // 12, 1, 1)
#: Periods that are no months: dates that cannot be true, none of the calendar, and all other months.
BEFORE_CARD, IN_FUTURE, UNDATED, OTHER_MONTHS = range(-4, 0)
_IMPOSSIBLE = {Warn.BEFORE_CARD.value: BEFORE_CARD, Warn.FUTURE.value: IN_FUTURE}
#: Where bins of amounts begin, in centavos. The first bin, below all, is refunds; the second is zero.
BINS = (0, 1, *(worth * unit for unit in (100, 1000, 10_000, 100_000) for worth in (1, 2, 5)), 1_000_000)
_BINS = pl.Series(BINS, dtype=pl.Float64)
#: Where bands of ages begin. An age below the first or from the last one on, which nobody has, has place 0.
AGES = (0, 18, 25, 35, 45, 55, 65, 131)
#: What sums are there of, and the columns of `_table` that tell them apart.
_GROUPS = {"cell": ("period", "kind", "sign"), "bin": ("bin",), "age": (schema.AGE,), "hour": ("hour",)}


@dataclass
class Figures:
    """What some rows of a CSV add up to.

    Attributes:
        totals: the rows, and their sum.
        first, last: the first and the last day; None where no row has a month.
        sums: totals by what they are of and by values:
            ("cell", period, kind of account or None for others, sign of the amount),
            ("bin", place among BINS, or None for amounts that are NULL), ("age", place among AGES, or None),
            ("hour", of the week, which begins on Monday, or None without a month), ("warned", reason).
        cards: what each card has moved.
        merchants: what was moved by description.
    """

    totals: Totals = Totals()  # noqa: RUF009  # it is frozen
    first: date | None = None
    last: date | None = None
    sums: dict[tuple[Any, ...], Totals] = field(default_factory=dict)
    cards: Cards = field(default_factory=Cards)
    merchants: Merchants = field(default_factory=Merchants)

    def add(self, more: "Figures") -> None:
        """Add those of the rows that come next."""
        self.totals += more.totals
        self.first = min((day for day in (self.first, more.first) if day), default=None)
        self.last = max((day for day in (self.last, more.last) if day), default=None)
        kinds = {kind for _, kind, _ in self.of("cell")}
        for (what, *values), totals in more.sums.items():
            if what == "cell" and len(kinds) >= MOST_KINDS and values[1] not in kinds:
                values[1] = None
            elif what == "cell":
                kinds.add(values[1])
            key = (what, *values)
            self.sums[key] = self.sums.get(key, Totals()) + totals
        self.cards.add(more.cards)
        self.merchants.add(more.merchants)

    def finish(self) -> "Figures":
        """Return these, of all rows."""
        self.cards.finish()
        self.merchants.finish()
        return self

    def of(self, what: str) -> defaultdict[Any, Totals]:
        """Return the sums of one thing by value, or by values; they are zero where there were none."""
        sums = defaultdict[Any, Totals](Totals)
        for (of, *values), totals in self.sums.items():
            if of == what:
                sums[tuple(values) if len(values) > 1 else values[0]] = totals
        return sums

    def warned(self) -> dict[str, Totals]:
        """Return the sums of movements by the reason of a warning; of cards' and people's, only those of ages."""
        return self.of("warned") | {Warn.AGE.value: self.of("age")[0]}


def figures_in(rows: pl.DataFrame, amounts: pl.DataFrame, at: pl.Series, now: str | None) -> Figures:
    """Return the figures of some rows of a CSV.

    Args:
        rows: text columns of the CSV: the amounts, and of COLUMNS those that there are. Without cards there are no
            cards, without descriptions no merchants; other columns count as empty.
        amounts: in pieces.
        at: moments of the rows, null where they have none.
        now: the clock of the source; later movements lie in the future.
    """
    checks = {reason.value: check for reason, check in movement_checks(tuple(rows.columns), now).items()}
    table = _table(rows, amounts, at, checks)
    dated = pl.when(pl.col("period") >= 0).then("at")
    first, last = table.select(dated.min().dt.date().alias("first"), dated.max().dt.date().alias("last")).row(
        0
    )
    sums = defaultdict[tuple[Any, ...], Totals](Totals)
    for what, names in _GROUPS.items():
        for values, totals in _sums(table, names):
            sums[(what, *(map(_band, values) if what == "age" else values))] += totals
    for name in checks:
        sums["warned", name] = totals_of(amounts.filter(table[name]))
    cards = Cards.of(table) if schema.CARD in rows.columns else Cards()
    merchants = Merchants.of(table) if schema.DESCRIPTION in rows.columns else Merchants()
    return Figures(totals_of(amounts), first, last, sums, cards, merchants)


def _table(
    rows: pl.DataFrame, amounts: pl.DataFrame, at: pl.Series, checks: dict[str, pl.Expr]
) -> pl.DataFrame:
    """Return the rows with what tells sums apart, and what deserves each warning."""
    months = _month_of_day()
    day = pl.col("at").to_physical() // DAY - (_FIRST_DAY - date(1970, 1, 1)).days
    return (
        rows.with_columns(pl.exclude(schema.AMOUNT).fill_null(""))
        .with_columns(pl.lit("").alias(name) for name in COLUMNS if name not in rows.columns)
        .with_columns(
            *amounts,
            **checks,
            at=at,
            centavos=pl.when(pl.col(schema.AMOUNT).is_not_null()).then(in_floats(amounts)),
        )
        .with_columns(
            period=pl.coalesce(
                pl.when(pl.col("at").is_null()).then(UNDATED),
                *(pl.when(pl.col(name)).then(_IMPOSSIBLE[name]) for name in checks if name in _IMPOSSIBLE),
                pl.lit(months).gather(pl.when(day.is_between(0, len(months), closed="left")).then(day)),
                OTHER_MONTHS,
            ),
            kind=pl.when(pl.col(schema.ACCOUNT_KIND).str.len_bytes() <= LONGEST_KIND).then(
                schema.ACCOUNT_KIND
            ),
            sign=pl.col("centavos").sign().cast(pl.Int8),
            bin=pl.when(pl.col("centavos").is_not_null()).then(
                pl.col("centavos").map_batches(lambda centavos: _BINS.search_sorted(centavos, side="right"))
            ),
        )
        .with_columns(
            # 1970 began on a Thursday.
            hour=pl.when(pl.col("period") >= 0).then(
                (pl.col("at").to_physical() // (DAY // 24) + 3 * 24) % (7 * 24)
            )
        )
    )


@cache
def _month_of_day() -> pl.Series:
    """Return the month of each day from _FIRST_DAY on: to look it up takes a quarter of the calendar's time."""
    days = pl.date_range(_FIRST_DAY, date(END_OF_MONTHS // 12, 1, 1), closed="left", eager=True).dt
    return days.year() * 12 + days.month() - 1


def _band(age: str) -> int | None:
    """Return the place of an age among AGES, 0 for one that nobody has; None without an age."""
    if not age:
        return None
    return bisect(AGES, int(age)) % len(AGES) if re.fullmatch("[0-9]{1,3}", age) else 0


def _sums(table: pl.DataFrame, names: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], Totals]]:
    """Return each combination of values in these columns, in the order of their first rows, and its totals."""
    sums = table.group_by(names, maintain_order=True).agg(pl.len(), PIECES.sum())
    for row in sums.iter_rows():
        values, count, centavos = row[: len(names)], row[len(names)], row[len(names) + 1 :]
        yield values, Totals(count, of_pieces(centavos))
