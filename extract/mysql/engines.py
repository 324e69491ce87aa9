"""Refuses tables that are not InnoDB, also below views: only InnoDB shows its rows as of a snapshot."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from pymysql.connections import Connection

from extract.mysql.sql_words import quoted, sql_words, unquoted
from extract.tables_file import TableSource
from movimento_flat.errors import UserError

#: A schema and a table in it.
Name = tuple[str, str]

_FIND_TABLE = """
    SELECT table_schema, table_name, table_type, engine FROM information_schema.tables
    WHERE table_schema = %s AND table_name = %s
"""
#: Finds tables of a schema; without one, of the database that is read.
_FIND_NAMED = """
    SELECT table_schema, table_name, table_type, engine FROM information_schema.tables
    WHERE table_schema = IFNULL(%s, DATABASE()) AND LOWER(table_name) IN %s
"""
#: Empty where the account may not see it.
_FIND_DEFINITION = """
    SELECT view_definition FROM information_schema.views WHERE table_schema = %s AND table_name = %s
"""
#: Functions that have a FROM between their parentheses without a table after it.
_FUNCTIONS_WITH_FROM = {"extract", "trim"}
_BEFORE_A_TABLE = {"from", "join", "straight_join"}


def refuse_other_engines(connection: "Connection[Any]", sources: Iterable[TableSource]) -> None:
    """Refuse tables that are not InnoDB, and views that read such tables.

    Views are followed down to their base tables. Stored functions that a view calls are not looked at.

    Args:
        connection: to the database that is read.
        sources: of the rows. Each word of a query that is the name of a table counts as one.

    Raises:
        UserError: there is such a table or view, or the account may not see what a view reads.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        (database,) = cursor.fetchone() or ("",)
        to_check: list[tuple[str, ...]] = []
        named = defaultdict[str | None, set[str]](set)
        for schema, name in (name for source in sources for name in _named(source)):
            named[schema].add(name.lower())
        for schema, names in named.items():
            cursor.execute(_FIND_NAMED, (schema, tuple(names)))
            to_check += cursor.fetchall()
        found = {(schema, name) for schema, name, _, _ in to_check}
        others: list[str] = []
        hidden_views: list[Name] = []
        hidden_tables: list[Name] = []
        while to_check:
            schema, name, kind, engine = to_check.pop()
            if kind != "VIEW":
                if engine != "InnoDB":
                    shown = name if schema == database else f"{schema}.{name}"
                    others.append(f"{shown} ({engine or 'no engine'})")
                continue
            cursor.execute(_FIND_DEFINITION, (schema, name))
            definition = (cursor.fetchone() or ("",))[0]
            if not definition:
                hidden_views.append((schema, name))
                continue
            for reference in tables_read(definition):
                if reference not in found:
                    found.add(reference)
                    cursor.execute(_FIND_TABLE, reference)
                    to_check += cursor.fetchall() or ()
                    if not cursor.rowcount:
                        hidden_tables.append(reference)
        if hidden_views or hidden_tables:
            cursor.execute("SELECT CURRENT_USER()")
            (account,) = cursor.fetchone() or ("",)
            raise _hidden(account, sorted(hidden_views), sorted(hidden_tables))
    if others:
        raise UserError(
            f"Not every table is InnoDB: {', '.join(sorted(others))}."
            " Only InnoDB can show all of them as of one moment.",
            "ALTER TABLE ... ENGINE=InnoDB, or read from a copy that has it.",
        )


def _named(source: TableSource) -> Iterator[tuple[str | None, str]]:
    """Return the schema and the name of a source's table, or all that may be one in its query."""
    if not source.query:
        yield source.schema, source.name
        return
    words = sql_words(source.query)
    yield from ((None, unquoted(word)) for word in words)
    for schema, point, name in zip(words, words[1:], words[2:], strict=False):
        if point == ".":
            yield unquoted(schema), unquoted(name)


def tables_read(definition: str) -> list[Name]:
    """Return the tables and views that a view reads, by its definition as information_schema has it.

    Each of them follows FROM or JOIN with its schema, perhaps in parentheses. A name without a schema is a common table
    expression, an alias, or a function that makes a table.
    """
    words = sql_words(definition)
    found: list[Name] = []
    before_parentheses: list[str] = []
    expected = False
    for position, word in enumerate(words):
        if word == "(":
            before_parentheses.append(words[position - 1].lower() if position else "")
            continue
        if expected and words[position + 1 : position + 2] == ["."]:
            found.append((unquoted(word), unquoted(words[position + 2])))
        if word == ")":
            before_parentheses.pop()
        in_function = bool(before_parentheses) and before_parentheses[-1] in _FUNCTIONS_WITH_FROM
        expected = word.lower() in _BEFORE_A_TABLE and not in_function
    return found


def _hidden(account: str, views: list[Name], tables: list[Name]) -> UserError:
    """Return the error for an account that may not see what views read, with the GRANTs that it needs.

    A table that it cannot see may be a view, which then also needs SELECT.
    """
    user, _, host = account.rpartition("@")
    grants = [
        f"GRANT {privileges} ON {quoted(schema)}.{quoted(name)} TO '{user}'@'{host}';"
        for privileges, names in (("SELECT, SHOW VIEW", views), ("SHOW VIEW", tables))
        for schema, name in names
    ]
    shown = [f"how view {schema}.{name} is made" for schema, name in views]
    shown += [f"{schema}.{name}, which a view reads" for schema, name in tables]
    return UserError(
        f"Whether every table is InnoDB cannot be known: {account} may not see {'; '.join(shown)}.",
        "Let the account see it (SHOW VIEW on a table lets it see that it is there, and none of its rows):\n     "
        + "\n     ".join(grants),
    )
