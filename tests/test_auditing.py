"""The audit beside the merge: what it says is what an audit here says, however the file grows."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.cli.auditing import LEAST_SPANS, SPAN, Auditing
from movimento_flat.errors import UserError
from movimento_flat.publish.csv_audit import audit
from movimento_flat.schema import FLAT_COLUMNS
from tests.brute_force import as_csv
from tests.conftest import ROOT, examples
from tests.test_figures import figures_of

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
LARGE = LEAST_SPANS * SPAN
#: Of a file that a thread audits, and of one that processes do.
SIZES = pytest.mark.parametrize("size", [0, LARGE])


def ignore(rows: int) -> None:
    pass


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
        assert len(active_children()) == cores
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


def test_a_small_file_needs_no_process(tmp_path: Path) -> None:
    for size, processes in ((0, 0), (LARGE - 1, 0), (LARGE, 2)):
        with Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, size=size, cores=2):
            assert len(active_children()) == processes


@SIZES
def test_what_is_no_csv_is_said_here(size: int, file: Path) -> None:
    file.write_bytes(CONTENT[:-5])
    with (
        Auditing(file, COLUMNS, with_figures=False, size=size) as auditing,
        pytest.raises(UserError, match="ends in the middle of a row"),
    ):
        auditing.result(ignore)


@SIZES
def test_what_fails_otherwise_is_one_message(size: int, file: Path) -> None:
    """Columns without an amount: no audit can be made."""
    file.write_bytes(b"a\n1\n")
    with (
        Auditing(file, ("a",), with_figures=False, size=size) as auditing,
        pytest.raises(
            UserError, match="The audit of the CSV failed, so nothing is published: ColumnNotFoundError"
        ),
    ):
        auditing.result(ignore)


@SIZES
def test_a_file_that_is_not_there_is_said_here(size: int, tmp_path: Path) -> None:
    with (
        Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, size=size) as auditing,
        pytest.raises(FileNotFoundError),
    ):
        auditing.result(ignore)


def test_a_killed_audit_publishes_nothing(file: Path) -> None:
    file.write_bytes(CONTENT)
    with Auditing(file, COLUMNS, with_figures=False, size=len(CONTENT), cores=2) as auditing:
        os.kill(active_children()[1].pid or 0, signal.SIGKILL)
        with pytest.raises(UserError, match=r"ended with status -9, so nothing is published"):
            auditing.has_written(len(HEADER))
            auditing.has_written(len(CONTENT))
            auditing.result(ignore)


def test_they_end_with_who_asked(tmp_path: Path) -> None:
    with Auditing(tmp_path / "flat.csv", COLUMNS, with_figures=False, size=LARGE, cores=2):
        processes = active_children()
    assert len(processes) == 2
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid or 0, 0)


def test_they_end_with_a_killed_program(tmp_path: Path) -> None:
    """Also while they start."""
    program = (
        "import time; from pathlib import Path; from multiprocessing import active_children\n"
        "from movimento_flat.cli.auditing import Auditing\n"
        f"auditing = Auditing(Path('flat.csv'), ('a',), False, {LARGE}, cores=2)\n"
        "print(*(process.pid for process in active_children()), flush=True); time.sleep(600)"
    )
    for seconds in (0.0, 2.0):
        with subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as killed:
            assert killed.stdout and killed.stderr
            processes = [int(process) for process in killed.stdout.readline().split()]
            assert len(processes) == 2
            time.sleep(seconds)
            killed.kill()
            assert "Traceback" not in killed.stderr.read()  # which ends when nobody has it open any more
        deadline = time.monotonic() + 30
        while any(map(is_alive, processes)):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def is_alive(process: int) -> bool:
    """Whether it runs: one that has ended may wait for ever to be asked how (Z in /proc/PID/stat)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_an_interrupt_from_the_terminal_is_for_the_program_alone(tmp_path: Path) -> None:
    """The processes get it as well; they go on, and say nothing."""
    file = tmp_path / "flat.csv"
    file.write_bytes(CONTENT)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # it may be ignored, and so it would be there
    try:
        auditing = Auditing(file, COLUMNS, with_figures=False, size=LARGE, cores=2)
    finally:
        signal.signal(signal.SIGINT, before)
    with auditing:
        for process in active_children():
            os.kill(process.pid or 0, signal.SIGINT)
        assert auditing.result(ignore)[0] == audit(file, COLUMNS)
