"""--metrics and --json: what a scheduler and a monitor read of a run, of an error and of doctor."""

import json
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Database
from tests.test_run import RUN, assert_user_error, command, run


def figures(file: Path) -> dict[tuple[str, ...], float]:
    """Return each figure by its name and the value of its label."""
    return {
        (sample.name.removeprefix("movimento_flat_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_the_metrics_are_those_of_the_manifest(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "run.prom"
    file.write_text("the last one")
    result = run(filled, tmp_path / "out", "--metrics", str(file))
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())
    found = figures(file)
    assert found["rows",] == manifest["csv"]["rows"]
    assert found["centavos",] == manifest["csv"]["centavos"]
    assert found["source_rows", "movimento"] == found["rows",] + found["rejected_movements",]
    assert {name[1]: count for name, count in found.items() if name[0] == "rejected_rows"} == manifest[
        "rejected"
    ]["by_reason"]
    assert found["stage_seconds", "join"] == manifest["seconds"]["join"]
    assert abs(found["last_success_timestamp_seconds",] - file.stat().st_mtime) < 60
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["run.prom"]


def test_a_run_that_fails_leaves_the_last_metrics(filled: Database, tmp_path: Path) -> None:
    file = tmp_path / "run.prom"
    file.write_text("the last one")
    result = run(filled, tmp_path / "out", "--metrics", str(file), "--max-rejected", "0", "--json")
    assert_user_error(result, "beyond its limits")
    assert file.read_text() == "the last one"
    facts = json.loads(result.stdout)
    assert facts.keys() == {"error", "next", "status"}
    assert facts["status"] == 1
    assert "beyond its limits" in facts["error"]


def test_metrics_that_cannot_be_written_are_said(filled: Database, tmp_path: Path) -> None:
    result = run(filled, tmp_path / "out", "--metrics", str(tmp_path / "none" / "run.prom"))
    assert_user_error(result, "only the figures are missing")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("run", "--output", "o", "--outptu", "x"), 2, "--outptu"),
        (("verify", "."), 1, "There is no"),
        (("run", "--output", "o", "--source", "mysql://a@127.0.0.1:1/d"), 1, "127.0.0.1"),
    ],
)
def test_an_error_is_json_where_that_is_asked_for(
    arguments: tuple[str, ...], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = command(*arguments, "--json")
    facts = json.loads(result.stdout)
    assert (result.returncode, facts["status"]) == (status, status)
    assert said in facts["error"]
    assert said in result.stderr
    assert not command(*arguments).stdout


def test_doctor_says_its_findings_as_json(tmp_path: Path) -> None:
    result = command("doctor", "--output", tmp_path, "--json")
    facts = json.loads(result.stdout)
    assert facts["works"] == (result.returncode == 0)
    assert {"Python", "memory"} <= {finding["subject"] for finding in facts["findings"]}
    assert facts["findings"][0].keys() == {"level", "subject", "what", "next_step"}
    wrong = command("doctor", "--output", tmp_path, "--source", "mysql://a@127.0.0.1:1/d", "--json")
    assert wrong.returncode == 1
    assert not json.loads(wrong.stdout)["works"]
