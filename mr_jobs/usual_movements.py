r"""Movements of a block of tagged TSV at once: NumPy finds the usual ones, and makes rows of them where they lie.

A usual movement has ids of at most sixteen digits, its card's of two or more, an amount, and no byte that the codec
escapes or CSV quotes. Its row (`mr_jobs.rows`) is the line from its id to its moment, behind four other bytes that take
the place of the line's tag and of what nobody needs of the line before:

    line  ... 1 2 3 4 \n  M \t 5 6 7 \t 12.34 \t description \t moment \t 10186 \n
    row             8  6  M  c 5 6 7 \t 12.34 \t description \t moment
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from movimento_flat.schema import MOVIMENTO
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from movimento_flat.words import PADDING, Bytes, Flags, Places, Words, numbers, words
from mr_jobs.buckets import NO_DIGIT, ROWS_PER_PACK, SLOTS, Record, sortable

_TAB, _LINE_END, _POINT, _MINUS, _ZERO = b"\t\n.-0"
_TAG = MOVIMENTO.tag[0]
_COLUMNS = len(MOVIMENTO.columns)
_IS_SPECIAL = bytes(byte in b'\\",\r\0\x1e' for byte in range(256))
#: Bytes of a row before its line begins; the first line of a block needs room for them.
_BEFORE = bytes(2)
#: Bytes of blocks that are kept at most.
_ROOM = 16 << 20


class MovementPacker:
    """Gathers usual movements by bucket within a bounded amount of memory, and hands them out as packs."""

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._forget()

    def _forget(self) -> None:
        self._texts: list[bytearray] = []
        #: Of each text's rows: where they begin and end among all texts, and the numbers of their buckets.
        self._rows: list[npt.NDArray[np.int64]] = []
        self._size = 0

    @property
    def is_full(self) -> bool:
        """Whether it is to be flushed."""
        return self._size > self._room

    def add(self, block: bytes) -> list[bytes]:
        """Keep the usual movements of a block of whole lines, which is UTF-8; -> its other lines."""
        block = block.removesuffix(b"\n")
        text = bytearray(b"%b%b\n%b" % (_BEFORE, block, PADDING))
        content = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(content == _LINE_END)
        starts = np.concatenate(([len(_BEFORE)], ends[:-1] + 1))
        tabs = np.flatnonzero(content == _TAB)
        first_tab = np.searchsorted(tabs, starts)
        is_usual = (content[starts] == _TAG) & (np.diff(first_tab, append=len(tabs)) == _COLUMNS)
        special = np.flatnonzero(np.frombuffer(block.translate(_IS_SPECIAL), np.bool_))
        is_usual[np.searchsorted(ends, special + len(_BEFORE))] = False
        lines = np.flatnonzero(is_usual)
        tab = tabs[first_tab[lines] + np.arange(_COLUMNS)[:, np.newaxis]]
        cards, is_movement = _checked(content, words(text), tab, ends[lines])
        is_movement &= tab[0] == starts[lines] + len(MOVIMENTO.tag)
        is_usual[lines] = is_movement
        if is_movement.any():
            self._keep(text, content, tab[:, is_movement], cards[is_movement])
        others = np.flatnonzero(~is_usual)
        spans = zip(starts[others].tolist(), ends[others].tolist(), strict=True)
        return [block[start - len(_BEFORE) : end - len(_BEFORE)] for start, end in spans]

    def flush(self) -> Iterator[Record]:
        """-> (bucket key, pack) of every row kept, which are then forgotten."""
        if not self._rows:
            return
        text = b"".join(self._texts)
        starts, ends, buckets = np.concatenate(self._rows, axis=1)
        self._forget()
        order = np.argsort(buckets, kind="stable")
        starts, ends, buckets = starts[order], ends[order], buckets[order]
        first = np.flatnonzero(np.diff(buckets, prepend=-1))
        behind = np.append(first[1:], len(order))
        for start, end, bucket in zip(first.tolist(), behind.tolist(), buckets[first].tolist(), strict=True):
            key = sortable(b"%d" % bucket if bucket else b"")
            for at in range(start, end, ROWS_PER_PACK):
                rows = slice(at, min(at + ROWS_PER_PACK, end))
                spans = zip(starts[rows].tolist(), ends[rows].tolist(), strict=True)
                yield key, ROW_SEPARATOR.join([text[a:b] for a, b in spans])

    def _keep(self, text: bytearray, content: Bytes, tab: Places, cards: Words) -> None:
        """Write rows' headers into a block's text; `tab` is where each column of each row begins."""
        bucket, slot = np.divmod(cards.astype(np.int64), SLOTS)
        identity = tab[0] + 1
        header = (slot // 10 + _ZERO, slot % 10 + _ZERO, _TAG, tab[1] - identity + NO_DIGIT)
        start = identity - len(header)
        for place, byte in enumerate(header):
            content[start + place] = byte
        self._rows.append(np.stack((start + self._size, tab[-1] + self._size, bucket)))
        self._texts.append(text)
        self._size += len(text)


def _checked(content: Bytes, word: Words, tab: Places, ends: Places) -> tuple[Words, Flags]:
    """Where lines have the tabs before their columns, and where they end -> their cards, and whether they are usual."""
    identity, card = tab[0] + 1, tab[-1] + 1
    amount = tab[1] + 1 + (content[tab[1] + 1] == _MINUS)
    point = tab[2] - len(".00")
    cards, is_usual = numbers(word, card, ends - card)
    is_usual &= (ends - card > 1) & (content[card] != _ZERO)
    is_usual &= numbers(word, identity, tab[1] - identity)[1]
    is_usual &= (tab[1] - identity == 1) | (content[identity] != _ZERO)
    is_usual &= numbers(word, amount, point - amount)[1] & (content[point] == _POINT)
    for centavo in (point + 1, point + 2):
        is_usual &= content[centavo] - np.uint8(_ZERO) < 10
    return cards, is_usual
