"""Fills a database with the rows of a plan, by LOAD DATA: ten times as fast as INSERT."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection

from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.sample_data.generate import Generator, Row, as_line
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import TABLES, Table
from movimento_flat.sql_files import statements

#: Dirty rows point nowhere, and the order of the loading is ours: no checks while it lasts.
_SESSION = "SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_mode = 'STRICT_ALL_TABLES'"


def fill(connection: "Connection[Any]", plan: Plan, progress: Callable[[int], None]) -> None:
    """Create the four tables where they are missing, and load the plan's rows into them.

    Args:
        connection: of an account that may create and write, with `local_infile` allowed.
        plan: what to load.
        progress: told of the rows of each chunk loaded.

    Raises:
        UserError: the tables hold rows already, the account may not make or fill them, or the server does not
            take LOAD DATA LOCAL.
    """
    generator = Generator(plan)
    try:
        _create_empty_tables(connection)
        for table in TABLES:
            _load(connection, table, generator.rows(table), progress)
    except pymysql.MySQLError as error:
        raise UserError(
            f"The rows could not be loaded: {error.args[-1]}.",
            "The server must allow LOAD DATA LOCAL (SET GLOBAL local_infile = 1), the account CREATE and INSERT.",
        ) from error


def fill_source(source: Source, plan: Plan, progress: Callable[[int], None]) -> None:
    """See `extract.server_kind.ServerKind.fill`."""
    with source.connect(local_infile=True) as connection:
        fill(connection, plan, progress)


def _create_empty_tables(connection: "Connection[Any]") -> None:
    with connection.cursor() as cursor:
        for statement in statements("mysql/tables"):
            cursor.execute(statement)
        for table in TABLES:
            cursor.execute(f"SELECT 1 FROM {table.name} LIMIT 1")
            if cursor.fetchone():
                raise UserError(f"Table {table.name} holds rows already.", "Name an empty database.")
        cursor.execute(_SESSION)


def _load(
    connection: "Connection[Any]",
    table: Table,
    chunks: Iterable[list[Row]],
    progress: Callable[[int], None],
) -> None:
    columns = ", ".join(column.name for column in table.declared)
    with tempfile.TemporaryDirectory(prefix="movimento-flat-seed-") as folder, connection.cursor() as cursor:
        file = Path(folder) / f"{table.name}.tsv"
        for rows in chunks:
            file.write_text("".join(map(as_line, rows)), encoding="utf-8", newline="\n")
            cursor.execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {table.name} CHARACTER SET utf8mb4 ({columns})",
                (str(file),),
            )
            progress(len(rows))
        connection.commit()
