"""What `doctor` looks at in a PostgreSQL database."""

from collections.abc import Iterator
from functools import partial

from extract.findings import OK, Finding, account_finding, tls_finding
from extract.postgres.columns import PostgresTable, inspect
from extract.postgres.grants import refuse_writers
from extract.postgres.session import Session, connect
from extract.postgres.snapshot import describe
from extract.source import Source
from movimento_flat.errors import UserError


def examine(source: Source) -> Iterator[Finding]:
    """See `extract.server_kind.ServerKind.examine`."""
    subject = "database"
    try:
        with connect(source) as session:
            server = describe(session)
            yield Finding(
                OK, subject, f"{source} answers: {server.version}, its clock in {server.zone}: {server.clock}"
            )
            yield _tls(session)
            yield account_finding(source.user, source.allow_writer, partial(refuse_writers, session))
            subject = "tables"
            tables = inspect(session)
            yield Finding(OK, subject, f"{', '.join(table.name for table in tables)}: their columns fit")
            if zoned := ", ".join(name for table in tables for name in table.zoned):
                what = f"{zoned}: timestamptz, written in {server.zone} unless --time-zone names another"
                yield Finding(OK, "time zone", what)
            subject = "rows"
            yield _rows(session, tables)
    except UserError as error:
        yield Finding.failed(subject, error)


def _tls(session: Session) -> Finding:
    (version,) = session.row("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    return tls_finding(version, session.source.tls.mode)


def _rows(session: Session, tables: list[PostgresTable]) -> Finding:
    """Read a row of each table: a view may have the right columns and still not be readable."""
    for table in tables:
        session.all(f"SELECT {table.line} FROM {table.name} LIMIT 1")
    return Finding(OK, "rows", "one row of each table was read")
