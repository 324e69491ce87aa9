"""Every figure of the page is what DuckDB finds in the delivered CSV."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from movimento_flat.problem_lists import Warn
from movimento_flat.publish.parts import CSV_NAME, REPORT_NAME
from movimento_flat.report.reasons import REJECTED, WARNINGS
from tests.conftest import Database
from tests.test_report_page import Page
from tests.test_run import RUN, run

#: Movements, each with what the questions need. Text compares as moments do; only those of a calendar are cast.
MOVEMENTS = """
CREATE TABLE movements AS
WITH rows AS (
    SELECT *, CAST(vlr_transacao_movimento AS DECIMAL(38, 2)) AS amount,
        TRY_CAST(data_movimento AS TIMESTAMP) AS moment_,
        TRY_CAST(idade_associado AS INTEGER) AS age
    FROM read_csv(?, header = true, all_varchar = true, quote = '"', escape = '"', new_line = '\\n', nullstr = '')
)
SELECT *,
    CASE
        WHEN moment_ IS NULL THEN 'sem data válida'
        WHEN data_movimento < coalesce(data_criacao_cartao, '') THEN 'antes do cartão'
        WHEN data_movimento > ? THEN 'no futuro'
        ELSE strftime(moment_, '%Y-%m')
    END AS month,
    upper(strip_accents(coalesce(des_transacao_movimento, ''))) AS capitals,
    trim(regexp_replace(capitals, '[\\s\\pC\\pZ]+', ' ', 'g')) AS shop
FROM rows
"""
#: Neighbours with one number are a card: a number that two cards have may stand in two places of the CSV.
CARDS = """
CREATE TABLE cards AS
SELECT *, sum(CAST(numero_cartao IS DISTINCT FROM before AS INTEGER)) OVER (ORDER BY row) AS card
FROM (SELECT *, rowid AS row, lag(numero_cartao) OVER (ORDER BY rowid) AS before FROM movements)
WHERE numero_cartao IS NOT NULL
"""
SUMS = "count(*), coalesce(sum(amount), 0), round(coalesce(sum(amount), 0) / count(*), 2)"
MONTHS = ["jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"]
KINDS = {"corrente": "Corrente", "poupanca": "Poupança", "salario": "Salário", "investimento": "Investimento"}
HAS_MONTH = "month SIMILAR TO '[0-9].*'"
DAYS = ["segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"]


class Tables(HTMLParser):
    """The rows of each table of a page, by its caption."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self._caption, self._open = "", ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self.tables[self._caption].append([])
        elif tag in {"th", "td"}:
            self.tables[self._caption][-1].append("")
        if tag in {"caption", "th", "td", "title", "small"}:
            self._open = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "caption":
            self.tables[self._caption] = []
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "caption":
            self._caption += data
        elif self._open in {"th", "td"}:
            self.tables[self._caption][-1][-1] += data


def number(value: Any) -> str:
    """Return a whole number, or an amount, which is none, as it is written in Brazil."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    return text.translate({ord(","): ".", ord("."): ","})


def percent(part: Any, whole: Any) -> str:
    text = f"{100 * float(part) / float(whole):.1f}%".replace(".", ",") if whole > 0 else "-"
    return "<0,1%" if part > 0 and text == "0,0%" else text


def change(now: Any, before: Any) -> str:
    text = f"{100 * (float(now) - float(before)) / float(before):+.1f}%".replace(".", ",").replace(
        "-", "\u2212"
    )
    return "0,0%" if text[1:] == "0,0%" else text


def month_name(month: str) -> str:
    found = re.fullmatch(r"(\d{4})-(\d{2})", month)
    return f"{MONTHS[int(found[2]) - 1]}/{found[1]}" if found else month


class Delivery:
    """A delivery's page, and its CSV in DuckDB."""

    def __init__(self, output: Path) -> None:
        self.manifest = json.loads((output / RUN / "manifest.json").read_text("utf-8"))
        content = (output / REPORT_NAME).read_text("utf-8")
        self.tables = {name: rows[1:] for name, rows in Tables(content).tables.items()}
        self.text = Page(content).text.replace("\u00a0", " ")
        self.database = duckdb.connect()
        self.database.execute(MOVEMENTS, [str(output / CSV_NAME), self.manifest["source"]["clock"]])
        self.database.execute(CARDS)
        self.count, self.sum, _ = self.one(f"SELECT {SUMS} FROM movements")

    def all(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()

    def one(self, query: str) -> tuple[Any, ...]:
        return self.all(query)[0]

    def by_value(self, query: str) -> list[list[str]]:
        """Return the rows of a table of sums: name, movements, value, mean and share, and a bar without a text."""
        return [
            [name, number(count), number(total), number(mean), percent(total, self.sum), ""]
            for name, count, total, mean in self.all(query)
        ]


@pytest.fixture(scope="module")
def delivery(filled: Database, tmp_path_factory: pytest.TempPathFactory) -> Delivery:
    output = tmp_path_factory.mktemp("delivered")
    result = run(filled, output)
    assert result.returncode == 0, result.stderr
    return Delivery(output)


def test_the_sums_by_kind_merchant_age_and_card(delivery: Delivery) -> None:
    by_kind = delivery.by_value(f"SELECT tipo_conta, {SUMS} FROM movements GROUP BY 1 ORDER BY 2 DESC, 1")
    assert delivery.tables["Por tipo de conta"] == [[KINDS[name], *row] for name, *row in by_kind]
    largest = delivery.by_value(
        f"SELECT shop, {SUMS} FROM movements WHERE shop != '' GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT 10"
    )
    unnamed = delivery.by_value(f"SELECT 'sem descrição', {SUMS} FROM movements WHERE shop = ''")
    shown = [[f"{name[:40]}…" if len(name) > 40 else name, *row] for name, *row in largest]
    assert delivery.tables["Os maiores estabelecimentos"] == [*shown, *unnamed]
    (shops,) = delivery.one("SELECT count(DISTINCT shop) FROM movements WHERE shop != ''")
    assert f"São {number(shops)} descrições diferentes" in delivery.text
    bands = [(18, 24), (25, 34), (35, 44), (45, 54), (55, 64)]
    cases = " ".join(f"WHEN age BETWEEN {low} AND {high} THEN '{low} a {high}'" for low, high in bands)
    by_age = delivery.by_value(
        f"""SELECT CASE WHEN age IS NULL THEN '(sem idade)' WHEN age NOT BETWEEN 0 AND 130 THEN 'fora de 0 a 130'
        WHEN age < 18 THEN 'até 17' {cases} ELSE '65 ou mais' END, {SUMS} FROM movements GROUP BY 1"""
    )
    found = [row for row in delivery.tables["Por idade do portador"] if row[1] != "0"]
    assert sorted(found) == sorted(by_age)
    cards = delivery.by_value(
        f"""SELECT left(numero_cartao, 6) || repeat('*', length(numero_cartao) - 10) || right(numero_cartao, 4), {SUMS}
        FROM movements WHERE numero_cartao != '4111111111111111' GROUP BY numero_cartao ORDER BY 3 DESC LIMIT 9"""
    )
    assert [row for row in delivery.tables["Cartões de maior valor"] if row[0] != "411111******1111"][
        :9
    ] == cards


def test_the_share_of_one_card_in_a_hundred(delivery: Delivery) -> None:
    count, top = delivery.one(
        """WITH sums AS (SELECT sum(amount) AS total FROM cards GROUP BY card),
        ranked AS (SELECT total, row_number() OVER (ORDER BY total DESC) AS place, count(*) OVER () AS cards FROM sums)
        SELECT any_value(cards), sum(total) FILTER (place <= ceil(cards / 100)) FROM ranked"""
    )
    hundredth = -(-count // 100)
    assert (
        f"{number(count)} cartões têm movimentos. Os {number(hundredth)} de maior valor ({percent(hundredth, count)}"
        f" dos cartões) somam R$ {number(top)}: {percent(top, delivery.sum)} do valor." in delivery.text
    )


def test_the_months_and_the_refunds(delivery: Delivery) -> None:
    names = {shown: name for name, shown in KINDS.items()}
    kinds = [names[row[0]] for row in delivery.tables["Por tipo de conta"]]
    by_kind = ", ".join(f"coalesce(sum(amount) FILTER (tipo_conta = '{kind}'), 0)" for kind in kinds)
    active = dict(delivery.all("SELECT month, count(DISTINCT card) FROM cards GROUP BY 1"))
    months = delivery.all(
        f"SELECT month, count(*), coalesce(sum(amount), 0), {by_kind} FROM movements GROUP BY 1"
    )
    assert {row[0]: row[1:] for row in delivery.tables["Por mês"]} == {
        month_name(name): [*map(number, values), number(active[name]) if name[0].isdigit() else "0"]
        for name, *values in months
    }
    refunds = delivery.all(
        """SELECT month, count(*) FILTER (amount < 0), coalesce(-sum(amount) FILTER (amount < 0), 0),
        coalesce(sum(amount) FILTER (amount > 0), 0) FROM movements GROUP BY 1"""
    )
    assert {row[0]: row[1:] for row in delivery.tables["Estornos por mês"]} == {
        month_name(name): [number(count), number(total), percent(total, bought)]
        for name, count, total, bought in refunds
    }


def test_the_headline(delivery: Delivery) -> None:
    def of(month: str) -> tuple[Any, ...]:
        return delivery.one(
            f"""SELECT sum(amount), count(*), round(avg(amount) FILTER (amount > 0), 2),
            -sum(amount) FILTER (amount < 0), (SELECT count(DISTINCT card) FROM cards WHERE month = '{month}')
            FROM movements WHERE month = '{month}'"""
        )

    assert "Em dezembro de 2025 " in delivery.text
    titles = ("Valor líquido R$ ", "Movimentos ", "Ticket médio R$ ", "Estornos R$ ", "Cartões ativos ")
    for title, last, before, year in zip(titles, of("2025-12"), of("2025-11"), of("2024-12"), strict=True):
        said = (
            f"{title}{number(last)} {change(last, before)} ante nov/2025 {change(last, year)} ante dez/2024"
        )
        assert said in delivery.text


def test_weekdays_hours_and_amounts(delivery: Delivery) -> None:
    days = dict(delivery.all(f"SELECT isodow(moment_), count(*) FROM movements WHERE {HAS_MONTH} GROUP BY 1"))
    total = sum(days.values())
    assert delivery.tables["Por dia da semana"] == [
        [name, number(days[day]), percent(days[day], total), change(7 * days[day], total)]
        for day, name in enumerate(DAYS, 1)
    ]
    hours = {
        (hour, day): count
        for hour, day, count in delivery.all(
            f"SELECT hour(moment_), isodow(moment_), count(*) FROM movements WHERE {HAS_MONTH} GROUP BY ALL"
        )
    }
    assert delivery.tables["Por hora e dia da semana"] == [
        [f"{hour}h", *(number(hours.get((hour, day), 0)) for day in range(1, 8))] for hour in range(24)
    ]
    for name, *row in delivery.tables["Por faixa de valor"]:
        low, _, high = name.replace(".", "").replace(",", ".").partition(" a ")
        where = "amount < 0" if name == "estornos" else "amount = 0"
        if high:
            where = f"amount BETWEEN {low} AND {high}"
        elif name.startswith("menos de"):
            where = "amount > 0 AND amount < 1"
        elif name.endswith("ou mais"):
            where = f"amount >= {low.removesuffix(' ou mais')}"
        count, total, _ = delivery.one(f"SELECT {SUMS} FROM movements WHERE {where}")
        assert row == [number(count), number(total), percent(count, delivery.count), ""], name


def test_the_verdict_and_the_reasons(delivery: Delivery) -> None:
    rejected, source = delivery.manifest["rejected"], delivery.manifest["source"]
    assert (
        f"dos {number(source['rows']['movimento'])} movimentos do banco de dados"
        f" (R$ {number(round(source['movement_centavos'] / 100, 2))}),"
        f" {number(delivery.count)} (R$ {number(delivery.sum)})"
        f" estão aqui, e {number(rejected['rows'])} (R$" in delivery.text
    )
    count, total, _ = delivery.one(f"SELECT {SUMS} FROM movements WHERE NOT {HAS_MONTH}")
    assert f"; {number(count)} (R$ {number(total)}) têm uma data impossível" in delivery.text
    checks = {
        Warn.BEFORE_CARD: "data_movimento < data_criacao_cartao",
        Warn.BEFORE_ACCOUNT: "data_movimento < data_criacao_conta",
        Warn.FUTURE: f"data_movimento > '{source['clock']}'",
        Warn.ZERO: "amount = 0",
        Warn.AGE: "age NOT BETWEEN 0 AND 130",
    }
    warnings = {
        row[0]: row[1:]
        for row in delivery.tables["O que parece errado, e foi entregue como está no banco de dados."]
    }
    for reason, count in delivery.manifest["warnings"]["by_reason"].items():
        where = checks.get(Warn(reason))
        total = number(delivery.one(f"SELECT {SUMS} FROM movements WHERE {where}")[1]) if where else "-"
        assert warnings[WARNINGS[Warn(reason)][0]] == [number(count), total]
    titles = {reason.value: title for reason, (title, _) in REJECTED.items()}
    lists = (delivery.manifest["rejected"]["by_reason"]).items()
    found = {row[0]: row[1] for row in delivery.tables["O que não está no CSV."]}
    assert found == {titles[reason]: number(count) for reason, count in lists}
