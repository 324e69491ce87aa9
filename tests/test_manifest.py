"""docs/manifest.schema.json: what a run writes is valid, and nothing else is."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from movimento_flat.problem_lists import Reject, Warn
from movimento_flat.publish.manifest import FORMAT
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, ID_COLUMNS, TABLES
from tests.conftest import ROOT, Database
from tests.test_run import RUN, run

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs" / "manifest.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


#: Which of the options makes.
OPTIONAL_FILES = [("movimento_flat.xlsx",), ("movimento_flat.parquet",), ("relatorio.html",)]
EVERYTHING = (
    *("--card", "mask", "--people", "token", "--dates", "day", "--drop", "idade_associado"),
    *("--since", "2023-06-01", "--until", "2025-01-01 12:00:00", "--excel", "--parquet"),
)


WITH_IDS = ("--with-ids", "--parquet")


@pytest.fixture(scope="module", params=[(), EVERYTHING, WITH_IDS], ids=["plain", "everything", "ids"])
def manifest(
    request: pytest.FixtureRequest, filled: Database, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Of a real run."""
    output = tmp_path_factory.mktemp("published")
    result = run(filled, output, *request.param)
    assert result.returncode == 0, result.stderr
    content: dict[str, Any] = json.loads((output / RUN / "manifest.json").read_text("utf-8"))
    return content


def test_the_schema_is_one_and_names_its_version() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:movimento-flat:manifest:{FORMAT}"
    assert SCHEMA["properties"]["format"] == SCHEMA["properties"]["format"] | {"const": FORMAT}


def test_the_names_in_the_schema_are_those_of_the_program() -> None:
    fields = SCHEMA["properties"]

    def reasons(name: str) -> list[str]:
        names: list[str] = fields[name]["properties"]["by_reason"]["propertyNames"]["enum"]
        return names

    assert SCHEMA["$defs"]["column"]["enum"] == list(FLAT_COLUMNS)
    assert SCHEMA["$defs"]["id_column"]["enum"] == list(ID_COLUMNS)
    assert reasons("rejected") == [reason.value for reason in Reject]
    assert reasons("warnings") == [reason.value for reason in Warn]
    tables = {table.name for table in TABLES}
    assert set(fields["source"]["properties"]["rows"]["required"]) == tables


def test_the_manifest_of_a_run_is_valid(manifest: dict[str, Any]) -> None:
    VALIDATOR.validate(manifest)
    assert manifest["rejected"]["rows"], "it must show something"


def test_the_fingerprint_of_a_key_is_there_where_tokens_are_and_nowhere_else(
    manifest: dict[str, Any],
) -> None:
    privacy = manifest["privacy"]
    has_tokens = "token" in (privacy["card"], privacy["people"])
    assert (privacy["key_fingerprint"] is not None) == has_tokens
    privacy = privacy | {"key_fingerprint": None if has_tokens else "0123456789abcdef"}
    assert not VALIDATOR.is_valid(manifest | {"privacy": privacy})


def test_the_manifest_of_empty_tables_is_valid(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    assert run(database, tmp_path).returncode == 0
    VALIDATOR.validate(json.loads((tmp_path / RUN / "manifest.json").read_text("utf-8")))


def leaves(content: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """-> the path of each field, inner ones too, but those of which there may be any or none."""
    found = []
    for name, value in content.items():
        if path and path[-1] in {"by_reason", "left_out", "seconds", "versions"}:
            continue
        found += [(*path, name)]
        found += leaves(value, (*path, name)) if isinstance(value, dict) else []
    return found


def parent(content: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path[:-1]:
        content = content[name]
    return content


def test_each_field_is_needed_and_has_its_type_and_there_is_no_other(manifest: dict[str, Any]) -> None:
    paths = leaves(manifest)
    assert len(paths) > 30
    for path in paths:
        is_optional = path[0] == "files" and path[1:] in OPTIONAL_FILES
        for damage in ("missing", "another type", "one more")[is_optional:]:
            content = copy.deepcopy(manifest)
            place = parent(content, path)
            value = place.pop(path[-1])
            if damage == "another type":
                place[path[-1]] = [value]
            elif damage == "one more":
                place |= {path[-1]: value, f"{path[-1]}_": value}
            assert not VALIDATOR.is_valid(content), (path, damage)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("format",), 3),
        (("format",), 5),
        (("csv", "sha256"), "0" * 63),
        (("csv", "rows"), -1),
        (("csv", "centavos"), 1.5),
        (("csv", "columns"), ["nome_associado"]),
        (("csv", "columns"), ["vlr_transacao_movimento", "email"]),
        (("csv", "columns"), [AMOUNT, *ID_COLUMNS[1:]]),
        (("privacy", "card"), "hidden"),
        (("privacy", "key_fingerprint"), "0123456789abcde"),
        (("privacy", "key_fingerprint"), "0123456789ABCDEF"),
        (("privacy", "dropped"), ["vlr_transacao_movimento"]),
        (("privacy", "dropped"), ["id_movimento"]),
        (("rejected", "by_reason"), {"no_reason": 1}),
        (("warnings", "by_reason"), {"luhn": -1}),
        (("source", "since"), "2024-01-01"),
        (("source", "until"), ""),
        (("source", "rows", "movimento"), "1"),
        (("files", "datapackage.json", "left_out"), {"email": 1}),
        (("files", "datapackage.json", "left_out"), {"data_movimento": 0}),
        (("engine",), "spark"),
    ],
)
def test_a_value_that_no_run_writes_is_invalid(
    manifest: dict[str, Any], path: tuple[str, ...], value: object
) -> None:
    content = copy.deepcopy(manifest)
    parent(content, path)[path[-1]] = value
    assert not VALIDATOR.is_valid(content)
