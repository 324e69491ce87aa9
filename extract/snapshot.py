"""Several connections that see the four tables as of one and the same moment."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from extract.columns import SourceTable, inspect
from extract.grants import refuse_writers
from extract.source import Source

#: The last one is of a view whose definer may read its tables and not lock them.
_LOCK_REFUSED = {
    ER.DBACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.LOCK_WAIT_TIMEOUT,
    ER.VIEW_INVALID,
}


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

    Raises:
        UserError: the database cannot be reached or is not as it must be, or the account could change it.
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
            tables = inspect(guard, source.window)
            readers = [connect() for _ in range(connections)]  # before the lock, which is to be short
            locked = connections > 1 and lock(guard, tables, say)
            if not locked:
                readers = readers[:1]
            for reader in readers:
                reader.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            taken_at, clock, server = describe(readers[0])
            if locked:
                guard.query("UNLOCK TABLES")
            yield Snapshot(readers, tables, taken_at, clock, server)
        except pymysql.MySQLError as error:
            raise source.explain(error) from error


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
