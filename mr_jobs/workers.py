"""Processes that run tasks of the join on this machine: each imports the job once, and runs one task after the other.

To start Python and import what a task needs takes as long as to map 100,000 movements.
"""

import multiprocessing
import os
import resource
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from types import TracebackType
from typing import ClassVar

from movimento_flat import interrupts
from movimento_flat.processes import keep_freed_memory, start_workers

#: Told of bytes of its input that a task has read.
HasRead = Callable[[int], None]


@dataclass(frozen=True)
class Task(ABC):
    """A map or a reduce task.

    Attributes:
        step: 1 or 2.
        arguments: of the job.
        folder: where the tasks of the step work.
        number: of the task, from 0.
        kind: mapper or reducer.
    """

    step: int
    arguments: Sequence[str]
    folder: Path
    number: int
    kind: ClassVar[str]

    @property
    def stderr(self) -> Path:
        """Return the file for what it writes to standard error."""
        return self.folder / f"{self.kind}-{self.number}.stderr"

    @abstractmethod
    def run(self, has_read: HasRead) -> tuple[int, int]:
        """Run it, and return how many runs and how many bytes it has written."""


@dataclass(frozen=True)
class Done:
    """What a task has done: how many runs and bytes it has written, in how many seconds."""

    runs: int
    written: int
    seconds: float


class Workers:
    """Processes that run tasks, and end with this one.

    Attributes:
        count: of processes.
    """

    def __init__(self, count: int | None = None) -> None:
        """Start them; they import the job while the program does other work.

        Args:
            count: of processes; as many as there are cores when None.
        """
        self.count = count or os.cpu_count() or 1
        self._read = multiprocessing.get_context("spawn").Value("Q")
        self._pool, self._processes = start_workers(self.count, partial(_prepare, self._read))
        interrupts.add(self._kill)  # then who waits for a task need not

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End them, and with them every task that is still under way."""
        interrupts.discard(self._kill)
        self._kill()
        self._pool.shutdown(cancel_futures=True)

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    @property
    def read(self) -> int:
        """Return the bytes that all tasks so far have read."""
        return int(self._read.value)

    def submit(self, task: Task) -> "Future[Done | None]":
        """Return what a task will have done: None if it fails, and its standard error says why.

        If its process is killed the result is a RuntimeError.
        """
        return self._pool.submit(_work, task)


_read: "Synchronized[int]"


def _prepare(read: "Synchronized[int]") -> None:
    global _read  # noqa: PLW0603  # a worker is a process
    from mr_jobs import join  # noqa: F401, PLC0415  # once, before the first task

    _read = read
    keep_freed_memory()
    open_as_many_files_as_the_system_lets()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def open_as_many_files_as_the_system_lets() -> None:
    """Raise this process's limit: a reduce task opens all its runs, each of some megabytes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _has_read(size: int) -> None:
    with _read.get_lock():
        _read.value += size


def _work(task: Task) -> Done | None:
    started, stderr = time.monotonic(), os.dup(2)
    try:
        with task.stderr.open("ab", buffering=0) as own:
            os.dup2(own.fileno(), 2)
        os.chdir(task.folder)
        return Done(*task.run(_has_read), time.monotonic() - started)
    except BaseException:
        sys.stderr.flush()
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        return None
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
