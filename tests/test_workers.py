"""The processes that run tasks: they end with the program, and an interrupt of the terminal is not for them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from movimento_flat.errors import UserError
from movimento_flat.workers import Workers
from tests.conftest import ROOT

PROGRAM = """
import time
from multiprocessing import active_children
from movimento_flat.errors import UserError
from movimento_flat.workers import Workers
workers = Workers(2)
print(*(process.pid for process in active_children()), flush=True)
time.sleep(600)
"""


def test_they_end_when_they_are_closed() -> None:
    with Workers(1) as workers:
        process = workers.submit(os.getpid).result()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_they_end_with_a_killed_program() -> None:
    """Also while they start."""
    for seconds in (0.0, 2.0):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
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


def test_an_interrupt_from_the_terminal_is_for_the_program_alone() -> None:
    """The processes get it as well; they go on, and say nothing."""
    # It may be ignored here, and so it would be there.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        workers = Workers(1)
    finally:
        signal.signal(signal.SIGINT, before)
    with workers:
        os.kill(workers.submit(os.getpid).result(), signal.SIGINT)
        assert workers.submit(sum, [1, 2]).result() == 3


def test_a_task_whose_process_is_killed_ends_with_one_message() -> None:
    with Workers(1) as workers:
        process = workers.submit(os.getpid).result()
        task = workers.submit(time.sleep, 600)
        os.kill(process, signal.SIGKILL)
        with pytest.raises(UserError, match="ended with status -9, so nothing is published"):
            workers.result(task)
        with pytest.raises(UserError, match="ended with status -9"):
            workers.submit(os.getpid)
