"""The fictitious database: repeatable, and realistic where it matters."""

from collections import Counter
from datetime import date

import pytest

from movimento_flat.errors import UserError
from movimento_flat.luhn import check_digit, is_luhn
from movimento_flat.sample_data.generate import TROUBLESOME, Generator
from movimento_flat.sample_data.load import fill
from movimento_flat.sample_data.plan import Plan
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.schema import MOVIMENTO, TABLES
from tests.conftest import Database


def fill_database(database: Database, plan: Plan) -> list[tuple[object, ...]]:
    """-> checksums of the four tables."""
    with database.server.connect(database=database.name) as admin:
        fill(admin, plan, lambda rows: None)
    return [database.query(f"CHECKSUM TABLE {table.name}")[0][1:] for table in TABLES]


def test_an_empty_plan_gives_empty_tables(database: Database) -> None:
    fill_database(database, Plan(movements=0))
    assert [database.query(f"SELECT COUNT(*) FROM {table.name}") for table in TABLES] == [[(0,)]] * 4


def test_the_same_seed_gives_the_same_database_and_another_seed_another(database: Database) -> None:
    checksums = []
    for seed in (1, 1, 2):
        checksums.append(fill_database(database, Plan(movements=2000, seed=seed, dirty=0.1)))
        database.execute(*(f"DROP TABLE {table.name}" for table in reversed(TABLES)))
    assert checksums[0] == checksums[1]
    assert not set(checksums[0]) & set(checksums[2])


def test_tables_that_hold_rows_are_left_alone(database: Database) -> None:
    before = fill_database(database, Plan(movements=10))
    with pytest.raises(UserError, match="holds rows already"):
        fill_database(database, Plan(movements=10))
    assert [database.query(f"CHECKSUM TABLE {table.name}")[0][1:] for table in TABLES] == before


def test_a_clean_plan_rejects_nothing_and_a_dirty_one_has_every_reason(
    database: Database, filled: Database
) -> None:
    fill_database(database, Plan(movements=2000))
    assert database.rejected() == []
    reasons = Counter(reason for reason, _ in filled.rejected())
    assert set(reasons) == {
        "movement_without_card",
        "unknown_card",
        "card_without_account",
        "card_without_holder",
    }


def test_a_clean_database_is_like_life(database: Database) -> None:
    """Dates follow each other, people pay by day, most amounts are small, and some are paid each month."""
    fill_database(database, Plan(movements=30_000))
    cards = "FROM cartao k JOIN conta c ON c.id = k.id_conta"
    assert database.query(f"SELECT COUNT(*) {cards} WHERE DATE(k.data_criacao) <= DATE(c.data_criacao)") == [
        (0,)
    ]
    movements = "FROM movimento m JOIN cartao k ON k.id = m.id_cartao"
    assert database.query(f"SELECT COUNT(*) {movements} WHERE m.data_movimento < k.data_criacao") == [(0,)]
    late = "SELECT COUNT(DISTINCT k.id) {} WHERE k.data_criacao >= '2024-01-01'"
    assert database.query(late.format(movements)) > [(50,)]
    found = {text for (text,) in database.query("SELECT DISTINCT des_transacao FROM movimento")}
    assert not found & set(TROUBLESOME)
    assert len(found) > 1000
    share = "SELECT CAST(AVG({}) AS DOUBLE) FROM movimento"
    for what, least, most in (
        ("HOUR(data_movimento) BETWEEN 8 AND 21", 0.80, 0.95),
        ("DAYOFWEEK(data_movimento) IN (6, 7)", 0.33, 0.42),  # Fridays and Saturdays
        ("vlr_transacao < 0", 0.02, 0.04),
        ("ABS(vlr_transacao) < 100", 0.6, 0.8),
        ("ABS(vlr_transacao) > 1000", 0.002, 0.02),
        ("ABS(vlr_transacao) < 5", 0, 0),
    ):
        assert least <= database.query(share.format(what))[0][0] <= most, what
    ages = database.query("SELECT MIN(idade), CAST(AVG(idade) AS DOUBLE), MAX(idade) FROM associado")[0]
    assert ages[0] == 18
    assert 43 < ages[1] < 50
    assert 85 < ages[2] < 95
    monthly = (
        "SELECT COUNT(*) FROM (SELECT 1 FROM movimento WHERE vlr_transacao > 0"
        " GROUP BY id_cartao, des_transacao, vlr_transacao, DAY(data_movimento) HAVING COUNT(*) >= 30) t"
    )
    assert database.query(monthly) > [(20,)]


def test_what_is_paid_back_was_paid_before_with_the_same_card_at_the_same_place(database: Database) -> None:
    fill_database(database, Plan(movements=20_000))
    paid = (
        "SELECT COUNT(*) FROM movimento r WHERE vlr_transacao < 0 AND {} EXISTS (SELECT 1 FROM movimento m"
        " WHERE m.id_cartao = r.id_cartao AND m.des_transacao = r.des_transacao"
        " AND m.vlr_transacao = -r.vlr_transacao AND m.data_movimento < r.data_movimento)"
    )
    assert database.query(paid.format("")) > [(400,)]
    # What is paid back was itself replaced by something paid back now and then.
    assert database.query(paid.format("NOT")) < [(40,)]


def test_a_dirty_database_has_cards_that_are_older_than_their_accounts(filled: Database) -> None:
    older = "SELECT COUNT(*) FROM cartao k JOIN conta c ON c.id = k.id_conta WHERE k.data_criacao < c.data_criacao"
    assert filled.query(older) > [(50,)]


def test_card_numbers_are_unique_pass_luhn_and_have_13_to_19_digits(database: Database) -> None:
    fill_database(database, Plan(movements=20_000))
    numbers = [str(number) for (number,) in database.query("SELECT num_cartao FROM cartao")]
    assert len(set(numbers)) == len(numbers)
    assert {13, 14, 15, 16, 19} == set(map(len, numbers))
    assert all(is_luhn(number.encode()) for number in numbers)


def test_luhn_agrees_with_a_published_example() -> None:
    # ISO/IEC 7812-1, annex B; the number is in every description of the algorithm.
    assert check_digit(b"7992739871") == b"3"
    assert is_luhn(b"79927398713")
    assert not any(is_luhn(b"7992739871%d" % digit) for digit in (0, 1, 2, 4, 5, 6, 7, 8, 9))
    assert not is_luhn(b"7992739871 3")
    assert not is_luhn(b"")


def test_movements_are_skewed_and_refunds_and_troublesome_texts_are_among_them(filled: Database) -> None:
    per_card = [
        int(str(count))
        for (count,) in filled.query("SELECT COUNT(*) FROM movimento GROUP BY id_cartao ORDER BY 1 DESC")
    ]
    cards = int(str(filled.query("SELECT COUNT(*) FROM cartao")[0][0]))
    assert per_card[0] > 100 * sum(per_card) / len(per_card)
    assert len(per_card) < 0.95 * cards
    assert filled.query("SELECT COUNT(*) FROM movimento WHERE vlr_transacao < 0") > [(200,)]
    found = {text for (text,) in filled.query("SELECT DISTINCT des_transacao FROM movimento")}
    assert set(TROUBLESOME) <= found


def test_people_have_several_accounts_and_cards_and_additional_holders_differ(filled: Database) -> None:
    assert filled.query("SELECT MAX(n) FROM (SELECT COUNT(*) n FROM conta GROUP BY id_associado) t") > [(1,)]
    assert filled.query("SELECT MAX(n) FROM (SELECT COUNT(*) n FROM cartao GROUP BY id_conta) t") > [(1,)]
    other = (
        "SELECT COUNT(*) FROM cartao k JOIN conta c ON c.id = k.id_conta AND c.id_associado <> k.id_associado"
    )
    assert filled.query(other) > [(100,)]


def test_movements_lie_in_the_plans_days(database: Database) -> None:
    fill_database(database, Plan(movements=1000, start=date(2024, 2, 28), end=date(2024, 3, 1)))
    days = database.query("SELECT DISTINCT CAST(DATE(data_movimento) AS CHAR) FROM movimento ORDER BY 1")
    assert days == [("2024-02-28",), ("2024-02-29",), ("2024-03-01",)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"movements": -1},
        {"dirty": 1.5},
        {"movements": 1, "cards": 0},
        {"start": date(2025, 1, 2), "end": date(2025, 1, 1)},
    ],
)
def test_a_plan_that_does_not_go_together_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError):
        Plan(**wrong)  # type: ignore[arg-type]


def test_any_plan_gives_as_many_rows_as_it_says() -> None:
    for plan in (
        *(Plan(movements=movements) for movements in (1, 2, 7, 100, 3001)),
        Plan(movements=500, cards=1),
        Plan(movements=500, cards=300, accounts=1),
        Plan(movements=0, cards=10),
        Plan(movements=60_000, start=date(2024, 2, 29), end=date(2024, 2, 29)),
        Plan(movements=500, dirty=1.0),
    ):
        for table, rows in zip(
            TABLES, (plan.associates, plan.accounts, plan.cards, plan.movements), strict=True
        ):
            ids = [row[0] for chunk in Generator(plan).rows(table) for row in chunk]
            assert ids == list(range(1, (rows or 0) + 1)), (plan, table.name)


def test_the_largest_tables_rows_come_in_chunks() -> None:
    chunks = list(Generator(Plan(movements=120_000)).rows(MOVIMENTO))
    assert [len(chunk) for chunk in chunks] == [50_000, 50_000, 20_000]


def test_an_account_that_may_not_fill_is_named(database: Database) -> None:
    with pytest.raises(UserError, match=r"(?s)denied.*the account CREATE and INSERT"):
        fill(database.reader().connect(), Plan(movements=10), lambda rows: None)


def test_a_server_without_local_infile_is_named(server: PrivateServer, database: Database) -> None:
    database.execute("SET GLOBAL local_infile = 0")
    try:
        with pytest.raises(UserError, match="local_infile"):
            fill_database(database, Plan(movements=10))
    finally:
        database.execute("SET GLOBAL local_infile = 1")
