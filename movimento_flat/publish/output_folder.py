"""The user's OUTPUT folder: one run at a time, and nothing in it changes until everything is ready."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.locks import open_locked
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.publish.datapackage import PACKAGE_NAME, is_package_of_ours
from movimento_flat.publish.parts import CSV_NAME

RUN_NAME = "movimento_flat.run"
REFUSED_NAME = "movimento_flat.refused"
_WORK_NAME = ".movimento_flat.work"
_HOLDER_NAME = "pid"
#: In the work folder, while a run is published: what is new, and what lay beside the CSV before.
_NEW_CSV, _NEW_PACKAGE, _NEW_RUN = "new.csv", "new.datapackage.json", "new.run"
_PREVIOUS_PACKAGE, _PREVIOUS_RUN = "previous.datapackage.json", "previous.run"
#: What lies beside the CSV and says something of it: its name, and its names in the work folder. The run folder is
#: the last one, since it is the sign that something is to be done.
_BESIDE = (
    (PACKAGE_NAME, _NEW_PACKAGE, _PREVIOUS_PACKAGE),
    (RUN_NAME, _NEW_RUN, _PREVIOUS_RUN),
)
_OF_OTHERS = 0o077
_CANNOT_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}


@dataclass(frozen=True)
class OutputFolder:
    """A folder that this process alone may publish to.

    Attributes:
        path: the folder.
        work: a private folder on the same disk for everything unfinished; removed at the end.
    """

    path: Path
    work: Path

    def publish(self, csv: Path, package: Path, run: Path) -> None:
        """Replace the CSV, its data package and the run folder, and remove the lists of a refused run.

        All must lie in `work`, on the disk of the folder they go to.

        Three names cannot change in one step. What is published is decided by the rename of the CSV: until then
        what lay beside the previous one can come back, from then on the new ones must come (`settle`). At no moment
        does a manifest or a package lie beside a CSV that is not its own: the old ones go first, the new ones come
        last.

        Raises:
            OSError: the disk does not take them; OUTPUT is as it was.
        """
        for path in (csv, package, *run.iterdir(), run):
            _flush_to_disk(path)
        csv = csv.rename(self.work / _NEW_CSV)
        package.rename(self.work / _NEW_PACKAGE)
        run.rename(self.work / _NEW_RUN)
        _flush_to_disk(self.work)
        for name, _, previous in _BESIDE:
            if (self.path / name).exists():
                (self.path / name).rename(self.work / previous)
        self._flush()
        csv.replace(self.path / CSV_NAME)
        self._flush()
        _settle(self.path, self.work)

    def _flush(self) -> None:
        """Let no later step reach the disk before those that were taken."""
        _flush_to_disk(self.work)
        _flush_to_disk(self.path)

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
    """Put beside the CSV what is its own: what is new, or what was there before if the CSV still is the previous one.

    Each step may have been done before.
    """
    if not (work / _NEW_RUN).exists():
        return
    is_new = not (work / _NEW_CSV).exists()
    if is_new:
        _remove_refused(path, work)
    for name, new, previous in _BESIDE:
        own = work / (new if is_new else previous)
        if own.exists():
            own.rename(path / name)
    if not is_new:
        (work / _NEW_RUN).rename(work / "undone.run")
    _flush_to_disk(path)


def _remove_refused(path: Path, work: Path) -> None:
    if (path / REFUSED_NAME).exists():
        (path / REFUSED_NAME).rename(work / "previous.refused")


@contextmanager
def open_output(path: Path) -> Iterator[OutputFolder]:
    """Hold OUTPUT for this process, made if need be; what a killed run left there is removed.

    The lock is the kernel's: it ends with the process, whatever ends it.

    Raises:
        UserError: it is no folder, may not be written to, another run holds it, it is the folder of another data
            package, or its file system has no locks or lets other users read what is written there.
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
        make_private_folder(work)
        make_private_file(work / _HOLDER_NAME).write_text(f"{os.getpid()}\n")
        try:
            _check_private(path, work)
            _check_package(path / PACKAGE_NAME)
            yield OutputFolder(path.resolve(), work)
        finally:
            _settle(path, work)  # an error or an interrupt may have come between the steps of publishing
            shutil.rmtree(work, ignore_errors=True)


def _check_private(path: Path, work: Path) -> None:
    """Refuse a file system that has no permissions, as exFAT, or another one's, if it gives them to everybody.

    Raises:
        UserError: other users could read what is written to OUTPUT.
    """
    for private in (work, work / _HOLDER_NAME):
        if private.stat().st_mode & _OF_OTHERS:
            raise UserError(
                f"Other users of this machine could read what is written to OUTPUT {path}: its file system does not"
                f" keep files private.",
                "Name a folder on another one, or mount this one for you alone (umask=077 or"
                " file_mode=0600,dir_mode=0700).",
            )


def _check_package(package: Path) -> None:
    """Raises:
    UserError: there is one that is not this program's, which must not be replaced.
    """
    if package.exists() and not is_package_of_ours(package):
        raise UserError(
            f"{package} is not of movimento-flat, and a run would replace it.",
            "Name another folder, or move the file away.",
        )


@contextmanager
def _locked(path: Path, work: Path) -> Iterator[None]:
    try:
        descriptor = open_locked(path, os.O_RDONLY | os.O_DIRECTORY)
    except BlockingIOError as error:
        try:
            holder = f"process {(work / _HOLDER_NAME).read_text().strip()}"
        except OSError:
            holder = "another process"
        raise UserError(
            f"OUTPUT {path} is in use by a run of {holder}.", "Wait for it to end, or name another folder."
        ) from error
    except OSError as error:
        raise UserError(
            f"OUTPUT {path} cannot be locked: {error.strerror}. Two runs could publish there at the same time.",
            "Name a folder on another file system.",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems flush files only; what the order of names is after a power failure is theirs to say.
        if error.errno not in _CANNOT_FLUSH or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
