"""The audit in processes of its own: what it says is what an audit here says, however the file grows."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.cli.auditing import SPAN, Auditing
from movimento_flat.errors import UserError
from movimento_flat.publish.csv_audit import audit
from movimento_flat.report.adding import Adding
from movimento_flat.report.figures import Figures, Figuring
from movimento_flat.schema import FLAT_COLUMNS
from tests.brute_force import as_csv
from tests.conftest import examples

COLUMNS = FLAT_COLUMNS
ROWS = [
    (
        *("Ana", "d'Água", "30", f"{number % 97 - 40}.34", "a,\n b", f"2024-0{number % 9 + 1}-20 23:59:59"),
        *(str(number // 1000), "ANA", "", ("corrente", "salario")[number // 5000 % 2], ""),
    )
    for number in range(30_000)
]
HEADER = as_csv(COLUMNS, [])
CONTENT = as_csv(COLUMNS, ROWS)


def ignore(rows: int) -> None:
    pass


def figures_of(file: Path) -> Figures:
    adding, figuring = Adding(COLUMNS), Figuring()
    audit(file, COLUMNS, adding.add)
    figuring.add(adding.part)
    return figuring.figures()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A small span, so that a small file has many."""
    with patch("movimento_flat.cli.auditing.SPAN", 10_000):
        yield tmp_path / "flat.csv"


@settings(
    max_examples=examples(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, len(ROWS)), max_size=40), cores=st.integers(1, 3))
def test_a_file_that_grows_is_audited_as_a_whole_one(cuts: list[int], cores: int, file: Path) -> None:
    file.unlink(missing_ok=True)
    told: list[int] = []
    with Auditing(file, COLUMNS, with_figures=True, size=len(CONTENT), cores=cores) as auditing:
        assert len(auditing.processes) == cores
        with file.open("wb", buffering=0) as growing:
            growing.write(HEADER)
            for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(ROWS)], strict=True):
                growing.write(as_csv(COLUMNS, ROWS[start:end]).removeprefix(HEADER))
                auditing.has_written(growing.tell())
        found = auditing.result(told.append)
    assert file.read_bytes() == CONTENT
    assert found == (audit(file, COLUMNS), figures_of(file))
    assert sum(told) == len(ROWS)


@pytest.mark.parametrize("place", ["in a row", "in a field with a line end"])
def test_parts_that_are_no_whole_rows_are_no_csv(place: str, file: Path) -> None:
    """Nobody has to believe that the merge tells only of whole rows."""
    file.write_bytes(CONTENT)
    cut = CONTENT.index(b"Ana", 20_000) + 4 if place == "in a row" else CONTENT.index(b" b", 20_000)
    with (
        Auditing(file, COLUMNS, with_figures=False, size=len(CONTENT)) as auditing,
        pytest.raises(UserError, match=r"of the CSV|The CSV ends"),
    ):
        auditing.has_written(cut)
        auditing.result(ignore)


def test_a_small_file_has_one_process(tmp_path: Path) -> None:
    for size, processes in ((0, 1), (SPAN - 1, 1), (SPAN, 2)):
        with Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, size=size, cores=2) as auditing:
            assert len(auditing.processes) == processes


def test_what_is_no_csv_is_said_here(tmp_path: Path) -> None:
    file = tmp_path / "flat.csv"
    file.write_bytes(CONTENT[:-5])
    with (
        Auditing(file, COLUMNS, with_figures=False, size=0) as auditing,
        pytest.raises(UserError, match="ends in the middle of a row"),
    ):
        auditing.result(ignore)


def test_a_file_that_is_not_there_is_said_here(tmp_path: Path) -> None:
    with (
        Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, size=0) as auditing,
        pytest.raises(FileNotFoundError),
    ):
        auditing.result(ignore)


def test_a_killed_audit_publishes_nothing(file: Path) -> None:
    file.write_bytes(CONTENT)
    with Auditing(file, COLUMNS, with_figures=False, size=len(CONTENT), cores=2) as auditing:
        os.kill(auditing.processes[1], signal.SIGKILL)
        with pytest.raises(UserError, match=r"ended with status -9, so nothing is published"):
            auditing.has_written(len(HEADER))
            auditing.has_written(len(CONTENT))
            auditing.result(ignore)


def test_they_end_with_who_asked(tmp_path: Path) -> None:
    with Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, size=SPAN, cores=2) as auditing:
        processes = auditing.processes
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
