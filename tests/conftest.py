"""A real MariaDB server for the tests that need one; and no silent skip where CI=true."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from extract.source import Source
from movimento_flat.sample_data.load import fill
from movimento_flat.sample_data.plan import Plan
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import Programs, get_programs
from movimento_flat.sql_files import READER, expected_rows, reader_statements, statements
from movimento_flat.state import state_dir
from tests.mysql9 import MySQL9
from tests.postgres import PostgresServer
from tests.soak import LONG

# How long an example takes is the machine's affair, not a fault.
settings.register_profile("usual", deadline=None)
settings.register_profile("check", deadline=None, max_examples=10)  # make check
settings.register_profile("soak", deadline=None, max_examples=5000)
settings.load_profile("soak" if LONG else "usual")


def examples(usual: int) -> int:
    """Return how many examples a hypothesis test has that usually has `usual`: fewer in `make check`."""
    return max(1, usual * settings().max_examples // 100)


ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "correct horse battery staple"
#: Movements of the database that most tests read.
FILLED = 20_000
_numbers = itertools.count(1)

#: Mark -> why a test with it may be left out. A test with several has the first one's reason.
WHY_LEFT_OUT = {
    "cluster": "they need a Docker engine (make test-cluster runs them)",
    "machine": "they fetch much of Debian or Maven (CI=true make test runs them)",
    "server": "they start a database server (make test runs them)",
}
#: Reason -> number of tests that `-m` has left out.
_deselected = Counter[str]()


#: The administrator reaches both by `connect()` and over their `socket`.
Server = PrivateServer | MySQL9


@dataclass(frozen=True)
class Database:
    """A schema on the tests' server."""

    server: Server
    name: str

    def execute(self, *commands: str) -> None:
        """Run statements as the administrator."""
        with self.server.connect(database=self.name) as admin, admin.cursor() as cursor:
            cursor.execute(
                "SET SESSION foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES'"
            )
            for command in commands:
                cursor.execute(command)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.server.connect(database=self.name) as admin, admin.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def expected(self, with_ids: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows that the CSV must have, by sql/expected.sql."""
        return self.query(expected_rows(with_ids))

    def rejected(self) -> list[tuple[Any, ...]]:
        """Return reason and id of each movement that must be rejected, by sql/rejected.sql."""
        return self.query(statements("rejected")[0])

    def create_tables(self) -> None:
        """The four tables, empty."""
        self.execute(*statements("mysql/tables"))

    def reader(self) -> Source:
        """The database as the least-privilege account sees it: over TCP where the server listens."""
        if isinstance(self.server, MySQL9):
            self.execute(*reader_statements(self.name, PASSWORD))
            return Source(READER, self.name, self.server.host, self.server.port, password=PASSWORD)
        self.execute(*reader_statements(self.name, PASSWORD, host="localhost"))
        return Source(READER, self.name, unix_socket=str(self.server.socket), password=PASSWORD)

    def url(self, user: str = READER) -> str:
        """Its address for a command line."""
        if isinstance(self.server, MySQL9):
            return f"mysql://{user}@{self.server.host}:{self.server.port}/{self.name}"
        return f"mysql://{user}@localhost/{self.name}?unix_socket={self.server.socket}"


@pytest.fixture(scope="session", autouse=True)
def key_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The key of tokens in a home of the tests' own: the user's is neither made nor taken."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("data")
        patch.setenv("XDG_DATA_HOME", str(home))
        key = home / "movimento-flat" / "token_key"
        key.parent.mkdir(mode=0o700)
        key.touch(mode=0o600)
        key.write_text("0123456789abcdef" * 4 + "\n")
        yield key


@pytest.fixture(scope="session")
def programs() -> Programs:
    """The programs of MariaDB; if this machine has none, they are fetched into the state folder.

    Every test that uses this fixture, directly or by another one, is marked `server`.
    """
    return get_programs(state_dir(), print)


@pytest.fixture(scope="session")
def server(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server of the tests' own."""
    with PrivateServer(tmp_path_factory.mktemp("server"), print, programs) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server of PostgreSQL; if this machine has none, it is fetched into the state folder."""
    with PostgresServer(state_dir()) as running:
        yield running


def hear_interrupts() -> None:
    """For `preexec_fn`: a shell's background job ignores Ctrl-C, and what it starts does so, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def new_database(server: Server) -> Database:
    """An empty schema with a name of its own."""
    database = Database(server, f"test_{next(_numbers)}")
    with server.connect() as admin:
        admin.query(f"CREATE DATABASE {database.name} CHARACTER SET utf8mb4")
    return database


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty schema, dropped after the test: some hundreds of them fill a disk."""
    database = new_database(server)
    yield database
    with server.connect() as admin:
        admin.query(f"DROP DATABASE IF EXISTS {database.name}")


@pytest.fixture(scope="session")
def filled(server: Server) -> Database:
    """A fictitious database with everything, damaged rows too."""
    return filled_database(server)


def filled_database(server: Server, movements: int = FILLED) -> Database:
    """See `filled`; for a module with a server of its own."""
    database = new_database(server)
    with server.connect(database=database.name) as admin:
        fill(admin, Plan(movements=movements, seed=3, dirty=0.03), lambda rows: None)
    return database


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that start a server, before `-m` selects."""
    if isinstance(item, pytest.Function) and not {"programs", "postgres"}.isdisjoint(item.fixturenames):
        item.add_marker(pytest.mark.server)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those tests out where nobody asked for them."""
    if os.environ.get("CI") == "true" or "machine" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("machine"):
            item.add_marker(pytest.mark.skip(reason=WHY_LEFT_OUT["machine"]))


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count the tests that `-m` leaves out, by their reason."""
    for item in items:
        for mark, reason in WHY_LEFT_OUT.items():
            if f"not {mark}" in item.config.option.markexpr and item.get_closest_marker(mark):
                _deselected[reason] += 1
                break


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the first process of pytest-xdist what this one counted."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deselected"] = dict(_deselected)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a process of pytest-xdist counted: each has collected all tests."""
    if not _deselected:
        _deselected.update(getattr(node, "workeroutput", {}).get("deselected", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were left out, and why."""
    left_out = Counter(_deselected)
    for report in terminalreporter.stats.get("skipped", []):
        left_out[report.longrepr[2].removeprefix("Skipped: ")] += 1
    terminalreporter.ensure_newline()
    for reason, count in left_out.most_common():
        terminalreporter.write_line(f"left out: {count} test{'s' if count > 1 else ''}: {reason}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where CI=true a test that cannot run has failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"
