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
    """A column of the flat table, and the one it comes from.

    Attributes:
        english, portuguese: what it means, as README.md, the data dictionary and the data package say it.
        example: a value of it.
    """

    name: str
    table: Table
    column: str
    english: str
    portuguese: str
    example: str

    @property
    def kind(self) -> Kind:
        """The kind of the column it comes from."""
        return next(column.kind for column in self.table.columns if column.name == self.column)


FLAT_TABLE = (
    FlatColumn(
        "nome_associado",
        ASSOCIADO,
        "nome",
        "given name of the card's holder",
        "prenome do portador do cartão",
        "Conceição",
    ),
    FlatColumn("sobrenome_associado", ASSOCIADO, "sobrenome", "surname", "sobrenome do portador", "d'Ávila"),
    FlatColumn("idade_associado", ASSOCIADO, "idade", "age in years", "idade em anos", "37"),
    FlatColumn(
        "vlr_transacao_movimento",
        MOVIMENTO,
        "vlr_transacao",
        "amount in reais, a point and two digits; a refund is negative",
        "valor em reais, com ponto e dois dígitos; um estorno é negativo",
        "-1234.50",
    ),
    FlatColumn(
        "des_transacao_movimento",
        MOVIMENTO,
        "des_transacao",
        "description as the shop sent it",
        "descrição como o estabelecimento a enviou",
        'Padaria "Pão, Pão", 24h',
    ),
    FlatColumn(
        "data_movimento",
        MOVIMENTO,
        "data_movimento",
        "when it happened, `YYYY-MM-DD HH:MM:SS`",
        "quando ocorreu, `AAAA-MM-DD HH:MM:SS`",
        "2024-02-29 23:59:59",
    ),
    FlatColumn(
        "numero_cartao",
        CARTAO,
        "num_cartao",
        "card number, 13 to 19 digits, as text",
        "número do cartão, de 13 a 19 dígitos, como texto",
        "4111111111111111",
    ),
    FlatColumn(
        "nome_impresso_cartao",
        CARTAO,
        "nom_impresso",
        "name embossed on the card",
        "nome impresso no cartão",
        "CONCEICAO D AVILA",
    ),
    FlatColumn(
        "data_criacao_cartao",
        CARTAO,
        "data_criacao",
        "when the card was issued",
        "quando o cartão foi emitido",
        "2021-03-04 10:11:12",
    ),
    FlatColumn("tipo_conta", CONTA, "tipo", "kind of account", "tipo da conta", "corrente"),
    FlatColumn(
        "data_criacao_conta",
        CONTA,
        "data_criacao",
        "when the account was opened",
        "quando a conta foi aberta",
        "2019-12-31 08:00:00",
    ),
)
#: Behind those, where a delivery has ids.
FLAT_IDS = (
    FlatColumn("id_movimento", MOVIMENTO, "id", "id of the movement", "id do movimento", "1234567"),
    FlatColumn("id_cartao", CARTAO, "id", "id of the card", "id do cartão", "4012"),
    FlatColumn(
        "id_conta", CONTA, "id", "id of the account that is charged", "id da conta que é debitada", "3009"
    ),
    FlatColumn(
        "id_associado",
        ASSOCIADO,
        "id",
        "id of the card's holder, as `nome_associado`; the account's owner may be another",
        "id do portador do cartão, como `nome_associado`; o dono da conta pode ser outro",
        "2007",
    ),
)
FLAT_WITH_IDS = (*FLAT_TABLE, *FLAT_IDS)
FLAT_COLUMNS = tuple(column.name for column in FLAT_TABLE)
ID_COLUMNS = tuple(column.name for column in FLAT_IDS)
AMOUNT = "vlr_transacao_movimento"
CARD = "numero_cartao"
DESCRIPTION = "des_transacao_movimento"
MOMENT = "data_movimento"
ACCOUNT_KIND = "tipo_conta"
#: The columns that name a person; the first one is where a token stands, if there is one.
PEOPLE = ("nome_associado", "sobrenome_associado", "nome_impresso_cartao")
