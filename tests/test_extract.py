"""The extraction: every row once, as of one moment, whatever the types and ids; or one clear message."""

import threading
import time
from pathlib import Path

import pytest
from pymysql.cursors import SSCursor

from extract.extraction import Extraction, extract
from extract.mysql import pages as pages_module
from extract.sink import FolderSink
from extract.source import Source, parse_source
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.schema import TABLES
from movimento_flat.tagged_tsv import line
from tests.conftest import PASSWORD, Database
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO


def extracted(source: Source, folder: Path, connections: int = 2) -> tuple[Extraction, list[bytes]]:
    """-> what the extraction says, and every line that it wrote, sorted."""
    said: list[str] = []
    result = extract(source, FolderSink(folder), connections, said.append)
    lines = [line for file in sorted(folder.glob("*/*.tsv")) for line in file.read_bytes().splitlines(True)]
    return result, sorted(lines)


def expected_lines(database: Database) -> list[bytes]:
    """Every row read one by one, with the codec of Python."""
    lines = []
    for table in TABLES:
        columns = ", ".join(f"CAST({name} AS CHAR)" for name in table.column_names)
        for row in database.query(f"SELECT {columns} FROM {table.name}"):
            values = tuple(None if value is None else str(value).encode() for value in row)
            lines.append(line(table, values) + b"\n")
    return sorted(lines)


def test_empty_tables_give_no_lines(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    result, lines = extracted(database.reader(), tmp_path)
    assert lines == []
    assert set(result.tables.values()) == {Totals()}


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_every_row_comes_once_whatever_the_number_of_connections(
    filled: Database, tmp_path: Path, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 700)
    monkeypatch.setattr(FolderSink, "file_bytes", 100_000)
    result, lines = extracted(filled.reader(), tmp_path, connections)
    assert lines == expected_lines(filled)
    assert result.connections == connections
    total = filled.query("SELECT COUNT(*), CAST(SUM(vlr_transacao) * 100 AS SIGNED) FROM movimento")[0]
    assert result.tables["movimento"] == Totals(*map(int, map(str, total)))


def test_sparse_and_largest_ids_zero_dates_nulls_and_extreme_amounts(
    database: Database, tmp_path: Path
) -> None:
    database.create_tables()
    database.execute(
        "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        f"{INTO_ASSOCIADO} VALUES (0, '', NULL, NULL, NULL), (18446744073709551615, 'é😀', '\\\\N', 0, NULL)",
        f"{INTO_CONTA} VALUES (9223372036854775808, 'corrente', '0000-00-00', NULL)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111', NULL, '1000-01-01', 18446744073709551615, 0)",
        f"{INTO_MOVIMENTO} VALUES (0, -99999999.99, 'a\\tb\\nc\\rd\\0e\\\\f', '9999-12-31 23:59:59', NULL),"
        " (5, 99999999.99, X'1E', '1969-12-31 23:59:59', 18446744073709551615),"
        " (18446744073709551615, 0, NULL, '0000-00-00 00:00:00', 0)",
    )
    result, lines = extracted(database.reader(), tmp_path)
    assert lines == expected_lines(database)
    assert b"M\t0\t-99999999.99\ta\\tb\\nc\\rd\\0e\\\\f\t9999-12-31 23:59:59\t\\N\n" in lines
    assert b"M\t18446744073709551615\t0.00\t\\N\t0000-00-00 00:00:00\t0\n" in lines
    assert result.tables["movimento"] == Totals(3, 0)


def test_other_types_of_the_same_meaning_give_the_same_text(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento DROP FOREIGN KEY movimento_cartao, MODIFY id INT(7) UNSIGNED ZEROFILL,"
        " MODIFY vlr_transacao DECIMAL(8, 1), MODIFY data_movimento DATETIME(6),"
        " MODIFY des_transacao VARCHAR(50) CHARACTER SET latin1",
        "ALTER TABLE cartao DROP CONSTRAINT cartao_num_cartao, MODIFY num_cartao BIGINT",
        "ALTER TABLE conta MODIFY data_criacao DATE",
        f"{INTO_MOVIMENTO} VALUES (7, 1.5, 'pão', '2024-01-31 10:00:00.999999', 1)",
        f"{INTO_CARTAO} VALUES (1, 4111111111111111, 'X', '2024-01-01', 1, 1)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-02-29', 1)",
    )
    _, lines = extracted(database.reader(), tmp_path)
    assert lines == [
        b"C\t1\tcorrente\t2020-02-29 00:00:00\t1\n",
        b"K\t1\t4111111111111111\tX\t2024-01-01 00:00:00\t1\t1\n",
        "M\t7\t1.50\tpão\t2024-01-31 10:00:00\t1\n".encode(),
    ]


def test_names_of_another_case_and_views_are_read(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', 1)",
        "ALTER TABLE movimento RENAME TO base, RENAME COLUMN id TO `ID`",
        "CREATE VIEW MOVIMENTO AS SELECT * FROM base",
    )
    _, lines = extracted(database.reader(), tmp_path)
    assert lines == [b"M\t1\t1.00\tx\t2024-01-01 00:00:00\t1\n"]


def test_a_page_that_the_server_would_cut_is_divided(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from extract.mysql import session as session_module

    session = session_module._SESSION.replace(
        f"group_concat_max_len = {pages_module.PAGE_BYTES}", "group_concat_max_len = 5000"
    )
    monkeypatch.setattr(session_module, "_SESSION", session)
    _, lines = extracted(filled.reader(), tmp_path)
    assert lines == expected_lines(filled)


def test_an_account_that_may_not_lock_reads_by_one_connection_and_says_so(
    filled: Database, tmp_path: Path
) -> None:
    source = filled.reader()
    filled.execute(
        f"REVOKE LOCK TABLES ON `{filled.name.replace('_', chr(92) + '_')}`.* FROM movimento_reader@localhost"
    )
    said: list[str] = []
    result = extract(source, FolderSink(tmp_path), 2, said.append)
    assert result.connections == 1
    assert "Reading by one connection" in said[0]


def test_all_connections_see_one_moment_while_others_write(database: Database, tmp_path: Path) -> None:
    """Money moves between two movements far apart: each extraction must see the same total."""
    database.create_tables()
    values = ", ".join(f"({number}, 100, 'x', '2024-01-01', 1)" for number in range(1, 2001))
    database.execute(f"{INTO_MOVIMENTO} VALUES {values}")
    stop = threading.Event()

    def move_money() -> None:
        with database.server.connect(database=database.name) as writer:
            writer.autocommit(False)
            while not stop.is_set():
                writer.query("UPDATE movimento SET vlr_transacao = vlr_transacao - 1 WHERE id = 1")
                writer.query("UPDATE movimento SET vlr_transacao = vlr_transacao + 1 WHERE id = 2000")
                writer.commit()

    writer = threading.Thread(target=move_money)
    writer.start()
    try:
        for run in range(8):
            _, lines = extracted(database.reader(), tmp_path / str(run))
            amounts = [int(line.split(b"\t")[2].replace(b".", b"")) for line in lines]
            assert (len(amounts), sum(amounts)) == (2000, 20_000_000)
    finally:
        stop.set()
        writer.join()


def test_nothing_is_written_to_the_source(filled: Database, tmp_path: Path) -> None:
    checksums = [filled.query(f"CHECKSUM TABLE {table.name}") for table in TABLES]
    extracted(filled.reader(), tmp_path)
    assert [filled.query(f"CHECKSUM TABLE {table.name}") for table in TABLES] == checksums


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DROP TABLE movimento", "Table movimento lacks"),
        ("ALTER TABLE cartao DROP COLUMN nom_impresso", "Table cartao lacks nom_impresso"),
        ("ALTER TABLE movimento MODIFY vlr_transacao DOUBLE", "movimento.vlr_transacao is double"),
        ("ALTER TABLE movimento MODIFY vlr_transacao DECIMAL(10, 3)", r"vlr_transacao is decimal\(10,3\)"),
        ("ALTER TABLE movimento ENGINE = MyISAM", r"Not every table is InnoDB: movimento \(MyISAM\)"),
    ],
)
def test_a_database_that_is_not_as_it_must_be_is_named(
    database: Database, damage: str, said: str, tmp_path: Path
) -> None:
    database.create_tables()
    database.execute("ALTER TABLE movimento DROP FOREIGN KEY movimento_cartao", damage)
    with pytest.raises(UserError, match=said):
        extracted(database.reader(), tmp_path)


def test_a_missing_privilege_is_named(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        f"CREATE USER little@localhost IDENTIFIED BY '{PASSWORD}'",
        *(
            f"GRANT SELECT ON {database.name}.{name} TO little@localhost"
            for name in ("associado", "conta", "cartao")
        ),
    )
    source = Source("little", database.name, unix_socket=str(database.server.socket), password=PASSWORD)
    with pytest.raises(UserError, match=r"Table movimento lacks .* may not read it"):
        extracted(source, tmp_path)


def test_a_wrong_password_and_an_unknown_database_are_named(database: Database) -> None:
    socket = str(database.server.socket)
    database.reader()
    with pytest.raises(UserError, match="Access denied") as denied:
        Source("movimento_reader", database.name, unix_socket=socket, password="wrong").connect()
    assert "wrong" not in str(denied.value)
    with pytest.raises(UserError, match="Unknown database"):
        Source("root", "nowhere", unix_socket=socket).connect()


def test_a_connection_killed_while_reading_is_an_error_and_leaves_no_complete_file(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 500)
    killed = False
    one_at_a_time = threading.Lock()  # else the other reader may read everything before it is killed

    def kill_readers(_: int) -> None:
        nonlocal killed
        with one_at_a_time:
            if not killed:
                killed = True
                for (connection,) in filled.query(
                    "SELECT id FROM information_schema.processlist WHERE user = 'movimento_reader'"
                ):
                    filled.execute(f"KILL {connection}")

    with pytest.raises(UserError, match=r"Lost connection|gone away"):
        extract(filled.reader(), FolderSink(tmp_path), 2, print, kill_readers)
    assert list((tmp_path / "movements").glob("*.tsv")) == []


def test_when_one_connection_dies_the_others_read_no_more(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 100)
    pages = 0
    one_at_a_time = threading.Lock()
    readers = "SELECT MAX(id) FROM information_schema.processlist WHERE user = 'movimento_reader'"

    def kill_one(_: int) -> None:
        nonlocal pages
        with one_at_a_time:
            pages += 1
            if pages == 1:
                filled.execute(f"KILL {filled.query(readers)[0][0]}")

    with pytest.raises(UserError, match=r"Lost connection|gone away"):
        extract(filled.reader(), FolderSink(tmp_path), 3, print, kill_one)
    assert pages < 50  # of some hundreds


def test_an_answer_may_wait_longer_to_be_read_than_the_server_would_let_it(
    database: Database, tmp_path: Path
) -> None:
    """A server gives up after net_write_timeout, a minute by default, on who reads slowly."""
    source = database.reader()
    (before,) = database.query("SELECT @@GLOBAL.net_write_timeout")[0]
    database.execute("SET GLOBAL net_write_timeout = 1")
    try:
        with source.connect() as connection, connection.cursor(SSCursor) as cursor:
            cursor.execute("SELECT REPEAT('x', 1000000) FROM information_schema.collations LIMIT 100")
            time.sleep(3)  # what is tested is that time passes
            assert sum(len(text) for (text,) in cursor) == 100_000_000
    finally:
        database.execute(f"SET GLOBAL net_write_timeout = {before}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://reader:secret@host/db", "holds a password"),
        ("mysql://host/db", "no address of a database"),
        ("mysql://reader@host", "no address of a database"),
        ("pg://reader@host/db", "no address of a database"),
        ("mysql://reader@host:port/db", "no address"),
        ("", "no address of a database"),
    ],
)
def test_a_wrong_address_is_named(url: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        parse_source(url)
    assert "secret" not in str(error.value)


def test_the_password_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MYSQL_PWD", "from environment")
    assert parse_source("mysql://r@host/db").password == "from environment"
    (tmp_path / "password").write_text("from file\nsecond line\n")
    source = parse_source("mysql://r@host/db", tmp_path / "password")
    assert source.password == "from file"
    assert "from file" not in repr(source) + str(source)
    with pytest.raises(UserError, match="cannot be read"):
        parse_source("mysql://r@host/db", tmp_path / "missing")


def test_connections_are_closed_afterwards(filled: Database, tmp_path: Path) -> None:
    extracted(filled.reader(), tmp_path)
    left = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'movimento_reader'"
    deadline = time.monotonic() + 10  # the server takes a moment to end what a client has closed
    while filled.query(left) != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
