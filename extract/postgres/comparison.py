"""A session of PostgreSQL that a delivery is compared with: its SQL shares nothing with the extraction."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from extract.postgres.columns import of_types, relation
from extract.postgres.lines import as_bytes, as_text
from extract.postgres.session import Session, connect, quoted
from extract.source import Source
from extract.tables_file import TableSource
from movimento_flat.card_numbers import FIRST, LAST, SHORTEST
from movimento_flat.schema import Column, Kind

_NULLS = {
    Kind.ID: "bigint",
    Kind.WHOLE: "bigint",
    Kind.TEXT: "text",
    Kind.MONEY: "numeric",
    Kind.MOMENT: "timestamp",
}
#: The text of the kinds that a database may hold in another form.
_TEXTS = {
    Kind.MONEY: """CASE WHEN {0}::numeric IN ('NaN', 'Infinity', '-Infinity') THEN {0}
        ELSE round({0}::numeric, 2)::text END""",
    # Without fractions and a distance from UTC; a date gets a time.
    Kind.MOMENT: r"""CASE WHEN {0} ~ '^\d+-\d\d-\d\d( BC)?$' THEN {0} || ' 00:00:00'
        ELSE regexp_replace({0}, '(:\d\d)(\.\d+)?([+-]\d\d[0-9:]*)?( BC)?$', '\1\4') END""",
    Kind.ID: "trim_scale({}::numeric)::text",
    Kind.WHOLE: "trim_scale({}::numeric)::text",
}


@contextmanager
def comparison(source: Source, as_of: datetime | None) -> Iterator["PostgresComparison"]:
    """See `extract.server_kind.ServerKind.comparison`; no delivery of PostgreSQL is of an earlier moment."""
    with connect(source) as session:
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield PostgresComparison(session)


class PostgresComparison:
    """See `extract.server_kind.Comparison`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """See `Comparison.rows`."""
        yield from self._session.stream(query)

    def relation(self, source: TableSource) -> str:
        """See `Comparison.relation`."""
        if source.query:
            return source.relation(quoted, _null)
        name, described = relation(self._session, source)
        theirs = of_types(self._session, described)
        columns = {column: source.their_column(column) for column in source.table.column_names}
        real = {
            ours: theirs[name.lower()].name if name and name.lower() in theirs else name
            for ours, name in columns.items()
        }
        return replace(source, columns=real).relation(quoted, _null, name)

    def join(self, query: str) -> str:
        """See `Comparison.join`. Here CHAR is one character."""
        return query.replace(" AS CHAR)", " AS text)")

    def wall_clock(self, moment: str) -> str:
        """See `Comparison.wall_clock`."""
        return f"{moment}::timestamp"

    def centavos(self, amount: str) -> str:
        """See `Comparison.centavos`."""
        return f"CASE WHEN scale(trim_scale({amount}::numeric)) <= 2 THEN {amount}::numeric * 100 ELSE 0 END"

    def field(self, kind: Kind, value: str) -> str:
        """See `Comparison.field`. The text is a bytea in UTF-8."""
        return as_bytes(f"coalesce({_TEXTS.get(kind, '{}::text').format(value)}, '')", self._session.encoding)

    def masked(self, text: str) -> str:
        """See `Comparison.masked`."""
        text = self._text(text)
        first = f"CASE WHEN length({text}) > {FIRST + LAST} THEN {FIRST} ELSE 0 END"
        last = f"CASE WHEN length({text}) > {LAST} THEN {LAST} ELSE 0 END"
        mask = f"left({text}, {first}) || repeat('*', length({text}) - ({first}) - ({last})) || right({text}, {last})"
        return as_bytes(mask, self._session.encoding)

    def coarse(self, moment: str, length: int, rest: str) -> str:
        """See `Comparison.coarse`."""
        text = self._text(moment)
        coarse = f"CASE WHEN {text} LIKE '____-__-__%' THEN left({text}, {length}) || '{rest}' ELSE '' END"
        return as_bytes(coarse, self._session.encoding)

    def may_be_masked(self, text: str) -> str:
        """See `Comparison.may_be_masked`."""
        characters = self._text(text)
        digits = f"length({characters}) - length(translate({characters}, '0123456789*', ''))"
        return f"{digits} + length({text}) - length({characters}) >= {SHORTEST}"

    def hash(self, fields: Sequence[str]) -> str:
        """See `Comparison.hash`."""
        separated = r" || '\x1f'::bytea || ".join(fields)
        digits = f"encode(sha256({separated}), 'hex')"
        high, low = (f"('x' || substr({digits}, {start}, 8))::bit(32)::bigint" for start in (1, 9))
        return f"({high}::numeric * 4294967296 + {low})"

    def _text(self, written: str) -> str:
        return as_text(written, self._session.encoding)


def _null(column: Column) -> str:
    return f"NULL::{_NULLS[column.kind]}"
