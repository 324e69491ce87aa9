"""--tables: schemas that call the four tables otherwise, read by an account that may only SELECT, equal plain SQL."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from extract.tables_file import TablesFile
from movimento_flat.errors import UserError
from movimento_flat.schema import (
    ASSOCIADO,
    CARTAO,
    CONTA,
    FLAT_COLUMNS,
    FLAT_TABLE,
    MOVIMENTO,
    TABLES,
    Table,
)
from movimento_flat.sql_files import expected_rows
from tests.brute_force import as_csv
from tests.conftest import PASSWORD, ROOT, Database, Server, filled_database, new_database
from tests.mysql9 import MySQL9
from tests.test_run import CSV, RUN, assert_user_error, command, run

SELECT_ONLY = "select_only"


@dataclass(frozen=True)
class Schema:
    """A schema of somebody else.

    Attributes:
        statements: that make and fill it from a database `{of}` with our tables.
        tables: the tables file.
        rows: what the CSV must have, in this schema's own words; the joins of `{of}` with missing parents have no row.
        privileges: of the account; what a view reads is looked at, too.
    """

    statements: tuple[str, ...]
    tables: str
    rows: str
    privileges: str = "SELECT"


def renamed(**names: tuple[str, str]) -> Schema:
    """A schema with the same columns by other names: by table, its name, and those of its columns in our order."""
    theirs = {table.name: (names[table.name][0], names[table.name][1].split()) for table in TABLES}
    columns = {
        table.name: dict(zip(table.column_names, theirs[table.name][1], strict=True)) for table in TABLES
    }
    statements, tables = [], ""
    for table in TABLES:
        name, of = theirs[table.name][0], columns[table.name]
        selected = ", ".join(f"{ours} AS `{their}`" for ours, their in of.items())
        statements.append(
            f"CREATE TABLE {name} (PRIMARY KEY (`{of['id']}`)) AS SELECT {selected} FROM {{of}}.{table.name}"
        )
        tables += f'[{table.name}]\ntable = "{name}"\n'
        tables += "".join(f'columns.{ours} = "{their}"\n' for ours, their in of.items())

    def their(table: Table, column: str) -> str:
        return f"{theirs[table.name][0]}.`{columns[table.name][column]}`"

    flat = ", ".join(their(column.table, column.source.name) for column in FLAT_TABLE)
    joins = [
        f"JOIN {theirs[parent.name][0]} ON {their(parent, 'id')} = {their(child, column)}"
        for child, column, parent in (
            (MOVIMENTO, "id_cartao", CARTAO),
            (CARTAO, "id_conta", CONTA),
            (CARTAO, "id_associado", ASSOCIADO),
        )
    ]
    return Schema(tuple(statements), tables, f"SELECT {flat} FROM {theirs['movimento'][0]} {' '.join(joins)}")


SCHEMAS = {
    "columns named as in the flat table": renamed(
        associado=("associado", "id_associado nome_associado sobrenome_associado idade_associado"),
        conta=("conta", "id_conta tipo_conta data_criacao_conta id_associado"),
        cartao=(
            "cartao",
            "id_cartao numero_cartao nome_impresso_cartao data_criacao_cartao id_conta id_associado",
        ),
        movimento=(
            "movimento",
            "id_movimento vlr_transacao_movimento des_transacao_movimento data_movimento id_cartao",
        ),
    ),
    "plural English": renamed(
        associado=("customers", "customer_id first_name last_name age"),
        conta=("accounts", "account_id account_type opened_at customer_id"),
        cartao=("cards", "card_id card_number embossed_name issued_at account_id customer_id"),
        movimento=("transactions", "transaction_id amount description occurred_at card_id"),
    ),
    "names with a prefix": renamed(
        associado=("tb_associado", "cod_associado nome sobrenome idade"),
        conta=("tb_conta", "cod_conta tipo_conta data_abertura cod_associado"),
        cartao=("tb_cartao", "cod_cartao num_cartao nome_impresso data_emissao cod_conta cod_associado"),
        movimento=("tb_movimentacao", "cod_movimentacao valor_transacao descricao data_transacao cod_cartao"),
    ),
    "clients and payments": renamed(
        associado=("clientes", "id primeiro_nome ultimo_nome idade"),
        conta=("contas", "id tipo criado_em cliente_id"),
        cartao=("cartoes", "id numero nome_cartao criado_em conta_id cliente_id"),
        movimento=("lancamentos", "id valor historico data_hora cartao_id"),
    ),
    "plural names, keys with the table's name, no age": Schema(
        (
            "CREATE TABLE associados (associado_id BIGINT UNSIGNED PRIMARY KEY, prenome VARCHAR(100),"
            " sobrenome VARCHAR(100))",
            "INSERT INTO associados SELECT id, nome, sobrenome FROM {of}.associado",
            "CREATE TABLE contas (conta_id BIGINT UNSIGNED PRIMARY KEY, tipo_conta VARCHAR(20),"
            " data_criacao DATETIME, associado_id BIGINT UNSIGNED)",
            "INSERT INTO contas SELECT id, tipo, data_criacao, id_associado FROM {of}.conta",
            "CREATE TABLE cartoes (cartao_id BIGINT UNSIGNED PRIMARY KEY, num_cartao BIGINT UNSIGNED,"
            " nom_impresso VARCHAR(100), data_criacao DATETIME, conta_id BIGINT UNSIGNED,"
            " associado_id BIGINT UNSIGNED)",
            "INSERT INTO cartoes SELECT id, num_cartao, nom_impresso, data_criacao, id_conta, id_associado"
            " FROM {of}.cartao",
            "CREATE TABLE movimentos (movimento_id BIGINT UNSIGNED PRIMARY KEY, valor DECIMAL(12,2),"
            " des_transacao VARCHAR(255), data_movimento DATETIME(6), cartao_id BIGINT UNSIGNED)",
            "INSERT INTO movimentos SELECT id, vlr_transacao, des_transacao, data_movimento, id_cartao"
            " FROM {of}.movimento",
        ),
        """
[associado]
table = "associados"
columns = { id = "associado_id", nome = "prenome", idade = false }
[conta]
table = "contas"
columns = { id = "conta_id", tipo = "tipo_conta", id_associado = "associado_id" }
[cartao]
table = "cartoes"
columns.id = "cartao_id"
columns.id_conta = "conta_id"
columns.id_associado = "associado_id"
[movimento]
table = "movimentos"
columns = { id = "movimento_id", vlr_transacao = "valor", id_cartao = "cartao_id" }
""",
        "SELECT prenome, sobrenome, NULL, valor, des_transacao, data_movimento, num_cartao, nom_impresso,"
        " cartoes.data_criacao, tipo_conta, contas.data_criacao FROM movimentos JOIN cartoes USING (cartao_id)"
        " JOIN contas USING (conta_id) JOIN associados ON associados.associado_id = cartoes.associado_id",
    ),
    "English, with a lookup table, cents and soft deletes": Schema(
        (
            "CREATE TABLE members (id BIGINT UNSIGNED PRIMARY KEY, first_name VARCHAR(100), last_name VARCHAR(100),"
            " age SMALLINT)",
            "INSERT INTO members SELECT id, nome, sobrenome, idade FROM {of}.associado",
            "CREATE TABLE account_kinds (id INT PRIMARY KEY AUTO_INCREMENT, label VARCHAR(20) UNIQUE)",
            "INSERT INTO account_kinds (label) SELECT DISTINCT tipo FROM {of}.conta WHERE tipo IS NOT NULL",
            "CREATE TABLE accounts (id BIGINT UNSIGNED PRIMARY KEY, kind_id INT, opened DATE,"
            " member_id BIGINT UNSIGNED)",
            "INSERT INTO accounts SELECT c.id, k.id, c.data_criacao, c.id_associado FROM {of}.conta c"
            " LEFT JOIN account_kinds k ON k.label = c.tipo",
            "CREATE TABLE cards (id BIGINT UNSIGNED PRIMARY KEY, number CHAR(32), holder_name VARCHAR(100),"
            " issued DATETIME, account_id BIGINT UNSIGNED, member_id BIGINT UNSIGNED)",
            "INSERT INTO cards SELECT id, num_cartao, nom_impresso, data_criacao, id_conta, id_associado"
            " FROM {of}.cartao",
            "CREATE TABLE transactions (txn_no BIGINT UNSIGNED PRIMARY KEY, cents BIGINT, memo VARCHAR(255),"
            " at DATETIME, card_id BIGINT UNSIGNED, deleted_at DATETIME NULL)",
            "INSERT INTO transactions SELECT id, vlr_transacao * 100, des_transacao, data_movimento, id_cartao,"
            " IF(id % 7 = 0, NOW(), NULL) FROM {of}.movimento",
        ),
        """
[associado]
table = "members"
columns = { nome = "first_name", sobrenome = "last_name", idade = "age" }

[conta]
query = '''
    SELECT a.id, k.label AS tipo, a.opened AS data_criacao, a.member_id AS id_associado
    FROM accounts a LEFT JOIN account_kinds k ON k.id = a.kind_id
'''

[cartao]
table = "cards"
columns = { num_cartao = "number", nom_impresso = "holder_name", data_criacao = "issued", id_conta = "account_id",\
 id_associado = "member_id" }

[movimento]
query = '''
    SELECT txn_no AS id, CAST(cents / 100 AS DECIMAL(15,2)) AS vlr_transacao, memo AS des_transacao,
           at AS data_movimento, card_id AS id_cartao
    FROM transactions WHERE deleted_at IS NULL AND IFNULL(memo, '') NOT LIKE '%no such memo%';
'''
""",
        "SELECT first_name, last_name, age, cents / 100, memo, at, number, holder_name, issued, label,"
        " CONCAT(opened, ' 00:00:00') FROM transactions t JOIN cards c ON c.id = t.card_id"
        " JOIN accounts a ON a.id = c.account_id LEFT JOIN account_kinds k ON k.id = a.kind_id"
        " JOIN members m ON m.id = c.member_id WHERE deleted_at IS NULL",
    ),
    "the person only on the account, a composite key, numbers as DECIMAL": Schema(
        (
            "CREATE TABLE associado LIKE {of}.associado",
            "INSERT INTO associado SELECT * FROM {of}.associado",
            "CREATE TABLE conta LIKE {of}.conta",
            "INSERT INTO conta SELECT * FROM {of}.conta",
            "CREATE TABLE cartao (id DECIMAL(20,0) PRIMARY KEY, num_cartao DECIMAL(32,0), nom_impresso TEXT,"
            " data_criacao DATETIME, id_conta DECIMAL(20,0))",
            "INSERT INTO cartao SELECT id, num_cartao, nom_impresso, data_criacao, id_conta FROM {of}.cartao",
            "CREATE TABLE movimento (id_cartao BIGINT, seq INT, vlr_transacao DECIMAL(12,1), des_transacao TEXT,"
            " data_movimento DATETIME, PRIMARY KEY (id_cartao, seq))",
            "INSERT INTO movimento SELECT id_cartao, id, TRUNCATE(vlr_transacao, 1), des_transacao, data_movimento"
            " FROM {of}.movimento WHERE id_cartao IS NOT NULL AND id < 5000",
        ),
        """
[conta]
query = "SELECT c.* FROM conta c WHERE c.id IN (SELECT id_conta FROM cartao)"
[cartao]
query = "SELECT k.*, c.id_associado FROM cartao k LEFT JOIN conta c ON c.id = k.id_conta"
[movimento]
query = "SELECT ROW_NUMBER() OVER (ORDER BY id_cartao, seq) AS id, m.* FROM movimento m"
""",
        "SELECT nome, sobrenome, idade, vlr_transacao, des_transacao, data_movimento, num_cartao, nom_impresso,"
        " k.data_criacao, tipo, c.data_criacao FROM movimento m JOIN cartao k ON k.id = m.id_cartao"
        " JOIN conta c ON c.id = k.id_conta JOIN associado a ON a.id = c.id_associado",
    ),
    "views over views": Schema(
        (
            "CREATE TABLE people LIKE {of}.associado",
            "INSERT INTO people SELECT * FROM {of}.associado",
            "CREATE TABLE accounts LIKE {of}.conta",
            "INSERT INTO accounts SELECT * FROM {of}.conta",
            "CREATE TABLE cards LIKE {of}.cartao",
            "INSERT INTO cards SELECT * FROM {of}.cartao",
            "CREATE TABLE payments LIKE {of}.movimento",
            "INSERT INTO payments SELECT * FROM {of}.movimento",
            "CREATE VIEW associado AS SELECT id AS person, nome, sobrenome, idade FROM people",
            "CREATE VIEW conta AS SELECT * FROM accounts WHERE tipo IS NOT NULL",
            "CREATE VIEW all_cards AS SELECT id AS card, num_cartao AS number, nom_impresso, data_criacao, id_conta,"
            " id_associado AS person FROM cards",
            "CREATE VIEW cartao AS SELECT * FROM all_cards WHERE number IS NOT NULL",
            "CREATE VIEW all_payments AS SELECT *, vlr_transacao + 0 AS reais FROM payments",
            "CREATE VIEW movimento AS SELECT * FROM all_payments WHERE id % 2 = 0",
        ),
        """
[associado]
columns.id = "person"
[cartao]
columns = { id = "card", num_cartao = "number", id_associado = "person" }
[movimento]
columns.vlr_transacao = "reais"
""",
        "SELECT nome, sobrenome, idade, vlr_transacao, des_transacao, data_movimento, num_cartao, nom_impresso,"
        " k.data_criacao, tipo, c.data_criacao FROM payments m JOIN cards k ON k.id = m.id_cartao"
        " JOIN accounts c ON c.id = k.id_conta JOIN people a ON a.id = k.id_associado WHERE m.id % 2 = 0",
        "SELECT, SHOW VIEW",
    ),
    "keys that are texts": Schema(
        (
            "CREATE TABLE pessoas (codigo CHAR(12) PRIMARY KEY, nome TEXT, sobrenome TEXT, idade SMALLINT)",
            "INSERT INTO pessoas SELECT CONCAT('P', id), nome, sobrenome, idade FROM {of}.associado",
            "CREATE TABLE contas (codigo CHAR(12) PRIMARY KEY, tipo TEXT, data_criacao DATETIME, pessoa CHAR(12))",
            "INSERT INTO contas SELECT CONCAT('C', id), tipo, data_criacao, CONCAT('P', id_associado) FROM {of}.conta",
            "CREATE TABLE cartoes (codigo CHAR(12) PRIMARY KEY, numero TEXT, impresso TEXT, data_criacao DATETIME,"
            " conta CHAR(12), pessoa CHAR(12))",
            "INSERT INTO cartoes SELECT CONCAT('K', id), num_cartao, nom_impresso, data_criacao,"
            " CONCAT('C', id_conta), CONCAT('P', id_associado) FROM {of}.cartao",
            "CREATE TABLE movimentos (codigo CHAR(12) PRIMARY KEY, valor DECIMAL(12,2), texto TEXT, quando DATETIME,"
            " cartao CHAR(12))",
            "INSERT INTO movimentos SELECT CONCAT('M', id), vlr_transacao, des_transacao, data_movimento,"
            " CONCAT('K', id_cartao) FROM {of}.movimento WHERE id < 3000",
        ),
        """
[associado]
query = "SELECT ROW_NUMBER() OVER (ORDER BY codigo) AS id, nome, sobrenome, idade FROM pessoas"
[conta]
query = '''
    WITH p AS (SELECT codigo, ROW_NUMBER() OVER (ORDER BY codigo) AS id FROM pessoas)
    SELECT ROW_NUMBER() OVER (ORDER BY contas.codigo) AS id, tipo, data_criacao, p.id AS id_associado
    FROM contas LEFT JOIN p ON p.codigo = pessoa
'''
[cartao]
query = '''
    WITH p AS (SELECT codigo, ROW_NUMBER() OVER (ORDER BY codigo) AS id FROM pessoas),
         c AS (SELECT codigo, ROW_NUMBER() OVER (ORDER BY codigo) AS id FROM contas)
    SELECT ROW_NUMBER() OVER (ORDER BY cartoes.codigo) AS id, numero AS num_cartao, impresso AS nom_impresso,
           data_criacao, c.id AS id_conta, p.id AS id_associado
    FROM cartoes LEFT JOIN p ON p.codigo = pessoa LEFT JOIN c ON c.codigo = conta
'''
[movimento]
query = '''
    WITH k AS (SELECT codigo, ROW_NUMBER() OVER (ORDER BY codigo) AS id FROM cartoes)
    SELECT ROW_NUMBER() OVER (ORDER BY movimentos.codigo) AS id, valor AS vlr_transacao, texto AS des_transacao,
           quando AS data_movimento, k.id AS id_cartao
    FROM movimentos LEFT JOIN k ON k.codigo = cartao
'''
""",
        "SELECT nome, sobrenome, idade, valor, texto, quando, numero, impresso, k.data_criacao, tipo, c.data_criacao"
        " FROM movimentos m JOIN cartoes k ON k.codigo = m.cartao JOIN contas c ON c.codigo = k.conta"
        " JOIN pessoas a ON a.codigo = k.pessoa",
    ),
}


@pytest.fixture
def theirs(request: pytest.FixtureRequest, server: Server, filled: Database) -> tuple[Database, Schema]:
    """A database with somebody else's schema, and an account that may only SELECT."""
    schema = SCHEMAS[request.param]
    database = new_database(server)
    database.execute(*(statement.replace("{of}", filled.name) for statement in schema.statements))
    account = f"{SELECT_ONLY}@'{'%' if isinstance(server, MySQL9) else 'localhost'}'"
    database.execute(
        f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{PASSWORD}'",
        f"GRANT {schema.privileges} ON {database.name}.* TO {account}",
    )
    return database, schema


def fields(rows: list[tuple[object, ...]]) -> list[tuple[str, ...]]:
    """Rows as the CSV has them: amounts with two decimals, moments without fractions, NULL as an empty field."""
    amount, moments = (
        FLAT_COLUMNS.index("vlr_transacao_movimento"),
        [place for place, name in enumerate(FLAT_COLUMNS) if name.startswith("data_")],
    )
    return sorted(
        tuple(
            ""
            if value is None
            else f"{value:.2f}"
            if place == amount
            else str(value)[:19]
            if place in moments
            else str(value)
            for place, value in enumerate(row)
        )
        for row in rows
    )


@pytest.mark.parametrize("theirs", SCHEMAS, indirect=True)
def test_the_csv_is_what_plain_sql_on_their_own_tables_gives(
    theirs: tuple[Database, Schema], tmp_path: Path
) -> None:
    database, schema = theirs
    file = tmp_path / "tables.toml"
    file.write_text(schema.tables)
    source = ("--source", database.url(SELECT_ONLY), "--tables", file)
    result = command("run", "--output", tmp_path / "out", *source, environment={"MYSQL_PWD": PASSWORD})
    assert result.returncode == 0, result.stderr
    with (tmp_path / "out" / CSV).open(newline="", encoding="utf-8") as opened:
        header, *rows = csv.reader(opened)
    assert tuple(header) == FLAT_COLUMNS
    expected = fields(database.query(schema.rows))
    assert sorted(map(tuple, rows)) == expected
    assert len(expected) > 1000
    manifest = json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())
    assert manifest["source"]["tables"] == schema.tables
    # The delivery knows by which tables file it was made.
    verified = command(
        "verify", tmp_path / "out", "--source", database.url(SELECT_ONLY), environment={"MYSQL_PWD": PASSWORD}
    )
    assert verified.returncode == 0, verified.stderr
    checked = command("doctor", "--output", tmp_path / "out", *source, environment={"MYSQL_PWD": PASSWORD})
    assert "all InnoDB, and their columns fit" in checked.stdout + checked.stderr


@pytest.mark.parametrize("theirs", ["plural names, keys with the table's name, no age"], indirect=True)
def test_a_window_of_mapped_tables_and_a_changed_database(
    theirs: tuple[Database, Schema], tmp_path: Path
) -> None:
    database, schema = theirs
    file = tmp_path / "tables.toml"
    file.write_text(schema.tables)
    (middle,) = database.query("SELECT DATE(AVG(data_movimento)) FROM movimentos")[0]
    day = database.query(
        "SELECT CAST(DATE(MIN(data_movimento)) AS CHAR) FROM movimentos WHERE data_movimento > 0"
    )[0][0]
    assert middle is None or day
    source = ("--source", database.url(SELECT_ONLY), "--tables", file)
    result = command(
        "run",
        "--output",
        tmp_path / "out",
        *source,
        "--since",
        "2024-03-01",
        environment={"MYSQL_PWD": PASSWORD},
    )
    assert result.returncode == 0, result.stderr
    since = f"{schema.rows} WHERE data_movimento >= '2024-03-01'"
    with (tmp_path / "out" / CSV).open(newline="", encoding="utf-8") as opened:
        assert sorted(map(tuple, list(csv.reader(opened))[1:])) == fields(database.query(since))
    database.execute(
        "UPDATE movimentos SET valor = valor + 0.01 WHERE data_movimento >= '2024-03-01' AND cartao_id IN"
        " (SELECT cartao_id FROM cartoes JOIN contas USING (conta_id)) LIMIT 500"
    )
    verified = command(
        "verify", tmp_path / "out", "--source", database.url(SELECT_ONLY), environment={"MYSQL_PWD": PASSWORD}
    )
    assert_user_error(verified, "by the database")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[associado]\ntable = ", "no TOML"),
        ("\n[members]\ntable = 'x'", "line 2: 'members' is none of the tables associado, conta, cartao"),
        ("associado = 'x'", "line 1: associado is no section"),
        (
            "[conta]\ntable = 'x'\n[cartao]\ntabel = 'y'",
            "line 4: 'tabel' is none of the keys table, query, columns",
        ),
        ("[conta]\ntable = 'x'\nquery = 'SELECT 1'", "line 2: table stands beside a query"),
        ("[conta]\ntable = 7", "line 2: table has no text"),
        ("[conta]\ncolumns = { id = 'a', kind = 'b' }", "line 2: 'kind' is none of the columns id, tipo"),
        ("[conta]\ncolumns.id = false", "line 2: conta has no id"),
        ("[conta]\n\ncolumns.tipo = true", "line 3: tipo is neither the name of a column nor false"),
    ],
)
def test_what_is_wrong_in_a_tables_file_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        TablesFile.parse(text, "tables.toml")
    assert said in error.value.what


@pytest.mark.parametrize("page", ["your_own_database.md", "seu_banco_de_dados.md"])
def test_the_examples_of_the_pages_are_tables_files(page: str) -> None:
    examples = re.findall(r"^```toml\n(.*?)^```", (ROOT / "docs" / page).read_text("utf-8"), re.M | re.S)
    names = [set(TablesFile.parse(example).sources) for example in examples]
    assert names == [{"associado", "conta", "cartao", "movimento"}, {"conta", "cartao", "movimento"}]


def test_a_table_and_a_column_that_are_not_there_are_named(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    file = tmp_path / "tables.toml"
    for text, said in (
        ("[conta]\ntable = 'accounts'", "Table accounts lacks id, tipo, data_criacao, id_associado"),
        ("[conta]\ncolumns.tipo = 'kind'", "Table conta lacks kind"),
        (
            "[conta]\nquery = 'SELECT id, tipo FROM conta'",
            "The query of conta lacks data_criacao, id_associado",
        ),
        ("[conta]\nquery = 'SELEC 1'", "SQL syntax"),
        ("[conta]\ncolumns.id = 'tipo'", "Column conta.id is"),
    ):
        file.write_text(text)
        result = command(
            "run",
            "--output",
            tmp_path / "out",
            "--source",
            filled.url(),
            "--tables",
            file,
            environment={"MYSQL_PWD": PASSWORD},
        )
        assert_user_error(result, said)


#: What a person changes in the proposal for each of these schemas.
EDITS: dict[str, tuple[tuple[str, str], ...]] = {
    "columns named as in the flat table": (),
    "plural English": (),
    "names with a prefix": (),
    "clients and payments": (),
    "plural names, keys with the table's name, no age": (),
}


@pytest.mark.parametrize("theirs", EDITS, indirect=True)
def test_the_proposed_tables_file_works_as_it_is_or_with_one_edit(
    theirs: tuple[Database, Schema], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    database, schema = theirs
    password = {"MYSQL_PWD": PASSWORD}
    proposed = command("tables", "--source", database.url(SELECT_ONLY), environment=password)
    assert proposed.returncode == 0, proposed.stderr
    print(proposed.stdout)
    file = tmp_path / "tables.toml"
    text = proposed.stdout
    for before, after in EDITS[request.node.callspec.params["theirs"]]:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)
    source = ("--source", database.url(SELECT_ONLY), "--tables", file)
    result = command("run", "--output", tmp_path / "out", *source, environment=password)
    assert result.returncode == 0, result.stderr
    with (tmp_path / "out" / CSV).open(newline="", encoding="utf-8") as opened:
        assert sorted(map(tuple, list(csv.reader(opened))[1:])) == fields(database.query(schema.rows))


def test_cards_without_a_moment_as_in_the_companys_diagram_need_no_file(
    server: Server, tmp_path: Path
) -> None:
    """Their field is empty, and everything says so; a delivery that had it is not replaced unless that is told."""
    database = filled_database(server, movements=2000)
    assert run(database, tmp_path / "out").returncode == 0
    database.execute("ALTER TABLE cartao DROP COLUMN data_criacao")
    refused = run(database, tmp_path / "out")
    assert_user_error(refused, "cartao.data_criacao is not in the database, and was at the previous delivery")
    result = run(database, tmp_path / "out", "--allow-shrink")
    assert result.returncode == 0, result.stderr
    assert "Not in the database, so always empty: cartao.data_criacao." in result.stderr
    assert "cartao.data_criacao: always empty" in result.stdout + result.stderr
    expected = expected_rows(relations={"cartao": "(SELECT *, NULL AS data_criacao FROM cartao) AS cartao"})
    assert (tmp_path / "out" / CSV).read_bytes() == as_csv(FLAT_COLUMNS, database.query(expected))
    assert json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())["source"]["absent"] == [
        "cartao.data_criacao"
    ]
    assert "Colunas que o banco não tem" in (tmp_path / "out" / "relatorio.html").read_text("utf-8")
    verified = command("verify", tmp_path / "out", "--source", database.url())
    assert verified.returncode == 0, verified.stderr


def test_a_column_that_the_account_may_not_read_is_not_taken_for_absent(
    database: Database, tmp_path: Path
) -> None:
    database.create_tables()
    account = "half_reader@localhost"
    database.execute(
        f"CREATE USER {account} IDENTIFIED BY '{PASSWORD}'",
        *(
            f"GRANT SELECT ON {database.name}.{table} TO {account}"
            for table in ("associado", "conta", "movimento")
        ),
        "GRANT SELECT (id, num_cartao, nom_impresso, id_conta, id_associado) ON"
        f" {database.name}.cartao TO {account}",
    )
    result = command("run", "--output", tmp_path / "out", "--source", database.url("half_reader"))
    assert_user_error(result, "The account may not read all columns of cartao")


@pytest.mark.parametrize("zone", ["SYSTEM", "-05:00"])
def test_the_companys_diagram_to_the_letter_needs_no_file(zone: str, server: Server, tmp_path: Path) -> None:
    """Its moments are TIMESTAMP: those that a SQL client shows, in whatever zone the server is."""
    database = filled_database(server, movements=2000)
    database.execute(
        "ALTER TABLE cartao DROP CONSTRAINT cartao_num_cartao",
        "ALTER TABLE cartao DROP COLUMN data_criacao, MODIFY num_cartao BIGINT",
        "UPDATE movimento SET data_movimento = '2037-12-31' WHERE data_movimento > '2037-12-31'",
        "ALTER TABLE conta MODIFY data_criacao TIMESTAMP NULL",
        "ALTER TABLE movimento MODIFY data_movimento TIMESTAMP NULL",
        f"SET GLOBAL time_zone = '{zone}'",
    )
    try:
        result = run(database, tmp_path / "out")
        assert result.returncode == 0, result.stderr
        expected = expected_rows(
            relations={"cartao": "(SELECT *, NULL AS data_criacao FROM cartao) AS cartao"}
        )
        assert (tmp_path / "out" / CSV).read_bytes() == as_csv(FLAT_COLUMNS, database.query(expected))
        ((system,),) = database.query("SELECT IF(@@time_zone = 'SYSTEM', @@system_time_zone, '')")
        source = json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())["source"]
        assert (source["time_zone"], source["system_time_zone"]) == (zone, system)
        assert f"{system or zone} for TIMESTAMP columns" in result.stdout + result.stderr
        assert f"fuso {system or zone}" in (tmp_path / "out" / "relatorio.html").read_text("utf-8")
        verified = command("verify", tmp_path / "out", "--source", database.url())
        assert verified.returncode == 0, verified.stderr
        checked = command("doctor", "--source", database.url())
        said = "conta.data_criacao, movimento.data_movimento: TIMESTAMP, written in " + (system or zone)
        assert said in " ".join((checked.stdout + checked.stderr).split())
    finally:
        database.execute("SET GLOBAL time_zone = 'SYSTEM'")


def test_a_type_without_room_for_a_card_number_is_one_warning(server: Server, tmp_path: Path) -> None:
    database = filled_database(server, movements=2000)
    database.execute(
        "ALTER TABLE cartao DROP CONSTRAINT cartao_num_cartao",
        "UPDATE cartao SET num_cartao = 1000 + id",
        "ALTER TABLE cartao MODIFY num_cartao INT",
    )
    result = run(database, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())
    (too_small,) = manifest["source"]["too_small"]
    assert too_small.startswith("cartao.num_cartao is int")
    assert too_small in result.stdout + result.stderr
    assert "luhn" not in manifest["warnings"]["by_reason"]
    assert "Colunas pequenas demais" in (tmp_path / "out" / "relatorio.html").read_text("utf-8")
    assert (tmp_path / "out" / CSV).read_bytes() == as_csv(FLAT_COLUMNS, database.expected())
