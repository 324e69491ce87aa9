"""Processes that run tasks of the join and of the audit: each imports once what they need, and ends with this one.

To start Python and import what a task needs takes as long as to map 100,000 movements.
"""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.sharedctypes import Synchronized
from types import TracebackType
from typing import ParamSpec, TypeVar

from movimento_flat import interrupts
from movimento_flat.errors import UserError
from movimento_flat.imports import import_for_good
from movimento_flat.processes import end_with_parent, keep_freed_memory

#: What the tasks are made of.
_MODULES = ("mr_jobs.join", "movimento_flat.cli.auditing")

P = ParamSpec("P")
T = TypeVar("T")


class ProcessEndedError(UserError):
    """A process of the workers was ended, so their tasks are not done."""


class Workers:
    """The processes.

    Attributes:
        count: how many they are.
    """

    def __init__(self, count: int | None = None) -> None:
        """Start them; they import while the program does other work.

        Args:
            count: of processes; as many as there are cores when None.
        """
        self.count = count or os.cpu_count() or 1
        others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("spawn")  # Polars must not be forked
        self._read = context.Value("Q")
        self._pool = ProcessPoolExecutor(self.count, context, _prepare, initargs=(os.getpid(), self._read))
        resource_tracker.ensure_running()  # first, since its start unblocks signals
        # A terminal sends an interrupt to all of them. The processes inherit that it is blocked.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(self.count):
                self._pool.submit(os.getpid)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self._processes = [child for child in multiprocessing.active_children() if child not in others]
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

    def submit(self, task: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Return what a task will give; once a process is killed, every result that is not there yet is an error.

        Raises:
            ProcessEndedError: a process was killed.
        """
        try:
            return self._pool.submit(task, *args, **kwargs)
        except BrokenProcessPool as error:
            raise self._why_broken() from error

    def result(self, future: "Future[T]") -> T:
        """Wait for what a task gives.

        Raises:
            ProcessEndedError: a process was killed.
            Exception: what the task raises.
        """
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise self._why_broken() from error

    def _why_broken(self) -> ProcessEndedError:
        return ProcessEndedError(
            f"A process of this run ended with status {self.status_of_ended()}, so nothing is published.",
            "Look above and in the system's log for why it was ended, and run again.",
        )

    def status_of_ended(self) -> int:
        """Return the status of the process that ended by itself; the pool ends the others by SIGTERM then."""
        self._pool.shutdown()
        statuses = [process.exitcode or 0 for process in self._processes]
        return next((status for status in statuses if status != -signal.SIGTERM), -signal.SIGTERM)

    @property
    def read(self) -> int:
        """Return the bytes that all tasks so far have read; see `has_read`."""
        return int(self._read.value)


_read: "Synchronized[int]"


def has_read(size: int) -> None:
    """Count bytes that a task has read, in the process that runs it."""
    with _read.get_lock():
        _read.value += size


def _prepare(parent: int, read: "Synchronized[int]") -> None:
    global _read  # noqa: PLW0603  # a worker is a process
    end_with_parent(parent, signal.SIGKILL)
    _read = read
    import_for_good(*_MODULES)  # before the first task
    keep_freed_memory()
    open_as_many_files_as_the_system_lets()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def open_as_many_files_as_the_system_lets() -> None:
    """Raise this process's limit: a reduce task opens all its runs, each of some megabytes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
