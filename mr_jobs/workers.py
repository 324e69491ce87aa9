"""Tasks on this machine without a new Python for each: workers import the job once, and run one task after the other.

To start Python and import what a task needs takes as long as to map 100,000 movements.
"""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from movimento_flat import interrupts
from movimento_flat.processes import keep_freed_memory, start_workers
from mr_jobs.local_shuffle import MapOutput, Position, reduce_input


class TaskFailedError(Exception):
    """A task has ended otherwise than well; its standard error says why."""


@dataclass(frozen=True)
class Task:
    """One task of the job.

    Attributes:
        arguments: the job's, such as --step-num=0 --mapper.
        stdin, stdout, stderr: files. A map task writes its runs beside its output, and a list of them into that.
        folder: where it works.
        environment: variables that it has, beside this process's own.
        reducers: of its step.
    """

    arguments: Sequence[str]
    stdin: Path
    stdout: Path
    stderr: Path
    folder: Path
    environment: Mapping[str, str]
    reducers: int

    @property
    def position(self) -> Path:
        """File that says how many bytes of its input the task has read."""
        return self.folder / "position"


class Workers:
    """Processes that run tasks of the job, and end with this one."""

    def __init__(self, count: int | None = None) -> None:
        """Start them; they import the job while the program does other work.

        Args:
            count: of processes; as many as there are cores when None.
        """
        self._pool, self._processes = start_workers(count or os.cpu_count() or 1, _prepare)
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

    def run(self, task: Task) -> None:
        """Run one task to its end.

        Raises:
            TaskFailedError: it failed, or was killed.
        """
        try:
            if not self._pool.submit(_work, task).result():
                raise TaskFailedError("the task failed")
        except RuntimeError as error:  # a broken pool, or one that is closed
            raise TaskFailedError(f"the task ended before its work was done: {error}") from error


def _prepare() -> None:
    from mr_jobs import join  # noqa: F401, PLC0415  # once, before the first task

    keep_freed_memory()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _work(task: Task) -> bool:
    """Run a task in a worker, from the same state as any other; return whether it ended well."""
    folder, environment, stderr = Path.cwd(), dict(os.environ), os.dup(2)
    try:
        with task.stderr.open("ab", buffering=0) as own:
            os.dup2(own.fileno(), 2)
        os.chdir(task.folder)
        os.environ.update(task.environment)
        with task.stdin.open("rb") as stdin, task.stdout.open("wb") as stdout:
            _execute(task, stdin, stdout)
    except BaseException:
        sys.stderr.flush()
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        return False
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        os.dup2(stderr, 2)
        os.close(stderr)
    return True


def _execute(task: Task, stdin: BinaryIO, stdout: BinaryIO) -> None:
    from mr_jobs.join import MovimentoFlat  # noqa: PLC0415  # see `_prepare`

    job = MovimentoFlat(list(task.arguments))
    with Position(task.position) as position:
        if job.options.run_mapper:
            with MapOutput(str(task.stdout), task.reducers, stdout) as shuffled:
                job.sandbox(position.followed(stdin), shuffled, sys.stderr.buffer).execute()
        else:
            job.sandbox(reduce_input(stdin, position), stdout, sys.stderr.buffer).execute()
