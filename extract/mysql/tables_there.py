"""Which tables and views there are, with their columns and keys."""

from collections.abc import Mapping

import pymysql

from extract.columns import SourceColumn, TheirTable
from extract.mysql.columns import family_of
from extract.mysql.session import connect, explain
from extract.source import Source

_FIND_COLUMNS = """
    SELECT table_name, column_name, LOWER(data_type), LOWER(column_type), numeric_scale
    FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position
"""
_FIND_KEYS = """
    SELECT table_name, column_name, referenced_table_name
    FROM information_schema.key_column_usage
    WHERE table_schema = DATABASE() AND (constraint_name = 'PRIMARY' OR referenced_table_name IS NOT NULL)
"""


def tables_there(source: Source) -> Mapping[str, TheirTable]:
    """See `extract.server_kind.ServerKind.tables_there`."""
    found: dict[str, TheirTable] = {}
    with connect(source) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(_FIND_COLUMNS)
            for table, name, kind, shown, scale in cursor.fetchall():
                column = SourceColumn(name, family_of(kind), shown, scale)
                found.setdefault(table, TheirTable(table)).columns[name] = column
            cursor.execute(_FIND_KEYS)
            for table, column, referenced in cursor.fetchall():
                if table in found and referenced:
                    found[table].leads_to[column] = referenced
                elif table in found:
                    found[table].key.append(column)
        except pymysql.MySQLError as error:
            raise explain(source, error) from error
    return found
