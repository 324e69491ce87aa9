"""A new column is declared in the model and in the query to compare with: `make docs` and the program do the rest.

In a copy of the repository each table gets one, by hand in two files. What needs no join comes first: what a join would
write is taken from the query there.
"""

import csv
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow.parquet as pq
import pytest
from frictionless import validate
from jsonschema import Draft202012Validator
from openpyxl import load_workbook

from docs.generate import documents
from movimento_flat.schema import ID_COLUMNS
from movimento_flat.sql_files import reader_statements
from movimento_flat.tagged_tsv import escape
from tests.brute_force import as_csv, masked_text
from tests.conftest import PASSWORD, ROOT, Database, Server, new_database
from tests.test_run import COMMAND, CSV, Result

MODEL, QUERY = "movimento_flat/schema.py", "sql/expected.sql"
MOVEMENTS = 3000
MCC, CLOSED, NICKNAME, CITY = "mcc_movimento", "encerrada_em_conta", "apelido_cartao", "cidade_associado"
#: The column of the flat table before which each new one stands.
BEFORE = {
    CITY: "vlr_transacao_movimento",
    MCC: "des_transacao_movimento",
    NICKNAME: "data_criacao_cartao",
    CLOSED: "",
}
#: What is written by hand: a file, what stands after the new lines, and these.
EDITS = [
    (
        MODEL,
        '        Column(\n            name="email",',
        """\
        Column(
            name="cidade",
            kind=Kind.TEXT,
            mysql="VARCHAR(60)",
            english="city where the holder lives",
            portuguese="cidade onde mora o portador",
            example="São João d'Aliança",
            flat="cidade_associado",
        ),
""",
    ),
    (
        MODEL,
        '        Column(\n            name="id_associado",\n            kind=Kind.ID,\n            mysql=_ID,\n'
        '            english="owner of the account",',
        """\
        Column(
            name="encerrada_em",
            kind=Kind.MOMENT,
            mysql="DATETIME",
            english="when the account was closed",
            portuguese="quando a conta foi encerrada",
            example="2024-05-31 17:00:00",
            flat="encerrada_em_conta",
            may_be_null=True,
        ),
""",
    ),
    (
        MODEL,
        '        Column(\n            name="data_criacao",\n            kind=Kind.MOMENT,\n'
        '            mysql="DATETIME",\n            english="when the card was issued",',
        """\
        Column(
            name="apelido",
            kind=Kind.TEXT,
            mysql="VARCHAR(100)",
            english="what the holder calls the card",
            portuguese="como o portador chama o cartão",
            example="Cartão da Nina",
            flat="apelido_cartao",
            shows=Shows.PERSON,
            may_be_null=True,
        ),
""",
    ),
    (
        MODEL,
        '        Column(\n            name="des_transacao",',
        """\
        Column(
            name="mcc",
            kind=Kind.TEXT,
            mysql="CHAR(4)",
            english="merchant category code, ISO 18245",
            portuguese="código da categoria do estabelecimento, ISO 18245",
            example="5411",
            flat="mcc_movimento",
        ),
""",
    ),
    (
        QUERY,
        "    CAST(movimento.vlr_transacao AS CHAR)",
        "    associado.cidade AS cidade_associado,\n",
    ),
    (QUERY, "    movimento.des_transacao AS", "    movimento.mcc AS mcc_movimento,\n"),
    (QUERY, "    CAST(cartao.data_criacao AS CHAR)", "    cartao.apelido AS apelido_cartao,\n"),
    (
        QUERY,
        "\n    /* --with-ids",
        ",\n    CAST(conta.encerrada_em AS CHAR) AS encerrada_em_conta",
    ),
]


#: Ids of the movements that have a row.
OF_FLAT_ROWS = (
    "SELECT movimento.id AS id_movimento FROM movimento JOIN cartao ON cartao.id = id_cartao"
    " JOIN conta ON conta.id = id_conta JOIN associado ON associado.id = cartao.id_associado"
)


@dataclass(frozen=True)
class Copy:
    """A copy of the repository with one more column for each table, and a database of its own.

    Attributes:
        by_hand: the files that were edited; all other changes are by `make docs`.
    """

    folder: Path
    database: Database
    by_hand: tuple[str, ...]

    def python(self, *arguments: str | Path) -> Result:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "MYSQL_PWD": PASSWORD, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def command(self, *arguments: str | Path) -> None:
        """Run the copy's command; it succeeds."""
        result = self.python(*COMMAND[1:], *arguments)
        assert result.returncode == 0, result.stderr

    def run(self, output: Path, *options: str) -> list[dict[str, str]]:
        """Return the rows of what a run publishes."""
        self.command("run", "--output", output, "--source", self.database.url(), *options)
        with (output / CSV).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def text(self, path: str) -> str:
        return (self.folder / path).read_text("utf-8")

    @property
    def columns(self) -> list[str]:
        return re.findall(r"^    [^, ].* AS (\w+),?$", self.text(QUERY), re.MULTILINE)

    def expected(self) -> list[tuple[Any, ...]]:
        return self.database.query(self.text(QUERY).rstrip().rstrip(";"))


def git(folder: Path, *arguments: str) -> list[str]:
    """Return the lines that git prints."""
    command = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="module")
def made(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The copy, edited, and with what `make docs` writes."""
    folder = tmp_path_factory.mktemp("copy")
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard"):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "as it was")
    for path, behind, lines in EDITS:
        text = (folder / path).read_text("utf-8")
        assert text.count(behind) == 1, behind
        (folder / path).write_text(text.replace(behind, lines + behind), "utf-8")
    made = Copy(folder, new_database(server), tuple(git(folder, "diff", "--name-only")))
    result = made.python("-m", "docs.generate")
    assert result.returncode == 0, result.stderr
    return made


@pytest.fixture(scope="module")
def filled(made: Copy) -> Copy:
    """With sample data in its tables; some names are card numbers."""
    database = made.database
    database.execute(
        f"CREATE USER 'filler'@'localhost' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT ALL ON {database.name}.* TO 'filler'@'localhost'",
    )
    made.command("seed", "--source", database.url("filler"), "--movements", f"{MOVEMENTS}", "--dirty", "0.01")
    database.execute(
        "UPDATE cartao SET nom_impresso = CONCAT('de ', num_cartao), apelido = nom_impresso WHERE id % 5 = 0",
        *reader_statements(database.name, PASSWORD, host="localhost"),
    )
    return made


@pytest.fixture(scope="module")
def extracted(filled: Copy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its tagged TSV."""
    folder = tmp_path_factory.mktemp("extracted") / "tsv"
    filled.command("extract", "--source", filled.database.url(), "--to", folder)
    return folder


@pytest.fixture(scope="module")
def delivery(filled: Copy, extracted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is published of the query's rows: they are merged as if the join had written them."""
    parts = tmp_path_factory.mktemp("parts")
    rows = [b"0\tF\t%b\n" % escape(as_csv(row, [])[:-1]) for row in filled.expected()]
    rejected = [
        b"R\tR\t%b\tmovimento\t%d\t%d\t%b\t\n" % (reason.encode(), identity, card or 0, amount.encode())
        for reason, identity, card, amount in filled.database.query(
            "SELECT 'unknown_card', movimento.id, id_cartao, CAST(vlr_transacao AS CHAR) FROM movimento"
            f" WHERE id NOT IN (SELECT id_movimento FROM ({OF_FLAT_ROWS}) AS flat)"
        )
    ]
    (parts / "part-00000").write_bytes(b"".join(rows + rejected))
    output = tmp_path_factory.mktemp("delivery")
    filled.command("merge", "--from", parts, "--tsv", extracted, "--output", output, "--parquet", "--excel")
    return output


def test_two_files_are_edited_by_hand_and_what_follows_is_written(made: Copy) -> None:
    assert made.by_hand == (MODEL, QUERY)
    changed = [line[3:] for line in git(made.folder, "status", "--porcelain", "--untracked-files=all")]
    assert set(changed) == {MODEL, QUERY, *documents()}
    again = made.python("-m", "docs.generate")
    assert (again.returncode, again.stdout) == (0, "")


def test_the_documents_have_the_columns_in_their_places(made: Copy) -> None:
    names = made.columns
    for name, following in BEFORE.items():
        assert name == (names[names.index(following) - 1] if following else names[-1])
    dictionary = made.text("docs/data_dictionary.md")
    assert re.findall(r"^\| `(\w+)` \| ", dictionary, re.MULTILINE)[: len(names)] == names
    schema = json.loads(made.text("docs/manifest.schema.json"))
    assert schema["$defs"]["column"]["enum"] == names
    assert {len(line.split("\t")) for line in made.text("docs/sample/movements.tsv").splitlines()} == {7}


def test_the_tables_have_the_columns(filled: Copy) -> None:
    assert filled.database.query(
        "SELECT table_name, column_name, column_type, is_nullable, column_comment"
        f" FROM information_schema.columns WHERE table_schema = '{filled.database.name}'"
        " AND column_name IN ('mcc', 'encerrada_em', 'apelido', 'cidade') ORDER BY column_name"
    ) == [
        ("cartao", "apelido", "varchar(100)", "YES", "what the holder calls the card"),
        ("associado", "cidade", "varchar(60)", "NO", "city where the holder lives"),
        ("conta", "encerrada_em", "datetime", "YES", "when the account was closed"),
        ("movimento", "mcc", "char(4)", "NO", "merchant category code, ISO 18245"),
    ]


def test_the_sample_data_have_plausible_values(filled: Copy) -> None:
    query = filled.database.query
    assert all(re.fullmatch(r"\d{4}", mcc) for (mcc,) in query("SELECT mcc FROM movimento"))
    assert query("SELECT COUNT(DISTINCT mcc) > 100 FROM movimento") == [(1,)]
    assert query("SELECT COUNT(DISTINCT cidade) > 50, MIN(CHAR_LENGTH(cidade)) FROM associado") == [(1, 18)]
    for column, table in (("encerrada_em", "conta"), ("apelido", "cartao")):
        ((missing, known),) = query(f"SELECT SUM({column} IS NULL), COUNT({column}) FROM {table}")
        assert 0 < missing < known


def test_the_extraction_writes_the_columns(filled: Copy, extracted: Path) -> None:
    lines = [
        line for path in extracted.rglob("*.tsv") for line in path.read_text("utf-8").split("\n") if line
    ]
    assert Counter((line[0], line.count("\t")) for line in lines).keys() == {
        ("A", 5),
        ("C", 5),
        ("K", 7),
        ("M", 6),
    }
    found = {tuple(line.split("\t")[1:4]) for line in lines if line.startswith("M")}
    query = "SELECT CAST(id AS CHAR), CAST(vlr_transacao AS CHAR), mcc FROM movimento"
    assert found == set(filled.database.query(query))


def test_the_delivery_is_as_the_database_has_it(filled: Copy, delivery: Path) -> None:
    assert (delivery / CSV).read_bytes() == as_csv(filled.columns, filled.expected())
    filled.command("verify", delivery, "--source", filled.database.url())


def test_the_data_package_says_what_the_columns_are(filled: Copy, delivery: Path) -> None:
    package = json.loads((delivery / "datapackage.json").read_text("utf-8"))
    fields = {field["name"]: field for field in package["resources"][0]["schema"]["fields"]}
    assert list(fields) == filled.columns
    assert {name: fields[name]["type"] for name in BEFORE} == {
        CITY: "string",
        MCC: "string",
        NICKNAME: "string",
        CLOSED: "datetime",
    }
    assert fields[MCC]["description"] == (
        "pt: código da categoria do estabelecimento, ISO 18245. en: merchant category code, ISO 18245."
    )
    report = validate(str(delivery / "datapackage.json"))
    wrong = report.flatten(["fieldName", "type"])
    assert all(name == "data_movimento" for name, _ in wrong), wrong


def test_the_manifest_is_valid(filled: Copy, delivery: Path) -> None:
    (manifest,) = delivery.rglob("manifest.json")
    Draft202012Validator(json.loads(filled.text("docs/manifest.schema.json"))).validate(
        json.loads(manifest.read_text("utf-8"))
    )


def test_the_page_and_the_sheet_are_made(delivery: Path) -> None:
    (page,) = delivery.rglob("*.html")
    assert "R$" in page.read_text("utf-8")
    (book,) = delivery.rglob("*.xlsx")
    header, first, *_ = load_workbook(book).active.iter_rows(values_only=True)
    assert re.fullmatch(r"\d{4}", first[header.index(MCC)])  # it stays text


def test_parquet_and_the_recipes_give_the_columns_their_types(filled: Copy, delivery: Path) -> None:
    (parquet,) = delivery.rglob("*.parquet")
    schema = pq.read_schema(parquet)
    assert schema.names == filled.columns
    assert [str(schema.field(name).type) for name in (MCC, CLOSED)] == ["large_string", "timestamp[us]"]
    recipes = filled.folder / "docs" / "recipes"
    with chdir(delivery), duckdb.connect() as connection:
        movements = runpy.run_path(str(recipes / "load_polars.py"))["movements"]
        assert movements.columns == filled.columns
        assert movements.schema[CLOSED] == polars.Datetime("us")
        assert str(runpy.run_path(str(recipes / "load_pandas.py"))["movements"].dtypes[CLOSED]).startswith(
            "datetime64"
        )
        connection.execute((recipes / "load_duckdb.sql").read_text("utf-8"))
        types = {name: kind for name, kind, *_ in connection.execute("DESCRIBE movements").fetchall()}
        assert list(types) == [*filled.columns, *ID_COLUMNS]
        assert [types[name] for name in (MCC, CLOSED)] == ["VARCHAR", "TIMESTAMP"]


def test_a_run_publishes_what_the_query_gives(filled: Copy, tmp_path: Path) -> None:
    filled.run(tmp_path)
    assert (tmp_path / CSV).read_bytes() == as_csv(filled.columns, filled.expected())
    filled.command("verify", tmp_path, "--source", filled.database.url())


def test_a_run_that_masks_card_numbers_masks_them_in_the_new_columns(filled: Copy, tmp_path: Path) -> None:
    rows = filled.run(tmp_path, "--card", "mask")
    texts = {CITY, MCC, NICKNAME, "nome_impresso_cartao"}
    expected = [dict(zip(filled.columns, row, strict=True)) for row in filled.expected()]
    assert [{name: row[name] for name in texts} for row in rows] == [
        {name: masked_text(row[name] or "") for name in texts} for row in expected
    ]
    assert any("****" in row[NICKNAME] for row in rows)
    filled.command("verify", tmp_path, "--source", filled.database.url())


def test_a_run_that_hides_people_hides_the_new_column_that_shows_one(filled: Copy, tmp_path: Path) -> None:
    rows = filled.run(tmp_path, "--people", "token")
    for hidden in (NICKNAME, "nome_impresso_cartao", "sobrenome_associado"):
        assert {row[hidden] for row in rows} == {""}
    assert all(re.fullmatch("p[0-9a-f]{32}", row["nome_associado"]) for row in rows)
    assert all(row[CITY] and row[MCC] for row in rows)
    package = json.loads((tmp_path / "datapackage.json").read_text("utf-8"))
    (field,) = [field for field in package["resources"][0]["schema"]["fields"] if field["name"] == NICKNAME]
    assert "It is left empty" in field["description"]
    filled.command("verify", tmp_path, "--source", filled.database.url())
