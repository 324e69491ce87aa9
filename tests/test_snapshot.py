"""The snapshot: whatever others do before any statement of the extraction, it is one committed state of four tables."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import ER

from extract.extraction import extract
from extract.mysql.engines import tables_read
from extract.sink import FolderSink
from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.schema import TABLES
from movimento_flat.state import state_dir
from tests.conftest import PASSWORD, Database, Server, new_database
from tests.mysql9 import MySQL9
from tests.soak import LONG
from tests.test_extract import expected_lines, extracted

NAMES = tuple(table.name for table in TABLES)
ROWS = 40
#: The four tables, and what each has in common with the others of its number.
VALUES = {
    "associado": "({0}, 'Ana', 'Reis', 30, NULL)",
    "conta": "({0}, 'corrente', '2020-01-01', {0})",
    "cartao": "({0}, '4111111111111111', 'ANA', '2021-01-01', {0}, {0})",
    "movimento": "({0}, 1, 'x', '2024-01-01', {0})",
}


@pytest.fixture(scope="module", params=["MariaDB", pytest.param("MySQL 9", marks=pytest.mark.machine)])
def any_server(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of each kind."""
    if request.param == "MariaDB":
        yield server
    else:
        with MySQL9(tmp_path_factory.mktemp("mysql"), state_dir()) as mysql:
            yield mysql


@pytest.fixture
def bank(any_server: Server) -> Database:
    """The four tables with some rows, and no foreign keys: with these nobody could change the tables one by one."""
    database = new_database(any_server)
    fill(database)
    return database


def fill(database: Database) -> None:
    database.create_tables()
    for name in NAMES:
        database.execute(
            f"CREATE TABLE new LIKE {name}",
            f"INSERT INTO new VALUES {', '.join(VALUES[name].format(n) for n in range(1, ROWS + 1))}",
            f"DROP TABLE {name}",
            f"RENAME TABLE new TO {name}",
        )


class Statements:
    """The reader's statements, in their order; something is done before, or after, one of them.

    Attributes:
        seen: (place of the connection, from 0 on; statement).
    """

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []
        self.before: Callable[[int, str], None] = lambda place, statement: None
        self.after: Callable[[int, str], None] = lambda place, statement: None
        self._connections: list[Connection[Any]] = []
        self._lock = threading.Lock()

    def place(self, connection: "Connection[Any]") -> int:
        with self._lock:
            if connection not in self._connections:
                self._connections.append(connection)
            return self._connections.index(connection)

    @contextmanager
    def watched(self) -> Iterator[None]:
        query = Connection.query

        def watching(connection: "Connection[Any]", sql: str, unbuffered: bool = False) -> int:
            if connection.user == b"root":
                return query(connection, sql, unbuffered)
            place = self.place(connection)
            with self._lock:
                self.seen.append((place, str(sql)))
                number = len(self.seen)
            self.before(number, str(sql))
            result = query(connection, sql, unbuffered)
            self.after(number, str(sql))
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "query", watching)
            yield


def impatient(database: Database) -> "Connection[Any]":
    """The administrator, who waits for others for a second at most; on MariaDB for no time."""
    connection = database.server.connect(database=database.name)
    connection.query("SET SESSION lock_wait_timeout = 0, innodb_lock_wait_timeout = 1")
    return connection


def patient(database: Database) -> "Connection[Any]":
    """The administrator, who waits for others for half a minute."""
    connection = database.server.connect(database=database.name)
    connection.query("SET SESSION lock_wait_timeout = 30, innodb_lock_wait_timeout = 30")
    return connection


def is_refused(connection: "Connection[Any]", statement: str) -> bool:
    """Whether somebody's lock is in the way."""
    try:
        connection.query(statement)
    except pymysql.MySQLError as error:
        assert error.args[0] == ER.LOCK_WAIT_TIMEOUT, error
        return True
    return False


def insertion(name: str, number: int, table: str = "") -> str:
    return f"INSERT INTO {table or name} VALUES {VALUES[name].format(number)}"


def without_locks(source: Source, database: Database) -> Source:
    """An account that may read and not lock."""
    host = "%" if isinstance(database.server, MySQL9) else "localhost"
    database.execute(
        f"DROP USER IF EXISTS 'no_locks'@'{host}'",
        f"CREATE USER 'no_locks'@'{host}' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT, SHOW VIEW ON {database.name}.* TO 'no_locks'@'{host}'",
    )
    return replace(source, user="no_locks")


def number_of_statements(source: Source, folder: Path, connections: int) -> int:
    statements = Statements()
    with statements.watched():
        extracted(source, folder, connections)
    return len(statements.seen)


@pytest.mark.parametrize("kind", ["one connection", "several", "not allowed to lock", "views over views"])
def test_a_table_swapped_for_its_copy_before_any_statement_is_read_whole(
    bank: Database, tmp_path: Path, kind: str
) -> None:
    """An online schema change: a copy lacks some rows; they are copied, and the two change their names.

    It waits for whoever reads the table, and the reader must not wait for it.
    """
    source = bank.reader()
    connections = 1 if kind == "one connection" else 2
    if kind == "not allowed to lock":
        source = without_locks(source, bank)
    tables = dict(zip(NAMES, NAMES, strict=True))
    if kind == "views over views":
        for name in NAMES:
            tables[name] = f"base_{name}"
            bank.execute(
                f"RENAME TABLE {name} TO {tables[name]}",
                f"CREATE VIEW below_{name} AS SELECT * FROM {tables[name]}",
                f"CREATE VIEW {name} AS SELECT * FROM below_{name}",
            )
    expected = expected_lines(bank)
    total = number_of_statements(source, tmp_path / "count", connections)
    assert total > 20
    # On MySQL a reader waits for a second. `make soak` takes every statement and every table.
    step = 7 if isinstance(bank.server, MySQL9) else 1 if LONG else 3
    for number in range(1, total + 1, step):
        for name in NAMES if LONG else (NAMES[number % len(NAMES)],):
            changing = OnlineChange(bank, tables[name])
            statements = Statements()
            statements.before = once(number, changing.start_and_wait)
            with statements.watched():
                _, lines = extracted(source, tmp_path / f"{number}-{name}", connections)
            changing.end()
            assert lines == expected, (
                f"{name} swapped before statement {number}: {statements.seen[number - 1]}"
            )


class OnlineChange:
    """Somebody swaps a table for a copy that has been lacking rows until then."""

    def __init__(self, database: Database, table: str) -> None:
        self._database = database
        database.execute(
            f"CREATE TABLE copy LIKE {table}",
            f"INSERT INTO copy SELECT * FROM {table} WHERE id <= {ROWS - 2}",
        )
        self._connection = database.server.connect(database=database.name)
        self._thread = doing(
            self._connection,
            f"INSERT INTO copy SELECT * FROM {table} WHERE id > {ROWS - 2}",
            f"RENAME TABLE {table} TO old, copy TO {table}",
            "DROP TABLE old",
        )

    def start_and_wait(self) -> None:
        start_and_wait(self._database, self._thread)

    def end(self) -> None:
        """It has been done, at the latest now."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._connection.close()


def once(number: int, act: Callable[[], None]) -> Callable[[int, str], None]:
    """Do something at the statement of that number; the statements come from several threads."""
    return lambda now, statement: act() if now == number else None


def doing(connection: "Connection[Any]", *statements: str) -> threading.Thread:
    """A thread, not started, that executes them one after the other."""

    def execute() -> None:
        for statement in statements:
            connection.query(statement)

    return threading.Thread(target=execute)


def start_and_wait(database: Database, changing: threading.Thread) -> None:
    """Until it has ended, or waits for a lock that somebody else has."""
    changing.start()
    while changing.is_alive() and not database.query(
        "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for % lock'"
    ):
        changing.join(0.01)


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "READ COMMITTED"])
def test_what_is_committed_after_the_lock_is_not_read(bank: Database, tmp_path: Path, isolation: str) -> None:
    """Also where the server's default shows each statement what was committed before it."""
    source = bank.reader()
    expected = expected_lines(bank)
    statements = Statements()

    def write(number: int, statement: str) -> None:
        if statement == "UNLOCK TABLES":
            bank.execute(
                *(insertion(name, ROWS + 1) for name in NAMES), "UPDATE movimento SET vlr_transacao = 7"
            )

    statements.after = write
    bank.execute(f"SET GLOBAL TRANSACTION ISOLATION LEVEL {isolation}")
    try:
        with statements.watched():
            _, lines = extracted(source, tmp_path)
    finally:
        bank.execute("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert "UNLOCK TABLES" in {statement for _, statement in statements.seen}
    assert lines == expected
    assert expected_lines(bank) != expected


def test_nobody_can_write_to_any_table_while_the_snapshots_begin(bank: Database, tmp_path: Path) -> None:
    tried: list[str] = []
    statements = Statements()
    with impatient(bank) as writer:

        def write(number: int, statement: str) -> None:
            if statement.startswith("START TRANSACTION WITH CONSISTENT SNAPSHOT") and len(tried) < len(NAMES):
                name = NAMES[len(tried)]
                tried.append(name)
                assert is_refused(writer, insertion(name, ROWS + 1)), f"{name} could be written to"

        statements.before = write
        with statements.watched():
            extracted(bank.reader(), tmp_path, len(NAMES))
    assert tried == list(NAMES)


@pytest.mark.parametrize("may_lock", [True, False])
def test_nobody_can_change_a_table_before_the_snapshot_or_while_it_is_read_and_anybody_can_then(
    bank: Database, tmp_path: Path, may_lock: bool
) -> None:
    """Neither drop, rename, empty or alter it, nor what a view reads; and writing goes on meanwhile."""
    source = bank.reader() if may_lock else without_locks(bank.reader(), bank)
    bank.execute("RENAME TABLE conta TO base", "CREATE VIEW conta AS SELECT * FROM base")
    changes = [
        *(
            f"ALTER TABLE {name} ADD COLUMN one_more INT"
            for name in ("associado", "base", "cartao", "movimento")
        ),
        "RENAME TABLE cartao TO old",
        "TRUNCATE TABLE movimento",
        "CREATE OR REPLACE VIEW conta AS SELECT * FROM base WHERE id > 2",
        "DROP TABLE base",
    ]
    statements = Statements()
    began = 0
    with impatient(bank) as changer:

        def change(number: int, statement: str) -> None:
            nonlocal began
            if statement.startswith("START TRANSACTION WITH CONSISTENT SNAPSHOT"):
                began += 1
                if began == 1:
                    for statement in changes:
                        assert is_refused(changer, statement), statement

        def change_and_write(rows: int) -> None:
            if len(written) == 0:
                written.append(rows)
                for statement in changes:
                    assert is_refused(changer, statement), statement
                assert not is_refused(changer, insertion("movimento", ROWS + 1))

        written: list[int] = []
        statements.before = change
        with statements.watched():
            result = extract(source, FolderSink(tmp_path), 2, lambda sentence: None, change_and_write)
        assert (result.connections, began) == ((2, 3) if may_lock else (1, 1))
        assert result.tables["movimento"].rows == ROWS
        assert written
    # The server takes a moment to end what a client has closed, and its own purge of old rows locks a table, too.
    with patient(bank) as changer:
        for statement in changes:
            assert not is_refused(changer, statement), statement


def test_a_column_that_becomes_another_before_the_snapshot_is_read_as_what_it_is(
    bank: Database, tmp_path: Path
) -> None:
    statements = Statements()

    def change(number: int, statement: str) -> None:
        if statement.startswith("LOCK TABLES") and not changed:
            changed.append(number)
            bank.execute("ALTER TABLE movimento MODIFY vlr_transacao DECIMAL(20, 1)")

    changed: list[int] = []
    statements.before = change
    with statements.watched():
        _, lines = extracted(bank.reader(), tmp_path)
    assert changed
    assert b"M\t1\t1.00\tx\t2024-01-01 00:00:00\t1\n" in lines
    assert sum(statement.startswith("LOCK TABLES") for _, statement in statements.seen) == 2


def test_a_table_that_becomes_another_engines_before_the_snapshot_is_refused(
    bank: Database, tmp_path: Path
) -> None:
    statements = Statements()

    def change(number: int, statement: str) -> None:
        if statement.startswith("LOCK TABLES"):
            bank.execute("ALTER TABLE movimento ENGINE = MyISAM")

    statements.before = change
    with (
        statements.watched(),
        pytest.raises(UserError, match=r"Not every table is InnoDB: movimento \(MyISAM\)"),
    ):
        extracted(bank.reader(), tmp_path)


def test_tables_that_never_stand_still_are_refused_after_some_attempts(
    bank: Database, tmp_path: Path
) -> None:
    statements = Statements()
    scales = itertools.cycle((1, 2))

    def change(number: int, statement: str) -> None:
        if statement.startswith("LOCK TABLES"):
            bank.execute(f"ALTER TABLE movimento MODIFY vlr_transacao DECIMAL(20, {next(scales)})")

    statements.before = change
    with (
        statements.watched(),
        pytest.raises(UserError, match=r"changed each of the 20 times.*\n.*nobody alters"),
    ):
        extracted(bank.reader(), tmp_path)


@pytest.mark.parametrize("sees", [False, True])
def test_an_extraction_ends_at_its_time_limit_and_names_who_waits_where_it_sees_it(
    bank: Database, tmp_path: Path, sees: bool
) -> None:
    """The ALTER TABLE goes on at once, though the sink has not been given up yet."""
    source = replace(bank.reader(), time_limit=1)
    account = f"'{source.user}'@'{'%' if isinstance(bank.server, MySQL9) else 'localhost'}'"
    if sees:
        bank.execute(f"GRANT PROCESS ON *.* TO {account}")
    with bank.server.connect(database=bank.name) as changer:
        altering = doing(changer, "ALTER TABLE movimento ADD COLUMN card_4111111111111111 INT")

        def stand_still(rows: int) -> None:
            if not altering.ident:
                start_and_wait(bank, altering)
                altering.join(20)
                assert not altering.is_alive()

        began = time.monotonic()
        with pytest.raises(
            UserError, match=r"ended after 1 seconds \(--time-limit\).*\n.*--time-limit"
        ) as error:
            extract(
                source, FolderSink(tmp_path), 2, print, small_tables_complete=lambda written: stand_still(0)
            )
        assert time.monotonic() - began < 10
    if sees:
        bank.execute(f"REVOKE PROCESS ON *.* FROM {account}")
    said = str(error.value)
    assert (" (root@localhost, database " in said and " with ALTER" in said) is sees
    assert "4111111111111111" not in said


def test_who_waits_is_named_also_where_the_tables_cannot_be_opened(bank: Database, tmp_path: Path) -> None:
    source = bank.reader()
    account = f"'{source.user}'@'{'%' if isinstance(bank.server, MySQL9) else 'localhost'}'"
    bank.execute(f"GRANT PROCESS ON *.* TO {account}")
    with (
        bank.server.connect(database=bank.name) as reader,
        bank.server.connect(database=bank.name) as changer,
    ):
        reader.query("START TRANSACTION")
        reader.query("SELECT * FROM movimento")
        altering = doing(changer, "ALTER TABLE movimento ADD COLUMN x INT")
        start_and_wait(bank, altering)
        with pytest.raises(UserError, match=r"Lock wait timeout.*root@localhost.* with ALTER"):
            extracted(source, tmp_path)
        reader.rollback()
        altering.join()
    bank.execute(f"REVOKE PROCESS ON *.* FROM {account}")


# --- what views read


VIEWS = [
    ("a view", ["CREATE VIEW movimento AS SELECT * FROM base"]),
    (
        "a view over a view",
        ["CREATE VIEW v AS SELECT * FROM base", "CREATE VIEW movimento AS SELECT * FROM v"],
    ),
    ("below", ["CREATE VIEW movimento AS SELECT m.* FROM fine m WHERE id IN (SELECT id FROM base)"]),
    (
        "functions with FROM",
        [
            "CREATE VIEW movimento AS SELECT EXTRACT(YEAR FROM m.data_movimento) AS year,"
            " TRIM(LEADING 'x' FROM m.des_transacao) AS text, m.* FROM (fine m LEFT JOIN base b ON m.id = b.id)"
        ],
    ),
    (
        "a common table expression",
        ["CREATE VIEW movimento AS WITH rows_of AS (SELECT * FROM base) SELECT * FROM rows_of"],
    ),
    ("a union", ["CREATE VIEW movimento AS SELECT * FROM fine UNION ALL SELECT * FROM base"]),
    ("a derived table", ["CREATE VIEW movimento AS SELECT * FROM (SELECT * FROM base) AS t"]),
    (
        "names without quotes",
        ["SET SESSION sql_quote_show_create = 0", "CREATE VIEW movimento AS SELECT * FROM base"],
    ),
    (
        "names in other quotes",
        [
            "SET SESSION sql_mode = 'ANSI_QUOTES'",
            'CREATE VIEW movimento AS SELECT "id" AS "a""b", base.* FROM base',
        ],
    ),
    (
        "another schema",
        ["RENAME TABLE base TO {other}.base", "CREATE VIEW movimento AS SELECT * FROM {other}.base"],
    ),
]


@pytest.mark.parametrize(("why", "statements"), VIEWS, ids=[why for why, _ in VIEWS])
def test_an_engine_below_views_is_found_and_innodb_there_is_read(
    bank: Database, tmp_path: Path, why: str, statements: list[str]
) -> None:
    other = new_database(bank.server)
    account = f"'{bank.reader().user}'@'{'%' if isinstance(bank.server, MySQL9) else 'localhost'}'"
    statements = [statement.replace("{other}", other.name) for statement in statements]
    bank.execute(
        "RENAME TABLE movimento TO base",
        "CREATE TABLE fine LIKE base",
        f"GRANT SELECT ON {other.name}.* TO {account}",
        *statements,
    )
    extracted(bank.reader(), tmp_path / "fine")
    (base,) = [found for found in ("base", f"{other.name}.base") if not is_missing(bank, found)]
    bank.execute(f"ALTER TABLE {base} ENGINE = MyISAM")
    shown = base.replace(".", r"\.")
    with pytest.raises(UserError, match=rf"Not every table is InnoDB: {shown} \(MyISAM\)"):
        extracted(bank.reader(), tmp_path / "other")


def is_missing(database: Database, table: str) -> bool:
    try:
        database.query(f"SELECT 1 FROM {table} LIMIT 0")
    except pymysql.MySQLError:
        return True
    return False


def test_the_grants_by_which_an_account_sees_what_views_read_are_named_and_suffice(
    bank: Database, tmp_path: Path
) -> None:
    """First the view itself, then a view and tables of a schema that the account does not know."""
    hidden = new_database(bank.server)
    source = bank.reader()
    host = "%" if isinstance(bank.server, MySQL9) else "localhost"
    pattern = bank.name.replace("_", r"\_")
    bank.execute(
        f"REVOKE SHOW VIEW ON `{pattern}`.* FROM '{source.user}'@'{host}'",
        f"RENAME TABLE movimento TO {hidden.name}.movimento, cartao TO {hidden.name}.cartao",
        f"CREATE VIEW {hidden.name}.below AS SELECT * FROM {hidden.name}.movimento",
        f"CREATE VIEW movimento AS SELECT * FROM {hidden.name}.below",
        f"CREATE VIEW cartao AS SELECT * FROM {hidden.name}.cartao",
    )
    expected = expected_lines(bank)
    granted: list[list[str]] = []
    while len(granted) < 5:
        try:
            _, lines = extracted(source, tmp_path / "read")
            break
        except UserError as error:
            said = [line.strip(" ;") for line in error.next_step.splitlines()]
            granted.append([statement for statement in said if statement.startswith("GRANT ")])
            bank.execute(*granted[-1])
    account = f"TO '{source.user}'@'{host}'"
    assert granted == [
        [f"GRANT SELECT, SHOW VIEW ON `{bank.name}`.`{name}` {account}" for name in ("cartao", "movimento")],
        [f"GRANT SHOW VIEW ON `{hidden.name}`.`{name}` {account}" for name in ("below", "cartao")],
        [f"GRANT SELECT, SHOW VIEW ON `{hidden.name}`.`below` {account}"],
        [f"GRANT SHOW VIEW ON `{hidden.name}`.`movimento` {account}"],
    ]
    assert lines == expected
    # The rows of the base tables stay closed to it.
    with source.connect() as connection, pytest.raises(pymysql.MySQLError, match="denied"):
        connection.query(f"SELECT * FROM {hidden.name}.cartao")


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("select `d`.`t`.`a` AS `a` from `d`.`t`", [("d", "t")]),
        ("select `x`.`a` AS `from` from (`d`.`t` `x` join `e`.`u`)", [("d", "t"), ("e", "u")]),
        ("select 'from `d`.`t`' AS `a`,`z`.`a` AS `b` from `d``q`.`t.u` `z`", [("d`q", "t.u")]),
        ("select trim(both 'x' from `x`.`a`) AS `a` from `d`.`t` `x`", [("d", "t")]),
        ("select trim((select `y`.`a` from `d`.`y`)) AS `a` from `d`.`t`", [("d", "y"), ("d", "t")]),
        ("select a.b AS c from d.t a straight_join d.u", [("d", "t"), ("d", "u")]),
        ("select 1 AS `1`", []),
        ("select `j`.`a` from json_table('[]', '$' columns (`a` int path '$')) `j`", []),
    ],
)
def test_the_tables_that_a_view_reads_stand_in_its_definition(
    definition: str, expected: list[tuple[str, str]]
) -> None:
    assert tables_read(definition) == expected
