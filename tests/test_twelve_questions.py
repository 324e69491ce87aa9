"""Twelve questions of the people for whom it is made, each answered from the file that they open, as the README says.

The database is the first one that the README makes: seed 1. Each answer stands here, and the database says the same in
plain SQL.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from movimento_flat.publish.parts import PARQUET_NAME, REPORT_NAME, WORKBOOK_NAME
from movimento_flat.sample_data.load import fill
from movimento_flat.sample_data.plan import Plan
from tests.conftest import Database, Server, new_database
from tests.test_report_figures import Tables
from tests.test_report_page import Page
from tests.test_run import run

Row = dict[str, Any]


@pytest.fixture(scope="module")
def first(server: Server) -> Database:
    """The database that `make run OUTPUT=./out` makes."""
    database = new_database(server)
    with server.connect(database=database.name) as admin:
        fill(admin, Plan(), lambda rows: None)
    return database


def delivered(database: Database, output: Path, *options: str) -> Path:
    result = run(database, output, *options)
    assert result.returncode == 0, result.stderr
    return output


def in_month(month: str) -> str:
    return f"data_movimento LIKE '{month}-%'"


# A manager opens relatorio.html, which is there without any option.


@pytest.fixture(scope="module")
def page(first: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    return (delivered(first, tmp_path_factory.mktemp("manager")) / REPORT_NAME).read_text("utf-8")


def test_what_was_spent_in_december_and_how_does_it_compare(page: str, first: Database) -> None:
    answer = "R$\xa0459.522,26 +31,9% ante nov/2025 +14,3% ante dez/2024"
    assert f"Em dezembro de 2025 Valor líquido {answer}".replace("\xa0", " ") in Page(page).text
    december, november, year_before = (
        first.query(f"SELECT SUM(vlr_transacao) FROM movimento WHERE {in_month(month)}")[0][0]
        for month in ("2025-12", "2025-11", "2024-12")
    )
    assert december == Decimal("459522.26")
    assert [round(100 * december / before - 100, 1) for before in (november, year_before)] == [
        Decimal("31.9"),
        Decimal("14.3"),
    ]


def test_which_establishment_takes_the_most_money(page: str, first: Database) -> None:
    largest = Tables(page).tables["Os maiores estabelecimentos"][1]
    assert largest[:3] == ["PLANO DE SAUDE BEM VIVER", "545", "355.580,01"]
    assert first.query(
        """SELECT UPPER(des_transacao) AS shop, COUNT(*), SUM(vlr_transacao) AS amount FROM movimento
            GROUP BY shop ORDER BY amount DESC LIMIT 1"""
    ) == [("PLANO DE SAÚDE BEM VIVER", 545, Decimal("355580.01"))]


def test_what_share_has_the_top_1_percent_of_the_cards(page: str, first: Database) -> None:
    assert "Os 76 de maior valor (1,0% dos cartões) somam R$ 3.242.116,58: 32,0% do valor" in Page(page).text
    cards = first.query(
        "SELECT SUM(vlr_transacao) AS amount FROM movimento GROUP BY id_cartao ORDER BY amount DESC"
    )
    assert (len(cards), sum(amount for (amount,) in cards[:76])) == (7506, Decimal("3242116.58"))
    assert first.query("SELECT ROUND(100 * 3242116.58 / SUM(vlr_transacao), 1) FROM movimento") == [
        (Decimal("32.0"),)
    ]


def test_is_anything_missing(page: str, first: Database) -> None:
    assert (
        "Completo: dos 100.000 movimentos do banco de dados (R$ 10.133.210,51), 100.000 (R$ 10.133.210,51) estão aqui,"
        " e nenhum foi rejeitado." in Page(page).text
    )
    assert first.query("SELECT COUNT(*), SUM(vlr_transacao) FROM movimento") == [
        (100_000, Decimal("10133210.51"))
    ]


# An analyst opens the workbook of a month: `--excel --since 2025-12-01 --until 2026-01-01`.


@pytest.fixture(scope="module")
def december(first: Database, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    options = ("--excel", "--since", "2025-12-01", "--until", "2026-01-01")
    folder = delivered(first, tmp_path_factory.mktemp("analyst"), *options)
    sheet = openpyxl.load_workbook(folder / WORKBOOK_NAME, read_only=True).worksheets[0]
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def count_and_sum(rows: list[Row], condition: Callable[[Row], bool]) -> tuple[int, Decimal]:
    amounts = [Decimal(str(row["Valor (R$)"])) for row in rows if condition(row)]
    return len(amounts), sum(amounts, Decimal())


def test_what_was_spent_from_savings_accounts(december: list[Row], first: Database) -> None:
    answer = (1504, Decimal("160088.95"))
    assert count_and_sum(december, lambda row: row["Tipo da conta"] == "poupanca") == answer
    assert first.query(
        f"""SELECT COUNT(*), SUM(vlr_transacao) FROM movimento JOIN cartao ON cartao.id = id_cartao
            JOIN conta ON conta.id = id_conta WHERE tipo = 'poupanca' AND {in_month("2025-12")}"""
    ) == [answer]


def test_what_was_the_largest_purchase(december: list[Row], first: Database) -> None:
    largest = max(december, key=lambda row: row["Valor (R$)"])
    answer = (5898.49, "Móveis Lopes Rios", "HENRY PORTO")
    assert tuple(largest[name] for name in ("Valor (R$)", "Descrição", "Nome impresso no cartão")) == answer
    assert first.query(
        f"""SELECT CAST(vlr_transacao AS DOUBLE), des_transacao, nom_impresso FROM movimento
            JOIN cartao ON cartao.id = id_cartao WHERE {in_month("2025-12")} ORDER BY vlr_transacao DESC LIMIT 1"""
    ) == [answer]


def test_what_was_paid_back(december: list[Row], first: Database) -> None:
    answer = (129, Decimal("-15227.77"))
    assert count_and_sum(december, lambda row: row["Valor (R$)"] < 0) == answer
    paid_back = f"FROM movimento WHERE vlr_transacao < 0 AND {in_month('2025-12')}"
    assert first.query(f"SELECT COUNT(*), SUM(vlr_transacao) {paid_back}") == [answer]


def test_what_was_spent_on_christmas_day(december: list[Row], first: Database) -> None:
    answer = (130, Decimal("13950.08"))
    assert count_and_sum(december, lambda row: row["Data do movimento"].day == 25) == answer
    that_day = "FROM movimento WHERE DATE(data_movimento) = '2025-12-25'"
    assert first.query(f"SELECT COUNT(*), SUM(vlr_transacao) {that_day}") == [answer]


# A scientist reads the Parquet file of a delivery that can be shared: `--card token --people token --parquet`. What
# stands for a person and for a card, docs/what_to_group_by.md says.


@pytest.fixture(scope="module")
def shared(first: Database, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    options = ("--card", "token", "--people", "token", "--parquet")
    return pl.read_parquet(delivered(first, tmp_path_factory.mktemp("scientist"), *options) / PARQUET_NAME)


@pytest.fixture
def people(shared: pl.DataFrame) -> pl.DataFrame:
    cards, amount = pl.col("numero_cartao").n_unique(), pl.col("vlr_transacao_movimento").sum()
    return shared.group_by("nome_associado").agg(cards=cards, amount=amount)


OF_PEOPLE = """(SELECT COUNT(DISTINCT id_cartao) AS cards, SUM(vlr_transacao) AS amount FROM movimento
    JOIN cartao ON cartao.id = id_cartao GROUP BY id_associado) AS people"""


def test_how_many_people_use_how_many_cards(people: pl.DataFrame, first: Database) -> None:
    assert (len(people), people["cards"].sum()) == (4338, 7506)
    assert first.query(f"SELECT COUNT(*), SUM(cards) FROM {OF_PEOPLE}") == [(4338, 7506)]


def test_how_many_people_use_more_than_one_card(people: pl.DataFrame, first: Database) -> None:
    assert len(people.filter(pl.col("cards") > 1)) == 2135
    assert first.query(f"SELECT COUNT(*) FROM {OF_PEOPLE} WHERE cards > 1") == [(2135,)]


def test_what_does_the_person_spend_who_spends_the_most(people: pl.DataFrame, first: Database) -> None:
    assert people["amount"].max() == Decimal("1010186.38")
    assert first.query(f"SELECT MAX(amount) FROM {OF_PEOPLE}") == [(Decimal("1010186.38"),)]


def test_what_do_people_of_60_and_more_pay_at_a_time(shared: pl.DataFrame, first: Database) -> None:
    paid = shared.filter(pl.col("idade_associado") >= 60, pl.col("vlr_transacao_movimento") > 0)
    answer = (18538, Decimal("2046345.79"))
    assert (len(paid), paid["vlr_transacao_movimento"].sum()) == answer
    assert first.query(
        """SELECT COUNT(*), SUM(vlr_transacao) FROM movimento JOIN cartao ON cartao.id = id_cartao
            JOIN associado ON associado.id = id_associado WHERE idade >= 60 AND vlr_transacao > 0"""
    ) == [answer]
