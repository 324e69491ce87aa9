"""Which tables and views there are where the session looks for tables, with their columns and keys."""

from collections.abc import Mapping

from extract.columns import TheirTable
from extract.postgres.columns import READABLE, of_types
from extract.postgres.session import connect
from extract.source import Source

_FIND_COLUMNS = f"""
    SELECT c.relname, a.attname, a.atttypid::bigint, a.atttypmod
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE {READABLE} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""
_FIND_KEYS = f"""
    SELECT c.relname, a.attname, CASE WHEN k.contype = 'f' THEN o.relname END
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
    LEFT JOIN pg_class o ON o.oid = k.confrelid
    WHERE {READABLE} AND (k.contype = 'p' OR (k.contype = 'f' AND array_length(k.conkey, 1) = 1))
"""


def tables_there(source: Source) -> Mapping[str, TheirTable]:
    """See `extract.server_kind.ServerKind.tables_there`."""
    found: dict[str, TheirTable] = {}
    with connect(source) as session:
        rows = session.all(_FIND_COLUMNS)
        for name in dict.fromkeys(row[0] for row in rows):
            columns = of_types(session, [row[1:] for row in rows if row[0] == name])
            found[name] = TheirTable(name, {column.name: column for column in columns.values()})
        for table, column, referenced in session.all(_FIND_KEYS):
            if referenced:
                found[table].leads_to[column] = referenced
            else:
                found[table].key.append(column)
    return found
