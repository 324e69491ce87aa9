"""The audit in processes of its own: they read the CSV while the merge still writes it, one on each core."""

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from operator import itemgetter
from pathlib import Path
from signal import SIG_IGN, SIGINT, SIGKILL, signal
from types import TracebackType

from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.processes import die_with_parent, keep_freed_memory
from movimento_flat.publish.accounting import Audit
from movimento_flat.publish.csv_audit import blocks, totals_of
from movimento_flat.report.adding import Adding, Part
from movimento_flat.report.figures import Figures, Figuring

#: Bytes of a file that a process takes at once.
SPAN = 8 << 20
_READ = 1 << 20
#: The merge writes about three times as fast as a process audits.
MOST_PROCESSES = 3
_PACKAGES = Path(__file__).resolve().parent.parent.parent

#: Where a process has begun in the file, and what it has found.
_Found = tuple[int, Totals, Part | None]


class Auditing:
    """Audits a CSV and adds up its figures; its processes end with this one."""

    def __init__(
        self, csv: Path, columns: tuple[str, ...], with_figures: bool, size: int, cores: int | None = None
    ) -> None:
        """Start it.

        Args:
            csv: the file; it need not be there before `has_written` is called.
            columns: that it must have.
            with_figures: whether its figures are wanted, too.
            size: about how many bytes it will have.
            cores: processes at most; as many as there are cores when None, but no more than the merge can feed.
        """
        self._csv = csv
        self._with_figures = with_figures
        count = min(cores or min(os.cpu_count() or 1, MOST_PROCESSES), size // SPAN + 1)
        self._processes = [_Process(csv, columns, with_figures) for _ in range(count)]
        self._pool = ThreadPoolExecutor(1)
        self._digest = hashlib.sha256()
        self._hashed: list[Future[None]] = []
        self._begun = self._written = 0
        self._found: list[_Found] = []

    @property
    def processes(self) -> list[int]:
        """Their ids."""
        return [process.id for process in self._processes]

    def __enter__(self) -> "Auditing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.end()
        self._pool.shutdown(cancel_futures=True)

    def has_written(self, size: int) -> None:
        """So many bytes of the file can be read, the last of which ends a row."""
        self._written = size
        if size - self._begun >= SPAN:
            self._hand_out()

    def result(self, progress: Callable[[int], None]) -> tuple[Audit, Figures | None]:
        """The file is complete; -> what it holds, with `progress` told of its rows.

        Raises:
            UserError: it is no flat CSV, or a process was killed.
            OSError: the file cannot be read.
        """
        self._written = self._csv.stat().st_size
        self._hand_out()
        told = 0
        while True:
            rows = sum(totals.rows for _, totals, _ in self._found)
            progress(rows - told)
            told = rows
            if len(self._found) == len(self._hashed):
                break
            self._take(timeout=None)
        for hashed in self._hashed:
            hashed.result()
        totals, figuring = Totals(), Figuring()
        for _, of_part, part in sorted(self._found, key=itemgetter(0)):
            totals += of_part
            if part:
                figuring.add(part)
        figures = figuring.figures() if self._with_figures else None
        return Audit(totals, self._written, self._digest.hexdigest()), figures

    def _hand_out(self) -> None:
        """What can be read is the next process's; what the processes have found is taken, so that none has to wait."""
        self._take(timeout=0)
        span = self._begun, self._written
        self._processes[len(self._hashed) % len(self._processes)].tell(span)
        self._hashed.append(self._pool.submit(self._hash, *span))
        self._begun = self._written

    def _take(self, timeout: float | None) -> None:
        answered = wait([process.connection for process in self._processes], timeout)
        self._found += [process.found() for process in self._processes if process.connection in answered]

    def _hash(self, start: int, end: int) -> None:
        with self._csv.open("rb") as file:
            file.seek(start)
            for at in range(start, end, _READ):
                self._digest.update(file.read(min(_READ, end - at)))


class _Process:
    def __init__(self, csv: Path, columns: tuple[str, ...], with_figures: bool) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=theirs.fileno(),
                env={**os.environ, "PYTHONPATH": str(_PACKAGES)},
                preexec_fn=die_with_parent(SIGKILL),  # noqa: PLW1509  # it only calls prctl
            )
        self.connection = Connection(ours.detach())
        self.tell((csv, columns, with_figures))

    @property
    def id(self) -> int:
        return self._process.pid

    def tell(self, message: object) -> None:
        """To a process that has ended nothing is told: `found` says what became of it."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(message)

    def found(self) -> _Found:
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionResetError):
            status = self._process.wait()
            raise UserError(
                f"A process that audits the CSV ended with status {status}, so nothing is published.",
                "Look above and in the system's log for why it was ended, and run again.",
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        found: _Found = answer
        return found

    def end(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.wait()


def _serve() -> None:
    signal(SIGINT, SIG_IGN)  # of a terminal; who waits for the audit ends it
    keep_freed_memory()
    connection = Connection(os.dup(0))
    with suppress(EOFError, ConnectionError):  # who asked has ended
        csv, columns, with_figures = connection.recv()
        while True:
            start, end = connection.recv()
            try:
                found = _audit(csv, columns, with_figures, start, end)
            except (UserError, OSError) as error:
                connection.send(error)
            else:
                connection.send(found)


def _audit(csv: Path, columns: tuple[str, ...], with_figures: bool, start: int, end: int) -> _Found:
    adding = Adding(columns) if with_figures else None
    with csv.open("rb") as file:
        file.seek(start)

        def read(length: int) -> bytes:
            return file.read(min(length, end - file.tell()))

        rows = blocks(read, columns, has_header=start == 0)
        totals = totals_of(rows, adding.add) if adding else totals_of(rows)
    return start, totals, adding.part if adding else None


if __name__ == "__main__":
    _serve()
