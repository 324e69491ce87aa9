"""A lake in a folder of this machine.

A month's folder is made in `_work`, and changes places with the one before in one step (renameat2(2)).
"""

import ctypes
import errno
import grp
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.lake.folder import JOURNAL_NAME, UNFINISHED, WORK_NAME, Change
from movimento_flat.lake.record import RECORD_NAME, MonthEntry, folder_of, names_in
from movimento_flat.locks import hold_folder, name_holder
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.publish.output_folder import check_private, flush_to_disk

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_FILE_OF_GROUP, _FOLDER_OF_GROUP = 0o640, 0o750


def group_id(name: str) -> int:
    """Return the id of a group of this machine.

    Raises:
        ValueError: it has no such group.
    """
    try:
        return int(grp.getgrnam(name).gr_gid)
    except KeyError as error:
        raise ValueError(f"there is no group {name} on this machine") from error


def is_lake(path: Path) -> bool:
    """Return whether a run has begun a lake in this folder."""
    return (path / RECORD_NAME).exists() or (path / WORK_NAME / JOURNAL_NAME).exists()


@dataclass(frozen=True)
class LocalStore:
    """See `movimento_flat.lake.folder.Store`.

    Attributes:
        path: the folder.
        group: who may read the files beside their owner; None: nobody.
    """

    path: Path
    group: int | None = None
    has_one_file = False

    @property
    def name(self) -> str:
        """See `Store.name`."""
        return str(self.path)

    @property
    def work(self) -> Path:
        """See `Store.work`."""
        return self.path / WORK_NAME

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Store.hold`."""
        try:
            make_private_folder(self.path, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"The lake {self.path} cannot be made: {error.strerror}.", "Name another folder."
            ) from error
        with hold_folder(self.path.resolve(), "The lake", self.work):
            yield

    def is_in_use(self) -> bool:
        """See `Store.is_in_use`."""
        return self.work.exists()

    def names(self, folder: str = "") -> set[str]:
        """See `Store.names`."""
        return names_in(self.path / folder)

    def record(self) -> bytes | None:
        """See `Store.record`."""
        return _content(self.path / RECORD_NAME)

    def journal(self) -> bytes | None:
        """See `Store.journal`."""
        return _content(self.work / JOURNAL_NAME)

    @contextmanager
    def fetched(self, month: str, file: str) -> Iterator[Path]:
        """See `Store.fetched`."""
        yield self.path / folder_of(month) / file

    def begin(self) -> None:
        """See `Store.begin`."""
        make_private_folder(self.work)
        try:
            check_private(f"the lake {self.path}", (self.work, name_holder(self.work)))
            self._check_exchange()
            if self.group is not None:
                self._share(self.group)
        except BaseException:
            self.end()
            raise

    def prepare(self, change: Change) -> None:
        """See `Store.prepare`."""
        for month in change.replaced:
            folder = self.work / folder_of(month)
            for path in folder.iterdir():
                flush_to_disk(path)
                path.rename(path.with_suffix(""))
            self._let_group_read(folder)
            flush_to_disk(folder)
        unfinished = make_private_file(self.work / f"{JOURNAL_NAME}{UNFINISHED}")
        unfinished.write_bytes(change.as_bytes())
        flush_to_disk(unfinished)
        unfinished.rename(self.work / JOURNAL_NAME)
        flush_to_disk(self.work)

    def replace(self, month: str, entry: MonthEntry, is_again: bool) -> None:
        """See `Store.replace`."""
        new, there = self.work / folder_of(month), self.path / folder_of(month)
        if is_again and entry.is_in(there):
            return
        if there.exists():
            exchange(new, there)
        else:
            new.rename(there)

    def remove(self, month: str, is_again: bool) -> None:
        """See `Store.remove`."""
        if (there := self.path / folder_of(month)).exists():
            there.rename(self.work / f"removed {month}")

    def put_record(self, change: Change, is_again: bool) -> None:
        """See `Store.put_record`."""
        flush_to_disk(self.path)
        unfinished = self.work / RECORD_NAME
        unfinished.unlink(missing_ok=True)
        make_private_file(unfinished).write_bytes(change.record.as_bytes())
        if self.path.stat().st_mode & 0o040:
            os.chown(unfinished, -1, self.path.stat().st_gid)
            unfinished.chmod(_FILE_OF_GROUP)
        flush_to_disk(unfinished)
        unfinished.replace(self.path / RECORD_NAME)
        flush_to_disk(self.path)

    def end(self) -> None:
        """See `Store.end`."""
        (self.work / JOURNAL_NAME).unlink(missing_ok=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def _let_group_read(self, folder: Path) -> None:
        if self.group is not None:
            for path, mode in (
                (folder, _FOLDER_OF_GROUP),
                *((path, _FILE_OF_GROUP) for path in folder.iterdir()),
            ):
                os.chown(path, -1, self.group)
                path.chmod(mode)

    def _share(self, group: int) -> None:
        """Let a group look into the lake's folder."""
        try:
            os.chown(self.path, -1, group)
            self.path.chmod(_FOLDER_OF_GROUP)
        except PermissionError as error:
            raise UserError(
                f"The lake {self.path} cannot be given to that group: {error.strerror}.",
                "Name a group that you are a member of: --lake-group.",
            ) from error

    def _check_exchange(self) -> None:
        """Raises:
        UserError: the file system cannot let two folders change places.
        """
        pair = [make_private_folder(self.work / name) for name in ("one", "other")]
        try:
            exchange(*pair)
        except OSError as error:
            raise UserError(
                f"The lake {self.path} lies on a file system on which two folders cannot change places in one step"
                f" ({error.strerror}): a reader could see half a month.",
                "Name a folder on a disk of this machine, and copy the lake from there.",
            ) from error
        for folder in pair:
            folder.rmdir()


def _content(file: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return file.read_bytes()
    return None


def exchange(one: Path, other: Path) -> None:
    """Let two folders change places in one step.

    Raises:
        OSError: the file system cannot do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if libc.renameat2(_AT_FDCWD, bytes(one), _AT_FDCWD, bytes(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
