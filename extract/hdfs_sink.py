"""Streams tagged TSV into HDFS while it is read: nothing of it lies on this machine's disk."""

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
        """Write to a folder of HDFS.

        Args:
            hadoop: the command.
            folder: its URI.
            wait: returns when the folders of the files exist.
        """
        self._hadoop = hadoop
        self._folder = folder
        self._wait = wait

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """See `extract.sink.Sink.file`; the file's folder must exist when `wait` has returned."""
        self._wait()
        return self._hadoop.write(f"{self._folder}/{name}")
