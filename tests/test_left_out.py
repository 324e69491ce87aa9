"""What the tests' own conftest.py does: it says which tests were left out, and lets none be skipped where CI=true."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, WHY_LEFT_OUT

PLAIN = {"CI": "", "PATH": "/nonexistent"}  # without Docker


def run_pytest(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_tests_left_out_are_counted_by_reason_in_more_than_one_process() -> None:
    files = ("tests/cluster/test_make.py", "tests/test_spark.py", "tests/test_sql.py")
    result = run_pytest("-n", "2", "-m", "not cluster and not server", *files, **PLAIN)
    assert result.returncode == 0, result.stdout
    lines = [line for line in result.stdout.splitlines() if line.startswith("left out: ")]
    assert {line.split(": ")[2] for line in lines} == set(WHY_LEFT_OUT.values())
    one_of_spark = [line for line in lines if line.endswith(WHY_LEFT_OUT["machine"])]
    assert one_of_spark == [f"left out: 1 test: {WHY_LEFT_OUT['machine']}"]


@pytest.mark.parametrize("is_ci", [False, True])
def test_a_skip_is_a_failure_where_ci_is_true(is_ci: bool) -> None:
    environment = PLAIN | ({"CI": "true"} if is_ci else {})
    result = run_pytest("tests/cluster/test_make.py", **environment)
    assert (result.returncode, "no Docker engine answers" in result.stdout) == (1 if is_ci else 0, True)
    assert ("left out: " in result.stdout) != is_ci
