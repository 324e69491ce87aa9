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
#: In the work folder, while a run is published: what is new, and the run folder that was there before.
_NEW_CSV, _NEW_RUN, _PREVIOUS_RUN = "new.csv", "new.run", "previous.run"


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

        Two names cannot change in one step. What is published is decided by the rename of the CSV: until then
        the previous run folder can come back, from then on the new one must come (`settle`). At no moment does
        a manifest lie beside a CSV that is not its own: the old one goes first, the new one comes last.

        Raises:
            OSError: the disk does not take them; OUTPUT is as it was.
        """
        for path in (csv, *run.iterdir(), run):
            _flush_to_disk(path)
        csv = csv.rename(self.work / _NEW_CSV)
        run.rename(self.work / _NEW_RUN)
        _flush_to_disk(self.work)
        if (self.path / RUN_NAME).exists():
            (self.path / RUN_NAME).rename(self.work / _PREVIOUS_RUN)
        csv.replace(self.path / CSV_NAME)
        _settle(self.path, self.work)

    def refuse(self, run: Path) -> Path:
        """Put the lists of a run that is not published where its user finds them; -> that folder.

        It replaces the one of the last refused run. What was published stays.

        Raises:
            OSError: the disk does not take it.
        """
        _remove_refused(self.path, self.work)
        return run.rename(self.path / REFUSED_NAME)


def settle(path: Path) -> None:
    """Finish or undo what a run that was killed while it published has left between two steps.

    Raises:
        UserError: a run is publishing now.
    """
    work = path.resolve() / _WORK_NAME
    if (work / _NEW_RUN).exists():
        with _locked(path, work):
            _settle(path, work)


def _settle(path: Path, work: Path) -> None:
    """Put the run folder beside the CSV that is its own: the new one, or the previous one if the CSV still is."""
    if not (work / _NEW_RUN).exists():
        return
    if (work / _NEW_CSV).exists():
        if (work / _PREVIOUS_RUN).exists():
            (work / _PREVIOUS_RUN).rename(path / RUN_NAME)
        (work / _NEW_RUN).rename(work / "undone.run")
    else:
        _remove_refused(path, work)
        (work / _NEW_RUN).rename(path / RUN_NAME)
    _flush_to_disk(path)


def _remove_refused(path: Path, work: Path) -> None:
    if (path / REFUSED_NAME).exists():
        (path / REFUSED_NAME).rename(work / "previous.refused")


@contextmanager
def open_output(path: Path) -> Iterator[OutputFolder]:
    """Hold OUTPUT for this process, made if need be; what a killed run left there is removed.

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
    with _locked(path, work):
        _settle(path, work)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        (work / _HOLDER_NAME).write_text(f"{os.getpid()}\n")
        try:
            yield OutputFolder(path.resolve(), work)
        finally:
            _settle(path, work)  # an error or an interrupt may have come between the steps of publishing
            shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _locked(path: Path, work: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, path, work)
        yield
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
