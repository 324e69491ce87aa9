"""Several connections that see the four tables as of one and the same moment.

A snapshot of InnoDB is one of rows; names are looked up when a statement runs. Who renames a table after the snapshot
has begun would have another one read, as it was before it was complete: an online schema change does that. What keeps
a name in its place is a metadata lock: a transaction has it on each table, and each table below a view, that it has
opened, until it ends. A transaction that begins ends the one before, so no connection can open first and begin then.
So another one, the guard, holds the names meanwhile:

1. The guard has the four tables, by LOCK TABLES ... READ or in a transaction that has opened them.
2. Each reader begins its snapshot. No name has changed since 1.
3. Each reader opens the four tables. The names are its own now, until it ends.
4. The guard lets go, and looks whether the tables are still what they were found to be before 1.

Between 1 and 3 somebody may begin to wait for a table, to change it; who then opens it waits behind him, and he for the
guard. So readers do not wait: all let go, he has his turn, and it begins anew.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from extract.columns import SourceTable, inspect
from extract.grants import refuse_writers
from extract.source import Source
from extract.time_limit import time_limit, waiting
from movimento_flat.errors import UserError
from movimento_flat.schema import TABLES

#: How often the tables may be changed while a snapshot begins.
ATTEMPTS = 20

#: The last one is of a view whose definer may read its tables and not lock them.
_LOCK_REFUSED = {
    ER.DBACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.LOCK_WAIT_TIMEOUT,
    ER.VIEW_INVALID,
}
#: What a server says where tables change while they are opened.
_CHANGED = {ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, ER.NO_SUCH_TABLE, ER.TABLE_DEF_CHANGED}


@dataclass(frozen=True)
class Snapshot:
    """Connections in transactions that see the same committed state.

    Attributes:
        taken_at: when, by the server's clock, in UTC.
        clock: the same in the session's time zone.
        server: the server's version.
    """

    connections: "list[Connection[Any]]"
    tables: list[SourceTable]
    taken_at: str
    clock: str
    server: str


@contextmanager
def open_snapshot(source: Source, connections: int, say: Callable[[str], None]) -> Iterator[Snapshot]:
    """Open `connections` consistent snapshots while nobody can write to the four tables.

    The tables are locked for reading just while the transactions begin, as mydumper does. An account
    that may not lock, or a table that somebody else holds for long, leaves one connection, and `say` is told.
    From then on nobody can rename, alter or drop them until the block ends, or the source's time limit is over.

    Raises:
        UserError: the database cannot be reached or is not as it must be, or the account could change it; its tables
            do not stand still; or the time limit was over while they were read.
    """
    with ExitStack() as stack:

        def connect() -> "Connection[Any]":
            connection = source.connect()
            stack.callback(_close, connection)
            return connection

        guard = connect()
        try:
            if not source.allow_writer:
                refuse_writers(guard, source)
            readers = [connect() for _ in range(connections)]  # before the lock, which is to be short
            snapshot = _begin(source, guard, readers, say)
        except pymysql.MySQLError as error:
            explained = source.explain(error)
            if error.args[0] == ER.LOCK_WAIT_TIMEOUT:
                explained = UserError(explained.what + waiting(guard), explained.next_step)
            raise explained from error
        with time_limit(source, guard, snapshot.connections) as limit:
            try:
                yield snapshot
            except pymysql.MySQLError as error:
                raise limit.exceeded() or source.explain(error) from error


def _begin(
    source: Source, guard: "Connection[Any]", readers: "list[Connection[Any]]", say: Callable[[str], None]
) -> Snapshot:
    """See the module. Fewer readers are used where the tables cannot be locked.

    Raises:
        UserError: the tables are not as they must be, or do not stand still.
        pymysql.MySQLError: anything else.
    """
    for reader in readers:
        reader.query("SET SESSION lock_wait_timeout = 0")  # MySQL waits for a second all the same
    may_lock = len(readers) > 1
    for _ in range(ATTEMPTS):
        try:
            tables = _inspect_in_place(guard, source)
            may_lock = may_lock and lock(guard, tables, say)
            if not may_lock:
                readers = readers[:1]
                guard.query("START TRANSACTION READ ONLY")
                open_tables(guard, tables)
        except pymysql.MySQLError as error:
            # Whom the guard waits for does not wait for the guard: it has waited for long.
            if error.args[0] not in _CHANGED - {ER.LOCK_WAIT_TIMEOUT}:
                raise
            guard.rollback()
            continue
        try:
            for reader in readers:
                reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            taken_at, clock, server = describe(readers[0])
            for reader in readers:
                open_tables(reader, tables)
            opened = True
        except pymysql.MySQLError as error:
            if error.args[0] not in _CHANGED:
                raise
            opened = False
        guard.query("UNLOCK TABLES" if may_lock else "ROLLBACK")
        if opened and inspect(guard, source.window) == tables:
            return Snapshot(readers, tables, taken_at, clock, server)
        for reader in readers:
            reader.rollback()
    raise UserError(
        f"The tables of {source} were changed each of the {ATTEMPTS} times that a snapshot of them began."
        + waiting(guard),
        "Run the command again when nobody alters or renames them.",
    )


def _inspect_in_place(guard: "Connection[Any]", source: Source) -> list[SourceTable]:
    """Inspect the tables; what is found wrong counts only where no table is just being renamed.

    Then information_schema of MariaDB does not have it; who opens it waits until it is there again.
    """
    try:
        return inspect(guard, source.window)
    except UserError:
        guard.query("START TRANSACTION READ ONLY")
        for table in TABLES:
            with suppress(pymysql.ProgrammingError, pymysql.OperationalError):
                guard.query(f"SELECT 1 FROM {table.name} LIMIT 0")
        try:
            return inspect(guard, source.window)
        finally:
            guard.rollback()


def lock(guard: "Connection[Any]", tables: list[SourceTable], say: Callable[[str], None]) -> bool:
    """Keep writers off until UNLOCK TABLES; where that is refused, `say` is told and the answer is False."""
    try:
        guard.query("LOCK TABLES " + ", ".join(f"{table.name} READ" for table in tables))
    except pymysql.MySQLError as error:
        if error.args[0] not in _LOCK_REFUSED:
            raise
        say(f"One connection only: the tables could not be locked for a common snapshot ({error.args[-1]}).")
        return False
    return True


def open_tables(connection: "Connection[Any]", tables: list[SourceTable]) -> None:
    """Keep the tables, and what views read, under their names until the connection's transaction ends."""
    connection.query(f"SELECT 1 FROM {', '.join(table.name for table in tables)} LIMIT 0")


def describe(reader: "Connection[Any]") -> tuple[str, str, str]:
    """-> the server's clock in UTC and in the session's zone, and its version."""
    with reader.cursor() as cursor:
        cursor.execute("SELECT CAST(UTC_TIMESTAMP(6) AS CHAR), CAST(NOW() AS CHAR), VERSION()")
        row = cursor.fetchone()
    assert row
    return str(row[0]), str(row[1]), str(row[2])


def _close(connection: "Connection[Any]") -> None:
    if connection.open:
        connection.close()
