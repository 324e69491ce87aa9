"""Checks that a database has the four tables as they must be, and makes the SQL expression of each table's lines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER, FIELD_TYPE

from extract.columns import (
    ABSENT,
    BYTES,
    CLOCK,
    DATE,
    DECIMAL,
    MONEY_SCALE,
    NOTHING,
    SHORT_WHOLE,
    TEXT,
    WHOLE,
    ZONED,
    SourceColumn,
    SourceTable,
    all_of,
    matched,
)
from extract.mysql.engines import refuse_other_engines
from extract.mysql.sql_words import quoted
from extract.tables_file import TablesFile, TableSource
from extract.window import Window
from movimento_flat.errors import UserError
from movimento_flat.schema import FLAT_BY_NAME, MOMENT, MOVIMENTO, Column, Kind
from movimento_flat.tagged_tsv import EscapedByClient, EscapedByServer, LineEncoding

_FAMILIES = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int"), SHORT_WHOLE),
    "bigint": WHOLE,
    "decimal": DECIMAL,
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), TEXT),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), BYTES),
    "datetime": CLOCK,
    "timestamp": ZONED,
    "date": DATE,
    "null": NOTHING,
}
_NEXT_STEP = (
    "Compare with sql/mysql/tables.sql; to let the account read:"
    " GRANT SELECT, LOCK TABLES ON <database>.* TO <user>."
)
#: The character set of bytes in a query's answer.
_NO_CHARACTERS = 63
#: What a query's answer calls the types; all others are text or bytes.
_KINDS_OF_ANSWERS = {
    **dict.fromkeys((FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG), "int"),
    FIELD_TYPE.LONGLONG: "bigint",
    **dict.fromkeys((FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL), "decimal"),
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DOUBLE: "double",
    **dict.fromkeys((FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE), "date"),
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.TIME: "time",
    FIELD_TYPE.BIT: "bit",
    FIELD_TYPE.GEOMETRY: "geometry",
    FIELD_TYPE.NULL: "null",
}

#: Finds the columns of a table. It may be there more than once, by names that differ in upper and lower case.
_FIND_COLUMNS = """
    SELECT LOWER(column_name), table_name, column_name, LOWER(data_type), LOWER(column_type),
           numeric_scale, datetime_precision, LOWER(character_set_name)
    FROM information_schema.columns
    WHERE table_schema = IFNULL(%s, DATABASE()) AND LOWER(table_name) = LOWER(%s)
"""
_FIND_TABLES = """
    SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name
"""
#: Finds whether a table's primary key begins with a column.
_FIND_KEY = """
    SELECT 1 FROM information_schema.statistics
    WHERE table_schema = IFNULL(%s, DATABASE()) AND LOWER(table_name) = LOWER(%s) AND index_name = 'PRIMARY'
        AND seq_in_index = 1 AND LOWER(column_name) = LOWER(%s)
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
class MySqlColumn(SourceColumn):
    """A column as information_schema describes it, or as the answer of a query does.

    Attributes:
        table: its table's name.
        precision: digits behind a moment's seconds.
        charset: character set of its text.
        is_computed: whether a query makes it.
    """

    table: str = ""
    precision: int | None = None
    charset: str | None = None
    is_computed: bool = False


_ABSENT = MySqlColumn(ABSENT.name, ABSENT.family, ABSENT.shown)


@dataclass(frozen=True)
class MySqlTable(SourceTable):
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

    rows: str
    by_id: str
    condition: str
    identity: str
    encoding: LineEncoding
    line: str
    amount: str


def inspect(
    connection: "Connection[Any]",
    window: Window,
    sources: TablesFile = TablesFile(),  # noqa: B008  # it is frozen
) -> list[MySqlTable]:
    """Return the four tables as the database has them, and which of their rows are read.

    Raises:
        UserError: a table or column is missing, a column has a type whose text would not be exact, or the tables
            cannot be read as of the window's moment.
    """
    refuse_other_engines(connection, sources)
    tables, problems = list[MySqlTable](), list[UserError]()
    for source in sources:
        try:
            tables.append(_source_table(connection, source, window))
        except UserError as problem:
            problems.append(problem)
    if problems:
        with connection.cursor() as cursor:
            cursor.execute(_FIND_TABLES)
            raise all_of(problems, [name for (name,) in cursor.fetchall()])
    if window.as_of and sources.text:
        raise UserError("--as-of reads tables that are called as ours.", "Leave --tables out.")
    if window.as_of:
        _check_history(connection, tables, window.as_of)
    return tables


def _check_history(connection: "Connection[Any]", tables: list[MySqlTable], as_of: datetime) -> None:
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


def _columns(connection: "Connection[Any]", source: TableSource) -> dict[str, MySqlColumn]:
    """Return the columns of a table, or of a query's answer, by their names in lower case."""
    with connection.cursor() as cursor:
        if source.query:
            cursor.execute(f"SELECT * FROM {source.operand(quoted)} LIMIT 0")
            answer = cursor._result  # the description lacks the character set
            return {field.name.lower(): _computed(source.table.name, field) for field in answer.fields}
        cursor.execute(_FIND_COLUMNS, (source.schema, source.name))
        rows = cursor.fetchall()
    found = sorted({row[1] for row in rows})
    if len(found) > 1:
        raise UserError(
            f"Which of these tables is meant is not clear: {', '.join(found)}.",
            "Rename one, or give the program a database with views of the right ones.",
        )
    return {
        key: MySqlColumn(name, family_of(kind), shown, scale, table, precision, charset)
        for key, table, name, kind, shown, scale, precision, charset in rows
    }


def family_of(data_type: str) -> str:
    """Return the family of a type of information_schema; the type itself where it has none."""
    return _FAMILIES.get(data_type, data_type)


def _computed(table: str, field: Any) -> MySqlColumn:
    """Return a column of a query's answer."""
    texts = "blob" if field.charsetnr == _NO_CHARACTERS else "text"
    kind = _KINDS_OF_ANSWERS.get(field.type_code, texts)
    return MySqlColumn(field.name, family_of(kind), kind, field.scale, table, is_computed=True)


def _source_table(connection: "Connection[Any]", source: TableSource, window: Window) -> MySqlTable:
    table, columns = source.table, _columns(connection, source)
    found = matched(source, columns, _NEXT_STEP, partial(_refuse_hidden_columns, connection, source))
    theirs = {name: columns.get(column.name.lower(), _ABSENT) for name, column in found.items()}
    is_utf8 = all(_is_utf8(theirs[column.name]) for column in table.columns if column.kind is Kind.TEXT)
    encoding: LineEncoding = EscapedByClient if is_utf8 else EscapedByServer
    fields = [_field(column, theirs[column.name], encoding) for column in table.columns]
    operand = source.operand(quoted)
    name = operand if source.query else replace(source, name=theirs["id"].table).operand(quoted)
    amounts = [_name(theirs[column.name]) for column in table.columns if column.kind is Kind.MONEY]
    with connection.cursor() as cursor:
        is_keyed = not source.query and cursor.execute(
            _FIND_KEY, (source.schema, source.name, theirs["id"].name)
        )
    return MySqlTable(
        table=table,
        name=name,
        found=found,
        rows=window.rows(name),
        by_id=window.rows(name) + (" FORCE INDEX (PRIMARY)" if is_keyed else ""),
        condition=_in_window(theirs, window) if table is MOVIMENTO else "TRUE",
        identity=quoted(theirs["id"].name),
        encoding=encoding,
        line=encoding.sql_line(table, fields),
        amount=amounts[0] if amounts else "NULL",
    )


def _refuse_hidden_columns(connection: "Connection[Any]", source: TableSource) -> None:
    """Refuse a table with columns that the account may not read: one of them may be the one that seems to lack.

    Raises:
        UserError: there are such columns.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {source.operand(quoted)} LIMIT 0")
    except pymysql.OperationalError as error:
        if error.args[0] not in (ER.COLUMNACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR):
            raise
        raise UserError(
            f"The account may not read all columns of {source.name}, so nobody knows which of them there are.",
            "Let it read the whole table: GRANT SELECT ON <database>.<table> TO <user>.",
        ) from error


def _name(found: SourceColumn) -> str:
    return "NULL" if found.family == NOTHING else quoted(found.name)


def _in_window(theirs: Mapping[str, MySqlColumn], window: Window) -> str:
    """Return the SQL condition of the movements that are asked for."""
    return window.condition(_wall_clock(theirs[FLAT_BY_NAME[MOMENT].source.name]))


def _wall_clock(found: MySqlColumn) -> str:
    """Return the SQL expression of a moment as the CSV shows it.

    In a zone with daylight saving time one hour comes twice; both are compared as the CSV shows them.
    """
    return f"CAST({_name(found)} AS DATETIME(6))" if found.family == ZONED else _name(found)


def _is_utf8(found: MySqlColumn) -> bool:
    """Return whether the server makes sure that a column's text is UTF-8. It does not check columns of ASCII."""
    return found.family != BYTES and found.charset != "ascii"


def _field(column: Column, found: MySqlColumn, encoding: LineEncoding) -> str:
    name = _name(found)
    if column.kind is Kind.TEXT:
        is_read_as_it_is = found.charset in (None, "utf8mb4", "utf8mb3", "utf8", "ascii")
        is_converted = not is_read_as_it_is or (found.is_computed and found.family != BYTES)
        return encoding.sql_text(f"CONVERT({name} USING utf8mb4)" if is_converted else name)
    if column.kind is Kind.MOMENT and (found.family == DATE or found.precision or found.is_computed):
        return encoding.sql_value(f"DATE_FORMAT({name}, '%Y-%m-%d %H:%i:%s')")
    is_filled = "zerofill" in found.shown or found.is_computed
    if column.kind is Kind.MONEY and (found.scale != MONEY_SCALE or is_filled):
        return encoding.sql_value(f"CAST({name} AS DECIMAL(65, {MONEY_SCALE}))")
    if column.kind in (Kind.ID, Kind.WHOLE) and is_filled:
        return encoding.sql_value(f"CAST({name} AS DECIMAL(65))")
    return encoding.sql_value(name)
