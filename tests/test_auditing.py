"""The audit beside the merge: what it says is what an audit here says, however the file grows."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.cli.auditing import Auditing
from movimento_flat.errors import UserError
from movimento_flat.publish.csv_audit import audit
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.workers import Workers
from tests.brute_force import as_csv
from tests.conftest import examples
from tests.test_figures import NOW, figures_of

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


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """A small span, so that a small file has many."""
    with patch("movimento_flat.cli.auditing.SPAN", 10_000):
        yield tmp_path / "flat.csv"


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


@settings(
    max_examples=examples(5), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cuts=st.lists(st.integers(1, len(ROWS)), max_size=40))
def test_a_file_that_grows_is_audited_as_a_whole_one(cuts: list[int], file: Path, workers: Workers) -> None:
    file.unlink(missing_ok=True)
    told: list[int] = []
    with Auditing(file, COLUMNS, with_figures=True, workers=workers, now=NOW) as auditing:
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
def test_parts_that_are_no_whole_rows_are_no_csv(place: str, file: Path, workers: Workers) -> None:
    """Nobody has to believe that the merge tells only of whole rows."""
    file.write_bytes(CONTENT)
    cut = CONTENT.index(b"Ana", 20_000) + 4 if place == "in a row" else CONTENT.index(b" b", 20_000)
    with (
        Auditing(file, COLUMNS, with_figures=False, workers=workers) as auditing,
        pytest.raises(UserError, match=r"of the CSV|The CSV ends"),
    ):
        auditing.has_written(cut)
        auditing.result(ignore)


def test_what_is_no_csv_is_said_here(file: Path, workers: Workers) -> None:
    file.write_bytes(CONTENT[:-5])
    with (
        Auditing(file, COLUMNS, with_figures=False, workers=workers) as auditing,
        pytest.raises(UserError, match="ends in the middle of a row"),
    ):
        auditing.result(ignore)


def test_what_fails_otherwise_is_one_message(file: Path, workers: Workers) -> None:
    """Columns without an amount: no audit can be made."""
    file.write_bytes(b"a\n1\n")
    with (
        Auditing(file, ("a",), with_figures=False, workers=workers) as auditing,
        pytest.raises(
            UserError, match="The audit of the CSV failed, so nothing is published: ColumnNotFoundError"
        ),
    ):
        auditing.result(ignore)


def test_a_file_that_is_not_there_is_said_here(tmp_path: Path, workers: Workers) -> None:
    with (
        Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, workers=workers) as auditing,
        pytest.raises(FileNotFoundError),
    ):
        auditing.result(ignore)


def test_a_killed_audit_publishes_nothing(file: Path) -> None:
    file.write_bytes(CONTENT)
    with Workers(2) as workers, Auditing(file, COLUMNS, with_figures=False, workers=workers) as auditing:
        os.kill(workers.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(UserError, match=r"ended with status -9, so nothing is published"):
            auditing.has_written(len(HEADER))
            auditing.has_written(len(CONTENT))
            auditing.result(ignore)
