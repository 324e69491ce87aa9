"""A session of MySQL or MariaDB that a delivery is compared with: its SQL shares nothing with the extraction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from extract.mysql.session import connect, explain
from extract.mysql.sql_words import quoted
from extract.source import Source
from extract.tables_file import TableSource
from movimento_flat.card_numbers import FIRST, LAST, SHORTEST
from movimento_flat.schema import Kind

#: The text of the kinds that a database may hold in another form: without decimals, without a time, filled up.
_TEXTS = {
    Kind.MONEY: "CAST(CAST({} AS DECIMAL(65, 2)) AS CHAR)",
    Kind.MOMENT: "LEFT(CONCAT({}, ' 00:00:00'), 19)",
    Kind.ID: "CAST(CAST({} AS DECIMAL(65)) AS CHAR)",
    Kind.WHOLE: "CAST(CAST({} AS DECIMAL(65)) AS CHAR)",
}
#: What counts as a digit that may have been masked, beside what is beyond ASCII.
_DIGITS = "0123456789*"


@contextmanager
def comparison(source: Source, as_of: datetime | None) -> Iterator["MySqlComparison"]:
    """See `extract.server_kind.ServerKind.comparison`."""
    connection = connect(source)
    try:
        if as_of:
            connection.cursor().execute("SET SESSION system_versioning_asof = %s", (as_of,))
        connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield MySqlComparison(connection)
    except pymysql.MySQLError as error:
        raise explain(source, error) from error
    finally:
        connection.close()


class MySqlComparison:
    """See `extract.server_kind.Comparison`."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """See `Comparison.rows`."""
        with self._connection.cursor(SSCursor) as cursor:
            cursor.execute(query)
            yield from cursor

    def relation(self, source: TableSource) -> str:
        """See `Comparison.relation`."""
        return source.relation(quoted)

    def join(self, query: str) -> str:
        """See `Comparison.join`."""
        return query

    def wall_clock(self, moment: str) -> str:
        """See `Comparison.wall_clock`."""
        return f"CAST({moment} AS DATETIME(6))"

    def centavos(self, amount: str) -> str:
        """See `Comparison.centavos`."""
        return f"CAST({amount} AS DECIMAL(65, 2)) * 100"

    def field(self, kind: Kind, value: str) -> str:
        """See `Comparison.field`. The text is one of bytes."""
        text = f"CONVERT({_TEXTS.get(kind, '{}').format(value)} USING utf8mb4)"
        return f"IFNULL(CAST({text} AS BINARY), '')"

    def masked(self, text: str) -> str:
        """See `Comparison.masked`."""
        text = f"CONVERT({text} USING utf8mb4)"
        length = f"CHAR_LENGTH({text})"
        first = f"IF({length} > {FIRST + LAST}, {FIRST}, 0)"
        last = f"IF({length} > {LAST}, {LAST}, 0)"
        mask = (
            f"CONCAT(LEFT({text}, {first}), REPEAT('*', {length} - {first} - {last}), RIGHT({text}, {last}))"
        )
        return f"CAST({mask} AS BINARY)"

    def coarse(self, moment: str, length: int, rest: str) -> str:
        """See `Comparison.coarse`."""
        return f"IF({moment} LIKE '____-__-__%', CONCAT(LEFT({moment}, {length}), '{rest}'), '')"

    def may_be_masked(self, text: str) -> str:
        """See `Comparison.may_be_masked`."""
        rest = text
        for digit in _DIGITS:
            rest = f"REPLACE({rest}, X'{digit.encode().hex()}', '')"
        characters = f"CHAR_LENGTH(CONVERT({text} USING utf8mb4))"
        return f"2 * LENGTH({text}) - LENGTH({rest}) - {characters} >= {SHORTEST}"

    def hash(self, fields: Sequence[str]) -> str:
        """See `Comparison.hash`."""
        separated = ", X'1f', ".join(fields)
        return f"CAST(CONV(LEFT(SHA2(CONCAT({separated}), 256), 16), 16, 10) AS UNSIGNED)"
