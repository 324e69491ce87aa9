"""The lake's folder: one run at a time, and a reader sees each month as it was or as it is.

A month's folder is made in `_work`, and changes places with the one before in one step (renameat2(2)). The change is
written to a journal first: a run that is killed before that changes nothing, and one that is killed later is finished
by the next run, or by `verify`.
"""

import ctypes
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from movimento_flat.errors import UserError
from movimento_flat.lake.record import RECORD_NAME, LakeRecord, folder_of, names_in
from movimento_flat.locks import hold_folder, name_holder
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.publish.manifest import entry_of, json_bytes
from movimento_flat.publish.output_folder import check_private, flush_to_disk

_WORK_NAME, _JOURNAL_NAME = "_work", "journal.json"
#: What a Parquet file's name ends with until its month is published: a pattern of readers does not match it.
_UNFINISHED = ".new"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_FILE_OF_GROUP, _FOLDER_OF_GROUP = 0o640, 0o750


@dataclass(frozen=True)
class Change:
    """What a run does to a lake.

    Attributes:
        record: of the lake afterwards.
        replaced: months whose files are new.
        removed: months that have no rows any more.
    """

    record: LakeRecord
    replaced: tuple[str, ...]
    removed: tuple[str, ...]

    @classmethod
    def read(cls, journal: Path) -> Self:
        """Read a journal."""
        return entry_of(cls, json.loads(journal.read_bytes()))


@dataclass(frozen=True)
class LakeFolder:
    """A lake that this process alone may change.

    Attributes:
        path: the folder.
        work: a private folder in it for everything unfinished; removed at the end.
        record: what the lake holds; None where it is new.
        group: who may read the files beside their owner; None: nobody.
    """

    path: Path
    work: Path
    record: LakeRecord | None
    group: int | None

    def new_file(self, month: str, name: str) -> Path:
        """Make an empty file of a month that is to be published, and return its path."""
        folder = make_private_folder(self.work / folder_of(month), exist_ok=True)
        return make_private_file(folder / f"{name}{_UNFINISHED}")

    def publish(self, change: Change) -> None:
        """Let readers see the months that were made, each in one step; a killed run is finished later.

        Raises:
            OSError: the disk does not take the journal; the lake is as it was.
        """
        for month in change.replaced:
            folder = self.work / folder_of(month)
            for path in folder.iterdir():
                flush_to_disk(path)
                path.rename(path.with_suffix(""))
            self._let_group_read(folder)
            flush_to_disk(folder)
        unfinished = make_private_file(self.work / f"{_JOURNAL_NAME}{_UNFINISHED}")
        unfinished.write_bytes(json_bytes(asdict(change)))
        flush_to_disk(unfinished)
        unfinished.rename(self.work / _JOURNAL_NAME)
        flush_to_disk(self.work)
        _finish(self.path, self.work, change, is_again=False)

    def _let_group_read(self, folder: Path) -> None:
        if self.group is not None:
            for path, mode in (
                (folder, _FOLDER_OF_GROUP),
                *((path, _FILE_OF_GROUP) for path in folder.iterdir()),
            ):
                os.chown(path, -1, self.group)
                path.chmod(mode)


@contextmanager
def open_lake(path: Path, group: int | None = None) -> Iterator[LakeFolder]:
    """Hold a lake for this process, made if need be; what a killed run left is finished or removed.

    Raises:
        UserError: it is no folder of a lake, another run holds it, or its file system cannot do what is needed.
    """
    try:
        make_private_folder(path, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The lake {path} cannot be made: {error.strerror}.", "Name another folder."
        ) from error
    path = path.resolve()
    with hold_folder(path, "The lake", path / _WORK_NAME):
        _settle(path)
        record = LakeRecord.read(path)
        _refuse_foreign(path, record)
        work = make_private_folder(path / _WORK_NAME)
        try:
            check_private(f"the lake {path}", (work, name_holder(work)))
            _check_exchange(path, work)
            if group is not None:
                _share(path, group)
            yield LakeFolder(path, work, record, group)
        finally:
            _settle(path)


def settle(path: Path) -> LakeRecord:
    """Finish or undo what a killed run has left, and return the lake's record.

    Raises:
        UserError: a run holds the lake now, or it is none.
    """
    if (path / _WORK_NAME).exists():
        with hold_folder(path, "The lake", path / _WORK_NAME):
            _settle(path)
    record = LakeRecord.read(path)
    if not record:
        raise UserError(
            f"{path} is no lake: it has no {RECORD_NAME}.", "Name a folder that --lake has written."
        )
    return record


def is_lake(path: Path) -> bool:
    """Return whether a run has begun a lake in this folder."""
    return (path / RECORD_NAME).exists() or (path / _WORK_NAME / _JOURNAL_NAME).exists()


def foreign_names(path: Path, record: LakeRecord | None) -> list[str]:
    """Return what lies in a lake and is none of its files; readers would take it for its data."""
    months = {folder_of(month): entry for month, entry in record.months.items()} if record else {}
    found = names_in(path) - months.keys()
    found |= {
        f"{folder}/{name}"
        for folder, entry in months.items()
        for name in names_in(path / folder) - entry.files.keys()
    }
    return sorted(found)


def _settle(path: Path) -> None:
    work = path / _WORK_NAME
    if (work / _JOURNAL_NAME).exists():
        _finish(path, work, Change.read(work / _JOURNAL_NAME), is_again=True)
    shutil.rmtree(work, ignore_errors=True)


def _finish(path: Path, work: Path, change: Change, is_again: bool) -> None:
    """Do what the journal says. With `is_again` each step may have been done before."""
    for month in change.replaced:
        new, there = work / folder_of(month), path / folder_of(month)
        if is_again and change.record.months[month].is_in(there):
            continue
        if there.exists():
            exchange(new, there)
        else:
            new.rename(there)
    for month in change.removed:
        if (there := path / folder_of(month)).exists():
            there.rename(work / f"removed {month}")
    flush_to_disk(path)
    unfinished = work / RECORD_NAME
    unfinished.unlink(missing_ok=True)
    make_private_file(unfinished).write_bytes(change.record.as_bytes())
    if path.stat().st_mode & 0o040:
        os.chown(unfinished, -1, path.stat().st_gid)
        unfinished.chmod(_FILE_OF_GROUP)
    flush_to_disk(unfinished)
    unfinished.replace(path / RECORD_NAME)
    flush_to_disk(path)
    (work / _JOURNAL_NAME).unlink()


def _share(path: Path, group: int) -> None:
    """Let a group look into the lake's folder."""
    try:
        os.chown(path, -1, group)
        path.chmod(_FOLDER_OF_GROUP)
    except PermissionError as error:
        raise UserError(
            f"The lake {path} cannot be given to that group: {error.strerror}.",
            "Name a group that you are a member of: --lake-group.",
        ) from error


def _refuse_foreign(path: Path, record: LakeRecord | None) -> None:
    if foreign := foreign_names(path, record):
        raise UserError(
            f"The folder {path} has what is not of this lake: {', '.join(foreign[:5])}.",
            "Name another folder, or move it away.",
        )


def _check_exchange(path: Path, work: Path) -> None:
    """Raises:
    UserError: the file system cannot let two folders change places.
    """
    pair = [make_private_folder(work / name) for name in ("one", "other")]
    try:
        exchange(*pair)
    except OSError as error:
        raise UserError(
            f"The lake {path} lies on a file system on which two folders cannot change places in one step"
            f" ({error.strerror}): a reader could see half a month.",
            "Name a folder on a disk of this machine, and copy the lake from there.",
        ) from error
    for folder in pair:
        folder.rmdir()


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
