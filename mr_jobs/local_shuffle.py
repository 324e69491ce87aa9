r"""The shuffle on this machine, as Hadoop does it: map tasks write sorted runs, reduce tasks merge them as they read.

Records are lines `bucket \t tag \t rows`. A run has them in order of bucket and tag. Tasks write theirs in that order
so nothing is sorted here: a new run begins where a record comes before the one written last.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from heapq import merge
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from zlib import crc32

LINE_END = b"\n"
#: Bytes that a reduce task holds of all its runs together, and the least and the most of a single one.
ROOM, LEAST, MOST = 8 << 20, 16 << 10, 256 << 10
_WRITTEN_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Run:
    """Records for one reducer, in order: the bytes of a file from `start` to `end`."""

    reducer: int
    file: Path
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def records(self, at_once: int, position: "Position") -> Iterator[bytes]:
        """Return its records without line ends, read by so many bytes, which are added to the position.

        Its file is not kept open, for there may be more runs than a process may have files.
        """
        rest = b""
        for start in range(self.start, self.end, at_once):
            with self.file.open("rb", buffering=0) as file:
                file.seek(start)
                read = file.read(min(at_once, self.end - start))
            position.add(len(read))
            *lines, rest = (rest + read).split(LINE_END)
            yield from lines


def write_runs(runs: Iterable[Run], file: BinaryIO) -> None:
    """A list of runs; it says where they are."""
    file.writelines(json.dumps(astuple(run), default=str).encode() + LINE_END for run in runs)


def read_runs(file: BinaryIO) -> list[Run]:
    """The runs of such a list."""
    return [Run(reducer, Path(name), start, end) for reducer, name, start, end in map(json.loads, file)]


class MapOutput:
    """What mrjob lets a map task write to, instead of its standard output, which gets a list of the runs."""

    def __init__(self, records: str, reducers: int, stdout: BinaryIO) -> None:
        """Args:
        records: beginning of the names of the files that are written.
        reducers: how many reduce tasks there are.
        stdout: the task's.
        """
        self._stdout = stdout
        self._partitions = [_Partition(reducer, Path(f"{records}-{reducer}")) for reducer in range(reducers)]

    def __enter__(self) -> "MapOutput":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for partition in self._partitions:
            partition.close()
        if not error:
            write_runs((run for partition in self._partitions for run in partition.runs()), self._stdout)

    def write(self, text: bytes) -> None:
        """A record, or the line end that mrjob writes behind each."""
        if text != LINE_END:
            bucket_end = text.index(b"\t")
            tag_end = text.find(b"\t", bucket_end + 1)
            reducer = crc32(text[:bucket_end]) % len(self._partitions)
            self._partitions[reducer].add(text[:tag_end] if tag_end > 0 else text, text)


class _Partition:
    def __init__(self, reducer: int, path: Path) -> None:
        self._reducer = reducer
        self._path = path
        self._file = path.open("xb", buffering=_WRITTEN_AT_ONCE)
        self._key = b""
        self._size = 0
        self._starts = [0]

    def add(self, key: bytes, record: bytes) -> None:
        if key < self._key:
            self._starts.append(self._size)
        self._key = key
        self._size += len(record) + len(LINE_END)
        self._file.write(record)
        self._file.write(LINE_END)

    def close(self) -> None:
        self._file.close()

    def runs(self) -> Iterator[Run]:
        for start, end in zip(self._starts, [*self._starts[1:], self._size], strict=True):
            if start < end:
                yield Run(self._reducer, self._path, start, end)


def reduce_input(runs_list: BinaryIO, position: "Position") -> Iterator[bytes]:
    """Return all records of a reduce task's list of runs in order of their buckets and tags, without line ends."""
    runs = read_runs(runs_list)
    at_once = min(max(ROOM // max(1, len(runs)), LEAST), MOST)
    # Whole records are compared: a key of each would cost more, and no byte of a bucket or tag comes before a tab.
    return merge(*(run.records(at_once, position) for run in runs))


class Position:
    """How many bytes of its input a task has read, in a file for whoever watches it."""

    def __init__(self, file: Path) -> None:
        """Args:
        file: new file.
        """
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._read = 0

    def __enter__(self) -> "Position":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def add(self, read: int) -> None:
        """Say that so many bytes more are read."""
        self._read += read
        os.pwrite(self._descriptor, b"%020d" % self._read, 0)

    def followed(self, file: BinaryIO) -> "_Followed":
        """Return the file as one to read from, whose position is told."""
        return _Followed(file, self)

    @staticmethod
    def of(file: Path) -> int:
        """Return the bytes that a task has read so far; 0 before it has begun."""
        try:
            return int(file.read_bytes() or 0)
        except FileNotFoundError:
            return 0


class _Followed:
    """What mrjob reads a map task's input from."""

    def __init__(self, file: BinaryIO, position: Position) -> None:
        self._file = file
        self._position = position

    def read(self, size: int) -> bytes:
        return self._told(self._file.read(size))

    def readline(self) -> bytes:
        return self._told(self._file.readline())

    def _told(self, read: bytes) -> bytes:
        self._position.add(len(read))
        return read


def remove(runs: Sequence[Run]) -> None:
    """Remove the files of runs."""
    for file in {run.file for run in runs}:
        file.unlink()
