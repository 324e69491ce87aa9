"""Tagged TSV streamed into HDFS while it is read: nothing of it lies on the disk of this machine."""

import sys
from contextlib import AbstractContextManager
from typing import BinaryIO

from movimento_flat.hadoop import Hadoop


class HdfsSink:
    """Files in a folder of HDFS. Each one is a `hadoop fs -put` that reads from this program."""

    #: HDFS cuts a file into blocks, which are the map tasks; a second file would cost one more JVM.
    file_bytes = sys.maxsize

    def __init__(self, hadoop: Hadoop, folder: str) -> None:
        self._hadoop = hadoop
        self._folder = folder

    def file(self, name: str) -> AbstractContextManager[BinaryIO]:
        """See `extract.sink.Sink.file`; the folder of the file must be there."""
        return self._hadoop.write(f"{self._folder}/{name}")
