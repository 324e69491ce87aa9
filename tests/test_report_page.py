"""relatorio.html: what was delivered, for a browser that may run and load nothing; no card number, id or address."""

import copy
import json
import re
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.money import Totals
from movimento_flat.problem_lists import MISMATCH_COLUMNS, REJECTED_COLUMNS, Reject, Warn
from movimento_flat.publish.parts import MISMATCHES_NAME, REJECTED_NAME, REPORT_NAME
from movimento_flat.report import brazil, svg
from movimento_flat.report.figures import Figures
from movimento_flat.report.findings import Findings, findings_in
from movimento_flat.report.page import _TEMPLATES, TOP_KINDS, page
from movimento_flat.report.reasons import REJECTED, WARNINGS
from movimento_flat.report.svg import stack, ticks
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS
from movimento_flat.sql_files import READER
from tests.brute_force import Row
from tests.conftest import Database
from tests.test_figures import figures_of, files, written, written_rows
from tests.test_manifest import VALIDATOR
from tests.test_run import RUN, assert_user_error, command, run

MANIFEST: dict[str, Any] = {
    "format": 4,
    "csv": {"columns": list(FLAT_COLUMNS), "sha256": "ab" * 32, "bytes": 1, "rows": 0, "centavos": 0},
    "privacy": {"card": "full", "people": "full", "dates": "full", "dropped": [], "key_fingerprint": None},
    "rejected": {"rows": 0, "centavos": 0, "by_reason": {}},
    "holder_owner_mismatches": 0,
    "warnings": {"by_reason": {}},
    "files": {
        name: {"sha256": "cd" * 32, "bytes": 1, "left_out": {}, "rows": None}
        for name in ("datapackage.json", "holder_owner_mismatches.tsv", "rejected.tsv", "warnings.tsv")
    },
    "source": {
        "address": "mysql://reader@db.example:3306/sicooperative",
        "rows": {"associado": 1, "conta": 2, "cartao": 3, "movimento": 1234},
        "movement_centavos": -123456,
        "snapshot_utc": "2024-05-06 07:08:09.123456",
        "clock": "2024-05-06 04:08:09",
        "time_zone": "-03:00",
        "server": "10.11.6-MariaDB",
        "connections": 2,
        "since": None,
        "until": None,
        "as_of": None,
        "tables": "",
        "absent": [],
        "too_small": [],
        "system_time_zone": "",
    },
    "engine": "local",
    "seconds": {"merge": 1.234, "audit": 0.5},
    "versions": {"movimento-flat": "0", "mrjob": "0.7.4", "PyMySQL": "1", "Python": "3"},
}
NOTHING = Findings(0, Totals(), {})
VOID = {"meta"}


def manifest(**changes: Any) -> dict[str, Any]:
    content = copy.deepcopy(MANIFEST) | changes
    VALIDATOR.validate(content)
    return content


def privacy_of(card: str, dropped: list[str]) -> dict[str, Any]:
    key = "0123456789abcdef" if card == "token" else None
    return {"card": card, "people": "full", "dates": "full", "dropped": dropped, "key_fingerprint": key}


class Page(HTMLParser):
    """A page's text, its tags and their attributes; each tag that is opened is closed in order."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.policy = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert self._open == []
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data if self._open[-1] in {"code", "small"} else f" {data} "


def check_that_it_does_nothing(content: str) -> Page:
    """Nothing to run, nothing to load, nowhere to go."""
    found = Page(content)
    assert found.policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not found.tags & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "a",
        "image",
    }
    assert not {name for name in found.attributes if name.startswith("on")}
    assert not found.attributes & {"src", "href", "xlink:href", "srcset", "action"}
    assert "url(" not in content
    assert "@import" not in content
    return found


@pytest.fixture(scope="module")
def delivered(filled: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OUTPUT of a real run."""
    output = tmp_path_factory.mktemp("delivered")
    result = run(filled, output)
    assert result.returncode == 0, result.stderr
    return output


def test_a_delivery_without_rows_has_a_page_that_says_so(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    assert run(database, tmp_path).returncode == 0
    text = check_that_it_does_nothing((tmp_path / REPORT_NAME).read_text("utf-8")).text
    for said in (
        "Não há movimentos",
        "Nenhum movimento foi rejeitado",
        "Nenhum aviso",
        "0 movimentos, no valor de R$ 0,00",
    ):
        assert said in text


def test_a_run_says_what_the_database_says(filled: Database, delivered: Path) -> None:
    report = delivered / REPORT_NAME
    assert report.stat().st_mode & 0o777 == 0o600
    text = check_that_it_does_nothing(report.read_text("utf-8")).text
    expected = [dict(zip(FLAT_COLUMNS, row, strict=True)) for row in filled.expected()]
    total = sum(int(str(row[AMOUNT]).replace(".", "")) for row in expected)
    content = json.loads((delivered / RUN / "manifest.json").read_text("utf-8"))
    assert (
        f"{brazil.movements(len(expected))}, no valor de {brazil.money(total)}".replace(chr(160), " ") in text
    )
    assert f"dos {brazil.movements(content['source']['rows']['movimento'])} do banco de dados" in text
    for reason in content["rejected"]["by_reason"] | content["warnings"]["by_reason"]:
        assert (
            next(
                title
                for known in (REJECTED, WARNINGS)
                for name, (title, _) in known.items()
                if name.value == reason
            )
            in text
        )
    assert content["csv"]["sha256"] in text
    assert "Dados fictícios" not in text


def test_no_page_has_a_card_number_or_a_name(filled: Database, delivered: Path) -> None:
    content = (delivered / REPORT_NAME).read_text("utf-8")
    numbers = {str(number) for (number,) in filled.query("SELECT num_cartao FROM cartao")}
    assert not {number for number in numbers if number in content}
    assert re.search(r"\d{6}\*+\d{4}", content)
    names = filled.query("SELECT nom_impresso FROM cartao WHERE LENGTH(nom_impresso) > 10")
    assert not [name for (name,) in names if name in content]


def test_no_page_has_an_id_an_address_or_an_account_of_the_database(
    database: Database, tmp_path: Path
) -> None:
    """Each row of each list has ids that no figure is like; findings of both lists are on the page all the same."""
    database.create_tables()
    people, cards, movements = (7_654_321, 7_654_322), (8_765_431, 8_765_432), range(9_876_541, 9_876_546)
    database.execute(
        f"INSERT INTO associado VALUES ({people[0]}, 'Ana', 'Reis', 200, NULL), ({people[1]}, 'Ivo', 'Sá', 9, NULL)",
        f"INSERT INTO conta VALUES (6543217, 'corrente', '2020-02-29', {people[0]})",
        f"INSERT INTO cartao VALUES ({cards[0]}, '4111111111111112', 'X', '2021-01-01', 6543217, {people[0]}),"
        f" ({cards[1]}, '4111111111111111', 'IVO', '2021-01-01', 6543217, {people[1]})",
        *(
            f"INSERT INTO movimento VALUES ({identity}, 0, 'x', '2019-01-01', {card})"
            for identity, card in zip(movements, (*cards, *cards, 5_432_176), strict=True)
        ),
    )
    for options in ((), ("--with-ids",)):
        result = run(database, tmp_path, "--report", *options)
        assert result.returncode == 0, result.stderr
        content = (tmp_path / REPORT_NAME).read_text("utf-8")
        lists = "".join(path.read_text("utf-8") for path in (tmp_path / RUN).glob("*.tsv"))
        ids = {str(identity) for identity in (*people, *cards, *movements, 5_432_176)}
        assert {identity for identity in ids if identity in lists} == ids
        assert {identity for identity in ids if identity in content} == set()
        for reason in (Warn.LUHN, Warn.ZERO, Warn.AGE, Warn.BEFORE_CARD):
            assert WARNINGS[reason][0] in content
        assert REJECTED[Reject.UNKNOWN_CARD][0] in content
        address = json.loads((tmp_path / RUN / "manifest.json").read_text("utf-8"))["source"]["address"]
        for part in (address, "mysql://", READER, database.name):
            assert part not in content


def test_without_it_a_run_publishes_none_and_both_can_be_verified(filled: Database, tmp_path: Path) -> None:
    for options, there in ((("--report",), True), (("--no-report",), False)):
        assert run(filled, tmp_path, *options).returncode == 0
        assert (tmp_path / REPORT_NAME).exists() == there
        result = command("verify", tmp_path)
        assert result.returncode == 0, result.stderr


def test_a_page_that_was_changed_is_found(filled: Database, tmp_path: Path) -> None:
    assert run(filled, tmp_path).returncode == 0
    report = tmp_path / REPORT_NAME
    report.write_text(report.read_text("utf-8").replace("gestores", "todos"), "utf-8")
    assert_user_error(command("verify", tmp_path), f"{REPORT_NAME} is not as it was published")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=files(), card=st.sampled_from(["full", "mask", "token"]))
def test_any_delivery_has_a_page_that_does_nothing(
    file: tuple[tuple[str, ...], list[Row]], card: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    columns, rows = file
    flat = written_rows(tmp_path_factory.mktemp("any") / "flat.csv", rows, columns)
    dropped = [name for name in FLAT_COLUMNS if name not in columns]
    content = page(
        figures_of(flat, columns),
        NOTHING,
        manifest(
            csv=MANIFEST["csv"] | {"columns": list(columns)},
            privacy=privacy_of(card, dropped),
        ),
    )
    text = check_that_it_does_nothing(content).text
    needed = {"data_movimento", "numero_cartao", "tipo_conta", "des_transacao_movimento", "idade_associado"}
    for name in needed & set(dropped) if rows else ():
        assert f"foi pedido sem a coluna {name}" in text
    assert "4111111111111111" not in content


def of_one_row(folder: Path, **fields: str) -> Figures:
    row = {AMOUNT: "1.00", "data_movimento": "2024-05-06 07:08:09", "numero_cartao": "4111111111111111"}
    row |= {"tipo_conta": "corrente"} | fields
    return figures_of(written(folder / "flat.csv", [row], tuple(row)), tuple(row))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ('"><img src=x onerror=alert(1)>', '"><img src=x onerror=alert(1)>'),
        ("</style></svg></title>", "</style></svg></title>"),
        ("5500 0000-00000004", "550000******0004"),
        ("\u202eetnerroc\0\x1e", "·etnerroc··"),
        ("x" * 150, "x" * 40 + "…"),
        ("", "(sem tipo)"),
    ],
)
def test_a_kind_of_account_is_a_text_and_nothing_more(kind: str, shown: str, tmp_path: Path) -> None:
    content = page(of_one_row(tmp_path, tipo_conta=kind), NOTHING, manifest())
    assert shown in check_that_it_does_nothing(content).text


def test_kinds_that_look_alike_are_two(tmp_path: Path) -> None:
    columns = (AMOUNT, "tipo_conta")
    rows = [{AMOUNT: "1.00", "tipo_conta": kind} for kind in ("corrente", "Corrente", "Corrente")]
    content = page(figures_of(written(tmp_path / "flat.csv", rows, columns), columns), NOTHING, manifest())
    for count in (1, 2):
        assert f'<th scope="row">Corrente</th><td>{count}</td><td>{count},00</td>' in content


@pytest.mark.parametrize("place", ["server", "time_zone"])
def test_what_the_manifest_says_is_a_text_too(place: str, tmp_path: Path) -> None:
    source = MANIFEST["source"] | {place: "mysql://<script>alert(1)</script>"}
    assert (
        "<script>"
        in check_that_it_does_nothing(page(of_one_row(tmp_path), NOTHING, manifest(source=source))).text
    )


@pytest.mark.parametrize(
    ("card", "number", "shown"),
    [
        ("full", "4111111111111111", "411111******1111"),
        ("full", "12345", "*2345"),
        ("mask", "411111******1111", "411111******1111"),
        ("token", "t0123456789abcdef0123456789abcdef", "t01234567…"),
    ],
)
def test_cards_are_shown_in_part_whatever_the_csv_shows(
    card: str, number: str, shown: str, tmp_path: Path
) -> None:
    content = page(
        of_one_row(tmp_path, numero_cartao=number), NOTHING, manifest(privacy=privacy_of(card, []))
    )
    assert f'<th scope="row">{shown}</th>' in content
    assert "*" in number or number not in content


def test_a_plot_has_the_last_months_and_januaries_are_labelled(tmp_path: Path) -> None:
    def of(months: int, step: int) -> str:
        rows = [
            {
                AMOUNT: "1.00",
                "data_movimento": f"{2000 + n * step // 12}-{n * step % 12 + 1:02d}-01 00:00:00",
            }
            for n in range(months)
        ]
        flat = written(tmp_path / "flat.csv", rows, (AMOUNT, "data_movimento"))
        csv = MANIFEST["csv"] | {"columns": [AMOUNT, "data_movimento"]}
        return page(figures_of(flat, (AMOUNT, "data_movimento")), NOTHING, manifest(csv=csv))

    assert ">dez/2004</th>" in of(60, 1)
    assert "jan/2000, (sem tipo): " in of(60, 1)
    assert "Outros" not in of(60, 1)
    labels = re.findall(r'class="(?:first|last)">(.*?/\d+)</text>', of(60, 1))
    assert set(labels) == {f"jan/{year}" for year in range(2000, 2005)}
    assert "últimos" not in of(60, 1)
    assert "jan/2000, (sem tipo): " not in of(61, 1)
    assert ">jan/2000</th>" in of(61, 1)
    assert "O gráfico mostra os últimos 60 meses; a tabela, todos." in of(61, 1)
    assert "mar/2000, (sem tipo): " in of(24, 2)


def test_what_was_moved_by_additional_cards_is_told_without_any_of_them(tmp_path: Path) -> None:
    rows = "31415926\t1\t2\t10\t-250\n27182818\t1\t\\N\t1\t100\n27182819\t1\t2\t0\t0\n"
    (tmp_path / MISMATCHES_NAME).write_text("\t".join(MISMATCH_COLUMNS) + "\n" + rows)
    rejected = "malformed\tmovimento\t1\t2\t-1.50\t\nmalformed\tcartao\t1\t2\t\t\n"
    (tmp_path / REJECTED_NAME).write_text("\t".join(REJECTED_COLUMNS) + "\n" + rejected)
    findings = findings_in(tmp_path)
    assert findings == Findings(2, Totals(11, -150), {"malformed": Totals(1, -150)})
    content = page(of_one_row(tmp_path), findings, manifest(holder_owner_mismatches=3))
    text = check_that_it_does_nothing(content).text
    assert "2 cartões adicionais têm movimentos: 11, no valor de -R$ 1,50" in text
    assert "31415926" not in content
    assert "27182818" not in content


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("2024-01-01 00:00:00", "2024-02-01 00:00:00", "Período pedido: 01/01/2024 a 31/01/2024."),
        ("2024-01-01 08:30:00", None, "Período pedido: desde 01/01/2024 08:30:00."),
        (None, "2024-03-01 00:00:00", "Período pedido: até 29/02/2024."),
        (None, "2024-03-01 12:00:00", "Período pedido: antes de 01/03/2024 12:00:00."),
    ],
)
def test_the_page_says_which_movements_were_asked_for(
    since: str | None, until: str | None, said: str, tmp_path: Path
) -> None:
    source = MANIFEST["source"] | {"since": since, "until": until}
    assert said in Page(page(of_one_row(tmp_path), NOTHING, manifest(source=source))).text


@pytest.mark.parametrize(
    ("limit", "month", "whole"),
    [
        ({"clock": "2024-04-20 04:08:09"}, "março de 2024", True),
        ({"clock": "2024-05-01 00:00:00"}, "abril de 2024", True),
        ({"clock": "2024-06-01 00:00:00", "until": "2024-04-30 23:00:00"}, "março de 2024", True),
        ({"clock": "2024-04-30 00:00:00", "since": "2024-03-02 00:00:00"}, "abril de 2024", False),
    ],
)
def test_the_headline_is_of_the_last_whole_month(
    limit: dict[str, str], month: str, whole: bool, tmp_path: Path
) -> None:
    rows = [
        {AMOUNT: amount, "data_movimento": f"{day} 00:00:00"}
        for amount, day in (
            ("8.00", "2023-03-01"),
            ("10.00", "2024-02-01"),
            ("9.00", "2024-03-31"),
            ("5.00", "2024-04-01"),
        )
    ]
    columns = (AMOUNT, "data_movimento")
    figures = figures_of(written(tmp_path / "flat.csv", rows, columns), columns, now="2030-01-01 00:00:00")
    csv = MANIFEST["csv"] | {"columns": list(columns)}
    text = Page(page(figures, NOTHING, manifest(csv=csv, source=MANIFEST["source"] | limit))).text
    assert f"Em {month}{'' if whole else ' (mês incompleto)'} " in text
    if month == "março de 2024":
        assert "Valor líquido R$ 9,00 \u221210,0% ante fev/2024 +12,5% ante mar/2023" in text.replace(
            chr(160), " "
        )
    if not whole:
        assert "sem comparação ante mar/2024" in text


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_apart_in_grey() -> None:
    style = (Path(svg.__file__).parent / "style.css").read_text("utf-8")
    themes = re.findall(r":root\{(?:color-scheme[^;]*;)?(--page.*?)\}", style, re.DOTALL)[:2]
    for theme in themes:
        colours = dict(re.findall(r"--(\w+):(#[0-9a-f]+)", theme))
        sheet = colours["sheet"] if len(colours["sheet"]) == 7 else "#ffffff"
        series = [colours[f"k{number}"] for number in range(TOP_KINDS + 1)]
        assert min(contrast(colour, sheet) for colour in series) >= 3
        assert min(contrast(one, other) for one, other in pairwise(series)) >= 3
        steps = [colours[f"h{number}"] for number in range(5)]
        assert min(contrast(one, other) for one, other in pairwise(steps)) >= 1.5
        assert contrast(steps[0], steps[-1]) >= 7
        assert min(contrast(step, colours["ink"]) for step in steps[:3]) >= 4.5
        assert min(contrast(step, sheet) for step in steps[3:]) >= 4.5
        assert contrast(colours["soft"], sheet) >= 4.5
        assert contrast(colours["mark"], sheet) >= 4.5
    assert len(themes) == 2


def test_each_reason_is_explained() -> None:
    assert list(REJECTED) == list(Reject)
    assert list(WARNINGS) == list(Warn)


@pytest.mark.parametrize(
    ("dates", "said", "shown"),
    [("full", "", (1, 1)), ("day", "só o dia", (0, 1)), ("month", "só o mês", (0, 0))],
)
def test_hours_and_weekdays_that_the_dates_do_not_have_are_left_out(
    dates: str, said: str, shown: tuple[int, int], tmp_path: Path
) -> None:
    privacy = MANIFEST["privacy"] | {"dates": dates}
    found = page(of_one_row(tmp_path), NOTHING, manifest(privacy=privacy))
    assert (
        tuple(found.count(f"<caption>{name}<") for name in ("Por hora e dia da semana", "Por dia da semana"))
        == shown
    )
    assert ("As datas desta entrega" in found) == bool(said)
    assert said in found


def test_numbers_and_dates_are_those_of_brazil() -> None:
    assert brazil.number(1234567) == "1.234.567"
    assert brazil.money(123456) == "R$\u00a01.234,56"
    assert brazil.money(-7) == "-R$\u00a00,07"
    assert brazil.plain_money(-123456) == "-1.234,56"
    assert brazil.percent(1, 8) == "12,5%"
    assert brazil.percent(1, 0) == "-"
    assert brazil.day(date(2024, 12, 31)) == "31/12/2024"
    assert brazil.moment("2024-12-31 23:59:59.123") == "31/12/2024 23:59:59"
    assert (brazil.month(2024 * 12 + 2), brazil.long_month(2024 * 12 + 2)) == ("mar/2024", "março de 2024")
    assert (brazil.percent(1, 10_000), brazil.percent(0, 1), brazil.percent(1, -1)) == ("<0,1%", "0,0%", "-")
    assert (brazil.change(9, 8), brazil.change(7, 8), brazil.change(8, 8)) == (
        "+12,5%",
        "\u221212,5%",
        "0,0%",
    )
    short = {
        0: "0",
        50_000: "500",
        10**7: "100 mil",
        25 * 10**7: "2,5 mi",
        -(10**12): "-10 bi",
        10**15: "10 tri",
    }
    assert {amount: brazil.short_money(amount) for amount in short} == short


@settings(deadline=None)
@given(low=st.integers(-(10**25), 10**25), width=st.integers(0, 10**25))
def test_an_axis_has_a_few_round_numbers_around_its_values_and_zero(low: int, width: int) -> None:
    found = ticks(low, low + width)
    assert found[0] <= min(low, 0)
    assert found[-1] >= max(low + width, 0)
    assert 0 in found
    assert 2 <= len(found) <= 8
    step = found[1] - found[0]
    assert all(b - a == step for a, b in pairwise(found))
    assert str(step).rstrip("0") in {"1", "2", "5"}


def test_values_of_a_column_are_stacked_above_zero_and_below() -> None:
    axis = (-100, 0, 100)
    boxes = stack([[30, -10, 20, -5, 0]], axis)
    plots: Any = _TEMPLATES.get_template("plots.html").module
    plot = plots.stacked_columns("t", ["a"], axis, boxes, [[*"vwxyz"]])
    zero = float(re.findall(r'class="zero" x1="0" x2="100%" y1="([\d.]+)"', plot)[0])
    found = re.findall(r'class="k(\d)" .*? y="([\d.]+)" height="([\d.]+)"><title>(.)<', plot)
    unit = float(found[1][2]) / 10
    edges = {
        hint: ((zero - float(top)) / unit, (zero - float(top) - float(height)) / unit)
        for _, top, height, hint in found
    }
    expected = {"v": (30, 0), "w": (0, -10), "x": (50, 30), "y": (-10, -15)}
    assert edges.keys() == expected.keys()
    for hint, (top, bottom) in expected.items():
        assert edges[hint] == pytest.approx((top, bottom), abs=0.2)
