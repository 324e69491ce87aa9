"""What `doctor` looks at in a MySQL or MariaDB database."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pymysql
from pymysql.connections import Connection

from extract.findings import NOTE, OK, Finding, account_finding, tls_finding
from extract.mysql.columns import MySqlTable, inspect
from extract.mysql.grants import refuse_writers
from extract.mysql.session import connect, explain
from extract.mysql.snapshot import describe, lock
from extract.source import Source
from movimento_flat.errors import UserError


def examine(source: Source) -> Iterator[Finding]:
    """See `extract.server_kind.ServerKind.examine`."""
    subject = "database"
    try:
        with connect(source) as connection:
            server = describe(connection)
            yield Finding(
                OK, subject, f"{source} answers: {server.version}, its clock in {server.zone}: {server.clock}"
            )
            yield _tls(connection, source)
            yield account_finding(
                source.user, source.allow_writer, partial(refuse_writers, connection, source)
            )
            subject = "tables"
            tables = inspect(connection, source.window, source.tables)
            names = ", ".join(table.name for table in tables)
            yield Finding(OK, subject, f"{names}: all InnoDB, and their columns fit")
            yield from _timestamps(tables, server.zone)
            subject = "rows"
            yield _rows(connection, tables)
            subject = "LOCK TABLES"
            yield _lock(connection, tables)
    except UserError as error:
        yield Finding.failed(subject, error)
    except pymysql.MySQLError as error:
        yield Finding.failed(subject, explain(source, error))


def _timestamps(tables: list[MySqlTable], zone: str) -> Iterator[Finding]:
    if named := ", ".join(name for table in tables for name in table.zoned):
        yield Finding(
            OK, "time zone", f"{named}: TIMESTAMP, written in {zone} unless --time-zone names another"
        )


def _tls(connection: "Connection[Any]", source: Source) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
        _, version = cursor.fetchone() or ("", "")
    return tls_finding(version, source.tls.mode)


def _rows(connection: "Connection[Any]", tables: list[MySqlTable]) -> Finding:
    """Read a row of each table: a view may have the right columns and still not be readable."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT {table.line} FROM {table.rows} LIMIT 1")
    return Finding(OK, "rows", "one row of each table was read")


def _lock(connection: "Connection[Any]", tables: list[MySqlTable]) -> Finding:
    refusals: list[str] = []
    if lock(connection, tables, refusals.append):
        connection.query("UNLOCK TABLES")
        return Finding(OK, "LOCK TABLES", "granted: several connections read one common snapshot")
    return Finding(NOTE, "LOCK TABLES", "\n".join(refusals), "A run works all the same, but slower.")
