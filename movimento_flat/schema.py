"""The four source tables and the flat one: names, order, tags. No other module lists them."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a source column must be for its text to be exact."""

    ID = "an integer type"
    INTEGER = "an integer type, or NULL"
    TEXT = "a text type"
    MONEY = "DECIMAL with at most 2 decimal places"
    TIMESTAMP = "DATETIME or TIMESTAMP"


@dataclass(frozen=True)
class Column:
    """A column of a source table that the flat table needs."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class Table:
    """A source table; its columns are in the order of the tagged TSV."""

    name: str
    tag: bytes
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in tagged TSV order."""
        return tuple(column.name for column in self.columns)


ASSOCIADO = Table(
    "associado",
    b"A",
    (
        Column("id", Kind.ID),
        Column("nome", Kind.TEXT),
        Column("sobrenome", Kind.TEXT),
        Column("idade", Kind.INTEGER),
    ),
)
CONTA = Table(
    "conta",
    b"C",
    (
        Column("id", Kind.ID),
        Column("tipo", Kind.TEXT),
        Column("data_criacao", Kind.TIMESTAMP),
        Column("id_associado", Kind.ID),
    ),
)
CARTAO = Table(
    "cartao",
    b"K",
    (
        Column("id", Kind.ID),
        Column("num_cartao", Kind.TEXT),
        Column("nom_impresso", Kind.TEXT),
        Column("data_criacao", Kind.TIMESTAMP),
        Column("id_conta", Kind.ID),
        Column("id_associado", Kind.ID),
    ),
)
MOVIMENTO = Table(
    "movimento",
    b"M",
    (
        Column("id", Kind.ID),
        Column("vlr_transacao", Kind.MONEY),
        Column("des_transacao", Kind.TEXT),
        Column("data_movimento", Kind.TIMESTAMP),
        Column("id_cartao", Kind.ID),
    ),
)

SMALL_TABLES = (ASSOCIADO, CONTA, CARTAO)
TABLES = (*SMALL_TABLES, MOVIMENTO)


@dataclass(frozen=True)
class FlatColumn:
    """A column of the flat table, and the one it comes from."""

    name: str
    table: Table
    column: str


FLAT_TABLE = (
    FlatColumn("nome_associado", ASSOCIADO, "nome"),
    FlatColumn("sobrenome_associado", ASSOCIADO, "sobrenome"),
    FlatColumn("idade_associado", ASSOCIADO, "idade"),
    FlatColumn("vlr_transacao_movimento", MOVIMENTO, "vlr_transacao"),
    FlatColumn("des_transacao_movimento", MOVIMENTO, "des_transacao"),
    FlatColumn("data_movimento", MOVIMENTO, "data_movimento"),
    FlatColumn("numero_cartao", CARTAO, "num_cartao"),
    FlatColumn("nome_impresso_cartao", CARTAO, "nom_impresso"),
    FlatColumn("data_criacao_cartao", CARTAO, "data_criacao"),
    FlatColumn("tipo_conta", CONTA, "tipo"),
    FlatColumn("data_criacao_conta", CONTA, "data_criacao"),
)
FLAT_COLUMNS = tuple(column.name for column in FLAT_TABLE)
AMOUNT = "vlr_transacao_movimento"
