"""Where tagged TSV is written: files that are complete as soon as they have their name."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import BinaryIO, Protocol


class Sink(Protocol):
    """A place for files of tagged TSV: a folder here, or one in HDFS (`extract.hdfs_sink`).

    Attributes:
        file_bytes: size after which a next file is begun.
    """

    file_bytes: int

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to write to, which appears under its name when it is complete, and not at all on an error."""


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
    """A folder of a sink, to which several threads write: its files are begun one after the other."""

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
            OSError, UserError: the sink does not take them.
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
