"""Opens several sessions that see the four tables as of the same moment.

A session that opens a table in a transaction holds a lock (ACCESS SHARE) on it, and on what views read, until it ends:
nobody can alter, rename or empty it meanwhile. But a snapshot that begins before would not see what was altered in
between. Therefore another session, the guard, opens the tables first; then the first reader begins its snapshot, the
others take it over (pg_export_snapshot), and each opens the tables; then the guard lets go, and looks whether they are
still as it found them. A session that wants to alter a table may wait for the guard then, and the readers for that
session. So they wait for a tenth of a second only, all let go, and it begins again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from threading import Timer

from extract.columns import SourceTable
from extract.postgres.columns import PostgresTable, inspect
from extract.postgres.grants import refuse_writers
from extract.postgres.pages import PostgresBook
from extract.postgres.session import BusyError, Session, connect
from extract.server_kind import Server
from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.money import Totals, centavos_of

ATTEMPTS = 20
_AGAIN = "Run the command again when nobody alters or renames them."
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
#: Foreign tables that this session has opened, also below views and partitions.
_FIND_FOREIGN = """
    SELECT DISTINCT c.oid::regclass::text FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND c.relkind = 'f' ORDER BY 1
"""
_DESCRIBE = """
    SELECT version(), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
        to_char(now()::timestamp, 'YYYY-MM-DD HH24:MI:SS'), current_setting('TimeZone')
"""


@dataclass(frozen=True)
class PostgresSnapshot:
    """See `extract.server_kind.Snapshot`."""

    connections: list[Session]
    tables: list[PostgresTable]
    server: Server

    def book(self, tables: Sequence[SourceTable]) -> PostgresBook:
        """See `Snapshot.book`."""
        return PostgresBook([table for table in self.tables if table in tables])

    def totals(self, connection: Session, table: SourceTable) -> Totals:
        """See `Snapshot.totals`."""
        own = next(own for own in self.tables if own is table)
        rows, amount = connection.row(
            f"SELECT count(*), sum({own.amount}) FROM {own.name} WHERE {own.condition}"
        )
        return Totals(rows, centavos_of(amount) if amount is not None else 0)


@contextmanager
def open_snapshot(source: Source, connections: int, say: Callable[[str], None]) -> Iterator[PostgresSnapshot]:
    """See `extract.server_kind.ServerKind.open_snapshot`; there is nothing to say, since it always gives so many.

    Nobody can alter, empty or drop the tables until the block ends, or the source's time limit is over.

    Raises:
        UserError: the database cannot be reached or is not as it must be; the role could change it; the tables change
            all the time; or the time limit was over while they were read.
    """
    with ExitStack() as stack:
        guard = stack.enter_context(connect(source))
        if not source.allow_writer:
            refuse_writers(guard)
        readers = [stack.enter_context(connect(source)) for _ in range(connections)]
        tables = _begin(guard, readers)
        identities = _identities(readers[0], tables)
        with _time_limit(source, readers):
            yield PostgresSnapshot(readers, tables, describe(readers[0]))
            if _identities(readers[0], tables) != identities:
                raise UserError(f"The tables of {source} were renamed while they were read.", _AGAIN)


def _begin(guard: Session, readers: Sequence[Session]) -> list[PostgresTable]:
    """Begin the readers' snapshots as the module says, and return the tables.

    Raises:
        UserError: the tables are not as they must be, change all the time, or are foreign.
    """
    first, *others = readers
    busy: BusyError | None = None
    for _ in range(ATTEMPTS):
        tables = inspect(guard)
        guard.execute("BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY")
        _open(guard, tables)
        if foreign := guard.all(_FIND_FOREIGN):
            raise UserError(
                f"Foreign tables have no part in a snapshot: {', '.join(name for (name,) in foreign)}.",
                "Read from the database that has them, or from a copy.",
            )
        try:
            first.execute(_BEGIN)
            (exported,) = first.row("SELECT pg_export_snapshot()")
            for other in others:
                other.execute(_BEGIN)
                other.execute(f"SET TRANSACTION SNAPSHOT '{exported}'")
            for reader in readers:
                reader.execute("SET LOCAL lock_timeout = '100ms'")
                _open(reader, tables)
                reader.execute("SET LOCAL lock_timeout = '5s'")
            is_opened = True
        except BusyError as error:  # somebody waits for the guard, so everybody lets go
            is_opened, busy = False, error
        guard.execute("ROLLBACK")
        if is_opened and inspect(guard) == tables:
            return tables
        for reader in readers:
            reader.execute("ROLLBACK")
    raise busy or UserError(
        f"The tables of {guard.source} were changed each of the {ATTEMPTS} times that a snapshot of them began.",
        _AGAIN,
    )


def _open(session: Session, tables: Sequence[PostgresTable]) -> None:
    """Open the tables: the session holds a lock on them until its transaction ends."""
    # A pooler may have given the transaction to another session.
    session.execute("SET LOCAL row_security = off")
    for table in tables:
        session.execute(f"SELECT 1 FROM {table.name} LIMIT 0")


def _identities(session: Session, tables: Sequence[PostgresTable]) -> list[tuple[object, ...]]:
    """Return which tables the names mean now."""
    names = [table.name for table in tables if not table.name.startswith("(")]
    return session.all("SELECT to_regclass(name)::oid::bigint FROM unnest(%s::text[]) AS name", (names,))


@contextmanager
def _time_limit(source: Source, sessions: list[Session]) -> Iterator[None]:
    """End the sessions when the source's time limit is over."""
    is_over = False

    def end() -> None:
        nonlocal is_over
        is_over = True
        for session in sessions:
            session.hang_up()

    timer = Timer(source.time_limit, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except UserError as error:
        if not is_over:
            raise
        raise UserError(
            f"Reading {source} was ended after {source.time_limit} seconds (--time-limit), during which nobody could"
            " alter or rename its tables.",
            "--time-limit SECONDS gives it more time.",
        ) from error
    finally:
        timer.cancel()


def describe(session: Session) -> Server:
    """Return what the server of a session says of itself."""
    version, *moments = session.row(_DESCRIBE)
    return Server(" ".join(version.split()[:2]), *moments)
