"""The scripts in sql/: every column explained, and a reader that can read and nothing else."""

import pymysql
import pytest

from movimento_flat.schema import TABLES
from movimento_flat.sql_files import reader_statements, statements
from tests.conftest import Database
from tests.rows import INTO_CARTAO


def test_running_the_tables_script_twice_changes_nothing(database: Database) -> None:
    database.create_tables()
    before = [database.query(f"SHOW CREATE TABLE {table.name}") for table in TABLES]
    database.create_tables()
    assert [database.query(f"SHOW CREATE TABLE {table.name}") for table in TABLES] == before


def test_the_tables_have_the_columns_of_the_schema_and_each_has_a_comment(database: Database) -> None:
    database.create_tables()
    for table in TABLES:
        rows = database.query(
            "SELECT column_name, column_comment FROM information_schema.columns"
            f" WHERE table_schema = '{database.name}' AND table_name = '{table.name}'"
        )
        assert set(table.column_names) <= {name for name, _ in rows}
        assert all(comment for _, comment in rows)


@pytest.mark.parametrize("number", ["", "123456789012", "12345678901234567890", "4111-1111-1111"])
def test_a_card_number_is_13_to_19_digits(database: Database, number: str) -> None:
    database.create_tables()
    with pytest.raises(pymysql.MySQLError, match=r"cartao_num_cartao|too long"):
        database.execute(f"{INTO_CARTAO} VALUES (1, '{number}', 'X', '2024-01-01', NULL, NULL)")


@pytest.mark.parametrize(
    "forbidden",
    [
        "INSERT INTO associado (nome) VALUES ('x')",
        "UPDATE associado SET nome = 'x'",
        "DELETE FROM associado",
        "CREATE TABLE other (id INT)",
        "DROP TABLE movimento",
        "SELECT * FROM mysql.global_priv",
    ],
)
def test_the_reader_can_only_read(database: Database, forbidden: str) -> None:
    database.create_tables()
    connection = database.reader().connect()
    connection.query("SELECT * FROM associado")
    connection.query("LOCK TABLES associado READ")
    connection.query("UNLOCK TABLES")
    with pytest.raises(pymysql.MySQLError, match="denied"):
        connection.query(forbidden)


def test_the_reader_sees_its_own_schema_only_though_names_look_alike(database: Database) -> None:
    alike = database.name.replace("_", "x")
    database.execute(f"CREATE DATABASE {alike}", f"CREATE TABLE {alike}.t (id INT)")
    connection = database.reader().connect()
    with pytest.raises(pymysql.MySQLError, match="denied"):
        connection.query(f"SELECT * FROM {alike}.t")


def test_the_readers_password_is_quoted() -> None:
    create, *_ = reader_statements("s", "it's \\ quoted")
    assert "IDENTIFIED BY 'it\\'s \\\\ quoted'" in create


def test_statements_come_without_comments() -> None:
    assert len(statements("mysql/tables")) == 4
    for name in ("mysql/tables", "expected"):
        lines = "\n".join(statements(name)).splitlines()
        assert not any(line.startswith("--") for line in lines)
