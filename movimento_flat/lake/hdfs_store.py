"""A lake in HDFS.

HDFS cannot let two folders change places, but can move a file over another in one step. So a month is one file there,
whatever its size: HDFS keeps it in blocks, and readers share its row groups. What a run makes is copied into a folder
of its own in `_work`, and read back. A run that takes the lake over from a killed one removes `_work` first: whatever
the other one still tried would find nothing to move.

A run holds the lake by a file that it has open for writing. HDFS lets one client have it, and takes it away a minute
after that has ended without closing it.
"""

import base64
import os
import secrets
import shutil
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop, JavaProgram
from movimento_flat.lake.folder import JOURNAL_NAME, UNFINISHED, WORK_NAME, Change
from movimento_flat.lake.record import (
    FILE_NAME,
    RECORD_NAME,
    LakeRecord,
    MonthEntry,
    folder_of,
    is_shown,
)
from movimento_flat.private_files import make_private_folder
from movimento_flat.publish.manifest import FileEntry

_LOCK_NAME = "_lock"
#: In `_work`: which process of which machine holds the lake.
HOLDER_NAME = "holder"
_PROGRAM = "HdfsLake"
#: HDFS gives a killed client's file to another one after 60 s, and may need some more to complete the file.
_WAIT_SECONDS, _POLL_SECONDS = 80, 1
_OF_GROUP = "fs.permissions.umask-mode=027"


class HdfsStore:
    """See `movimento_flat.lake.folder.Store`."""

    has_one_file = True

    def __init__(
        self, uri: str, group: str | None, work: Path, program: JavaProgram, say: Callable[[str], object]
    ) -> None:
        """See `hdfs_store`; `program` is HdfsLake.java."""
        self.name = uri
        self.work = work
        self._group = group
        self._ask = program.ask
        self._say = say
        self._staged = f"{WORK_NAME}/{secrets.token_hex(8)}"

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Store.hold`. The lake is free again when the program ends, and so when this one does."""
        deadline = time.monotonic() + _WAIT_SECONDS
        has_said = False
        while self._ask("hold", _LOCK_NAME) != ["held"]:
            holder = (self._read(f"{WORK_NAME}/{HOLDER_NAME}") or b"another process").decode()
            if time.monotonic() > deadline:
                raise UserError(
                    f"The lake {self.name} is in use by a run of {holder}.",
                    "Wait for it to end, or name another folder.",
                )
            if not has_said:
                self._say(
                    f"{self.name} is in use by a run of {holder}. If that was killed, HDFS gives the lake free a"
                    " minute later: waiting."
                )
            has_said = True
            time.sleep(_POLL_SECONDS)
        yield

    def is_in_use(self) -> bool:
        """See `Store.is_in_use`."""
        return bool(self._list(WORK_NAME))

    def names(self, folder: str = "") -> set[str]:
        """See `Store.names`."""
        return {name for name in self._list(folder) if is_shown(name)}

    def record(self) -> bytes | None:
        """See `Store.record`.

        Raises:
            UserError: a month of it has several files, as those of a large lake that was copied have.
        """
        content = self._read(RECORD_NAME)
        if content:
            months = LakeRecord.of_bytes(content, self.name).months
            if several := [month for month, entry in months.items() if [*entry.files] != [FILE_NAME]]:
                raise UserError(
                    f"{several[0]} of the lake {self.name} has several files, which HDFS cannot change in one step.",
                    "Name a new folder; a lake that --lake has written in HDFS has one file a month.",
                )
        return content

    def journal(self) -> bytes | None:
        """See `Store.journal`."""
        return self._read(f"{WORK_NAME}/{JOURNAL_NAME}")

    @contextmanager
    def fetched(self, month: str, file: str) -> Iterator[Path]:
        """See `Store.fetched`."""
        copy = self.work / "fetched"
        try:
            if self._ask("get", f"{folder_of(month)}/{file}", copy.name) != ["got"]:
                copy.unlink()
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def begin(self) -> None:
        """See `Store.begin`."""
        if self._group:
            self._ask("share", self._group)
        self._ask("make", WORK_NAME)
        self._ask("make", self._staged)
        self._write(f"process {os.getpid()} on {socket.gethostname()}".encode(), HOLDER_NAME)
        self._ask("move", f"{self._staged}/{HOLDER_NAME}", f"{WORK_NAME}/{HOLDER_NAME}")

    def prepare(self, change: Change) -> None:
        """See `Store.prepare`. The folder of this run must be there: another one would have removed it."""
        for month in change.replaced:
            local = f"{folder_of(month)}/{FILE_NAME}{UNFINISHED}"
            self._ask("put", f"{self._staged}/{month}", local)
            (self.work / local).unlink()
            self._ask("get", f"{self._staged}/{month}", "fetched")
            if FileEntry.of(self.work / "fetched") != change.record.months[month].files[FILE_NAME]:
                raise UserError(
                    f"{month} was copied to {self.name}, and what is read there is something else.",
                    "Look at the health of HDFS (`hdfs fsck`), and run again.",
                )
        self._write(change.record.as_bytes(), RECORD_NAME)
        self._write(change.as_bytes(), JOURNAL_NAME)
        self._ask("move", f"{self._staged}/{JOURNAL_NAME}", f"{WORK_NAME}/{JOURNAL_NAME}")

    def replace(self, month: str, entry: MonthEntry, is_again: bool) -> None:
        """See `Store.replace`."""
        self._publish(month, f"{folder_of(month)}/{FILE_NAME}", is_again)

    def remove(self, month: str, is_again: bool) -> None:
        """See `Store.remove`. It is moved: the folder of a run that no longer holds the lake is not there."""
        if (folder := folder_of(month)) in self.names():
            self._ask("move", folder, f"{self._made(is_again)}/removed-{month}")

    def put_record(self, change: Change, is_again: bool) -> None:
        """See `Store.put_record`."""
        self._publish(RECORD_NAME, RECORD_NAME, is_again)

    def end(self) -> None:
        """See `Store.end`."""
        self._ask("delete", WORK_NAME)
        for month in self.work.glob(folder_of("*")):
            shutil.rmtree(month)

    def _publish(self, name: str, target: str, is_again: bool) -> None:
        made = self._made(is_again)
        if not is_again or name in self._list(made):
            self._ask("publish", f"{made}/{name}", target)

    def _made(self, is_again: bool) -> str:
        """Return the folder of the run that has written the journal: of this one, or of a killed one."""
        if not is_again:
            return self._staged
        (made,) = {*self._list(WORK_NAME)} - {JOURNAL_NAME, HOLDER_NAME}
        return f"{WORK_NAME}/{made}"

    def _write(self, content: bytes, name: str) -> None:
        local = self.work / "written"
        local.write_bytes(content)
        self._ask("put", f"{self._staged}/{name}", local.name)

    def _read(self, name: str) -> bytes | None:
        return base64.b64decode(self._ask("read", name)[0]) or None

    def _list(self, folder: str) -> list[str]:
        _, *names = self._ask("list", folder)
        return names


@contextmanager
def hdfs_store(uri: str, group: str | None, work: Path, say: Callable[[str], object]) -> Iterator[HdfsStore]:
    """Give a lake in HDFS.

    Args:
        uri: of its folder.
        group: of HDFS, that may read the files beside their owner; None: nobody.
        work: a private folder of this machine.
        say: told when another run holds the lake.

    Raises:
        UserError: there is no `hadoop` command, or HDFS does not answer.
    """
    hadoop = Hadoop.find()
    work = make_private_folder(work)
    jar = work / "lake.jar"
    with zipfile.ZipFile(jar, "x") as archive:
        program = f"{_PROGRAM}.class"
        archive.writestr(program, files("movimento_flat.lake").joinpath(program).read_bytes())
    with hadoop.program(jar, _PROGRAM, uri, *([_OF_GROUP] if group else [])) as running:
        yield HdfsStore(uri, group, work, running, say)
