"""The user's OUTPUT folder: one run at a time, and nothing in it changes until everything is ready."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.locks import hold_folder, name_holder
from movimento_flat.private_files import make_private_folder
from movimento_flat.publish.datapackage import is_package_of_ours
from movimento_flat.publish.manifest import FILES_BESIDE, MANIFEST_NAME, Manifest
from movimento_flat.publish.parts import CSV_NAME, PACKAGE_NAME

RUN_NAME = "movimento_flat.run"
REFUSED_NAME = "movimento_flat.refused"
_WORK_NAME = ".movimento_flat.work"
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

    def publish(self, files: Sequence[Path], run: Path) -> None:
        """Replace the delivery in OUTPUT, and remove the lists of a refused run.

        Several names cannot change in one step. The rename of the CSV decides what is published: before it, what
        lay beside the previous CSV can come back; after it, what is new must come (`settle`). At no moment does a
        manifest, package, Parquet file or page lie beside a CSV that is not its own: the old ones go first, the new
        ones come last. What the previous delivery had and the new one has not goes with the old ones.

        Args:
            files: the CSV and the files beside it, by the names that they get. They lie in `work`, on the disk of
                the folder they go to.
            run: the run folder, in `work` as well.

        Raises:
            UserError: a file that is not this program's has come to one of the names; OUTPUT is as it was.
            OSError: the disk does not take them; OUTPUT is as it was.
        """
        _refuse_foreign_files(self.path)
        for path in (*files, *run.iterdir(), run):
            flush_to_disk(path)
        for path in files:
            path.rename(self.work / _new(path.name))
        flush_to_disk(self.work)
        run.rename(self.work / _new(RUN_NAME))
        flush_to_disk(self.work)
        for name in (*FILES_BESIDE, RUN_NAME):
            if (self.path / name).exists():
                (self.path / name).rename(self.work / _previous(name))
        _flush_names(self.path, self.work)
        (self.work / _new(CSV_NAME)).replace(self.path / CSV_NAME)
        _flush_names(self.path, self.work)
        _settle(self.path, self.work)

    def refuse(self, run: Path) -> Path:
        """Put the lists of a run that is not published where its user finds them, and return that folder.

        It replaces the one of the last refused run. What was published stays.

        Raises:
            OSError: the disk does not take it.
        """
        _remove_refused(self.path, self.work)
        return run.rename(self.path / REFUSED_NAME)


def settle(path: Path) -> None:
    """Finish or undo what a run that was killed while it published has left between two steps.

    Raises:
        UserError: a run is publishing now, or a file that is not this program's has come to one of the names.
    """
    work = path.resolve() / _WORK_NAME
    if (work / _new(RUN_NAME)).exists():
        with hold_folder(path, "OUTPUT", work):
            _settle(path, work)


def _new(name: str) -> str:
    """Return what the work folder calls that which will be `name`; earlier versions called it the same."""
    return f"new.{name.removeprefix('movimento_flat.')}"


def _previous(name: str) -> str:
    """Return what the work folder calls that which was `name`; earlier versions called it the same."""
    return f"previous.{name.removeprefix('movimento_flat.')}"


def _settle(path: Path, work: Path) -> None:
    """Put beside the CSV what is its own: what is new, or what was there before if the CSV still is the previous one.

    Each step may have been done before. While the new run folder is in the work folder, something is to be done; so it
    goes last.

    Raises:
        UserError: a file that is not this program's has come to one of the names.
    """
    new_run = work / _new(RUN_NAME)
    if not new_run.exists():
        return
    if (work / _new(CSV_NAME)).exists():
        for name in (*FILES_BESIDE, RUN_NAME):
            _move(work / _previous(name), path / name)
        _flush_names(path, work)
        new_run.rename(work / "undone.run")
    else:
        _remove_refused(path, work)
        for name in FILES_BESIDE:
            _move(work / _new(name), path / name)
        _flush_names(path, work)
        _move(new_run, path / RUN_NAME)
    _flush_names(path, work)


def _move(source: Path, target: Path) -> None:
    """Move what is there to a name that nothing of ours has: all of ours is in the work folder."""
    if not source.exists():
        return
    if os.path.lexists(target):
        raise _foreign(target)
    source.rename(target)


def _remove_refused(path: Path, work: Path) -> None:
    if (path / REFUSED_NAME).exists():
        (path / REFUSED_NAME).rename(work / "previous.refused")


@contextmanager
def open_output(path: Path) -> Iterator[OutputFolder]:
    """Hold OUTPUT for this process, made if need be; what a killed run left there is removed.

    The lock is the kernel's: it ends with the process, whatever ends it.

    Raises:
        UserError: it is no folder, may not be written to, another run holds it, a file of one of the names that a
            run publishes is not this program's, or its file system has no locks or lets other users read what is
            written there.
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
    with hold_folder(path, "OUTPUT", work):
        _settle(path, work)
        shutil.rmtree(work, ignore_errors=True)
        make_private_folder(work)
        holder = name_holder(work)
        try:
            check_private(f"OUTPUT {path}", (work, holder))
            _refuse_foreign_files(path)
            yield OutputFolder(path.resolve(), work)
        finally:
            _settle(path, work)  # an error or an interrupt may have come between the steps of publishing
            shutil.rmtree(work, ignore_errors=True)


def check_private(what: str, made: Iterable[Path]) -> None:
    """Refuse a file system that has no permissions, as exFAT, or another one's, if it gives them to everybody.

    Args:
        what: the folder, as the message names it.
        made: private files and folders that were made in it.

    Raises:
        UserError: other users could read what is written there.
    """
    for private in made:
        if private.stat().st_mode & _OF_OTHERS:
            raise UserError(
                f"Other users of this machine could read what is written to {what}: its file system does not"
                f" keep files private.",
                "Name a folder on another one, or mount this one for you alone (umask=077 or"
                " file_mode=0600,dir_mode=0700).",
            )


def _refuse_foreign_files(path: Path) -> None:
    """Refuse to replace or remove what only has the name of a file of ours.

    A package says whose it is. A Parquet file or a page is ours where the manifest names it.

    Raises:
        UserError: there is such a file.
    """
    for name in FILES_BESIDE:
        file = path / name
        if os.path.lexists(file) and not (file.is_file() and _is_ours(file)):
            raise _foreign(file)


def _foreign(file: Path) -> UserError:
    return UserError(
        f"{file} is not of movimento-flat, and a run would replace it.",
        "Name another folder, or move the file away.",
    )


def _is_ours(file: Path) -> bool:
    if file.name == PACKAGE_NAME:
        return is_package_of_ours(file)
    try:
        return file.name in Manifest.read(file.parent / RUN_NAME / MANIFEST_NAME).beside
    except UserError:
        return False


def _flush_names(path: Path, work: Path) -> None:
    """Let no later step reach the disk before those that were taken."""
    flush_to_disk(work)
    flush_to_disk(path)


def flush_to_disk(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk before anything else is done."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems flush files only; what the order of names is after a power failure is theirs to say.
        if error.errno not in _CANNOT_FLUSH or not path.is_dir():
            raise
    finally:
        os.close(descriptor)
