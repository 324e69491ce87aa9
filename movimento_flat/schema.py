"""The model: each column of the four tables, declared once. Everything that repeats it follows from here.

`make docs` (`docs/generate.py`) writes what repeats it: tables of the data dictionary,
`sql/mysql/tables.sql`, the manifest's schema, the recipes and the sample of input. One query is written by hand, so
that there is something to compare with: `sql/expected.sql`.
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a column must be in the source for its text to be exact."""

    ID = "an integer type"
    WHOLE = "an integer type, or NULL"
    TEXT = "a text type"
    MONEY = "DECIMAL with at most 2 decimal places"
    MOMENT = "DATETIME or TIMESTAMP"


class Shows(Enum):
    """What a column tells about a person. Free text may hold a card number, too: every text is looked through."""

    NOTHING = ""
    CARD_NUMBER = "a card number"
    GIVEN_NAME = "a person's given name"
    PERSON = "a person"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a source table.

    Attributes:
        mysql: its type in MySQL and MariaDB.
        english, portuguese: what it means, with the example, as the documents and the data package say it.
        flat: its name in the flat table; empty where that has none. Ids are there only where they are asked for.
        heading: what a workbook calls it, in Portuguese; where it is empty, as the flat table does.
        points_to: name of the table whose id it holds.
        shows: what must be hidden where people or cards are; a person's token stands instead of the given name.
        may_be_null: whether the value may be missing.
        may_lack: whether a database may have no such column: it is empty then.
        check: condition that the table in MySQL must fulfil.
        known_as: other names by which `extract.proposal` looks for it.
        sample: what of the sample data it is (`movimento_flat.sample_data.generate`). Where it is empty, they have any
            values of its kind, and texts and numbers like its example.
    """

    name: str
    kind: Kind
    mysql: str
    english: str
    portuguese: str = ""
    example: str = ""
    flat: str = ""
    heading: str = ""
    points_to: str = ""
    shows: Shows = Shows.NOTHING
    may_be_null: bool = False
    may_lack: bool = False
    check: str = ""
    known_as: tuple[str, ...] = ()
    sample: str = ""

    @property
    def is_extracted(self) -> bool:
        """Tell whether the join needs it; the others only exist in the source."""
        return bool(self.flat or self.points_to)


@dataclass(frozen=True)
class Table:
    """A source table.

    Attributes:
        tag: the letter that begins its lines in tagged TSV. In the join, accounts and holders sort before cards.
        english: what its rows are.
        known_as: other names by which `extract.proposal` looks for it.
        declared: all columns, those that are not extracted too.
    """

    name: str
    tag: bytes
    english: str
    known_as: tuple[str, ...]
    declared: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the columns that are extracted, in the order of the tagged TSV."""
        return tuple(column for column in self.declared if column.is_extracted)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(column.name for column in self.columns)


_ID = "BIGINT UNSIGNED"

ASSOCIADO = Table(
    "associado",
    b"A",
    "people who are members of the cooperative",
    ("membro", "member", "cooperado", "cliente", "customer", "client", "pessoa", "person", "titular"),
    (
        Column(
            name="id",
            kind=Kind.ID,
            mysql=_ID,
            english="id of the card's holder, as `nome_associado`; the account's owner may be another",
            portuguese="id do portador do cartão, como `nome_associado`; o titular da conta pode ser outro",
            example="2007",
            flat="id_associado",
            heading="Id do portador",
            sample="id",
        ),
        Column(
            name="nome",
            kind=Kind.TEXT,
            mysql="VARCHAR(100)",
            english="given name of the card's holder",
            portuguese="prenome do portador do cartão",
            example="Conceição",
            flat="nome_associado",
            heading="Nome do portador",
            shows=Shows.GIVEN_NAME,
            known_as=("prenome", "primeiro_nome", "first_name", "given_name", "name"),
            sample="given name",
        ),
        Column(
            name="sobrenome",
            kind=Kind.TEXT,
            mysql="VARCHAR(100)",
            english="surname",
            portuguese="sobrenome do portador",
            example="d'Ávila",
            flat="sobrenome_associado",
            heading="Sobrenome do portador",
            shows=Shows.PERSON,
            may_be_null=True,
            known_as=("last_name", "surname", "family_name", "ultimo_nome"),
            sample="family name",
        ),
        Column(
            name="idade",
            kind=Kind.WHOLE,
            mysql="SMALLINT",
            english="age in years",
            portuguese="idade em anos",
            example="37",
            flat="idade_associado",
            heading="Idade do portador",
            may_be_null=True,
            known_as=("age",),
            sample="age",
        ),
        Column(
            name="email",
            kind=Kind.TEXT,
            mysql="VARCHAR(255)",
            english="electronic mail; not part of the flat table",
            may_be_null=True,
            sample="address",
        ),
    ),
)
CONTA = Table(
    "conta",
    b"C",
    "accounts, each of one associate",
    ("account", "contrato"),
    (
        Column(
            name="id",
            kind=Kind.ID,
            mysql=_ID,
            english="id of the account that is charged",
            portuguese="id da conta que é debitada",
            example="3009",
            flat="id_conta",
            heading="Id da conta",
            sample="id",
        ),
        Column(
            name="tipo",
            kind=Kind.TEXT,
            mysql="ENUM('corrente', 'poupanca', 'salario', 'investimento')",
            english="kind of account",
            portuguese="tipo da conta",
            example="corrente",
            flat="tipo_conta",
            heading="Tipo da conta",
            known_as=("kind", "type", "account_type", "categoria"),
            sample="kind",
        ),
        Column(
            name="data_criacao",
            kind=Kind.MOMENT,
            mysql="DATETIME",
            english="when the account was opened",
            portuguese="quando a conta foi aberta",
            example="2019-12-31 08:00:00",
            flat="data_criacao_conta",
            heading="Abertura da conta",
            known_as=("created_at", "opened", "opened_at", "aberta_em", "data_abertura", "criado_em"),
            sample="opened",
        ),
        Column(
            name="id_associado",
            kind=Kind.ID,
            mysql=_ID,
            english="owner of the account",
            points_to="associado",
            may_be_null=True,
            sample="owner",
        ),
    ),
)
CARTAO = Table(
    "cartao",
    b"K",
    "cards, each of one holder and one account",
    ("card", "plastico"),
    (
        Column(
            name="id",
            kind=Kind.ID,
            mysql=_ID,
            english="id of the card",
            portuguese="id do cartão",
            example="4012",
            flat="id_cartao",
            heading="Id do cartão",
            sample="id",
        ),
        Column(
            name="num_cartao",
            kind=Kind.TEXT,
            mysql="VARCHAR(19)",
            english="card number, 13 to 19 digits, as text",
            portuguese="número do cartão, de 13 a 19 dígitos, como texto",
            example="4111111111111111",
            flat="numero_cartao",
            heading="Número do cartão",
            shows=Shows.CARD_NUMBER,
            check="REGEXP '^[0-9]{13,19}$'",
            known_as=("numero", "number", "card_number", "pan"),
            sample="number",
        ),
        Column(
            name="nom_impresso",
            kind=Kind.TEXT,
            mysql="VARCHAR(100)",
            english="name embossed on the card",
            portuguese="nome impresso no cartão",
            example="CONCEICAO D AVILA",
            flat="nome_impresso_cartao",
            heading="Nome impresso no cartão",
            shows=Shows.PERSON,
            may_be_null=True,
            known_as=("printed_name", "embossed_name", "holder_name", "nome_cartao"),
            sample="embossed name",
        ),
        Column(
            name="data_criacao",
            kind=Kind.MOMENT,
            mysql="DATETIME",
            english="when the card was issued",
            portuguese="quando o cartão foi emitido",
            example="2021-03-04 10:11:12",
            flat="data_criacao_cartao",
            heading="Emissão do cartão",
            may_lack=True,  # the company's diagram has none
            known_as=("created_at", "issued", "issued_at", "emitido_em", "data_emissao", "criado_em"),
            sample="issued",
        ),
        Column(
            name="id_conta",
            kind=Kind.ID,
            mysql=_ID,
            english="account that is charged",
            points_to="conta",
            may_be_null=True,
            sample="account",
        ),
        Column(
            name="id_associado",
            kind=Kind.ID,
            mysql=_ID,
            english="holder; the holder of an additional card is not the account's owner",
            points_to="associado",
            may_be_null=True,
            sample="holder",
        ),
    ),
)
MOVIMENTO = Table(
    "movimento",
    b"M",
    "what was paid with a card, or paid back",
    ("movimentacao", "transacao", "transaction", "lancamento", "movement", "payment", "pagamento"),
    (
        Column(
            name="id",
            kind=Kind.ID,
            mysql=_ID,
            english="id of the movement",
            portuguese="id do movimento",
            example="1234567",
            flat="id_movimento",
            heading="Id do movimento",
            sample="id",
        ),
        Column(
            name="vlr_transacao",
            kind=Kind.MONEY,
            mysql="DECIMAL(10, 2)",
            english="amount in reais, a point and two digits; a refund is negative",
            portuguese="valor em reais, com ponto e dois dígitos; um estorno é negativo",
            example="-1234.50",
            flat="vlr_transacao_movimento",
            heading="Valor (R$)",
            known_as=("valor", "valor_transacao", "amount", "value", "total"),
            sample="amount",
        ),
        Column(
            name="des_transacao",
            kind=Kind.TEXT,
            mysql="VARCHAR(255)",
            english="description as the shop sent it",
            portuguese="descrição como o estabelecimento a enviou",
            example='Padaria "Pão, Pão", 24h',
            flat="des_transacao_movimento",
            heading="Descrição",
            may_be_null=True,
            known_as=(
                "descricao",
                "descricao_transacao",
                "description",
                "memo",
                "historico",
                "estabelecimento",
            ),
            sample="description",
        ),
        Column(
            name="data_movimento",
            kind=Kind.MOMENT,
            mysql="DATETIME",
            english="when it happened, `YYYY-MM-DD HH:MM:SS`",
            portuguese="quando ocorreu, `AAAA-MM-DD HH:MM:SS`",
            example="2024-02-29 23:59:59",
            flat="data_movimento",
            heading="Data do movimento",
            known_as=(
                "data",
                "data_transacao",
                "data_hora",
                "date",
                "at",
                "occurred_at",
                "created_at",
                "timestamp",
            ),
            sample="moment",
        ),
        Column(
            name="id_cartao",
            kind=Kind.ID,
            mysql=_ID,
            english="card that was used",
            points_to="cartao",
            may_be_null=True,
            sample="card",
        ),
    ),
)

SMALL_TABLES = (ASSOCIADO, CONTA, CARTAO)
TABLES = (*SMALL_TABLES, MOVIMENTO)


@dataclass(frozen=True)
class FlatColumn:
    """A column of the flat table: the source column that it comes from, and that one's table."""

    table: Table
    source: Column

    @property
    def name(self) -> str:
        """Return its name in the flat table."""
        return self.source.flat

    @property
    def heading(self) -> str:
        """Return its name for people, in Portuguese."""
        return self.source.heading or self.name

    @property
    def kind(self) -> Kind:
        """Return the kind of the source column."""
        return self.source.kind


def _flat_columns(*tables: Table) -> tuple[FlatColumn, ...]:
    return tuple(FlatColumn(table, column) for table in tables for column in table.declared if column.flat)


#: The flat table has a movement's columns between those of its holder, and of its card and account.
FLAT_TABLE = tuple(
    flat for flat in _flat_columns(ASSOCIADO, MOVIMENTO, CARTAO, CONTA) if flat.kind is not Kind.ID
)
#: After those, where a delivery has ids.
FLAT_IDS = tuple(flat for flat in _flat_columns(MOVIMENTO, CARTAO, CONTA, ASSOCIADO) if flat.kind is Kind.ID)
FLAT_WITH_IDS = (*FLAT_TABLE, *FLAT_IDS)
FLAT_BY_NAME = {flat.name: flat for flat in FLAT_WITH_IDS}
FLAT_COLUMNS = tuple(flat.name for flat in FLAT_TABLE)
ID_COLUMNS = tuple(flat.name for flat in FLAT_IDS)

#: Columns by which the program itself does something.
AMOUNT = "vlr_transacao_movimento"
CARD = "numero_cartao"
MOMENT = "data_movimento"
ACCOUNT_KIND = "tipo_conta"
AGE = "idade_associado"
DESCRIPTION = "des_transacao_movimento"
PRINTED_NAME = "nome_impresso_cartao"
CARD_CREATED = "data_criacao_cartao"
ACCOUNT_CREATED = "data_criacao_conta"
#: The columns that show a person. Where there are tokens, one stands in the given name's, and the others are empty.
PEOPLE = tuple(flat.name for flat in FLAT_TABLE if flat.source.shows in (Shows.GIVEN_NAME, Shows.PERSON))
