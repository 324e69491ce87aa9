"""datapackage.json: what a run publishes is valid, and frictionless finds the CSV as it says, and any damage."""

import csv
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from frictionless import Package, Report, validate

from movimento_flat.schema import FLAT_COLUMNS, FLAT_TABLE, ID_COLUMNS, Kind
from tests.conftest import Database, Server
from tests.nasty import NO_DATES, nasty_database
from tests.test_run import CSV, PUBLISHED, RUN, assert_user_error, command, run

PACKAGE = "datapackage.json"
HIDDEN = [
    *("--card", "mask", "--people", "token"),
    *("--drop", "idade_associado", "--since", "1900-01-01"),
]
TOKENS = ["--card", "token", "--people", "full"]
TYPES = {Kind.TEXT: "string", Kind.WHOLE: "integer", Kind.MONEY: "number", Kind.MOMENT: "datetime"}


@pytest.fixture(scope="module")
def nasty(server: Server) -> Database:
    return nasty_database(server, no_dates=False)


@pytest.fixture(scope="module")
def delivery(nasty: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """To be read only."""
    output = tmp_path_factory.mktemp("delivery")
    assert run(nasty, output).returncode == 0
    return output


def package(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / PACKAGE).read_text("utf-8"))
    return content


def validated(output: Path) -> Report:
    report: Report = validate(str(output / PACKAGE))
    return report


def kinds_of_errors(report: Report) -> Counter[str]:
    return Counter(kind for (kind,) in report.flatten(["type"]))


IDS_AND_FILES = ["--with-ids", "--parquet", "--excel"]


@pytest.mark.parametrize(
    "options", [[], HIDDEN, TOKENS, IDS_AND_FILES], ids=["plain", "hidden", "tokens", "ids and all files"]
)
def test_frictionless_finds_each_row_as_the_package_says(
    options: list[str], nasty: Database, tmp_path: Path
) -> None:
    assert run(nasty, tmp_path, *options).returncode == 0
    report = validated(tmp_path)
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:5]
    rows = len(list(csv.reader(io.StringIO((tmp_path / CSV).read_bytes().decode(), newline="")))) - 1
    assert report.tasks[0].stats["rows"] == rows > 0
    assert (tmp_path / PACKAGE).stat().st_mode & 0o777 == 0o600


def test_it_says_what_the_manifest_says(delivery: Path) -> None:
    manifest = json.loads((delivery / RUN / "manifest.json").read_text("utf-8"))
    content = package(delivery)
    resource, page = content["resources"]
    assert resource["path"] == CSV
    assert (page["path"], page["mediatype"]) == ("relatorio.html", "text/html")
    assert page["hash"] == f"sha256:{manifest['files']['relatorio.html']['sha256']}"
    assert resource["hash"] == f"sha256:{manifest['csv']['sha256']}"
    assert (resource["bytes"], resource["rows"]) == (manifest["csv"]["bytes"], manifest["csv"]["rows"])
    assert content["created"] == manifest["source"]["snapshot_utc"].replace(" ", "T") + "Z"
    assert not {"licenses", "sources", "contributors"} & set(content)
    assert Package.from_descriptor(content, basepath=str(delivery)).resources[0].schema.field_names == list(
        FLAT_COLUMNS
    )


def test_each_field_has_its_type_and_both_languages(delivery: Path) -> None:
    schema = package(delivery)["resources"][0]["schema"]
    assert schema["missingValues"] == [""]
    for field, flat in zip(schema["fields"], FLAT_TABLE, strict=True):
        assert (field["name"], field["type"], field["example"]) == (
            flat.name,
            TYPES[flat.kind],
            flat.source.example,
        )
        assert field.get("format") == ("%Y-%m-%d %H:%M:%S" if flat.kind is Kind.MOMENT else None)
        assert field.get("decimalChar") == ("." if flat.kind is Kind.MONEY else None)
        assert flat.source.english in field["description"] and flat.source.portuguese in field["description"]


def test_what_is_hidden_is_said_and_its_example_is_none_that_shows(nasty: Database, tmp_path: Path) -> None:
    def fields(*options: str) -> dict[str, dict[str, Any]]:
        assert run(nasty, tmp_path, *options).returncode == 0
        found = package(tmp_path)["resources"][0]["schema"]["fields"]
        return {field["name"]: field for field in found}

    masked = fields(*HIDDEN)
    assert "idade_associado" not in masked
    assert masked["numero_cartao"]["example"] == "411111******1111"
    assert masked["numero_cartao"]["type"] == "string"
    assert "mascarados" in masked["des_transacao_movimento"]["description"]
    assert "`p` and 32" in masked["nome_associado"]["description"]
    for name in ("sobrenome_associado", "nome_impresso_cartao"):
        assert "left empty" in masked[name]["description"]
    tokens = fields(*TOKENS)
    assert "`t` and 32" in tokens["numero_cartao"]["description"]
    assert not {"example"} & {*masked["nome_associado"], *tokens["numero_cartao"]}
    assert tokens["nome_associado"]["example"]


def test_all_files_ids_and_their_key_are_in_it_and_a_movement_that_is_there_twice_breaks_the_key(
    nasty: Database, tmp_path: Path
) -> None:
    assert run(nasty, tmp_path, *IDS_AND_FILES).returncode == 0
    content = package(tmp_path)
    assert {resource["path"] for resource in content["resources"]} | {PACKAGE, RUN} == {
        path.name for path in tmp_path.iterdir()
    }
    schema = content["resources"][0]["schema"]
    assert schema["primaryKey"] == ["id_movimento"]
    assert {field["name"] for field in schema["fields"] if "constraints" in field} == set(ID_COLUMNS)
    lines = (tmp_path / CSV).read_bytes().splitlines(keepends=True)
    (tmp_path / CSV).write_bytes(b"".join([*lines, lines[-1]]))
    assert "primary-key" in kinds_of_errors(validated(tmp_path))


def test_what_is_no_token_breaks_the_packages_constraint(nasty: Database, tmp_path: Path) -> None:
    assert run(nasty, tmp_path, *TOKENS).returncode == 0
    (tmp_path / CSV).write_bytes(
        re.sub(rb",t(?=[0-9a-f]{32},)", b",4", (tmp_path / CSV).read_bytes(), count=1)
    )
    assert "constraint-error" in kinds_of_errors(validated(tmp_path))


def test_empty_tables_are_valid(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    assert run(database, tmp_path).returncode == 0
    assert validated(tmp_path).valid
    assert package(tmp_path)["resources"][0]["rows"] == 0


def test_a_date_that_no_calendar_has_is_named_where_it_stands(server: Server, tmp_path: Path) -> None:
    """The package hides it by no other type; its description says what it is."""
    assert run(nasty_database(server, no_dates=True), tmp_path).returncode == 0
    text = io.StringIO((tmp_path / CSV).read_bytes().decode(), newline="")
    rows = list(csv.reader(text))[1:]
    wrong = {
        (number, FLAT_COLUMNS[place])
        for number, row in enumerate(rows, 2)
        for place, field in enumerate(row)
        if field in NO_DATES
    }
    report = validate(str(tmp_path / PACKAGE), limit_errors=2 * len(wrong))
    assert {(row, name) for row, name in report.flatten(["rowNumber", "fieldName"])} == wrong
    assert set(kinds_of_errors(report)) == {"type-error"}


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda data: data.replace(b"0.10,", b"0.11,", 1), "hash-count"),
        (lambda data: data + data[data.index(b"\n") + 1 :], "row-count"),
        (lambda data: data.replace(b"numero_cartao", b"numero_do_car", 1), "incorrect-label"),
        (lambda data: data.replace(b",0.10,", b",zero,", 1), "type-error"),
    ],
    ids=["another amount", "rows twice", "another header", "no amount"],
)
def test_frictionless_finds_what_has_changed(damage: Any, error: str, delivery: Path, tmp_path: Path) -> None:
    data = (delivery / CSV).read_bytes()
    (tmp_path / CSV).write_bytes(damage(data))
    (tmp_path / PACKAGE).write_bytes((delivery / PACKAGE).read_bytes())
    assert (tmp_path / CSV).read_bytes() != data
    assert error in kinds_of_errors(validated(tmp_path))


def test_verify_finds_a_package_that_is_another_or_gone(nasty: Database, tmp_path: Path) -> None:
    assert run(nasty, tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == PUBLISHED
    assert command("verify", tmp_path).returncode == 0
    (tmp_path / PACKAGE).write_text(
        (tmp_path / PACKAGE).read_text("utf-8").replace("datetime", "string"), "utf-8"
    )
    assert_user_error(command("verify", tmp_path), f"{PACKAGE} is not as it was published")
    (tmp_path / PACKAGE).unlink()
    assert_user_error(command("verify", tmp_path), f"{PACKAGE} is missing")


def test_a_run_does_not_replace_somebody_elses_package(nasty: Database, tmp_path: Path) -> None:
    (tmp_path / PACKAGE).write_text('{"name": "rain"}')
    assert_user_error(run(nasty, tmp_path), "is not of movimento-flat")
    assert [path.name for path in tmp_path.iterdir()] == [PACKAGE]
