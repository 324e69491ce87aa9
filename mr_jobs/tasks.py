"""Tasks of the join on this machine: what each is told, and what it says when it has ended."""

import os
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from movimento_flat.workers import has_read

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


def work(task: Task) -> Done | None:
    """Run a task in this process; return None if it fails, and its standard error says why."""
    started, stderr = time.monotonic(), os.dup(2)
    try:
        with task.stderr.open("ab", buffering=0) as own:
            os.dup2(own.fileno(), 2)
        os.chdir(task.folder)
        return Done(*task.run(has_read), time.monotonic() - started)
    except BaseException:
        sys.stderr.flush()
        os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
        return None
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
