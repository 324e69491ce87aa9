r"""Rows travel through the shuffle in packs, a bucket of ids at a time.

A bucket is a hundred consecutive ids; an id's last two digits are its slot in the bucket. A few thousand
large records cost the shuffle far less than millions of small ones, and a bucket's rows fit in memory
however many ids there are. Byte order of bucket key + slot is the numeric order of the ids.
"""

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from operator import itemgetter
from zlib import crc32

from movimento_flat.tagged_tsv import NULL, ROW_SEPARATOR

#: (bucket key, row) or (bucket key, pack of rows).
#: A letter that grows with the number of digits behind it makes byte order numeric order.
NO_DIGIT = ord("a") - 1
DIGITS = tuple(bytes([NO_DIGIT + length]) for length in range(21))
#: A bucket's ids differ in their last two digits.
SLOTS = 100
SLOT_TEXTS = [b"%02d" % slot for slot in range(SLOTS)]
#: (bucket key, slot) of rows whose id is NULL, and of what the quality report says of anything but movements.
NO_ID = (b"-", b"--")
REPORT = (b"~", b"~~")
#: Stands before the bucket key of a card number.
NUMBERS_TAG = b"N"
NUMBER_BUCKETS = 16**3
#: A number times this, of which the upper bits of 64 are taken, spreads well (Knuth, TAOCP 3, 6.4).
SPREAD, SPREAD_SHIFT = 0x9E3779B97F4A7C15, 44

#: Bytes of rows that a task holds before it hands them on; a row's Python object adds to its bytes.
PACKER_ROOM = 32 << 20
ROW_OVERHEAD = 64
ROWS_PER_PACK = 4096
#: Bytes of a bucket that are sorted in memory; a larger bucket (a very hot card) goes through sort(1).
SORT_ROOM = 8 << 20
#: Bytes of buckets that are looked at together; one that is larger than the second is looked at by itself.
BUCKETS_AT_ONCE, BUCKETS_ROOM = 1 << 19, 1 << 22

Record = tuple[bytes, bytes]
Located = tuple[bytes, bytes]


def sortable(number: bytes) -> bytes:
    """Decimal digits without leading zeros -> the same, so that byte order is numeric order."""
    return DIGITS[len(number)] + number


def id_key(bucket: int) -> bytes:
    """Key of a bucket of ids by its number."""
    return sortable(b"%d" % bucket if bucket else b"")


def locate(identity: bytes) -> tuple[bytes, bytes]:
    """An id's decimal digits, or NULL -> (bucket key, slot)."""
    if identity == NULL:
        return NO_ID
    return sortable(identity[:-2]), identity[-2:].rjust(2, b"0")


def locate_fingerprint(fingerprint: bytes) -> tuple[bytes, bytes, bytes]:
    """Hex digits -> (bucket key, slot, the rest); a hundred cards share a bucket where there are half a million."""
    return fingerprint[:3], fingerprint[3:5], fingerprint[5:]


def locate_number(number: bytes) -> tuple[bytes, bytes]:
    """Card number as a field -> (bucket key, slot), spread as evenly."""
    last = number[-16:]
    spread = (int(last) if last.isdigit() else crc32(number)) * SPREAD % (1 << 64)
    slot, bucket = divmod(spread >> SPREAD_SHIFT, NUMBER_BUCKETS)
    return number_key(bucket), SLOT_TEXTS[slot % SLOTS]


def number_key(bucket: int) -> bytes:
    """Key of one of the NUMBER_BUCKETS."""
    return b"%03x" % bucket


class Packer:
    """Gathers rows by bucket within a bounded amount of memory, and hands them out as packs."""

    def __init__(self, room: int = PACKER_ROOM) -> None:
        self._rows: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._room = self._left = room

    def add(self, rows: Iterable[Located]) -> Iterable[Record]:
        """Keep rows, each with its bucket's key; -> the packs to hand on now: all, when the room is used up."""
        kept, size = self._rows, 0
        for bucket, row in rows:
            kept[bucket].append(row)
            size += len(row) + ROW_OVERHEAD
        self._left -= size
        return self.flush() if self._left < 0 else ()

    def flush(self) -> Iterator[Record]:
        """-> (bucket key, pack) of every row kept, which are then forgotten, in order of the buckets."""
        self._left = self._room
        for bucket in sorted(self._rows):
            rows = self._rows.pop(bucket)
            for start in range(0, len(rows), ROWS_PER_PACK):
                yield bucket, ROW_SEPARATOR.join(rows[start : start + ROWS_PER_PACK])


class SmallBuckets:
    """Buckets that are looked at together, within a bounded amount of memory."""

    def __init__(self) -> None:
        self._buckets: list[tuple[bytes, list[bytes]]] = []
        self._size = 0

    @property
    def are_full(self) -> bool:
        """Whether it is time to look at them."""
        return self._size > BUCKETS_AT_ONCE

    def keep(self, bucket: bytes, packs: Iterable[bytes]) -> Iterable[bytes]:
        """Keep a bucket, unless it is large; -> the packs of one that is not kept."""
        packs = iter(packs)
        kept: list[bytes] = []
        size = 0
        for pack in packs:
            kept.append(pack)
            size += len(pack)
            if size > BUCKETS_ROOM:
                return chain(kept, packs)
        self._buckets.append((bucket, kept))
        self._size += size
        return ()

    def forget(self) -> list[tuple[bytes, list[bytes]]]:
        """-> the buckets that are kept, which are then forgotten."""
        buckets, self._buckets, self._size = self._buckets, [], 0
        return buckets


def by_slot(packs: Iterable[bytes]) -> Iterator[tuple[bytes, Iterable[bytes]]]:
    """A bucket's packs in any order -> (slot, its rows) by slot, everything sorted by bytes."""
    packs = iter(packs)
    slots: defaultdict[bytes, list[bytes]] = defaultdict(list)
    left = SORT_ROOM
    for pack in packs:
        for row in pack.split(ROW_SEPARATOR):
            slots[row[:2]].append(row)
        left -= len(pack)
        if left < 0:
            held = (b"\n".join(slots.pop(slot)) for slot in list(slots))
            yield from groupby(_sorted_on_disk(chain(held, _as_lines(packs))), key=itemgetter(slice(0, 2)))
            return
    for slot in sorted(slots):
        rows = slots[slot]
        rows.sort()
        yield slot, rows


def _as_lines(packs: Iterator[bytes]) -> Iterator[bytes]:
    return (pack.replace(ROW_SEPARATOR, b"\n") for pack in packs)


def _sorted_on_disk(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks of lines -> the lines, sorted by sort(1) in bounded memory, spilling to the task's folder."""
    command = ["sort", f"--buffer-size={SORT_ROOM}b", "--temporary-directory=."]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}
    ) as sort:
        assert sort.stdin and sort.stdout
        for block in blocks:
            sort.stdin.write(block)
            sort.stdin.write(b"\n")
        sort.stdin.close()
        for line in sort.stdout:
            yield line[:-1]
    if sort.returncode:
        raise RuntimeError(f"{command} ended with status {sort.returncode}")
