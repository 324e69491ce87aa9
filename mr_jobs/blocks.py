"""What mappers read: blocks of whole lines instead of single ones."""

import secrets
from collections.abc import Iterator
from typing import BinaryIO

from mr_jobs.frames import Record

#: Bytes of input that a mapper takes together.
BLOCK = 4 << 20
#: Stands after a block, since mrjob takes line ends off: a carriage return would be lost, and a bad line pass.
_BLOCK_END = b"\0"


class BlockProtocol:
    """Reads a block of whole lines as the value, without a key."""

    def read(self, block: bytes) -> tuple[None, bytes]:
        """Return None and the block."""
        return None, block.removesuffix(_BLOCK_END)


def read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Return a file as `BlockProtocol` reads it."""
    while block := file.read(BLOCK):
        yield block + file.readline() + _BLOCK_END


def parted(block: bytes, mark: bytes) -> tuple[list[Record], bytes]:
    """Return the records of step 1 among a block's lines, and all other lines. Without a mark all are records."""
    if mark not in block:
        return [], block
    records: list[Record] = []
    others: list[bytes] = []
    for line in block.split(b"\n"):
        if line.startswith(mark) and line:
            key, _, value = line.removeprefix(mark).partition(b"\t")
            records.append((key, value))
        else:
            others.append(line)
    return records, b"\n".join(others)


def new_record_mark() -> str:
    """Return a mark for the records of one run, which nobody who wrote the movements can have known."""
    return secrets.token_hex(8)
