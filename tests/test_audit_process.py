"""The audit in a process of its own: what it says is what an audit here says, however the file grows."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command_line.audit_process import AuditProcess
from merge.csv_audit import audit
from movimento_flat.errors import UserError
from movimento_flat.schema import FLAT_COLUMNS
from report.figures import Adding
from tests.brute_force import as_csv

ROW = ("Ana", "d'Água", "30", "-12.34", "a, b", "2024-02-29 23:59:59", "4", "ANA", "", "corrente", "")
COLUMNS = FLAT_COLUMNS
CONTENT = as_csv(COLUMNS, [ROW] * 30_000)


def ignore(rows: int) -> None:
    pass


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, len(CONTENT)), max_size=6))
def test_a_file_that_grows_is_audited_as_a_whole_one(cuts: list[int], tmp_path: Path) -> None:
    file = tmp_path / "flat.csv"
    file.unlink(missing_ok=True)
    told: list[int] = []
    with AuditProcess(file, COLUMNS, with_figures=True) as auditing:
        with file.open("wb", buffering=0) as growing:
            for cut in sorted(cuts):
                growing.write(CONTENT[growing.tell() : cut])
                auditing.has_written(cut)
            growing.write(CONTENT[growing.tell() :])
        found = auditing.result(told.append)
    figures = Adding(COLUMNS)
    assert found == (audit(file, COLUMNS, figures.add), figures.figures())
    assert sum(told) == 30_000


def test_what_is_no_csv_is_said_here(tmp_path: Path) -> None:
    file = tmp_path / "flat.csv"
    file.write_bytes(CONTENT[:-5])
    with (
        AuditProcess(file, COLUMNS, with_figures=False) as auditing,
        pytest.raises(UserError, match="ends in the middle of a row"),
    ):
        auditing.result(ignore)


def test_a_file_that_is_not_there_is_said_here(tmp_path: Path) -> None:
    with (
        AuditProcess(tmp_path / "flat.csv", COLUMNS, with_figures=False) as auditing,
        pytest.raises(FileNotFoundError),
    ):
        auditing.result(ignore)


def test_a_killed_audit_publishes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "flat.csv"
    file.write_bytes(CONTENT)
    with AuditProcess(file, COLUMNS, with_figures=False) as auditing:
        os.kill(auditing.process, signal.SIGKILL)
        with pytest.raises(UserError, match=r"ended with status -9, so nothing is published"):
            auditing.result(ignore)
        auditing.has_written(1)


def test_it_ends_with_who_asked(tmp_path: Path) -> None:
    with AuditProcess(tmp_path / "flat.csv", COLUMNS, with_figures=False) as auditing:
        process = auditing.process
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
