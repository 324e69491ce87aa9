"""relatorio.html: figures and findings of a delivery as a page in Portuguese, which loads nothing and runs nothing.

`page.html` is the page. Jinja escapes whatever comes from data. Card numbers are masked here, where the CSV shows
them whole. The page lies beside the CSV, so it shows no ids, no address and no account of the database.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from movimento_flat.card_numbers import mask, mask_card_numbers
from movimento_flat.money import Totals
from movimento_flat.privacy import TOKEN
from movimento_flat.private_files import make_private_file
from movimento_flat.problem_lists import Reject, Warn
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.publish.parts import (
    CSV_NAME,
    MISMATCHES_NAME,
    REJECTED_NAME,
    REPORT_NAME,
    WARNINGS_NAME,
)
from movimento_flat.report import brazil, svg
from movimento_flat.report.adding import BINS
from movimento_flat.report.brazil import NO_BREAK, WEEKDAYS, money, month, movements, number
from movimento_flat.report.figures import OTHER_MONTHS, UNDATED, Figures
from movimento_flat.report.findings import moved_by_mismatches
from movimento_flat.report.reasons import REJECTED, WARNINGS
from movimento_flat.schema import ACCOUNT_KIND, CARD, MOMENT, MOVIMENTO

#: With more months than that a column is a year.
_MOST_MONTHS = 60
_LONGEST_NAME = 40
_TOKEN_SHOWN = 9
_OTHER_KINDS, _NO_KIND, _ALL_KINDS = "outros", "(sem tipo)", "todas as contas"
_SPECIAL_PERIODS = {OTHER_MONTHS: "outros meses", UNDATED: "sem data válida"}


def _printable(value: object) -> object:
    """Return a text with a dot for whatever does not print, such as an order to write from right to left."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(c if c.isprintable() or c == NO_BREAK else "·" for c in value)


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_printable,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {
    name: getattr(brazil, name)
    for name in (
        "number",
        "money",
        "plain_money",
        "percent",
        "day",
        "moment",
        "seconds",
        "movements",
        "short_money",
    )
}
_TEMPLATES.globals |= {name: getattr(svg, name) for name in ("HEIGHT", "FOOT", "HEAD", "height_of")}
_TEMPLATES.globals |= {
    "ACCOUNT_KIND": ACCOUNT_KIND,
    "CARD": CARD,
    "MOMENT": MOMENT,
    "MOVIMENTO": MOVIMENTO.name,
    "CSV_NAME": CSV_NAME,
    "MISMATCHES_NAME": MISMATCHES_NAME,
    "REJECTED_NAME": REJECTED_NAME,
    "RUN_NAME": RUN_NAME,
    "WARNINGS_NAME": WARNINGS_NAME,
    "WEEKDAYS": WEEKDAYS,
}
#: Compiled when this module is imported, while the join runs.
_PAGE = _TEMPLATES.get_template("page.html")
PLOTS: Any = _TEMPLATES.get_template("plots.html").module


def write_report(folder: Path, lists: Path, figures: Figures, manifest: dict[str, Any]) -> Path:
    """Write REPORT_NAME into `folder` from the figures, the folder of the lists and the manifest; return its path.

    Raises:
        OSError: a file cannot be read or written.
    """
    content = page(figures, moved_by_mismatches(lists / MISMATCHES_NAME), manifest)
    path = make_private_file(folder / REPORT_NAME)
    path.write_text(content, "utf-8")
    return path


def page(figures: Figures, mismatched: Totals, manifest: dict[str, Any]) -> str:
    """Return the whole page.

    Args:
        figures: of the CSV.
        mismatched: movements of the cards whose holder is not their account's owner.
        manifest: the content of manifest.json.
    """
    return _PAGE.render(
        figures=figures,
        mismatched=mismatched,
        manifest=manifest,
        months=_months(figures, ACCOUNT_KIND in manifest["csv"]["columns"]),
        cards=[(_card(card.number, manifest["privacy"]["card"]), card.totals) for card in figures.top_cards],
        amounts=_amounts(figures),
        hours=_hours(figures),
        rejections=_reasons(REJECTED, manifest["rejected"]["by_reason"]),
        warnings=_reasons(WARNINGS, manifest["warnings"]["by_reason"]),
    )


def _months(figures: Figures, has_kinds: bool) -> dict[str, Any]:
    """Return movements by period and kind of account.

    Returns:
        by_year: whether a period is a year.
        kinds: each kind of account, and what it adds up to.
        head: of each kind's column in the table of periods.
        periods: each period, what it adds up to, and the totals of each kind if the CSV has them.
        plot: what `plots.html` draws of the periods that have a date; None where there are none.
    """
    kinds = [_kind(name) for name in figures.kinds] if has_kinds else [_ALL_KINDS]
    by_year = len(figures.months) > _MOST_MONTHS
    months = _years(figures.months) if by_year else figures.months
    dated = {name: row for name, row in months.items() if name not in _SPECIAL_PERIODS}
    sums = [sum((row[place] for row in months.values()), Totals()) for place in range(len(kinds))]
    return {
        "by_year": by_year,
        "kinds": list(zip(kinds, sums, strict=True)),
        "head": [f"{kind} (R$)" for kind in kinds] if has_kinds else [],
        "periods": [
            (_SPECIAL_PERIODS.get(name) or month(name), sum(row, Totals()), row if has_kinds else ())
            for name, row in months.items()
        ],
        "plot": _plot(kinds, dated) if dated else None,
    }


def _years(months: dict[str, tuple[Totals, ...]]) -> dict[str, tuple[Totals, ...]]:
    years: dict[str, tuple[Totals, ...]] = {}
    for name, row in months.items():
        year = name.partition("-")[0]
        before = years.get(year, (Totals(),) * len(row))
        years[year] = tuple(a + b for a, b in zip(before, row, strict=True))
    return years


def _plot(kinds: Sequence[str], periods: dict[str, tuple[Totals, ...]]) -> dict[str, Any]:
    """Return the arguments of `stacked_columns` in plots.html."""
    values = [[totals.centavos for totals in row] for row in periods.values()]
    high = max(sum(value for value in row if value > 0) for row in values)
    low = min(sum(value for value in row if value < 0) for row in values)
    names = [month(name) for name in periods]
    axis, ordinals = svg.ticks(low, high), [_ordinal(name) for name in periods]
    return {
        "title": f"Valor por período e tipo de conta, de {names[0]} a {names[-1]}."
        " Os valores estão na tabela abaixo.",
        "names": names,
        "axis": axis,
        "boxes": svg.stack(values, axis),
        "hints": [
            [
                f"{name}, {kind}: {money(totals.centavos)}, {movements(totals.rows)}"
                for kind, totals in zip(kinds, row, strict=True)
            ]
            for name, row in zip(names, periods.values(), strict=True)
        ],
        "gaps": [place for place in range(1, len(names)) if ordinals[place] > ordinals[place - 1] + 1],
    }


def _ordinal(period: str) -> int:
    """Return a number of a month or a year, so that neighbours differ by one."""
    year, _, month_of_year = period.partition("-")
    return int(year) * 12 + int(month_of_year) if month_of_year else int(year)


def _amounts(figures: Figures) -> dict[str, Any]:
    """Return `paid`, each range of positive amounts with its totals, and their `mean`; None where there are none."""
    bins = figures.bins[2:]
    filled = [place for place, totals in enumerate(bins) if totals.rows]
    shown = range(filled[0], filled[-1] + 1) if filled else ()
    paid = sum(bins, Totals())
    return {
        "paid": [(_bin_name(place), bins[place]) for place in shown],
        "mean": (2 * paid.centavos + paid.rows) // (2 * paid.rows) if paid.rows else None,
    }


def _bin_name(place: int) -> str:
    low = BINS[place + 1]
    if place + 2 == len(BINS):
        words = f"{number(low // 100)} ou mais"
    elif not place:
        words = f"menos de {number(BINS[2] // 100)}"
    else:
        words = f"{number(low // 100)} a {number(BINS[place + 2] // 100)}"
    return words.replace(" ", NO_BREAK)


def _hours(figures: Figures) -> dict[str, Any]:
    """Return movements `by_day`, the `largest` number of an hour of the week, and in words when its `peak` is."""
    largest = max(map(max, figures.hours))
    day, hour = next((day, row.index(largest)) for day, row in enumerate(figures.hours) if largest in row)
    return {
        "by_day": [sum(row) for row in figures.hours],
        "largest": largest,
        "peak": f"{WEEKDAYS[day]} às {hour}h, com {movements(largest)}",
    }


def _reasons(
    texts: Mapping[Reject, tuple[str, str]] | Mapping[Warn, tuple[str, str]],
    counts: dict[str, int],
) -> list[dict[str, Any]]:
    """Return the reasons that occur, the most frequent first.

    Args:
        texts: title and explanation of each reason.
        counts: rows by reason.
    """
    found = [
        {
            "name": reason.value,
            "title": title,
            "explanation": explanation,
            "count": counts[reason.value],
        }
        for reason, (title, explanation) in texts.items()
        if reason.value in counts
    ]
    return sorted(found, key=lambda reason: -counts[reason["name"]])


def _kind(name: str | None) -> str:
    """Return a kind of account as it may be shown: short, and without a card number."""
    if name is None:
        return _OTHER_KINDS
    shown = mask_card_numbers(name.encode()).decode()
    return f"{shown[:_LONGEST_NAME]}…" if len(shown) > _LONGEST_NAME else shown or _NO_KIND


def _card(text: str, shows: str) -> str:
    """Return a card number of the CSV as the page shows it."""
    if shows == TOKEN:
        return f"{text[:_TOKEN_SHOWN]}…"
    return mask(text.encode()).decode()
