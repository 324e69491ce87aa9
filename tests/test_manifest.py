"""docs/manifest.schema.json says what manifest.json is: a real one fits, and a damaged one does not."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from movimento_flat.manifest import FORMAT
from tests.conftest import ROOT, Database
from tests.test_run import RUN, run

SCHEMA = json.loads((ROOT / "docs" / "manifest.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(
    scope="module", params=[[], ["--card", "mask", "--drop", "idade_associado", "--since", "2024-01-01"]]
)
def manifest(
    request: pytest.FixtureRequest, filled: Database, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    output = tmp_path_factory.mktemp("out")
    result = run(filled, output, *request.param)
    assert result.returncode == 0, result.stderr
    return json.loads((output / RUN / "manifest.json").read_text())


def paths(content: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """-> the way to each value that has a name of its own, not to counts by reason and the like."""
    for name, value in content.items() if isinstance(content, dict) else ():
        if path[-1:] not in (("by_reason",), ("seconds",), ("versions",)):
            yield (*path, name)
            yield from paths(value, (*path, name))


def test_the_schema_is_one_and_of_this_format() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["format"]["const"] == FORMAT
    assert SCHEMA["$id"].endswith(f":{FORMAT}")


def test_a_real_manifest_fits(manifest: Any) -> None:
    VALIDATOR.validate(manifest)


def test_without_any_one_value_or_with_another_kind_of_value_it_does_not(manifest: Any) -> None:
    found = list(paths(manifest))
    assert len(found) > 30
    for *way, name in found:
        damaged = copy.deepcopy(manifest)
        place = damaged
        for step in way:
            place = place[step]
        place[name] = [object()]
        assert not VALIDATOR.is_valid(damaged), name
        del place[name]
        assert not VALIDATOR.is_valid(damaged), name
        place[f"{name}2"] = 1
        assert not VALIDATOR.is_valid(damaged), name
