"""The user's OUTPUT folder: one run at a time, and nothing in it changes until everything is ready."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from merge.parts import CSV_NAME
from movimento_flat.errors import UserError

RUN_NAME = "movimento_flat.run"
REFUSED_NAME = "movimento_flat.refused"
_WORK_NAME = ".movimento_flat.work"
_HOLDER_NAME = "pid"
#: In the work folder: a run and its CSV that are to be published, whatever happens. Both have their final names.
_READY_NAME = "ready"


@dataclass(frozen=True)
class OutputFolder:
    """A folder that this process alone may publish to.

    Attributes:
        path: the folder.
        work: a private folder on the same disk for everything unfinished; removed at the end.
    """

    path: Path
    work: Path

    def publish(self, csv: Path, run: Path) -> None:
        """Replace the CSV and the run folder, and remove the lists of a refused run.

        Both must lie in `work`, on the disk of the folder they go to.

        Two names cannot change in one step. So one rename says that they will, and the steps that follow can be
        taken up by whoever opens OUTPUT next: a kill between them leaves the previous delivery or this one.

        Raises:
            OSError: the disk does not take them.
        """
        unfinished = self.work / f"{_READY_NAME}.unfinished"
        unfinished.mkdir(mode=0o700)
        run = run.rename(unfinished / RUN_NAME)
        csv = csv.rename(unfinished / CSV_NAME)
        for path in (csv, *run.iterdir(), run, unfinished):
            _flush_to_disk(path)
        unfinished.rename(self.work / _READY_NAME)
        _flush_to_disk(self.work)
        _finish_publishing(self.path, self.work)

    def refuse(self, run: Path) -> Path:
        """Put the lists of a run that is not published where its user finds them; -> that folder.

        It replaces the one of the last refused run. What was published stays.

        Raises:
            OSError: the disk does not take it.
        """
        _remove_refused(self.path, self.work)
        return run.rename(self.path / REFUSED_NAME)


def _finish_publishing(path: Path, work: Path) -> None:
    """Take the steps of publishing that are still to be taken, if there are any.

    At no moment does a manifest lie beside a CSV that is not its own: the old one goes first, the new one comes last.
    """
    ready = work / _READY_NAME
    if (ready / CSV_NAME).exists():
        if (path / RUN_NAME).exists():
            (path / RUN_NAME).rename(work / "previous.run")
        (ready / CSV_NAME).replace(path / CSV_NAME)
    if (ready / RUN_NAME).exists():
        _remove_refused(path, work)
        (ready / RUN_NAME).rename(path / RUN_NAME)
        _flush_to_disk(path)


def _remove_refused(path: Path, work: Path) -> None:
    if (path / REFUSED_NAME).exists():
        (path / REFUSED_NAME).rename(work / "previous.refused")


@contextmanager
def open_output(path: Path) -> Iterator[OutputFolder]:
    """Hold OUTPUT for this process, made if need be; what a killed run left there is removed.

    One that was killed while it published is published first.

    The lock is the kernel's: it ends with the process, whatever ends it.

    Raises:
        UserError: it is no folder, may not be written to, or another run holds it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(
            f"OUTPUT {path} is not a folder.", "Name a folder; it is made if it is not there."
        ) from error
    except OSError as error:
        raise UserError(f"OUTPUT {path} cannot be made: {error.strerror}.", "Name another folder.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(
            f"OUTPUT {path} may not be written to.", "Name another folder, or change its permissions."
        )
    work = path.resolve() / _WORK_NAME
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, path, work)
        _finish_publishing(path, work)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        (work / _HOLDER_NAME).write_text(f"{os.getpid()}\n")
        try:
            yield OutputFolder(path.resolve(), work)
        finally:
            _finish_publishing(path, work)  # an interrupt may have come between its steps
            shutil.rmtree(work, ignore_errors=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, work: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        try:
            holder = f"process {(work / _HOLDER_NAME).read_text().strip()}"
        except OSError:
            holder = "another process"
        raise UserError(
            f"OUTPUT {path} is in use by a run of {holder}.", "Wait for it to end, or name another folder."
        ) from error


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
