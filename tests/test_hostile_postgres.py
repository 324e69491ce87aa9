"""The corpus of `tests/hostile` for PostgreSQL: each case from its database to what is published."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from extract.postgres import pages
from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sql_files import statements
from tests.hostile import PROFILE, DatabaseCase, postgres_cases
from tests.postgres import PASSWORD, PostgresDatabase, PostgresServer
from tests.test_hostile import (
    PREVIOUS,
    HereEngine,
    Remembering,
    by_name,
    check_outcome,
    deliver_here,
    run_here,
)
from tests.test_run import command

READER = "hostile_reader"


@pytest.mark.parametrize("case", postgres_cases(), ids=by_name)
def test_a_hostile_database_on_postgres(case: DatabaseCase, postgres: PostgresServer, tmp_path: Path) -> None:
    database = postgres.new_database()
    if case.start != "nothing":
        database.execute(*statements("postgres/tables"))
    if case.start == "profile":
        database.execute(*PROFILE)
    database.execute(*case.do)
    (tmp_path / CSV_NAME).write_text(PREVIOUS)
    with account(database, case) as source, other_sessions(database, case):
        error, said = run_here(source, tmp_path, case)
        check_outcome(case, tmp_path, error, said)
        if not case.error:
            verified = command(
                "verify", tmp_path, "--source", str(source), environment={"PGPASSWORD": PASSWORD}
            )
            assert verified.returncode == 0, verified.stderr


@pytest.mark.parametrize("page", [1, 2, 5, 13])
def test_a_session_ended_at_a_page_is_one_message(
    page: int, postgres: PostgresServer, tmp_path: Path
) -> None:
    """Before the page of that number is written, the server ends every session of the reader."""
    database = postgres.new_database()
    database.execute(*statements("postgres/tables"), *PROFILE)
    database.execute(
        "INSERT INTO movimento SELECT n, 1, 'x', '2024-01-01', 1 FROM generate_series(1, 50000) n"
    )
    (tmp_path / CSV_NAME).write_text(PREVIOUS)
    written: list[str] = []

    def end(name: str) -> None:
        written.append(name)
        if len(written) == page:
            database.query(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{READER}'"
            )

    with account(database, DatabaseCase(name="", why="")) as source, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_BYTES", 1 << 16)
        with pytest.raises(UserError, match=r"(terminating connection|connection broke|closed)"):
            deliver_here(source, tmp_path, HereEngine(end, 1), 2, Remembering())
    assert [path.name for path in tmp_path.iterdir()] == [CSV_NAME]
    assert (tmp_path / CSV_NAME).read_text() == PREVIOUS


@contextmanager
def account(database: PostgresDatabase, case: DatabaseCase) -> Iterator[Source]:
    """A reader of the case's own, dropped afterwards with all that was done to it."""
    with database.server.admin(database.name) as admin:
        try:
            admin.execute(f"CREATE ROLE {READER} LOGIN PASSWORD {sql.quote(PASSWORD)}")
            admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
            for name, value in case.settings.items():
                admin.execute(f"ALTER ROLE {READER} SET {name} = {value}")
            for statement in case.account:
                admin.execute(statement.replace("{account}", READER))
            yield replace(database.reader(), user=READER, time_zone=case.time_zone)
        finally:
            admin.execute(f"DROP OWNED BY {READER}")
            admin.execute(f"DROP ROLE {READER}")


@contextmanager
def other_sessions(database: PostgresDatabase, case: DatabaseCase) -> Iterator[None]:
    """What others do meanwhile. A statement that must wait for another session waits in a thread."""
    with ExitStack() as stack:
        threads, processes = [], []
        for texts in case.elsewhere:
            connection = database.server.admin(database.name)
            stack.callback(connection.close)
            processes.append(connection.info.backend_pid)
            threads.append(threading.Thread(target=execute_all, args=(connection, texts)))
            threads[-1].start()
            threads[-1].join(0.5)
        yield
        for process in processes:
            database.query(f"SELECT pg_terminate_backend({process})")
        for thread in threads:
            thread.join()


def execute_all(connection: "psycopg.Connection[Any]", texts: tuple[str, ...]) -> None:
    with suppress(psycopg.Error):  # it was ended at the end of the case
        for text in texts:
            connection.execute(text)
