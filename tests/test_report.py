"""Warnings: what looks wrong is listed, is delivered all the same, and equals what a plain search finds."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.privacy import Privacy
from movimento_flat.problem_lists import Warn
from movimento_flat.publish.parts import WARNINGS_NAME, merge_parts
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, Table
from mr_jobs.job_options import JobOptions
from tests.brute_force import Tables, warnings
from tests.conftest import Database, examples
from tests.rows import SourceRow, associado, cartao, conta, movimento, source_row
from tests.test_join import run_inline, simulate
from tests.test_run import RUN, run

NOW = "2024-06-30 12:00:00"
MOMENTS = [
    None,
    "0000-00-00 00:00:00",
    "2019-12-31 23:59:59",
    "2020-01-01 00:00:00",
    "2020-01-01 00:00:01",
    NOW,
    "2024-06-30 12:00:01",
]
NUMBERS = [None, "4111111111111111", "4111111111111112", "5500000000000004", "", "4111 1111 1111 1111", "x"]
NAMES = [
    None,
    "",
    "Zoé",
    "ana maria",
    "Sá e Silva",
    'J. "Jô" Reis, filho',
    "ANA REIS",
    "X Y",
    "X",
    " 12",
    "12",
    "ZOE-SA",
    "São João",
]

ids = st.integers(1, 6).map(str)
pointers = st.none() | ids


@st.composite
def odd_tables(draw: st.DrawFn) -> Tables:
    def rows(table: Table, count: int, **columns: st.SearchStrategy[str | None]) -> list[SourceRow]:
        return [
            source_row(table, id=str(identity), **draw(st.fixed_dictionaries(columns)))
            for identity in range(1, draw(st.integers(0, count)) + 1)
        ]

    # Few different ones, so that equal ones meet.
    names, moments = st.sampled_from(NAMES), st.sampled_from(MOMENTS)
    ages = st.sampled_from([None, "-1", "0", "9", "99", "100", "130", "131", "1000"])
    amounts = st.sampled_from([None, "0.00", "-0.00", "0.01", "-10.00", "100.00"])
    kinds = st.sampled_from(["corrente", 'a,"b"', None])
    return Tables(
        associado=rows(ASSOCIADO, 4, nome=names, sobrenome=names, idade=ages),
        conta=rows(CONTA, 4, tipo=kinds, data_criacao=moments, id_associado=pointers),
        cartao=rows(
            CARTAO,
            6,
            num_cartao=st.sampled_from(NUMBERS),
            nom_impresso=names,
            data_criacao=moments,
            id_conta=pointers,
            id_associado=pointers,
        ),
        movimento=rows(
            MOVIMENTO,
            12,
            vlr_transacao=amounts,
            des_transacao=names,
            data_movimento=moments,
            id_cartao=pointers,
        ),
    )


def listed(parts: list[bytes], folder: Path) -> list[tuple[str, ...]]:
    """-> (reason, table, id, card's id) of the list of warnings, sorted; the counts are those of the list."""
    files = [folder / f"part-{number}" for number in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        file.write_bytes(part)
    merged = merge_parts(files, folder)
    rows = [
        tuple(line.split("\t")[:4]) for line in (folder / WARNINGS_NAME).read_text("utf-8").split("\n")[1:-1]
    ]
    assert merged.warnings.total() == len(rows)
    return sorted(rows)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables=odd_tables(), seed=st.integers(0, 9), reducers=st.integers(1, 3))
def test_warnings_are_what_a_plain_search_finds(
    tables: Tables, seed: int, reducers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = tables.lines()
    random.Random(seed).shuffle(lines)
    parts = simulate(lines, 2, reducers, random.Random(seed), JobOptions(now=NOW))
    assert listed(parts, tmp_path_factory.mktemp("merged")) == warnings(tables, NOW)


def test_a_real_run_lists_every_kind_of_warning_with_its_value(filled: Database, tmp_path: Path) -> None:
    result = run(filled, tmp_path)
    assert result.returncode == 0, result.stderr
    rows = [
        line.split("\t") for line in (tmp_path / RUN / WARNINGS_NAME).read_text("utf-8").split("\n")[1:-1]
    ]
    assert {row[0] for row in rows} == {reason.value for reason in Warn}
    clock = filled.query("SELECT CAST(CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', '-03:00') AS CHAR)")[0][0]
    movements = """
        SELECT {reason}, movimento.id FROM movimento JOIN cartao ON cartao.id = movimento.id_cartao
        JOIN conta ON conta.id = cartao.id_conta JOIN associado ON associado.id = cartao.id_associado WHERE {which}
    """
    for reason, which in (
        ("zero_amount", "vlr_transacao = 0"),
        ("movement_in_future", f"data_movimento > '{clock}'"),
        ("movement_before_card", "data_movimento < cartao.data_criacao"),
        ("movement_before_account", "data_movimento < conta.data_criacao"),
    ):
        expected = filled.query(movements.format(reason=f"'{reason}'", which=which))
        assert sorted(int(row[2]) for row in rows if row[0] == reason) == sorted(row[1] for row in expected)
    repeated = "SELECT num_cartao FROM cartao GROUP BY num_cartao HAVING COUNT(*) > 1"
    expected = filled.query(f"SELECT id FROM cartao WHERE num_cartao IN ({repeated})")
    found = [int(row[2]) for row in rows if row[0] == "duplicate_card_number"]
    assert sorted(found) == sorted(row[0] for row in expected)
    cards = """
        SELECT cartao.id, CAST(cartao.data_criacao AS CHAR) FROM cartao JOIN conta ON conta.id = cartao.id_conta
        JOIN associado ON associado.id = cartao.id_associado WHERE cartao.data_criacao < conta.data_criacao
    """
    odd_cards = [(int(row[2]), row[4]) for row in rows if row[0] == "card_before_account"]
    assert sorted(odd_cards) == sorted(filled.query(cards))
    ages = filled.query("SELECT id, CAST(idade AS CHAR) FROM associado WHERE idade NOT BETWEEN 0 AND 130")
    assert sorted((int(row[2]), row[4]) for row in rows if row[0] == "age_out_of_range") == sorted(ages)
    assert {row[4] for row in rows if row[0] == "zero_amount"} == {"0.00"}
    assert {row[4] for row in rows if row[0] in ("luhn", "duplicate_card_number")} == {""}


def test_what_a_delivery_does_not_show_is_not_checked(tmp_path: Path) -> None:
    tables = Tables(
        associado=[associado(nome="Ana", sobrenome="Reis")],
        conta=[conta(data_criacao="2023-01-01 00:00:00")],
        cartao=[cartao(nom_impresso="BIA", data_criacao="2022-01-01 00:00:00")],
        movimento=[movimento(vlr_transacao="0.00", data_movimento="2020-01-01 00:00:00")],
    )
    reasons = {}
    for dropped in (
        "data_movimento",
        "data_criacao_cartao",
        "data_criacao_conta",
        "nome_impresso_cartao",
        "nome_associado",
    ):
        folder = tmp_path / dropped
        folder.mkdir()
        job_options = JobOptions(Privacy(dropped=frozenset([dropped])), NOW)
        reasons[dropped] = {row[0] for row in listed(run_inline(tables.lines(), job_options), folder)}
    everything = {
        "zero_amount",
        "card_before_account",
        "movement_before_account",
        "movement_before_card",
        "printed_name_unlike_holder",
    }
    assert reasons["data_movimento"] == everything - {"movement_before_account", "movement_before_card"}
    assert reasons["data_criacao_cartao"] == everything - {"movement_before_card", "card_before_account"}
    assert reasons["data_criacao_conta"] == everything - {"movement_before_account", "card_before_account"}
    assert reasons["nome_impresso_cartao"] == everything - {"printed_name_unlike_holder"}
    assert reasons["nome_associado"] == everything - {"printed_name_unlike_holder"}


def test_a_card_is_no_older_than_its_account_from_its_moment_on(tmp_path: Path) -> None:
    opened = "2021-01-01 00:00:00"
    moments = ["2020-12-31 23:59:59", opened, "2021-01-01 00:00:01", None, "0000-00-00 00:00:00"]
    tables = Tables(
        associado=[associado(nome="Ana")],
        conta=[conta(data_criacao=opened), conta(id="2", data_criacao=None)],
        cartao=[
            *(
                cartao(id=str(n), nom_impresso="ANA", data_criacao=moment)
                for n, moment in enumerate(moments, 1)
            ),
            cartao(id="6", nom_impresso="ANA", data_criacao=opened, id_conta="2"),
        ],
    )
    found = listed(run_inline(tables.lines(), JobOptions(now=NOW)), tmp_path)
    assert [row for row in found if row[0] == "card_before_account"] == [
        ("card_before_account", "cartao", "1", "1"),
        ("card_before_account", "cartao", "5", "5"),
    ]


def test_the_moment_of_creation_and_now_are_in_time(tmp_path: Path) -> None:
    moments = [
        "2020-12-31 23:59:59",
        "2021-01-01 00:00:00",
        "2022-01-01 00:00:00",
        NOW,
        "2024-06-30 12:00:01",
    ]
    tables = Tables(
        associado=[associado(id="1", nome="Ana", idade="0"), associado(id="2", nome="Bia", idade="130")],
        conta=[conta(data_criacao="2021-01-01 00:00:00")],
        cartao=[cartao(nom_impresso="ANA", data_criacao="2022-01-01 00:00:00")],
        movimento=[movimento(id=str(n), data_movimento=moment) for n, moment in enumerate(moments, 1)],
    )
    assert listed(run_inline(tables.lines(), JobOptions(now=NOW)), tmp_path) == [
        ("movement_before_account", "movimento", "1", "1"),
        ("movement_before_card", "movimento", "1", "1"),
        ("movement_before_card", "movimento", "2", "1"),
        ("movement_in_future", "movimento", "5", "1"),
    ]
