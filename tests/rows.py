"""Rows of the four tables by the names of their columns; what a test does not say is the model's example."""

from collections.abc import Iterable
from functools import partial
from typing import Self

from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, Kind, Table
from movimento_flat.tagged_tsv import line

Value = str | None


class SourceRow(tuple[Value, ...]):
    """A row of a table: its values in the order of the tagged TSV, each also an attribute of its column's name."""

    table: Table

    def __new__(cls, table: Table, values: Iterable[Value]) -> Self:
        row = super().__new__(cls, values)
        row.table = table
        return row

    def __getnewargs__(self) -> tuple[Table, tuple[Value, ...]]:
        return self.table, tuple(self)

    def __getattr__(self, name: str) -> Value:
        try:
            return self[self.table.column_names.index(name)]
        except ValueError:
            raise AttributeError(name) from None

    def replace(self, **values: Value) -> "SourceRow":
        """Return the row with other values in some columns."""
        return source_row(self.table, **(dict(zip(self.table.column_names, self, strict=True)) | values))

    def line(self) -> bytes:
        """Return the row as a line of tagged TSV."""
        return line(self.table, tuple(None if value is None else value.encode() for value in self)) + b"\n"


def source_row(table: Table, **values: Value) -> SourceRow:
    """Return a row of the table with these values, and with examples in the other columns; ids are 1.

    Raises:
        TypeError: the table has no such column.
    """
    if unknown := values.keys() - set(table.column_names):
        raise TypeError(f"{table.name} has no column {unknown}")
    examples = {
        column.name: "1" if column.kind is Kind.ID else column.example or None for column in table.columns
    }
    return SourceRow(table, (examples | values).values())


associado = partial(source_row, ASSOCIADO)
conta = partial(source_row, CONTA)
cartao = partial(source_row, CARTAO)
movimento = partial(source_row, MOVIMENTO)

#: Statements that add rows begin with it, so that a column more in a table changes nothing in them.
INTO_ASSOCIADO = "INSERT INTO associado (id, nome, sobrenome, idade, email)"
INTO_CONTA = "INSERT INTO conta (id, tipo, data_criacao, id_associado)"
INTO_CARTAO = "INSERT INTO cartao (id, num_cartao, nom_impresso, data_criacao, id_conta, id_associado)"
INTO_MOVIMENTO = "INSERT INTO movimento (id, vlr_transacao, des_transacao, data_movimento, id_cartao)"
