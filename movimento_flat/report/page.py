"""relatorio.html: figures and findings of a delivery as one page in Portuguese, which loads nothing and runs nothing.

Whatever comes from data goes through `_text`. Card numbers are masked here too, where the CSV shows them whole.
The page lies beside the CSV, so it shows no ids, no address and no account of the database.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from movimento_flat.card_numbers import mask, mask_card_numbers
from movimento_flat.money import Totals
from movimento_flat.privacy import FULL, MASK, TOKEN
from movimento_flat.problem_lists import Reject, Warn
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.publish.parts import (
    CSV_NAME,
    MISMATCHES_NAME,
    REJECTED_NAME,
    REPORT_NAME,
    WARNINGS_NAME,
)
from movimento_flat.report import svg
from movimento_flat.report.adding import BINS, HOURS, TOP_CARDS
from movimento_flat.report.brazil import (
    NO_BREAK,
    WEEKDAYS,
    day,
    moment,
    money,
    month,
    number,
    percent,
    plain_money,
    seconds,
    short_money,
)
from movimento_flat.report.figures import OTHER_MONTHS, UNDATED, Figures
from movimento_flat.report.findings import moved_by_mismatches
from movimento_flat.report.reasons import REJECTED, WARNINGS
from movimento_flat.report.style import STYLE
from movimento_flat.schema import ACCOUNT_KIND, CARD, MOMENT, MOVIMENTO

#: With more months than that a column is a year.
_MOST_MONTHS = 60
_LONGEST_NAME = 40
_TOKEN_SHOWN = 9
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_OTHER_KINDS, _NO_KIND, _ALL_KINDS = "outros", "(sem tipo)", "todas as contas"


def write_report(folder: Path, lists: Path, figures: Figures, manifest: dict[str, Any]) -> Path:
    """Write REPORT_NAME into `folder` from the figures, the folder of the lists and the manifest; return its path.

    Raises:
        OSError: a file cannot be read or written.
    """
    path = folder / REPORT_NAME
    content = page(figures, moved_by_mismatches(lists / MISMATCHES_NAME), manifest)
    path.touch(mode=0o600)
    path.write_text(content, "utf-8")
    return path


def page(figures: Figures, mismatched: Totals, manifest: dict[str, Any]) -> str:
    """Return the whole page.

    Args:
        figures: of the CSV.
        mismatched: movements of the cards whose holder is not their account's owner.
        manifest: the content of manifest.json.
    """
    sections = (
        _headline(figures, manifest),
        _by_month(figures, manifest),
        _top_cards(figures, manifest),
        _amounts(figures),
        _hours(figures, manifest),
        _rejected(manifest),
        _warnings(manifest),
        _mismatches(mismatched, manifest),
        _facts(manifest),
    )
    joined = "\n".join(sections)
    return (
        '<!DOCTYPE html>\n<html lang="pt-BR">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Movimentos de cartão: relatório da entrega</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n{joined}\n</main>\n"
        f"<footer><p>Feito por movimento-flat {_text(manifest['versions']['movimento-flat'])}. Os números são"
        f" somados, até o centavo, do próprio {CSV_NAME} depois de pronto. Números de cartão aparecem sempre"
        " mascarados ou abreviados.</p></footer>\n</body>\n</html>\n"
    )


def _headline(figures: Figures, manifest: dict[str, Any]) -> str:
    source, rejected = manifest["source"], manifest["rejected"]
    read = source["rows"][MOVIMENTO.name]
    tiles = [
        ("Movimentos", number(figures.totals.rows), "linhas do CSV"),
        ("Valor total", money(figures.totals.centavos), "já descontados os estornos"),
        ("Período", _period(figures), "do primeiro ao último movimento"),
        ("Rejeitados", number(rejected["rows"]), f"{percent(rejected['rows'], read)} dos movimentos lidos"),
        (
            "Divergências",
            number(manifest["holder_owner_mismatches"]),
            "cartões de titular que não é o dono da conta",
        ),
        ("Retrato do banco", moment(source["clock"]), f"fuso {source['time_zone']}"),
    ]
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{_text(value)}<small>{_text(note)}</small></dd></div>"
        for name, value, note in tiles
    )
    balance = (
        f"As contas fecham: {number(read)} movimentos lidos no banco de dados ({money(source['movement_centavos'])})"
        f" = {number(figures.totals.rows)} no CSV ({money(figures.totals.centavos)})"
        f" + {number(rejected['rows'])} rejeitados ({money(rejected['centavos'])})."
    )
    unknown = ""
    if figures.without_amount:
        unknown = f"<p>{_movements(figures.without_amount)} sem valor (NULL), que somam zero.</p>"
    return (
        "<header><h1>Movimentos de cartão</h1><p>Relatório da entrega de "
        f"<code>{CSV_NAME}</code>{_text(_window(source))}</p></header>\n"
        f'<section aria-label="Resumo"><dl class="tiles">{cells}</dl><p class="proof">{balance}</p>{unknown}</section>'
    )


def _period(figures: Figures) -> str:
    if not figures.first or not figures.last:
        return "sem datas"
    return f"{day(figures.first)} a {day(figures.last)}"


def _window(source: dict[str, Any]) -> str:
    """What was asked for, where it is not everything."""
    asked = [
        f"{words} {moment(source[name])}"
        for name, words in (
            ("since", "movimentos a partir de"),
            ("until", "movimentos antes de"),
            ("as_of", "tabelas como eram em"),
        )
        if source[name]
    ]
    return f" ({'; '.join(asked)})" if asked else ""


def _by_month(figures: Figures, manifest: dict[str, Any]) -> str:
    title = "Por mês e tipo de conta"
    if not figures.totals.rows:
        return _section(title, "<p>Não há movimentos nesta entrega.</p>")
    parts = []
    has_kinds = ACCOUNT_KIND in manifest["csv"]["columns"]
    kinds = [_kind(name) for name in figures.kinds] if has_kinds else [_ALL_KINDS]
    periods, by_year = _periods(figures.months)
    shown = {name: row for name, row in periods.items() if name not in (OTHER_MONTHS, UNDATED)}
    if by_year:
        parts.append(f"<p>Há movimentos em {len(figures.months)} meses; cada coluna é um ano.</p>")
    if missing := [name for name in (MOMENT, ACCOUNT_KIND) if name not in manifest["csv"]["columns"]]:
        parts += [_dropped(name) for name in missing]
    if shown:
        parts += [_legend(kinds) if has_kinds else "", _columns(kinds, shown)]
    if has_kinds:
        parts.append(_kinds_table(figures, kinds))
    if MOMENT in manifest["csv"]["columns"]:
        parts.append(_periods_table(kinds if has_kinds else (), periods))
    return _section(title, *parts)


def _periods(months: dict[str, tuple[Totals, ...]]) -> tuple[dict[str, tuple[Totals, ...]], bool]:
    """-> the totals by month, or by year where there are too many months; and whether it is by year."""
    if len(months) <= _MOST_MONTHS:
        return months, False
    years: dict[str, tuple[Totals, ...]] = {}
    for name, row in months.items():
        year = name.partition("-")[0]
        before = years.get(year, (Totals(),) * len(row))
        years[year] = tuple(a + b for a, b in zip(before, row, strict=True))
    return years, True


def _columns(kinds: Sequence[str], periods: dict[str, tuple[Totals, ...]]) -> str:
    values = [[totals.centavos for totals in row] for row in periods.values()]
    high = max(sum(value for value in row if value > 0) for row in values)
    low = min(sum(value for value in row if value < 0) for row in values)
    names = [month(name) for name in periods]
    hints = [
        [
            f"{name}, {kind}: {money(totals.centavos)}, {_movements(totals.rows)}"
            for kind, totals in zip(kinds, row, strict=True)
        ]
        for name, row in zip(names, periods.values(), strict=True)
    ]
    title = (
        f"Valor por período e tipo de conta, de {names[0]} a {names[-1]}. Os valores estão na tabela abaixo."
    )
    axis = [(value, short_money(value)) for value in svg.ticks(low, high)]
    ordinals = [_ordinal(name) for name in periods]
    gaps = [place for place in range(1, len(ordinals)) if ordinals[place] > ordinals[place - 1] + 1]
    note = "<p><small>Uma linha tracejada marca períodos sem movimentos.</small></p>" if gaps else ""
    return '<p class="unit">R$</p>' + svg.stacked_columns(title, names, values, hints, axis, gaps) + note


def _ordinal(period: str) -> int:
    """Of a month or a year, so that neighbours differ by one."""
    year, _, month_of_year = period.partition("-")
    return int(year) * 12 + int(month_of_year) if month_of_year else int(year)


def _kinds_table(figures: Figures, kinds: Sequence[str]) -> str:
    sums = [sum((row[place] for row in figures.months.values()), Totals()) for place in range(len(kinds))]
    largest = max((totals.centavos for totals in sums), default=0)
    rows = [
        (
            _text(kind),
            number(totals.rows),
            plain_money(totals.centavos),
            percent(totals.centavos, figures.totals.centavos),
            svg.bar(totals.centavos, largest, place),
        )
        for place, (kind, totals) in enumerate(zip(kinds, sums, strict=True))
    ]
    return _table("Por tipo de conta", ("Tipo de conta", "Movimentos", "Valor (R$)", "Parte", ""), rows)


def _periods_table(kinds: Sequence[str], periods: dict[str, tuple[Totals, ...]]) -> str:
    special = {OTHER_MONTHS: "outros meses", UNDATED: "sem data válida"}
    rows = []
    for name, row in periods.items():
        total = sum(row, Totals())
        cells = [plain_money(totals.centavos) if totals.rows else "" for totals in row[: len(kinds)]]
        rows.append(
            (special.get(name) or month(name), number(total.rows), plain_money(total.centavos), *cells)
        )
    head = ("Período", "Movimentos", "Total (R$)", *(f"{_text(kind)} (R$)" for kind in kinds))
    return _table("Por período", head, rows, tall=True)


def _legend(kinds: Sequence[str]) -> str:
    items = "".join(
        f'<li><svg width="12" height="12" aria-hidden="true"><rect class="k{place}" width="12" height="12" rx="2"/>'
        f"</svg> {_text(kind)}</li>"
        for place, kind in enumerate(kinds)
    )
    return f'<ul class="legend">{items}</ul>'


def _top_cards(figures: Figures, manifest: dict[str, Any]) -> str:
    title = "Cartões de maior valor"
    if CARD not in manifest["csv"]["columns"]:
        return _section(title, _dropped(CARD))
    if not figures.top_cards:
        return _section(title, "<p>Não há cartões com movimentos nesta entrega.</p>")
    shows = manifest["privacy"]["card"]
    largest = figures.top_cards[0].totals.centavos
    rows = [
        (
            f"<code>{_text(_card(card.number, shows))}</code>",
            number(card.totals.rows),
            plain_money(card.totals.centavos),
            percent(card.totals.centavos, figures.totals.centavos),
            svg.bar(card.totals.centavos, largest),
        )
        for card in figures.top_cards
    ]
    how = {
        FULL: "Aqui só aparecem os seis primeiros e os quatro últimos algarismos de cada número.",
        MASK: "O CSV tem só os seis primeiros e os quatro últimos algarismos de cada número.",
        TOKEN: "O CSV tem um código no lugar de cada número; aqui aparece o começo dele.",
    }
    return _section(
        title,
        f"<p>{number(figures.cards)} {'cartão tem' if figures.cards == 1 else 'cartões têm'} movimentos;"
        f" estes são os {min(figures.cards, TOP_CARDS)} de maior soma, já descontados os estornos. {how[shows]}</p>",
        _table("Os maiores", ("Cartão", "Movimentos", "Valor (R$)", "Parte", ""), rows),
    )


def _amounts(figures: Figures) -> str:
    title = "Distribuição dos valores"
    refunds, zeros, *bins = figures.bins
    if not figures.totals.rows:
        return _section(title, "<p>Não há movimentos nesta entrega.</p>")
    known = figures.totals.rows - figures.without_amount
    filled = [place for place, totals in enumerate(bins) if totals.rows]
    largest = max((totals.rows for totals in bins), default=0)
    rows = [
        (
            _bin_name(place),
            number(bins[place].rows),
            plain_money(bins[place].centavos),
            percent(bins[place].rows, known),
            svg.bar(bins[place].rows, largest),
        )
        for place in (range(filled[0], filled[-1] + 1) if filled else ())
    ]
    apart = [
        (name, number(totals.rows), plain_money(totals.centavos), percent(totals.rows, known), "")
        for name, totals in (("estornos (negativos)", refunds), ("zero", zeros))
    ]
    mean = ""
    paid = sum(bins, Totals())
    if paid.rows:
        rounded = (2 * paid.centavos + paid.rows) // (2 * paid.rows)
        mean = f"<p>Valor médio de uma compra: {money(rounded)}, sem contar estornos.</p>"
    head = ("Valor (R$)", "Movimentos", "Soma (R$)", "Parte", "")
    return _section(title, mean, _table("Por faixa de valor", head, [*rows, *apart], apart=len(apart)))


def _bin_name(place: int) -> str:
    low = BINS[place + 1]
    if place + 2 == len(BINS):
        words = f"{number(low // 100)} ou mais"
    elif not place:
        words = f"menos de {number(BINS[2] // 100)}"
    else:
        words = f"{number(low // 100)} a {number(BINS[place + 2] // 100)}"
    return words.replace(" ", NO_BREAK)


def _hours(figures: Figures, manifest: dict[str, Any]) -> str:
    title = "Dia da semana e hora"
    if MOMENT not in manifest["csv"]["columns"]:
        return _section(title, _dropped(MOMENT))
    largest = max(map(max, figures.hours))
    if not largest:
        return _section(title, "<p>Nenhum movimento tem data e hora válidas.</p>")
    peak_day, peak_hour = next(
        (weekday, row.index(largest)) for weekday, row in enumerate(figures.hours) if largest in row
    )
    peak = f"{WEEKDAYS[peak_day]} às {peak_hour}h, com {_movements(largest)}"
    plot = svg.heat_map(
        f"Movimentos por dia da semana e hora. Mais movimentos: {peak}.",
        WEEKDAYS,
        [f"{hour}h" for hour in range(HOURS)],
        figures.hours,
        [[_movements(count) for count in row] for row in figures.hours],
    )
    scale = (
        f'<p class="scale"><span>0</span><svg width="120" height="12" aria-hidden="true">{_scale()}</svg>'
        f"<span>{_movements(largest)}</span></p>"
    )
    totals = [sum(row) for row in figures.hours]
    rows = [
        (name, number(count), percent(count, sum(totals)), svg.bar(count, max(totals)))
        for name, count in zip(WEEKDAYS, totals, strict=True)
    ]
    return _section(
        title,
        f"<p>Quanto mais forte a cor, mais movimentos. O maior número: {peak}.</p>",
        plot,
        scale,
        _table("Por dia da semana", ("Dia", "Movimentos", "Parte", ""), rows),
    )


def _scale() -> str:
    return "".join(
        f'<rect class="heat" x="{24 * place}" width="24" height="12" fill-opacity="{place / 4}"/>'
        for place in range(5)
    )


def _rejected(manifest: dict[str, Any]) -> str:
    counts = manifest["rejected"]["by_reason"]
    lead = (
        f"<p>{_movements(manifest['rejected']['rows'])} do banco de dados não "
        f"{'está' if manifest['rejected']['rows'] == 1 else 'estão'} no CSV, no valor de"
        f" {money(manifest['rejected']['centavos'])}."
        f" A lista completa está em <code>{RUN_NAME}/{REJECTED_NAME}</code>.</p>"
        if counts
        else "<p>Nenhum movimento foi rejeitado: todos estão no CSV.</p>"
    )
    return _section("Movimentos rejeitados", lead, _reasons(REJECTED, counts))


def _warnings(manifest: dict[str, Any]) -> str:
    counts = manifest["warnings"]["by_reason"]
    lead = (
        "<p>O que parece errado, mas foi entregue assim mesmo, como está no banco de dados."
        f" A lista completa está em <code>{RUN_NAME}/{WARNINGS_NAME}</code>.</p>"
        if counts
        else "<p>Nenhum aviso: nada pareceu errado.</p>"
    )
    return _section("Avisos", lead, _reasons(WARNINGS, counts))


def _reasons(
    texts: Mapping[Reject, tuple[str, str]] | Mapping[Warn, tuple[str, str]],
    counts: dict[str, int],
) -> str:
    """(title, explanation) of each reason, and rows by reason -> those that occur, the most frequent first."""
    known = [
        (reason.value, *text, counts[reason.value])
        for reason, text in texts.items()
        if reason.value in counts
    ]
    items = "".join(
        f'<li><h3>{title} <code>{name}</code></h3><p class="count">{number(count)}</p>'
        f"<p>{explanation}</p></li>"
        for name, title, explanation, count in sorted(known, key=lambda reason: -reason[3])
    )
    return f'<ul class="findings">{items}</ul>' if items else ""


def _mismatches(mismatched: Totals, manifest: dict[str, Any]) -> str:
    title = "Titular que não é o dono da conta"
    cards = manifest["holder_owner_mismatches"]
    if not cards:
        return _section(title, "<p>Em todos os cartões o titular é o dono da conta.</p>")
    return _section(
        title,
        f"<p>{number(cards)} {'cartão tem' if cards == 1 else 'cartões têm'} um titular que não é o dono da conta,"
        f" com {_movements(mismatched.rows)} no valor de {money(mismatched.centavos)}."
        " É o caso de cartões adicionais; no CSV o nome é sempre o do titular."
        f" A lista completa está em <code>{RUN_NAME}/{MISMATCHES_NAME}</code>.</p>",
    )


def _facts(manifest: dict[str, Any]) -> str:
    csv, source, hides = manifest["csv"], manifest["source"], manifest["privacy"]
    cards = {FULL: "inteiros", MASK: "mascarados", TOKEN: "códigos (HMAC-SHA-256)"}
    people = {FULL: "nomes inteiros", TOKEN: "códigos (HMAC-SHA-256), sem nomes"}
    rows = ", ".join(f"{name} {number(count)}" for name, count in source["rows"].items())
    facts = [
        ("Arquivo", f"{CSV_NAME}, {number(csv['bytes'])} bytes"),
        ("SHA-256", csv["sha256"]),
        ("Números de cartão no CSV", cards[hides["card"]]),
        ("Pessoas no CSV", people[hides["people"]]),
        ("Colunas deixadas fora", ", ".join(hides["dropped"]) or "nenhuma"),
        ("Servidor", source["server"]),
        ("Linhas lidas", rows),
        (
            "Retrato",
            f"{moment(source['clock'])} (fuso {source['time_zone']}), {moment(source['snapshot_utc'])} UTC",
        ),
        ("Conexões", number(source["connections"])),
        ("Motor da junção", manifest["engine"]),
        ("Tempo de cada etapa", ", ".join(f"{k} {seconds(v)}" for k, v in manifest["seconds"].items())),
        ("Versões", ", ".join(f"{name} {text}" for name, text in manifest["versions"].items())),
    ]
    items = "".join(f"<div><dt>{name}</dt><dd>{_text(value)}</dd></div>" for name, value in facts)
    return _section("De onde vem", f'<dl class="facts">{items}</dl>')


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>"


def _table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], apart: int = 0, tall: bool = False
) -> str:
    """Cells are HTML; the first of a row names it. A line sets the last rows `apart`; a `tall` table scrolls."""
    names = "".join(f'<th scope="col">{name}</th>' if name else "<td></td>" for name in head)
    lines = [
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>'
        for row in rows
    ]
    body, rest = ("".join(part) for part in (lines[: len(lines) - apart], lines[len(lines) - apart :]))
    return (
        f'<div class="table{" tall" if tall else ""}" role="region" aria-label="{caption}" tabindex="0">'
        f"<table><caption>{caption}</caption>"
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody>"
        f"{f'<tbody>{rest}</tbody>' if rest else ''}</table></div>"
    )


def _dropped(column: str) -> str:
    return (
        f"<p>O CSV desta entrega foi pedido sem a coluna <code>{column}</code>; esta parte precisa dela.</p>"
    )


def _movements(count: int) -> str:
    return f"{number(count)} {'movimento' if count == 1 else 'movimentos'}"


def _kind(name: str | None) -> str:
    """A kind of account as it may be shown: short, printable, and without a card number."""
    if name is None:
        return _OTHER_KINDS
    shown = mask_card_numbers(name.encode()).decode()
    return f"{shown[:_LONGEST_NAME]}…" if len(shown) > _LONGEST_NAME else shown or _NO_KIND


def _card(text: str, shows: str) -> str:
    """A card number as the CSV has it -> as the page shows it."""
    if shows == TOKEN:
        return f"{text[:_TOKEN_SHOWN]}…"
    return mask(text.encode()).decode()


def _text(text: str) -> str:
    """Any text -> HTML. What does not print, an order to write from right to left among it, is a dot."""
    return escape("".join(c if c.isprintable() or c == NO_BREAK else "·" for c in text))
