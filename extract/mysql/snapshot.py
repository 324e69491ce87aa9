"""Opens several connections that see the four tables as of the same moment.

A snapshot of InnoDB covers rows, but a statement looks up names when it runs. If a table is renamed after the snapshot
has begun, as an online schema change does, the snapshot reads another table, perhaps an incomplete one. A metadata
lock keeps a name: a transaction holds one, until it ends, on each table that it has opened, also below views. A new
transaction ends the one before, so a connection cannot open the tables first and begin its snapshot then. Therefore
another connection, the guard, holds the names meanwhile:

1. The guard locks the four tables, by LOCK TABLES ... READ or in a transaction that has opened them.
2. Each reader begins its snapshot. No name has changed since 1.
3. Each reader opens the four tables. It now holds the names itself, until it ends.
4. The guard releases its locks, and checks that the tables are still as they were inspected before 1.

Between 1 and 3 another session may begin to wait for a table, to alter it. A reader that opens the table then would
wait for that session, and that session waits for the guard. So readers do not wait: all connections release their
locks, the other session does its work, and everything begins again at 1.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from extract.columns import SourceTable
from extract.mysql.columns import MySqlTable, inspect
from extract.mysql.grants import refuse_writers
from extract.mysql.pages import PageBook, totals
from extract.mysql.session import connect, explain
from extract.mysql.sql_words import quoted
from extract.mysql.time_limit import time_limit, waiting
from extract.server_kind import Server
from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.money import Totals

#: Attempts to begin a snapshot while the tables change.
ATTEMPTS = 20

#: Errors of LOCK TABLES that say that the account may not.
_LOCK_FORBIDDEN = {ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR}
#: Errors of LOCK TABLES without which it works by one connection. The last one is of a view whose definer may read its
#: tables but not lock them.
_LOCK_REFUSED = {
    *_LOCK_FORBIDDEN,
    ER.LOCK_WAIT_TIMEOUT,
    ER.VIEW_INVALID,
}
#: Errors of a server where tables change while they are opened.
_CHANGED = {ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, ER.NO_SUCH_TABLE, ER.TABLE_DEF_CHANGED}


#: The time zone of a session whose server takes that of its system.
SYSTEM = "SYSTEM"


@dataclass(frozen=True)
class MySqlSnapshot:
    """See `extract.server_kind.Snapshot`: connections in transactions."""

    connections: "list[Connection[Any]]"
    tables: list[MySqlTable]
    server: Server

    def book(self, tables: Sequence[SourceTable]) -> PageBook:
        """See `Snapshot.book`."""
        return PageBook([table for table in self.tables if table in tables])

    def totals(self, connection: "Connection[Any]", table: SourceTable) -> Totals:
        """See `Snapshot.totals`."""
        return totals(connection, next(own for own in self.tables if own is table))


@contextmanager
def open_snapshot(source: Source, connections: int, say: Callable[[str], None]) -> Iterator[MySqlSnapshot]:
    """Open `connections` consistent snapshots while nobody can write to the four tables.

    The tables are locked for reading only while the transactions begin, as mydumper does. Where they cannot be locked,
    because the account may not, or another session holds one for long, there is one connection, and `say` is told why.
    Nobody can rename, alter or drop the tables until the block ends, or the source's time limit is over.

    Raises:
        UserError: the database cannot be reached or is not as it must be; the account could change it; the tables
            change all the time; or the time limit was over while they were read.
    """
    with ExitStack() as stack:

        def opened() -> "Connection[Any]":
            connection = connect(source)
            stack.callback(_close, connection)
            return connection

        guard = opened()
        try:
            if not source.allow_writer:
                refuse_writers(guard, source)
            readers = [opened() for _ in range(connections)]  # before the lock, to keep that short
            snapshot = _begin(source, guard, readers, say)
        except pymysql.MySQLError as error:
            explained = explain(source, error)
            if error.args[0] == ER.LOCK_WAIT_TIMEOUT:
                explained = UserError(explained.what + waiting(guard), explained.next_step)
            raise explained from error
        with time_limit(source, guard, snapshot.connections) as limit:
            try:
                yield snapshot
            except pymysql.MySQLError as error:
                raise limit.exceeded() or explain(source, error) from error


def _begin(
    source: Source, guard: "Connection[Any]", readers: "list[Connection[Any]]", say: Callable[[str], None]
) -> MySqlSnapshot:
    """Begin the readers' snapshots as the module says; with one reader where the tables cannot be locked.

    Raises:
        UserError: the tables are not as they must be, or change all the time.
        pymysql.MySQLError: anything else.
    """
    for reader in readers:
        reader.query("SET SESSION lock_wait_timeout = 0")  # MySQL waits for a second all the same
    may_lock = len(readers) > 1
    if may_lock and source.tables.queries:
        queries = ", ".join(source.tables.queries)
        say(f"Reading by one connection (slower): what a query reads is not locked ({queries}).")
        may_lock = False
    for _ in range(ATTEMPTS):
        try:
            tables = _inspect_in_place(guard, source)
            may_lock = may_lock and lock(guard, tables, say)
            if not may_lock:
                readers = readers[:1]
                guard.query("START TRANSACTION READ ONLY")
                open_tables(guard, tables)
        except pymysql.MySQLError as error:
            # A session that the guard waits for does not wait for the guard, so trying again would not help.
            if error.args[0] not in _CHANGED - {ER.LOCK_WAIT_TIMEOUT}:
                raise
            guard.rollback()
            continue
        try:
            for reader in readers:
                reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            server = describe(readers[0])
            for reader in readers:
                open_tables(reader, tables)
            opened = True
        except pymysql.MySQLError as error:
            if error.args[0] not in _CHANGED:
                raise
            opened = False
        guard.query("UNLOCK TABLES" if may_lock else "ROLLBACK")
        if opened and inspect(guard, source.window, source.tables) == tables:
            return MySqlSnapshot(readers, tables, server)
        for reader in readers:
            reader.rollback()
    raise UserError(
        f"The tables of {source} were changed each of the {ATTEMPTS} times that a snapshot of them began."
        + waiting(guard),
        "Run the command again when nobody alters or renames them.",
    )


def _inspect_in_place(guard: "Connection[Any]", source: Source) -> list[MySqlTable]:
    """Inspect the tables, a second time where something is wrong: a table may just be renamed.

    While it is, MariaDB's information_schema does not have it. Opening the table waits until it is there.

    Raises:
        UserError: the tables are not as they must be.
    """
    try:
        return inspect(guard, source.window, source.tables)
    except UserError:
        guard.query("START TRANSACTION READ ONLY")
        for table in source.tables:
            with suppress(pymysql.ProgrammingError, pymysql.OperationalError):
                guard.query(f"SELECT 1 FROM {table.operand(quoted)} LIMIT 0")
        try:
            return inspect(guard, source.window, source.tables)
        finally:
            guard.rollback()


def lock(guard: "Connection[Any]", tables: list[MySqlTable], say: Callable[[str], None]) -> bool:
    """Keep writers off until UNLOCK TABLES, and return True; where that is refused, tell `say` why and return False."""
    try:
        guard.query("LOCK TABLES " + ", ".join(f"{table.name} READ" for table in tables))
    except pymysql.MySQLError as error:
        if error.args[0] not in _LOCK_REFUSED:
            raise
        advice = "; GRANT LOCK TABLES would allow several" if error.args[0] in _LOCK_FORBIDDEN else ""
        say(f"Reading by one connection (slower): the tables could not be locked ({error.args[-1]}){advice}.")
        return False
    return True


def open_tables(connection: "Connection[Any]", tables: list[MySqlTable]) -> None:
    """Open the tables, so that they and what views read keep their names until the transaction ends."""
    connection.query(f"SELECT 1 FROM {', '.join(table.name for table in tables)} LIMIT 0")


def describe(connection: "Connection[Any]") -> Server:
    """Return what the server of a session says of itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT VERSION(), CAST(UTC_TIMESTAMP(6) AS CHAR), CAST(NOW() AS CHAR), @@session.time_zone,"
            " IF(@@session.time_zone = %s, @@system_time_zone, '')",
            (SYSTEM,),
        )
        return Server(*map(str, cursor.fetchone() or ()))


def _close(connection: "Connection[Any]") -> None:
    if connection.open:
        connection.close()
