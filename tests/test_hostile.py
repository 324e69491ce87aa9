"""The corpus of `tests/hostile`: each case from its database, or its tagged TSV, to what is published."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pymysql
import pytest

from extract.extraction import SmallTables
from extract.mysql import pages as pages_module
from extract.mysql import session as session_module
from extract.sink import FolderSink
from extract.source import Source
from movimento_flat.cli import pipeline
from movimento_flat.cli.engines import as_of
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.errors import UserError
from movimento_flat.publish.csv_audit import audit
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.publish.parts import CSV_NAME, REJECTED_NAME, merge_parts
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server import server as server_module
from movimento_flat.sample_data.private_server.programs import Programs
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.sql_files import reader_statements
from movimento_flat.state import state_dir
from movimento_flat.workers import Workers
from mr_jobs.job_options import JobOptions
from tests.conftest import PASSWORD, Database, Server, new_database
from tests.hostile import (
    PROFILE,
    DatabaseCase,
    TsvCase,
    database_cases,
    expected_row,
    postgres_cases,
    tsv_cases,
)
from tests.mysql9 import MySQL9
from tests.rows import INTO_MOVIMENTO
from tests.test_join import simulate
from tests.test_run import assert_user_error, command

READER = "hostile_reader"
PREVIOUS = "the previous file"
#: What a server's options can forbid a session: to raise its limits.
HOSTILE_OPTIONS = [
    "--group-concat-max-len=2000",
    "--maximum-group-concat-max-len=2000",
    "--maximum-lock-wait-timeout=3",
    "--maximum-wait-timeout=3600",
    "--maximum-net-write-timeout=30",
    "--sql-mode=STRICT_ALL_TABLES,ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "--read-only=1",
    "--skip-stack-trace",
]


def cases_for(server: str) -> list[DatabaseCase]:
    """Those that an ordinary server of this kind is asked."""
    return [case for case in database_cases() if case.is_for(server) and not case.started_hostile]


def by_name(case: DatabaseCase | TsvCase) -> str:
    return case.name


def test_every_case_has_a_name_of_its_own_a_reason_and_one_expectation() -> None:
    cases = [*database_cases(), *postgres_cases(), *tsv_cases()]
    assert len({case.name for case in cases}) == len(cases) >= 60
    for case in cases:
        assert case.why, case
        assert not (case.error and (case.rows or case.rejected)), case


@pytest.mark.parametrize("case", cases_for("mariadb"), ids=by_name)
def test_a_hostile_database(case: DatabaseCase, server: Server, tmp_path: Path) -> None:
    check_database(case, server, tmp_path)


@pytest.fixture(scope="module")
def hostile_server(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_module, "SETTINGS", [*server_module.SETTINGS, *HOSTILE_OPTIONS])
        with PrivateServer(tmp_path_factory.mktemp("hostile"), print, programs) as running:
            yield running


@pytest.mark.parametrize("case", [case for case in database_cases() if case.started_hostile], ids=by_name)
def test_a_database_of_a_server_started_hostile(
    case: DatabaseCase, hostile_server: PrivateServer, tmp_path: Path
) -> None:
    check_database(case, hostile_server, tmp_path)


@pytest.fixture(scope="module")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MySQL9]:
    with MySQL9(tmp_path_factory.mktemp("mysql"), state_dir()) as running:
        yield running


@pytest.mark.machine
@pytest.mark.parametrize("case", cases_for("mysql"), ids=by_name)
def test_a_hostile_database_on_mysql(case: DatabaseCase, mysql: MySQL9, tmp_path: Path) -> None:
    check_database(case, mysql, tmp_path)


@pytest.mark.parametrize("page", [1, 2, 3, 5, 8, 13])
def test_a_connection_killed_at_a_page_is_one_message(page: int, server: Server, tmp_path: Path) -> None:
    """Each page is a file; before the one of that number every connection of the reader is killed."""
    database = new_database(server)
    database.create_tables()
    database.execute(*PROFILE, f"{INTO_MOVIMENTO} SELECT seq, 1, 'x', '2024-01-01', 1 FROM seq_1_to_50000")
    (tmp_path / CSV_NAME).write_text(PREVIOUS)
    pages: list[str] = []

    def kill(name: str) -> None:
        pages.append(name)
        if len(pages) == page:
            for (connection,) in database.query(
                f"SELECT id FROM information_schema.processlist WHERE user = '{READER}'"
            ):
                kill_connection(database, connection)

    with account(database, DatabaseCase(name="", why="")) as source, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages_module, "ROWS_PER_PAGE", 100)
        with pytest.raises(UserError, match=r"(Lost connection|gone away|killed|interrupted)"):
            deliver_here(source, tmp_path, HereEngine(kill, 1), 2, Remembering())
    assert [path.name for path in tmp_path.iterdir()] == [CSV_NAME]
    assert (tmp_path / CSV_NAME).read_text() == PREVIOUS


def check_database(case: DatabaseCase, server: Server, output: Path) -> None:
    """Do what the case says, run, and hold what was published and said against it."""
    database = new_database(server)
    statements = list(case.do)
    if case.start != "nothing":
        database.create_tables()
        statements[:0] = PROFILE if case.start == "profile" else ()
    database.execute(*(statement.replace("{database}", database.name) for statement in statements))
    (output / CSV_NAME).write_text(PREVIOUS)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        source = stack.enter_context(account(database, case))
        stack.enter_context(other_sessions(database, case))
        stack.enter_context(settings(database, case))
        patch.setattr(session_module, "_SESSION", limited(session_module._SESSION, case.session))
        if case.command:
            error, said = run_command(source, database, output, case)
        else:
            error, said = run_here(source, output, case)
    check_outcome(case, output, error, said)


def check_outcome(case: DatabaseCase, output: Path, error: str, said: str) -> None:
    """Hold what was published and said against what the case expects."""
    if case.error:
        assert error, f"published:\n{(output / CSV_NAME).read_text()}"
        assert case.error in error
        assert [path.name for path in output.iterdir()] == [CSV_NAME]
        assert (output / CSV_NAME).read_text() == PREVIOUS
    else:
        assert not error, error
        assert published(output) == (expected_csv(case), sorted(case.rejected))
    assert case.says in said


def limited(session: str, maxima: dict[str, str]) -> str:
    """What the program's sessions begin with, as a server takes it that has such maxima."""
    for name, value in maxima.items():
        session, count = re.subn(rf"\b{name} = \d+", f"{name} = {value}", session)
        assert count == 1
    return session


def expected_csv(case: DatabaseCase | TsvCase) -> str:
    return "".join(
        f"{line}\n" for line in (",".join(FLAT_COLUMNS), *map(expected_row, case.rows * case.times))
    )


def published(output: Path) -> tuple[str, list[tuple[str, ...]]]:
    """-> the CSV; (reason, table, id) of the rejected rows, sorted."""
    rejected = (output / RUN_NAME / REJECTED_NAME).read_bytes().decode().split("\n")[1:-1]
    csv = (output / CSV_NAME).read_bytes().decode()
    return csv, sorted(tuple(row.split("\t")[:3]) for row in rejected)


@contextmanager
def account(database: Database, case: DatabaseCase) -> Iterator[Source]:
    """A reader of the case's own, dropped afterwards with all that was done to it."""
    mysql = isinstance(database.server, MySQL9)
    host = "%" if mysql else "localhost"
    name = f"'{READER}'@'{host}'"
    database.execute(*reader_statements(database.name, PASSWORD, READER, host))
    try:
        database.execute(
            *(
                statement.replace("{account}", name).replace("{database}", database.name)
                for statement in case.account
            )
        )
        source = Source(READER, database.name, password=PASSWORD, time_zone=case.time_zone)
        if isinstance(database.server, MySQL9):
            yield replace(source, host=database.server.host, port=database.server.port)
        else:
            yield replace(source, unix_socket=str(database.server.socket))
    finally:
        database.execute(f"DROP USER {name}")


@contextmanager
def settings(database: Database, case: DatabaseCase) -> Iterator[None]:
    """The server's variables, set as long as the block lasts, by one session that they do not touch."""
    with database.server.connect() as admin, admin.cursor() as cursor:
        before = {}
        try:
            for name, value in case.settings.items():
                cursor.execute(f"SELECT @@GLOBAL.{name}")
                ((before[name],),) = cursor.fetchall()
                cursor.execute(f"SET GLOBAL {name} = {value}")
            yield
        finally:
            for name, value in before.items():
                cursor.execute(f"SET GLOBAL {name} = %s", (value,))


@contextmanager
def other_sessions(database: Database, case: DatabaseCase) -> Iterator[None]:
    """What others do meanwhile. A statement that must wait for another session waits in a thread."""
    with ExitStack() as stack:
        threads = []
        for statements in case.elsewhere:
            connection = database.server.connect(database=database.name)
            threads.append(threading.Thread(target=execute_all, args=(connection, statements)))
            stack.callback(close, connection)
            threads[-1].start()
            threads[-1].join(0.5)
        yield
        for (kill,) in database.query(
            f"SELECT id FROM information_schema.processlist WHERE db = '{database.name}' AND id <> CONNECTION_ID()"
        ):
            kill_connection(database, kill)
        for thread in threads:
            thread.join()


def execute_all(connection: "pymysql.connections.Connection[Any]", statements: tuple[str, ...]) -> None:
    try:
        for statement in statements:
            connection.query(statement)
    except pymysql.MySQLError:
        pass  # it was killed at the end of the case


def close(connection: "pymysql.connections.Connection[Any]") -> None:
    if connection.open:
        connection.close()


def kill_connection(database: Database, connection: int) -> None:
    """End a session that may just be ending."""
    try:
        database.execute(f"KILL {connection}")
    except pymysql.MySQLError as error:
        if error.args[0] != pymysql.constants.ER.NO_SUCH_THREAD:
            raise


class Remembering(Console):
    """A console that keeps what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


class SlowSink(FolderSink):
    """Takes some time before each of its files, or does something else then."""

    def __init__(self, folder: Path, before: Callable[[str], None]) -> None:
        super().__init__(folder)
        self._before = before

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        self._before(name)
        with super().file(name) as stream:
            yield stream


@dataclass(frozen=True)
class HereWorkspace:
    """The join in this process, by several tasks, with the packs in any order."""

    work: Path
    sink: FolderSink

    def join(
        self,
        job_options: JobOptions,
        small_tables: Callable[[], SmallTables],
        movements_complete: Callable[[], int],
    ) -> list[Path]:
        job_options = as_of(job_options, small_tables())
        movements_complete()
        files = sorted(self.sink.folder.glob("*/*.tsv"))
        lines = [line + b"\n" for file in files for line in file.read_bytes().split(b"\n")[:-1]]
        parts = []
        for number, part in enumerate(simulate(lines, 2, 3, random.Random(1), job_options)):
            parts.append(self.work / f"part-{number}")
            parts[-1].write_bytes(part)
        return parts


@dataclass(frozen=True)
class HereEngine:
    """An engine that joins in this process, told when each file of the extraction is begun."""

    before: Callable[[str], None] = lambda name: None
    file_bytes: int = FolderSink.file_bytes
    name: str = "here"
    cores: int = 1

    @contextmanager
    def open(self, work: Path, workers: Workers, console: Console) -> Iterator[HereWorkspace]:
        sink = SlowSink(work / "tagged_tsv", self.before)
        sink.file_bytes = self.file_bytes
        yield HereWorkspace(work, sink)


def deliver_here(
    source: Source, output: Path, engine: HereEngine, connections: int, console: Remembering
) -> None:
    pipeline.run(nullcontext(source), output, engine, connections, JobOptions(), Publishing(), console)


def run_here(source: Source, output: Path, case: DatabaseCase) -> tuple[str, str]:
    """-> the error's text or none, and what was said."""
    console = Remembering()
    engine = HereEngine(lambda name: time.sleep(case.slow))
    try:
        deliver_here(source, output, engine, case.connections, console)
    except UserError as error:
        return str(error), "\n".join(console.said)
    return "", "\n".join(console.said)


def run_command(source: Source, database: Database, output: Path, case: DatabaseCase) -> tuple[str, str]:
    """The same by the command itself."""
    arguments = ["--time-zone", case.time_zone, "--connections", str(case.connections), "--engine", "local"]
    result = command("run", "--output", output, "--source", database.url(READER), *arguments)
    if case.error:
        assert_user_error(result, case.error)
    return (result.stderr if result.returncode else ""), result.stderr


@pytest.mark.parametrize("case", tsv_cases(), ids=by_name)
def test_hostile_tagged_tsv(case: TsvCase, tmp_path: Path) -> None:
    """As one file as it stands, and line by line in other orders by more tasks: the same comes of it."""
    assert joined([case.content], 1, tmp_path / "whole") == (expected_csv(case), sorted(case.rejected))
    lines = [line + b"\n" for line in case.content.split(b"\n")]
    for seed in (1, 2, 3) if len(case.content) < 1 << 20 else (1,):
        random.Random(seed).shuffle(lines)
        assert joined(lines, 1 + seed, tmp_path / str(seed)) == (expected_csv(case), sorted(case.rejected))


def joined(pieces: list[bytes], mappers: int, folder: Path) -> tuple[str, list[tuple[str, ...]]]:
    """See `published`; the audit has read the CSV, too."""
    run = folder / RUN_NAME
    run.mkdir(parents=True)
    parts = []
    for number, part in enumerate(simulate(pieces, mappers, 3, random.Random(mappers))):
        parts.append(folder / f"part-{number}")
        parts[-1].write_bytes(part)
    merge_parts(parts, run)
    audit((run / CSV_NAME).rename(folder / CSV_NAME))
    return published(folder)
