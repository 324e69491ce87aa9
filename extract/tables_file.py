"""The tables file: where the rows of each of the four tables come from in a database that calls them otherwise.

It is TOML, with a section for each table that differs. A table that it does not name, and a column that it does not
name, are called as the model has them:

    [associado]
    table = "cadastro.membros"
    columns = { id = "membro_id", idade = false }   # ours = theirs; false: not there, always empty

    [movimento]
    query = "SELECT txn_no AS id, card_no AS id_cartao, ... FROM transactions WHERE deleted_at IS NULL"

A query has a column for each of ours, by our names. It is read as a derived table; nothing is written to the database.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from movimento_flat.errors import UserError
from movimento_flat.schema import TABLES, Column, Table

_KEYS = ("table", "query", "columns")


@dataclass(frozen=True)
class TableSource:
    """Where the rows of one table come from.

    Attributes:
        table: ours.
        name: of their table, or empty where a query makes the rows.
        schema: of their table; None for the database that is read.
        query: a SELECT without a semicolon, or empty.
        columns: by our name theirs, where it is another; None where they have no such column.
    """

    table: Table
    name: str
    schema: str | None = None
    query: str = ""
    columns: Mapping[str, str | None] = field(default_factory=dict)

    def operand(self, quoted: Callable[[str], str]) -> str:
        """Return the operand of FROM that has their rows, with their names of columns; `quoted` quotes a name."""
        if self.query:
            return f"({self.query}) AS {quoted(self.table.name)}"
        return ".".join(map(quoted, filter(None, (self.schema, self.name))))

    def relation(
        self,
        quoted: Callable[[str], str],
        null: Callable[[Column], str] = lambda column: "NULL",
        operand: str = "",
    ) -> str:
        """Return an operand of FROM that has their rows with our names, itself called as our table.

        `quoted` quotes a name, `null` makes the NULL of a column that they do not have, and `operand` is the table's
        name where it is not called exactly so.
        """
        operand = operand or self.operand(quoted)
        if self.query:
            return operand
        if not self.columns and operand == quoted(self.table.name):
            return self.table.name
        theirs = [(column, self.their_column(column.name)) for column in self.table.columns]
        columns = [
            f"{null(column) if name is None else quoted(name)} AS {quoted(column.name)}"
            for column, name in theirs
        ]
        return f"(SELECT {', '.join(columns)} FROM {operand}) AS {quoted(self.table.name)}"

    def their_column(self, ours: str) -> str | None:
        """Return their name of one of our columns; None where they have none."""
        return self.columns.get(ours, ours)


@dataclass(frozen=True)
class TablesFile:
    """A tables file.

    Attributes:
        text: its content; empty where there is none.
        sources: by the names of the tables that it names.
    """

    text: str = ""
    sources: Mapping[str, TableSource] = field(default_factory=dict)

    def __iter__(self) -> Iterator[TableSource]:
        """Return where each of the four tables comes from, in the model's order."""
        return iter([self.sources.get(table.name, TableSource(table, table.name)) for table in TABLES])

    @property
    def queries(self) -> list[str]:
        """Return the names of the tables whose rows a query makes."""
        return [source.table.name for source in self if source.query]

    def without(self, absent: Iterable[str]) -> "TablesFile":
        """Return the same for a database that does not have these columns, such as cartao.data_criacao."""
        sources = {source.table.name: source for source in self}
        for name in absent:
            table, _, column = name.partition(".")
            if not sources[table].query:
                columns = {**sources[table].columns, column: None}
                sources[table] = replace(sources[table], columns=columns)
        return TablesFile(self.text, sources)

    @classmethod
    def parse(cls, text: str, name: str = "The tables file") -> "TablesFile":
        """Return what a tables file says.

        Raises:
            UserError: it is no TOML, or has a table, key or column that there is not; `name` and its line are said.
        """
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UserError(f"{name} is no TOML: {error}.", "See https://toml.io.") from error
        return cls(text, {key: _Section(text, name, key).source(value) for key, value in content.items()})

    @classmethod
    def read(cls, path: Path) -> "TablesFile":
        """Return what a file says.

        Raises:
            UserError: it cannot be read; or as `parse`.
        """
        try:
            return cls.parse(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read as text in UTF-8: {error}.") from error


@dataclass(frozen=True)
class _Section:
    """A section of a tables file, and how to say where in it something is wrong."""

    text: str
    file: str
    name: str

    def source(self, content: Any) -> TableSource:
        table = next((table for table in TABLES if table.name == self.name), None)
        if table is None:
            raise self._wrong(
                f"{self.name!r} is none of the tables {_listed(table.name for table in TABLES)}"
            )
        if not isinstance(content, dict):
            raise self._wrong(f"{self.name} is no section, such as [{self.name}]")
        for key, value in content.items():
            if key not in _KEYS:
                raise self._wrong(f"{key!r} is none of the keys {_listed(_KEYS)}", key)
            if not isinstance(value, dict if key == "columns" else str) or not value:
                raise self._wrong(f"{key} has no {'columns' if key == 'columns' else 'text'}", key)
        if "query" in content and len(content) > 1:
            other = next(key for key in content if key != "query")
            raise self._wrong(f"{other} stands beside a query, whose columns have our names", other)
        columns = {
            ours: self._their_column(table, ours, theirs)
            for ours, theirs in content.get("columns", {}).items()
        }
        *schema, name = content.get("table", table.name).split(".", 1)
        query = content.get("query", "").strip().removesuffix(";")
        return TableSource(table, name, schema[0] if schema else None, query, columns)

    def _their_column(self, table: Table, ours: str, theirs: object) -> str | None:
        if ours not in table.column_names:
            raise self._wrong(f"{ours!r} is none of the columns {_listed(table.column_names)}", ours)
        if theirs is False and ours == "id":
            raise self._wrong(f"{table.name} has no id", ours)
        if theirs is False:
            return None
        if not isinstance(theirs, str) or not theirs:
            raise self._wrong(f"{ours} is neither the name of a column nor false", ours)
        return theirs

    def _wrong(self, what: str, key: str = "") -> UserError:
        return UserError(
            f"{self.file}, line {self._line(key)}: {what}.",
            "docs/your_own_database.md has examples of tables files.",
        )

    def _line(self, key: str) -> int:
        """Return the line that has a key of the section; that of the section without a key."""
        begins = re.compile(rf"\s*\[?\s*[\"']?{re.escape(self.name)}\b")
        has_key = re.compile(rf"(^|[\s{{,\"'.]){re.escape(key)}[\"']?\s*=")
        found = 1
        in_section = False
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.lstrip().startswith("[") or not in_section:
                in_section = bool(begins.match(line))
                found = number if in_section and found == 1 else found
            if in_section and key and has_key.search(line):
                return number
        return found


def _listed(names: Any) -> str:
    return ", ".join(names)
