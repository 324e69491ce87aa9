"""Rows of many buckets at once, as a reducer gets them."""

from collections.abc import Sequence

import numpy as np

from movimento_flat.tagged_tsv import ROW_SEPARATOR
from movimento_flat.words import PADDING, words
from mr_jobs.buckets import SLOTS

_ZERO = ord("0")
#: Where a row has its tag.
TAG = 2


class BucketRows:
    """The rows of some buckets, in order of the buckets.

    Attributes:
        text: all rows, and some bytes behind them.
        content: the same rows as an array of bytes.
        word: the eight bytes that begin at each place of the text.
        starts, ends: where each row lies.
        tag: of each row.
        place: of each row its bucket's number in their order, times SLOTS, plus its slot. A slot is two digits.
    """

    def __init__(self, buckets: Sequence[Sequence[bytes]]) -> None:
        """Args:
        buckets: packs of each bucket; at least one.
        """
        self.text = ROW_SEPARATOR.join([*(pack for packs in buckets for pack in packs), PADDING])
        self.content = np.frombuffer(self.text, np.uint8)[: -len(PADDING)]
        self.word = words(self.text)
        self.ends = np.flatnonzero(self.content == ROW_SEPARATOR[0])
        self.starts = np.concatenate(([0], self.ends[:-1] + 1))
        behind = np.cumsum([sum(map(len, packs)) + len(packs) for packs in buckets])
        bucket = np.searchsorted(behind, self.starts, side="right")
        tens, ones = (self.content[self.starts + place].astype(np.int64) - _ZERO for place in range(TAG))
        self.place = bucket * SLOTS + tens * 10 + ones
        self.tag = self.content[self.starts + TAG]
