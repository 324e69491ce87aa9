"""Tagged TSV streamed into HDFS while it is read: nothing of it lies on the disk of this machine."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import BinaryIO

from movimento_flat.hadoop_commands import Hadoop


class HdfsSink:
    """Files in a folder of HDFS. Each one is a `hadoop fs -put` that reads from this program."""

    #: HDFS cuts a file into blocks, which are the map tasks; a second file would cost one more JVM.
    file_bytes = sys.maxsize

    def __init__(self, hadoop: Hadoop, folder: str, wait: Callable[[], object] = lambda: None) -> None:
        """Args:
        hadoop: the command.
        folder: URI.
        wait: returns when the folders of the files are there.
        """
        self._hadoop = hadoop
        self._folder = folder
        self._wait = wait

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """See `extract.sink.Sink.file`; the folder of the file must be there when `wait` has returned."""
        self._wait()
        return self._hadoop.write(f"{self._folder}/{name}")
