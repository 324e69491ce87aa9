"""Where tagged TSV is written: files that are complete as soon as they have their name."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
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
