"""Rows that lie in the text of a block: what they are and where, and packs of them by bucket.

It does what `mr_jobs.buckets.Packer` does, for rows that never were objects of their own.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from movimento_flat.schema import ASSOCIADO, CONTA
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from movimento_flat.words import Bytes, Places, Words
from mr_jobs.buckets import NUMBERS_TAG, ROWS_PER_PACK, SLOTS, Record, id_key, number_key

#: Bytes of texts that are kept at most.
_ROOM = 16 << 20
#: Of an id that has at most sixteen digits.
_BUCKET_BITS = 48
_BUCKET = (1 << _BUCKET_BITS) - 1
_ZERO = ord("0")

#: What stands before a bucket of cards, of holders, of accounts, of numbers; and how its number makes a key.
CARDS, HOLDERS, ACCOUNTS, NUMBERS = range(4)


_KEYS: tuple[tuple[bytes, Callable[[int], bytes]], ...] = (
    (b"", id_key),
    (ASSOCIADO.tag, id_key),
    (CONTA.tag, id_key),
    (NUMBERS_TAG, number_key),
)


def located(ids: Words) -> tuple[Places, Places]:
    """Ids -> their buckets and their slots, as numbers."""
    buckets, slots = np.divmod(ids.astype(np.int64), SLOTS)
    return buckets, slots


def write_header(content: Bytes, starts: Places, slots: Places, tag: bytes) -> None:
    """Write rows' beginnings into a text: the slot, and the tag behind it."""
    content[starts] = slots // 10 + _ZERO
    content[starts + 1] = slots % 10 + _ZERO
    content[starts + 2] = tag[0]


class SpanPacker:
    """Gathers rows by bucket within a bounded amount of memory, and hands them out as packs."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._forget()

    def _forget(self) -> None:
        self._texts: list[bytearray] = []
        #: Where rows begin and end among all texts, and the numbers of their keys.
        self._rows: list[npt.NDArray[np.int64]] = []
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether it is to be flushed."""
        return self._size > self._room

    def keep(self, text: bytearray, *rows: tuple[int, Places, Places, Places]) -> None:
        """Keep a text's rows: of each kind of bucket the numbers of their buckets, where they begin and where they end.

        The text is not to be changed any more.
        """
        rows = tuple(kept for kept in rows if len(kept[1]))
        if not rows:
            return
        for kind, buckets, starts, ends in rows:
            keys = buckets + (kind << _BUCKET_BITS)
            self._rows.append(np.stack((starts + self._size, ends + self._size, keys)))
        self._texts.append(text)
        self._size += len(text)

    def flush(self) -> Iterator[Record]:
        """-> (bucket key, pack) of every row kept, which are then forgotten."""
        if not self._rows:
            return
        text = b"".join(self._texts)
        starts, ends, keys = np.concatenate(self._rows, axis=1)
        self._forget()
        order = np.argsort(keys, kind="stable")
        for at in range(0, len(order), ROWS_PER_PACK):
            some = order[at : at + ROWS_PER_PACK]
            spans = zip(starts[some].tolist(), ends[some].tolist(), strict=True)
            rows = [text[start:end] for start, end in spans]
            keys_of_rows = keys[some]
            first = np.flatnonzero(np.diff(keys_of_rows, prepend=-1))
            behind = [*first[1:].tolist(), len(rows)]
            for start, end, key in zip(first.tolist(), behind, keys_of_rows[first].tolist(), strict=True):
                tag, make_key = _KEYS[key >> _BUCKET_BITS]
                yield tag + make_key(key & _BUCKET), ROW_SEPARATOR.join(rows[start:end])
