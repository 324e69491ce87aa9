"""Checks that a database has the four tables as they must be, and makes the SQL expression of each table's lines."""

from collections.abc import Mapping
from dataclasses import dataclass

from extract.columns import (
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
from extract.postgres import lines
from extract.postgres.session import Session, quoted
from extract.tables_file import TableSource
from movimento_flat.errors import UserError
from movimento_flat.schema import FLAT_BY_NAME, MOMENT, MOVIMENTO, Column, Kind

_FAMILIES = {
    **dict.fromkeys(("int2", "int4"), SHORT_WHOLE),
    "int8": WHOLE,
    "numeric": DECIMAL,
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", "uuid", "json", "jsonb", "xml"), TEXT),
    "timestamp": CLOCK,
    "timestamptz": ZONED,
    "date": DATE,
}
_NEXT_STEP = (
    "Compare with sql/postgres/tables.sql; to let the role read:"
    " GRANT SELECT ON ALL TABLES IN SCHEMA <schema> TO <role>."
)
#: Characters of a text with which a row has no more bytes than a page: longer rows are compressed (TOAST).
_SHORT = 260
_OTHER_QUERY = "Let a query of a tables file (--tables) name them as ours are called."
#: Kinds of relations: table, partitioned table, view, materialized view, foreign table.
RELATIONS = "('r', 'p', 'v', 'm', 'f')"
#: Follows a domain to the type that it is made of.
_BASE_TYPE = """
    WITH RECURSIVE base AS (
        SELECT t.oid AS asked, t.oid, t.typtype, t.typbasetype, t.typtypmod FROM pg_type t WHERE t.oid = ANY (%s)
        UNION ALL
        SELECT base.asked, t.oid, t.typtype, t.typbasetype,
            CASE WHEN base.typtypmod = -1 THEN t.typtypmod ELSE base.typtypmod END
        FROM base JOIN pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd'
    )
    SELECT base.asked::bigint, CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace OR t.typname = 'citext'
        THEN t.typname ELSE t.oid::regtype::text END, t.typtype = 'e', base.typtypmod
    FROM base JOIN pg_type t ON t.oid = base.oid
    WHERE base.typtype <> 'd'
"""
#: Finds relations by a name in any case: in a schema, or where the session looks for tables.
_FIND_RELATIONS = f"""
    SELECT c.oid::bigint, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN {RELATIONS} AND lower(c.relname) = lower(%s)
        AND CASE WHEN %s::text IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = %s END
    ORDER BY n.nspname, c.relname
"""
_FIND_COLUMNS = """
    SELECT attname, atttypid::bigint, atttypmod FROM pg_attribute
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""
#: Condition of relations that the role may read and that are not the server's own.
READABLE = f"""
    c.relkind IN {RELATIONS} AND pg_table_is_visible(c.oid) AND has_any_column_privilege(c.oid, 'SELECT')
    AND c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))
"""
_FIND_TABLES = f"SELECT c.relname FROM pg_class c WHERE {READABLE} ORDER BY c.relname"


@dataclass(frozen=True)
class PostgresTable(SourceTable):
    """A table of the database.

    Attributes:
        condition: SQL condition of the rows that are read.
        identity: its column `id`.
        line: SQL expression of a row's line, with its line end.
        texts: SQL expressions of the columns whose texts may be long.
        amount: SQL expression of the amount, 0 where the program rejects it; a NULL where the table has none.
    """

    condition: str
    identity: str
    line: str
    texts: tuple[str, ...]
    amount: str


def inspect(session: Session) -> list[PostgresTable]:
    """Return the four tables as the database has them.

    Raises:
        UserError: a table or column is missing, or a column has a type whose text would not be exact.
    """
    source = session.source
    if source.window.as_of:
        raise UserError("PostgreSQL keeps no earlier rows.", "Leave --as-of out.")
    tables, problems = list[PostgresTable](), list[UserError]()
    for each in source.tables:
        try:
            tables.append(_table(session, each))
        except UserError as problem:
            problems.append(problem)
    if problems:
        raise all_of(problems, [str(name) for (name,) in session.all(_FIND_TABLES)])
    return tables


def _table(session: Session, source: TableSource) -> PostgresTable:
    if source.query:
        name = source.operand(quoted)
        described = session.described(f"SELECT * FROM {name} LIMIT 0")
    else:
        name, described = relation(session, source)
    # The catalogue has all columns, also those that the role may not read: none is hidden.
    found = matched(source, of_types(session, described), _NEXT_STEP, lambda: None)
    table = source.table
    amounts = [
        _checked_amount(_value(found[column.name])) for column in table.columns if column.kind is Kind.MONEY
    ]
    moment = FLAT_BY_NAME[MOMENT].source.name
    window = session.source.window
    return PostgresTable(
        table=table,
        name=name,
        found=found,
        condition=window.condition(f"{_value(found[moment])}::timestamp") if table is MOVIMENTO else "TRUE",
        identity=_value(found["id"]),
        line=lines.line(table, [_field(column, found[column.name]) for column in table.columns]),
        texts=tuple(quoted(column.name) for column in found.values() if _may_be_long(column)),
        amount=amounts[0] if amounts else "NULL::numeric",
    )


def relation(session: Session, source: TableSource) -> tuple[str, list[tuple[str, int, int]]]:
    """Return the quoted name of a table, and name, type and its modifier of its columns; none where it is not there."""
    relations = session.all(_FIND_RELATIONS, (source.name, source.schema, source.schema))
    exact = [relation for relation in relations if relation[2] == source.name]
    if len(exact or relations) > 1:
        names = ", ".join(f"{schema}.{name}" for _, schema, name in relations)
        raise UserError(
            f"Which of these tables is meant is not clear: {names}.", "Name it in a tables file (--tables)."
        )
    for identity, schema, name in exact or relations:
        return f"{quoted(schema)}.{quoted(name)}", session.all(_FIND_COLUMNS, (identity,))
    return source.operand(quoted), []


def of_types(session: Session, described: list[tuple[str, int, int]]) -> Mapping[str, SourceColumn]:
    """Return columns by their names in lower case."""
    types = {oid for _, oid, _ in described}
    bases = {oid: rest for oid, *rest in session.all(_BASE_TYPE, (list(types),))}
    found: dict[str, SourceColumn] = {}
    for name, oid, own_modifier in described:
        base, is_enum, of_domain = bases.get(oid, ("unknown", False, -1))
        family = TEXT if is_enum else _FAMILIES.get(base, base)
        modifier = of_domain if own_modifier == -1 else own_modifier
        scale = None if modifier == -1 else _scale(modifier) if family == DECIMAL else modifier
        scale = 0 if is_enum else scale
        shown = f"{base} ({scale} decimals)" if family == DECIMAL and scale is not None else base
        before = found.get(name.lower())
        if before and name != name.lower() and before.name != name.lower():
            raise UserError(
                f"Which of these columns is meant is not clear: {before.name}, {name}.", _OTHER_QUERY
            )
        if not before or name == name.lower():
            found[name.lower()] = SourceColumn(name, family, shown, scale)
    return found


def _scale(modifier: int) -> int:
    """Return the decimals of a numeric by its type's modifier, which may be negative."""
    scale = (modifier - 4) & 0x7FF
    return scale - 0x800 if scale & 0x400 else scale


def _may_be_long(found: SourceColumn) -> bool:
    """Return whether a text may have more than some hundred characters."""
    return found.family == TEXT and (found.scale is None or found.scale > _SHORT)


def _value(found: SourceColumn) -> str:
    return "NULL" if found.family == NOTHING else quoted(found.name)


def _checked_amount(value: str) -> str:
    """Return an amount that has no more than two decimals and is finite, else 0: the program rejects such a row."""
    return f"CASE WHEN scale(trim_scale({value}::numeric)) <= {MONEY_SCALE} THEN {value}::numeric ELSE 0 END"


def _field(column: Column, found: SourceColumn) -> str:
    """Return the SQL expression of a column's text in a line; NULL where it is NULL."""
    value = _value(found)
    if found.family == TEXT:
        return lines.escaped(f'{value}::text COLLATE "C"')  # others may not be searched
    if column.kind is Kind.MONEY and found.scale != MONEY_SCALE:
        rounded = f"round({value}::numeric, {MONEY_SCALE})::text"
        return f"CASE WHEN scale(trim_scale({value}::numeric)) <= {MONEY_SCALE} THEN {rounded} ELSE {value}::text END"
    if found.family == DATE:  # some have no moment
        return f"CASE WHEN isfinite({value}) THEN {value}::text || ' 00:00:00' ELSE {value}::text END"
    if column.kind is Kind.MOMENT and (found.family != CLOCK or found.scale != 0):
        return f"date_trunc('second', {value}::timestamp)::text"
    if column.kind in (Kind.ID, Kind.WHOLE) and found.family == DECIMAL:
        return f"trim_scale({value})::text"
    return f"{value}::text"
