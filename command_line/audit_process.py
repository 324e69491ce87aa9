"""The audit in a process of its own: it reads the CSV while the merge still writes it, each on a core."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from signal import SIG_IGN, SIGINT, SIGKILL, signal
from types import TracebackType
from typing import Any

from merge.accounting import Audit
from merge.csv_audit import Block, audit
from movimento_flat.errors import UserError
from movimento_flat.processes import die_with_parent
from report.figures import Adding, Figures

_PACKAGES = Path(__file__).resolve().parent.parent


class AuditProcess:
    """Audits a CSV and adds up its figures; ends with this process."""

    def __init__(self, csv: Path, columns: tuple[str, ...], with_figures: bool) -> None:
        """Start it.

        Args:
            csv: the file; it need not be there before `has_written` is called.
            columns: that it must have.
            with_figures: whether its figures are wanted, too.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=theirs.fileno(),
                env={**os.environ, "PYTHONPATH": str(_PACKAGES)},
                preexec_fn=die_with_parent(SIGKILL),  # noqa: PLW1509  # it only calls prctl
            )
        self._connection = Connection(ours.detach())
        self._tell((csv, columns, with_figures))

    @property
    def process(self) -> int:
        """Its id."""
        return self._process.pid

    def __enter__(self) -> "AuditProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def has_written(self, size: int) -> None:
        """So many bytes of the file can be read."""
        self._tell(size)

    def result(self, progress: Callable[[int], None]) -> tuple[Audit, Figures | None]:
        """The file is complete; -> what it holds, with `progress` told of its rows.

        Raises:
            UserError: it is no flat CSV, or the process was killed.
            OSError: the file cannot be read.
        """
        self._tell(None)
        try:
            while isinstance(answer := self._connection.recv(), int):
                progress(answer)
        except (EOFError, ConnectionResetError):
            status = self._process.wait()
            raise UserError(
                f"The process that audits the CSV ended with status {status}, so nothing is published.",
                "Look above and in the system's log for why it was ended, and run again.",
            ) from None
        if isinstance(answer, BaseException):
            raise answer
        audited, figures = answer
        return audited, figures

    def _tell(self, message: object) -> None:
        """To a process that has ended nothing is told: `result` says what became of it."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(message)


def _serve() -> None:
    signal(SIGINT, SIG_IGN)  # of a terminal; who waits for the audit ends it
    connection = Connection(os.dup(0))
    csv, columns, with_figures = connection.recv()
    try:
        connection.send(_audit(connection, csv, columns, with_figures))
    except (UserError, OSError) as error:
        connection.send(error)


def _audit(
    connection: "Connection[Any, Any]", csv: Path, columns: tuple[str, ...], with_figures: bool
) -> tuple[Audit, Figures | None]:
    figures = Adding(columns) if with_figures else None
    size: int | None = 0
    rows = 0

    def wait(wanted: int) -> None:
        nonlocal size
        while size is not None and size < wanted:
            size = connection.recv()

    def watch(block: Block) -> None:
        nonlocal rows
        rows += len(block)
        if size is None:  # somebody listens
            connection.send(rows)
            rows = 0
        if figures:
            figures.add(block)

    wait(1)
    audited = audit(csv, columns, watch, wait)
    return audited, figures.figures() if figures else None


if __name__ == "__main__":
    _serve()
