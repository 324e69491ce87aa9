"""relatorio.html: figures and findings of a delivery as a page in Portuguese, which loads nothing and runs nothing.

`page.html` is the page. Jinja escapes whatever comes from data. Card numbers are masked here, where the CSV shows
them whole. The page lies beside the CSV, so it shows no ids, no address and no account of the database.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import getmembers, isfunction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from movimento_flat import schema
from movimento_flat.card_numbers import mask, mask_card_numbers
from movimento_flat.money import Totals
from movimento_flat.privacy import MONTH, TOKEN
from movimento_flat.private_files import make_private_file
from movimento_flat.publish import parts
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.report import brazil, figures, svg
from movimento_flat.report.brazil import NO_BREAK, WEEKDAYS, money, month, movements, number, plain_money
from movimento_flat.report.figures import AGES, BINS, Figures
from movimento_flat.report.findings import Findings, findings_in
from movimento_flat.report.reasons import REJECTED, WARNINGS

#: Kinds of account that are told apart, and months that a plot has.
TOP_KINDS, MOST_MONTHS = 5, 60
_LONGEST_NAME, _TOKEN_SHOWN, _HEAT_STEPS = 40, 9, 5
_KINDS = {
    "corrente": "Corrente",
    "poupanca": "Poupança",
    "salario": "Salário",
    "investimento": "Investimento",
}
_OTHER_KINDS, _NO_KIND = "Outros", "(sem tipo)"
_NO_MONTHS = {
    figures.BEFORE_CARD: "antes do cartão",
    figures.IN_FUTURE: "no futuro",
    figures.UNDATED: "sem data válida",
    figures.OTHER_MONTHS: "outros anos",
}

_Cell = tuple[int, str | None, int | None]


def _printable(value: object) -> object:
    """Return a text with a dot for whatever does not print, such as an order to write from right to left."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(c if c.isprintable() or c == NO_BREAK else "·" for c in value)


def _mean(totals: Totals) -> int:
    """Return the mean in centavos, rounded half up; 0 of nothing."""
    return (2 * totals.centavos + totals.rows) // (2 * totals.rows) if totals.rows else 0


def _sum(found: Iterable[Totals]) -> Totals:
    return sum(found, Totals())


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=_printable,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= dict(getmembers(brazil, isfunction)) | {"mean": _mean}
_TEMPLATES.globals |= {name: getattr(svg, name) for name in ("HEIGHT", "FOOT", "HEAD", "height_of")}
_TEMPLATES.globals |= {"schema": schema, "parts": parts, "RUN_NAME": RUN_NAME, "WEEKDAYS": WEEKDAYS}
#: Compiled when this module is imported, while the join runs.
_PAGE = _TEMPLATES.get_template("page.html")


def write_report(
    folder: Path, lists: Path, found: Figures, manifest: dict[str, Any], is_fictitious: bool
) -> Path:
    """Write REPORT_NAME into `folder` from the figures, the folder of the lists and the manifest; return its path.

    Raises:
        OSError: a file cannot be read or written.
    """
    path = make_private_file(folder / parts.REPORT_NAME)
    path.write_text(page(found, findings_in(lists), manifest, is_fictitious), "utf-8")
    return path


def page(found: Figures, findings: Findings, manifest: dict[str, Any], is_fictitious: bool = False) -> str:
    """Return the whole page of the figures, the sums of the lists, and the content of manifest.json."""
    cells = found.of("cell")
    kinds = _largest_kinds(cells)
    names = [_kind(kind) for kind in kinds]
    periods = _periods(cells, kinds, found.cards.active)
    by_kind = {period: list(zip(names, sums.kinds, strict=True)) for period, sums in periods.items()}
    refunds = {period: [("estornos", sums.refunds)] for period, sums in periods.items()}
    return _PAGE.render(
        figures=found,
        findings=findings,
        manifest=manifest,
        is_fictitious=is_fictitious,
        asked_for=_asked_for(manifest["source"]),
        span=_span(found, manifest["privacy"]["dates"]),
        headline=_headline(periods, manifest["source"]),
        names=names,
        periods=[(_NO_MONTHS.get(period) or month(period), sums) for period, sums in periods.items()],
        impossible=_sum(sums.totals for period, sums in periods.items() if period in _NO_MONTHS),
        plots=[_plot("Valor por mês e tipo de conta", by_kind), _plot("Estornos por mês", refunds)],
        kinds=list(
            zip(names, map(_sum, zip(*(sums.kinds for sums in periods.values()), strict=True)), strict=True)
        ),
        merchants=[(_shown(name), totals) for name, totals in found.merchants.top],
        ages=_ages(found.of("age")),
        cards=[(_card(card.number, manifest["privacy"]["card"]), card.totals) for card in found.cards.top],
        amounts=_amounts(found.of("bin")),
        hours=_hours(found.of("hour")),
        rejections=_reasons(REJECTED, manifest["rejected"]["by_reason"], findings.rejected),
        warnings=_reasons(WARNINGS, manifest["warnings"]["by_reason"], found.warned()),
    )


class _Period(NamedTuple):
    """What a month, or the rows without a month, add up to; refunds are positive."""

    totals: Totals
    kinds: list[Totals]
    refunds: Totals
    purchases: Totals
    cards: int


def _periods(
    cells: Mapping[_Cell, Totals], kinds: list[str | None], active: Mapping[int, int]
) -> dict[int, _Period]:
    """Return the sums of each month, in order, and then those of rows without a month."""
    sums = _add_up(cells, lambda period, kind, sign: period)
    signs = _add_up(cells, lambda period, kind, sign: (period, sign))
    by_kind = _add_up(cells, lambda period, kind, sign: (period, kind if kind in kinds else None))
    return {
        period: _Period(
            sums[period],
            [by_kind[period, kind] for kind in kinds],
            Totals(signs[period, -1].rows, -signs[period, -1].centavos),
            signs[period, 1],
            active.get(period, 0),
        )
        for period in sorted(sums, key=lambda period: (period < 0, period))
    }


def _largest_kinds(cells: Mapping[_Cell, Totals]) -> list[str | None]:
    """Return the kinds of account with most movements, and then None for all others, if there are any."""
    sums = _add_up(cells, lambda period, kind, sign: kind)
    largest = sorted(sums.keys() - {None}, key=lambda kind: (-sums[kind].rows, kind))[:TOP_KINDS]
    return [*largest, *([None] if len(sums) > len(largest) else [])]


def _add_up(
    cells: Mapping[_Cell, Totals], key: Callable[[int, str | None, int | None], Any]
) -> dict[Any, Totals]:
    sums = defaultdict[Any, Totals](Totals)
    for cell, totals in cells.items():
        sums[key(*cell)] += totals
    return sums


def _asked_for(source: Mapping[str, Any]) -> str:
    """Return which rows were asked for; empty where all were."""
    since, until, as_of = source["since"], source["until"], source["as_of"]
    period = f"Período pedido: {brazil.span(since, until)}" if since or until else ""
    return "; ".join(filter(None, (period, f"tabelas como eram em {brazil.moment(as_of)}" if as_of else "")))


def _span(found: Figures, dates: str) -> str:
    """Return the first and the last day, or month where the dates have no more; empty where no row has a month."""
    if not found.first or not found.last:
        return ""
    shown = brazil.month_of if dates == MONTH else brazil.day
    return f"De {shown(found.first)} a {shown(found.last)}: "


def _headline(periods: Mapping[int, _Period], source: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the last whole month with its figures and their changes; None where no movement has a month."""
    months = [period for period in periods if period >= 0]
    if not months:
        return None
    last = max((period for period in months if _is_whole(period, source)), default=months[-1])
    figures_of: tuple[tuple[str, Callable[[int], str], Callable[[_Period], int]], ...] = (
        ("Valor líquido", money, lambda sums: sums.totals.centavos),
        ("Movimentos", number, lambda sums: sums.totals.rows),
        ("Ticket médio", money, lambda sums: _mean(sums.purchases)),
        ("Estornos", money, lambda sums: sums.refunds.centavos),
        ("Cartões ativos", number, lambda sums: sums.cards),
    )

    def changes(value: Callable[[_Period], int]) -> Iterator[str]:
        for other in (last - 1, last - 12):
            before = value(periods[other]) if other in periods and _is_whole(other, source) else 0
            found = brazil.change(value(periods[last]), before) if before > 0 else "sem comparação"
            yield f"{found} ante {month(other)}"

    tiles = [(title, shown(value(periods[last])), list(changes(value))) for title, shown, value in figures_of]
    return {"month": brazil.long_month(last), "is_whole": _is_whole(last, source), "tiles": tiles}


def _is_whole(month: int, source: Mapping[str, Any]) -> bool:
    """Tell whether all movements of a month were asked for, and the month was over."""
    begins, ends = (f"{place // 12:04d}-{place % 12 + 1:02d}-01" for place in (month, month + 1))
    limits = [source[limit] for limit in ("clock", "until", "as_of") if source[limit]]
    return (source["since"] or "") <= f"{begins} 00:00:00" and all(ends <= limit for limit in limits)


def _plot(title: str, periods: Mapping[int, Sequence[tuple[str, Totals]]]) -> dict[str, Any] | None:
    """Return the arguments of `stacked_columns` in plots.html, a column a month; None where there are no months."""
    months = [period for period in periods if period >= 0]
    if not months:
        return None
    columns = range(max(months[0], months[-1] - MOST_MONTHS + 1), months[-1] + 1)
    rows = [periods.get(place, ()) for place in columns]
    heights = [[totals.centavos for _, totals in row] for row in rows]
    high = max(sum(value for value in row if value > 0) for row in heights)
    low = min(sum(value for value in row if value < 0) for row in heights)
    labels = ["" if place % 12 else month(place) for place in columns]
    axis = svg.ticks(low, high)
    return {
        "title": f"{title}. Os valores estão na tabela abaixo.",
        "labels": labels if any(labels) else [month(columns[0]), *labels[1:]],
        "axis": axis,
        "boxes": svg.stack(heights, axis),
        "hints": [
            [f"{month(place)}, {name}: {money(sums.centavos)}, {movements(sums.rows)}" for name, sums in row]
            for place, row in zip(columns, rows, strict=True)
        ],
    }


def _ages(sums: defaultdict[int | None, Totals]) -> list[tuple[str, Totals]]:
    """Return the bands of ages; rows without an age, or with one that nobody has, only where there are any."""
    between = [f"{low} a {high - 1}" for low, high in pairwise(AGES[1:-1])]
    names = [f"até {AGES[1] - 1}", *between, f"{AGES[-2]} ou mais"]
    others = [(f"fora de 0 a {AGES[-1] - 1}", sums[0]), ("(sem idade)", sums[None])]
    bands = [(name, sums[place]) for place, name in enumerate(names, 1)]
    return [*bands, *(other for other in others if other[1].rows)]


def _amounts(sums: defaultdict[int | None, Totals]) -> list[tuple[str, Totals]]:
    """Return ranges of positive amounts as `1,00 a 1,99`, from the first one that has any; refunds; and zeros."""
    names = [f"{plain_money(low)} a {plain_money(high - 1)}" for low, high in pairwise(BINS)]
    names = ["zero", f"menos de {plain_money(BINS[2])}", *names[2:], f"{plain_money(BINS[-1])} ou mais"]
    filled = [place for place in sums if place and place > 1]
    shown = range(min(filled), max(filled) + 1) if filled else ()
    return [*((names[place - 1], sums[place]) for place in shown), ("estornos", sums[0]), ("zero", sums[1])]


def _hours(sums: defaultdict[int | None, Totals]) -> dict[str, Any]:
    """Return movements by weekday and hour, with steps of colour between the smallest and the largest number."""
    rows = [[sums[24 * day + hour].rows for hour in range(24)] for day in range(7)]
    low, high = min(map(min, rows)), max(map(max, rows))
    width = (high - low) // _HEAT_STEPS + 1
    day, hour = next((day, row.index(high)) for day, row in enumerate(rows) if high in row)
    return {
        "rows": rows,
        "steps": [[(count - low) // width for count in row] for row in rows],
        "peak": f"{WEEKDAYS[day]} às {hour}h, com {movements(high)}" if high else "",
    }


def _reasons(
    texts: Mapping[Any, tuple[str, str]], counts: Mapping[str, int], totals: Mapping[str, Totals]
) -> list[tuple[str, str, int, Totals | None]]:
    """Return title, explanation, rows of the list and movements of each reason that occurs, the most frequent first.

    Movements are None where the reason is one of cards or people, and the CSV does not tell which.
    """
    names = sorted(
        (reason for reason in texts if reason.value in counts), key=lambda reason: -counts[reason.value]
    )
    return [(*texts[name], counts[name.value], totals.get(name.value)) for name in names]


def _kind(name: str | None) -> str:
    return _OTHER_KINDS if name is None else _KINDS.get(name) or _shown(name) or _NO_KIND


def _shown(text: str) -> str:
    """Return a text of the CSV as it may be shown: short, and without a card number."""
    masked = mask_card_numbers(text.encode()).decode()
    return f"{masked[:_LONGEST_NAME]}…" if len(masked) > _LONGEST_NAME else masked


def _card(text: str, shows: str) -> str:
    """Return a card number of the CSV as the page shows it."""
    return f"{text[:_TOKEN_SHOWN]}…" if shows == TOKEN else mask(text.encode()).decode()
