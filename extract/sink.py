"""Sinks for tagged TSV: a file has its name only when it is complete."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Protocol


class Sink(Protocol):
    """A folder for files of tagged TSV, on this machine or in HDFS (`extract.hdfs_sink`).

    Attributes:
        file_bytes: size after which the next file begins.
    """

    file_bytes: int

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open a file for writing. It gets its name when the block ends; after an error it does not appear."""


class FolderSink:
    """Files in a folder of this machine."""

    #: Each file is a map task of the join.
    file_bytes = 48 << 20

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """See `Sink.file`."""
        complete = self.folder / name
        complete.parent.mkdir(parents=True, exist_ok=True)
        unfinished = complete.with_name(f".{complete.name}.unfinished")
        with unfinished.open("wb") as stream:
            yield stream
        unfinished.rename(complete)


class SinkFolder:
    """A folder of a sink, to which several threads write. Its files follow one another."""

    def __init__(self, sink: Sink, name: str) -> None:
        self._sink = sink
        self._name = name
        self._lock = Lock()
        self._open_file = ExitStack()
        self._files = 0

    def __enter__(self) -> "SinkFolder":
        self._begin_file()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._open_file.__exit__(kind, error, trace)

    def write(self, lines: bytes) -> None:
        """Add whole lines.

        Raises:
            OSError, UserError: the sink cannot write them.
        """
        with self._lock:
            if self._size >= self._sink.file_bytes:
                self._open_file.close()
                self._begin_file()
            self._file.write(lines)
            self._size += len(lines)

    def _begin_file(self) -> None:
        self._file = self._open_file.enter_context(self._sink.file(f"{self._name}/{self._files:04d}.tsv"))
        self._files += 1
        self._size = 0
