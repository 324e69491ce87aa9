"""Checks that a database has the four tables as they must be, and makes the SQL expression of each table's lines."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymysql.connections import Connection

from extract.engines import refuse_other_engines
from extract.sql_words import quoted
from extract.window import Window
from movimento_flat.errors import UserError
from movimento_flat.schema import FLAT_BY_NAME, MOMENT, MOVIMENTO, TABLES, Column, Kind, Table
from movimento_flat.tagged_tsv import EscapedByClient, EscapedByServer, LineEncoding

_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_TYPES = {
    Kind.ID: _INTEGERS,
    Kind.WHOLE: _INTEGERS,
    Kind.TEXT: _INTEGERS | _TEXTS | _BYTES,
    Kind.MONEY: {"decimal"},
    Kind.MOMENT: {"datetime", "timestamp", "date"},
}
MONEY_SCALE = 2

_FIND_COLUMNS = """
    SELECT LOWER(table_name), LOWER(column_name), table_name, column_name, LOWER(data_type), LOWER(column_type),
           numeric_scale, datetime_precision, LOWER(character_set_name)
    FROM information_schema.columns WHERE table_schema = DATABASE() AND LOWER(table_name) IN %s
"""
#: Finds the tables whose primary key begins with `id`.
_FIND_KEYS = """
    SELECT LOWER(table_name) FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND LOWER(table_name) IN %s AND index_name = 'PRIMARY' AND seq_in_index = 1
        AND LOWER(column_name) = 'id'
"""
_FIND_TABLES_WITHOUT_HISTORY = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = DATABASE() AND LOWER(table_name) IN %s AND table_type <> 'SYSTEM VERSIONED'
"""
#: Finds the tables whose rows begin and end with a transaction's number instead of a time.
_FIND_TABLES_BY_TRANSACTION = """
    SELECT table_name FROM information_schema.columns
    WHERE table_schema = DATABASE() AND LOWER(table_name) IN %s AND generation_expression = 'ROW START'
        AND LOWER(data_type) = 'bigint'
"""


@dataclass(frozen=True)
class SourceColumn:
    """A column as information_schema describes it."""

    table: str
    name: str
    data_type: str
    column_type: str
    scale: int | None
    precision: int | None
    charset: str | None


@dataclass(frozen=True)
class SourceTable:
    """A table of the database; its names are quoted.

    Attributes:
        rows: operand of FROM: its name, or its rows as of an earlier moment.
        by_id: operand of FROM for ranges of ids, with the primary key forced. Otherwise a server may sort the whole
            table for one page, as MySQL 9 does by a skip scan of the index on few cards.
        condition: SQL condition of the rows that are read.
        identity: its column `id`.
        encoding: how the server writes lines.
        line: SQL expression of a row's line, with its line end.
        amount: SQL expression of the amount, or NULL where the table has none.
    """

    table: Table
    name: str
    rows: str
    by_id: str
    condition: str
    identity: str
    encoding: LineEncoding
    line: str
    amount: str


def inspect(connection: "Connection[Any]", window: Window) -> list[SourceTable]:
    """Return the four tables as the database has them, and which of their rows are read.

    Raises:
        UserError: a table or column is missing, a column has a type whose text would not be exact, or the tables
            cannot be read as of the window's moment.
    """
    names = tuple(table.name for table in TABLES)
    refuse_other_engines(connection, names)
    with connection.cursor() as cursor:
        cursor.execute(_FIND_COLUMNS, (names,))
        rows = cursor.fetchall()
        cursor.execute(_FIND_KEYS, (names,))
        keyed = {name for (name,) in cursor.fetchall()}
    _check_names({row[2] for row in rows})
    columns = {(row[0], row[1]): SourceColumn(*row[2:]) for row in rows}
    tables = [_source_table(table, columns, table.name in keyed, window) for table in TABLES]
    if window.as_of:
        _check_history(connection, tables, window.as_of)
    return tables


def _check_history(connection: "Connection[Any]", tables: list[SourceTable], as_of: datetime) -> None:
    """Refuse tables without a history, and those whose history begins after `as_of`: they would look empty."""
    names = tuple(table.table.name for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(_FIND_TABLES_WITHOUT_HISTORY, (names,))
        if without := cursor.fetchall():
            raise UserError(
                f"Only the present can be read of {', '.join(sorted(name for (name,) in without))}.",
                "--as-of needs tables WITH SYSTEM VERSIONING: MariaDB keeps the earlier rows of those from then on"
                " (ALTER TABLE ... ADD SYSTEM VERSIONING). MySQL and views have none.",
            )
        cursor.execute(_FIND_TABLES_BY_TRANSACTION, (names,))
        if by_transaction := cursor.fetchall():
            raise UserError(
                f"Versions of {', '.join(sorted(name for (name,) in by_transaction))} have numbers of transactions"
                " (ROW START is a BIGINT), of which the server does not always know the time.",
                "--as-of needs tables whose ROW START and ROW END are TIMESTAMP(6), as"
                " ALTER TABLE ... ADD SYSTEM VERSIONING makes them.",
            )
        cursor.execute("SELECT CAST(NOW() AS CHAR) FROM DUAL WHERE NOW() < %s", (as_of,))
        if now := cursor.fetchone():
            raise UserError(
                f"--as-of {as_of} lies in the future: the server's clock says {now[0]}.",
                "Name an earlier moment.",
            )
        later = [
            table.table.name
            for table in tables
            if not cursor.execute(f"SELECT 1 FROM {table.rows} LIMIT 1")
            and cursor.execute(f"SELECT 1 FROM {table.name} FOR SYSTEM_TIME ALL LIMIT 1")
        ]
    if later:
        raise UserError(
            f"As of {as_of} no row is known of {', '.join(later)}: the server keeps them from a later time on.",
            "Name a later moment.",
        )


def _check_names(tables: set[str]) -> None:
    """Refuse tables whose names differ only in upper and lower case."""
    alike = [name for name, count in Counter(map(str.lower, tables)).items() if count > 1]
    if alike:
        found = ", ".join(sorted(name for name in tables if name.lower() in alike))
        raise UserError(
            f"Which of these tables is meant is not clear: {found}.",
            "Rename one, or give the program a database with views of the right ones.",
        )


def _source_table(
    table: Table, columns: dict[tuple[str, str], SourceColumn], keyed: bool, window: Window
) -> SourceTable:
    missing = [name for name in table.column_names if (table.name, name) not in columns]
    if missing:
        raise UserError(
            f"Table {table.name} lacks {', '.join(missing)}, or the account may not read it.",
            "Compare with sql/mysql/tables.sql; to let the account read:"
            " GRANT SELECT, LOCK TABLES ON <database>.* TO <user>.",
        )
    found = {column.name: columns[table.name, column.name] for column in table.columns}
    for column in table.columns:
        _check_type(table, column, found[column.name])
    is_utf8 = all(_is_utf8(found[column.name]) for column in table.columns if column.kind is Kind.TEXT)
    encoding: LineEncoding = EscapedByClient if is_utf8 else EscapedByServer
    fields = [_field(column, found[column.name], encoding) for column in table.columns]
    name = quoted(found["id"].table)
    amounts = [quoted(found[column.name].name) for column in table.columns if column.kind is Kind.MONEY]
    return SourceTable(
        table=table,
        name=name,
        rows=window.rows(name),
        by_id=window.rows(name) + (" FORCE INDEX (PRIMARY)" if keyed else ""),
        condition=_in_window(found, window) if table is MOVIMENTO else "TRUE",
        identity=quoted(found["id"].name),
        encoding=encoding,
        line=encoding.sql_line(table, fields),
        amount=amounts[0] if amounts else "NULL",
    )


def _check_type(table: Table, column: Column, found: SourceColumn) -> None:
    too_fine = column.kind is Kind.MONEY and (found.scale or 0) > MONEY_SCALE
    if found.data_type not in _TYPES[column.kind] or too_fine:
        raise UserError(
            f"Column {table.name}.{column.name} is {found.column_type};"
            f" its text is exact only for {column.kind.value}.",
            "Give the program a view or a copy of the table with that type.",
        )


def _in_window(found: dict[str, SourceColumn], window: Window) -> str:
    """Return the SQL condition of the movements that are asked for."""
    return window.condition(_wall_clock(found[FLAT_BY_NAME[MOMENT].source.name]))


def _wall_clock(found: SourceColumn) -> str:
    """Return the SQL expression of a moment as the CSV shows it.

    In a zone with daylight saving time one hour comes twice; both are compared as the CSV shows them.
    """
    name = quoted(found.name)
    return f"CAST({name} AS DATETIME(6))" if found.data_type == "timestamp" else name


def _is_utf8(found: SourceColumn) -> bool:
    """Return whether the server makes sure that a column's text is UTF-8. It does not check columns of ASCII."""
    return found.data_type not in _BYTES and found.charset != "ascii"


def _field(column: Column, found: SourceColumn, encoding: LineEncoding) -> str:
    name = quoted(found.name)
    if column.kind is Kind.TEXT:
        is_read_as_it_is = found.charset in (None, "utf8mb4", "utf8mb3", "utf8", "ascii")
        return encoding.sql_text(name if is_read_as_it_is else f"CONVERT({name} USING utf8mb4)")
    if column.kind is Kind.MOMENT and (found.data_type == "date" or found.precision):
        return encoding.sql_value(f"DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s')")
    if column.kind is Kind.MONEY and (found.scale != MONEY_SCALE or "zerofill" in found.column_type):
        return encoding.sql_value(f"CAST({name} AS DECIMAL(65, {MONEY_SCALE}))")
    if "zerofill" in found.column_type:
        return encoding.sql_value(f"CAST({name} AS UNSIGNED)")
    return encoding.sql_value(name)
