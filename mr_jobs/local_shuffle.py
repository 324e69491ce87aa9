r"""The shuffle on this machine, as Hadoop does it: map tasks write sorted runs, reduce tasks merge them as they read.

Records are lines `bucket \t pack`. A run has them in order of their buckets. The packers hand theirs out in that order,
so nothing is sorted here: a new run begins where a bucket comes before the one before it.
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

    def records(self, at_once: int, position: int) -> Iterator[bytes]:
        """-> its records without line ends, read by so many bytes; a descriptor's position is moved on by these.

        Its file is not kept open, for there may be more runs than a process may have files.
        """
        rest = b""
        for start in range(self.start, self.end, at_once):
            with self.file.open("rb", buffering=0) as file:
                file.seek(start)
                read = file.read(min(at_once, self.end - start))
            os.lseek(position, len(read), os.SEEK_CUR)
            *lines, rest = (rest + read).split(LINE_END)
            yield from lines


def write_runs(runs: Iterable[Run], file: BinaryIO) -> None:
    """A list of runs; it says where they are."""
    file.writelines(json.dumps(astuple(run), default=str).encode() + LINE_END for run in runs)


def read_runs(file: BinaryIO) -> list[Run]:
    """The runs of such a list."""
    return [Run(reducer, Path(name), start, end) for reducer, name, start, end in map(json.loads, file)]


class MapOutput:
    """What mrjob lets a map task write to, in the place of its standard output, which gets a list of the runs."""

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
            bucket = text[: text.index(b"\t")]
            self._partitions[crc32(bucket) % len(self._partitions)].add(bucket, text)


class _Partition:
    def __init__(self, reducer: int, path: Path) -> None:
        self._reducer = reducer
        self._path = path
        self._file = path.open("xb", buffering=_WRITTEN_AT_ONCE)
        self._bucket = b""
        self._size = 0
        self._starts = [0]

    def add(self, bucket: bytes, record: bytes) -> None:
        if bucket < self._bucket:
            self._starts.append(self._size)
        self._bucket = bucket
        self._size += len(record) + len(LINE_END)
        self._file.write(record)
        self._file.write(LINE_END)

    def close(self) -> None:
        self._file.close()

    def runs(self) -> Iterator[Run]:
        for start, end in zip(self._starts, [*self._starts[1:], self._size], strict=True):
            if start < end:
                yield Run(self._reducer, self._path, start, end)


def reduce_input(stdin: int) -> Iterator[bytes]:
    """A reduce task's list of runs -> all their records in order of the buckets, without line ends.

    The descriptor's position says how many bytes of them are read, as if they were what it is of.
    """
    with open(stdin, "rb", buffering=0, closefd=False) as file:
        runs = read_runs(file)
    os.lseek(stdin, 0, os.SEEK_SET)
    at_once = min(max(ROOM // max(1, len(runs)), LEAST), MOST)
    # Whole records are compared: that costs no key of each, and buckets are in order all the same, since no byte of a
    # bucket comes before a tab.
    return merge(*(run.records(at_once, stdin) for run in runs))


def remove(runs: Sequence[Run]) -> None:
    """Remove the files of runs."""
    for file in {run.file for run in runs}:
        file.unlink()
