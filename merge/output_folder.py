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
_WORK_NAME = ".movimento_flat.work"
_HOLDER_NAME = "pid"


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
        """Replace the run folder, then, as the last act and in one step, the CSV.

        Both must lie in `work`, on the disk of the folder they go to.

        Raises:
            OSError: the disk does not take them; the previous CSV is still there.
        """
        for file in (csv, *run.iterdir()):
            _flush_to_disk(file)
        if (self.path / RUN_NAME).exists():
            (self.path / RUN_NAME).rename(self.work / "previous.run")
        run.rename(self.path / RUN_NAME)
        csv.replace(self.path / CSV_NAME)
        _flush_to_disk(self.path)


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
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, path, work)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        (work / _HOLDER_NAME).write_text(f"{os.getpid()}\n")
        try:
            yield OutputFolder(path.resolve(), work)
        finally:
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
