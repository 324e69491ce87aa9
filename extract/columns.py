"""Compares a database's columns with the model: finds those that are missing, and types that have no exact text."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from extract.tables_file import TableSource
from movimento_flat.errors import UserError
from movimento_flat.schema import CARD, CARTAO, FLAT_BY_NAME, Column, Kind, Table

#: Families of types. SHORT_WHOLE has at most ten digits, ZONED depends on the session's time zone, NOTHING is NULL.
SHORT_WHOLE, WHOLE, DECIMAL, TEXT, BYTES = "short whole", "whole", "decimal", "text", "bytes"
CLOCK, ZONED, DATE, NOTHING = "wall clock", "zoned", "date", "nothing"
_NUMBERS = {SHORT_WHOLE, WHOLE, DECIMAL}
_FAMILIES = {
    Kind.ID: _NUMBERS,
    Kind.WHOLE: _NUMBERS,
    Kind.TEXT: _NUMBERS | {TEXT, BYTES},
    Kind.MONEY: {DECIMAL},
    Kind.MOMENT: {CLOCK, ZONED, DATE},
}
MONEY_SCALE = 2
_MOST_DECIMALS = {Kind.MONEY: MONEY_SCALE, Kind.ID: 0, Kind.WHOLE: 0}
_OTHER_NAMES = (
    "Where tables or columns have other names or types, a tables file says which (--tables);"
    " `movimento-flat tables --source URL` proposes one: docs/your_own_database.md."
)


@dataclass(frozen=True)
class SourceColumn:
    """A column as the database describes it.

    Attributes:
        name: its name there.
        family: of its type; another word where it is none of the families above.
        shown: its whole type, for people.
        scale: its decimals, or the characters that it has at most; None where there is no such limit.
    """

    name: str
    family: str
    shown: str
    scale: int | None = None


#: A column that the source does not have: it is always NULL.
ABSENT = SourceColumn("", NOTHING, "NULL")


@dataclass(frozen=True)
class TheirTable:
    """A table of a database.

    Attributes:
        columns: by name.
        key: its primary key's columns.
        leads_to: by column, the table to which a foreign key leads.
    """

    name: str
    columns: dict[str, SourceColumn] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)
    leads_to: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceTable:
    """A table as it is read.

    Attributes:
        name: operand of FROM that has its rows.
        found: by our names of columns those of the database.
    """

    table: Table
    name: str
    found: Mapping[str, SourceColumn]

    @property
    def absent(self) -> list[str]:
        """Return the names of columns that the database does not have, as `cartao.data_criacao`; they are empty."""
        return self._named(lambda column: column is ABSENT)

    @property
    def zoned(self) -> list[str]:
        """Return the names of columns whose moments depend on the session's time zone."""
        return self._named(lambda column: column.family == ZONED)

    @property
    def too_small(self) -> list[str]:
        """Return the column into which no whole card number fits, with its type; none where one does."""
        numbers = FLAT_BY_NAME[CARD].source.name
        if self.table is not CARTAO or self.found[numbers].family != SHORT_WHOLE:
            return []
        return [f"{self.table.name}.{numbers} is {self.found[numbers].shown}"]

    def _named(self, belongs: Callable[[SourceColumn], bool]) -> list[str]:
        return [f"{self.table.name}.{name}" for name, column in self.found.items() if belongs(column)]


def fits(column: Column, found: SourceColumn) -> bool:
    """Tell whether a column's type has an exact text for a column of the model."""
    most = _MOST_DECIMALS.get(column.kind)
    too_fine = found.family == DECIMAL and most is not None and (found.scale or 0) > most
    return found.family in _FAMILIES[column.kind] | {NOTHING} and not too_fine


def matched(
    source: TableSource,
    columns: Mapping[str, SourceColumn],
    next_step: str,
    refuse_hidden_columns: Callable[[], None],
) -> dict[str, SourceColumn]:
    """Return the database's columns by our names.

    Args:
        source: where the rows come from.
        columns: those of the table or query, by their names in lower case.
        next_step: what to do where one is missing.
        refuse_hidden_columns: raises a UserError where the account may not read all columns of the table: one of them
            may be the one that seems to lack.

    Raises:
        UserError: a column is missing, or has a type whose text would not be exact.
    """
    table = source.table
    names = {column.name: source.their_column(column.name) for column in table.columns}
    for column in table.columns:
        if column.may_lack and columns and column.name not in columns and column.name not in source.columns:
            refuse_hidden_columns()
            names[column.name] = None
    if missing := [name for name in names.values() if name is not None and name.lower() not in columns]:
        what = f"The query of {table.name}" if source.query else f"Table {source.name}"
        raise UserError(f"{what} lacks {', '.join(missing)}, or the account may not read it.", next_step)
    found = {ours: ABSENT if name is None else columns[name.lower()] for ours, name in names.items()}
    for column in table.columns:
        if not fits(column, found[column.name]):
            raise UserError(
                f"Column {table.name}.{column.name} is {found[column.name].shown};"
                f" its text is exact only for {column.kind.value}.",
                "Give the program a view or a copy of the table with that type, or a query that casts it (--tables).",
            )
    return found


def all_of(problems: Iterable[UserError], there: Iterable[str]) -> UserError:
    """Return one error with all problems of all tables, and which tables are there."""
    problems = list(problems)
    names = ", ".join(there) or "none that the account may read"
    steps = dict.fromkeys(problem.next_step for problem in problems if problem.next_step)
    return UserError(
        "\n".join([*(problem.what for problem in problems), f"Tables and views there: {names}."]),
        "\n  -> ".join([*steps, _OTHER_NAMES]),
    )
