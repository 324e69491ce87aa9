"""A block of tagged TSV, cut into lines and columns by NumPy; and which ids in it are usual ones."""

from collections.abc import Iterator

import numpy as np

from movimento_flat.schema import Table
from movimento_flat.words import PADDING, Flags, Places, Words, numbers, words

_TAB, _LINE_END, _ZERO = b"\t\n0"
_IS_SPECIAL = bytes(byte in b'\\",\r\0\x1e' for byte in range(256))
#: Bytes before the first line, as room for whoever writes into the text.
_BEFORE = bytes(2)


class Lines:
    """Lines of a block, of which some are taken, and the others are left.

    Attributes:
        text: the block between some other bytes.
        content: the same as an array, whose changes change the text.
        word: the eight bytes that begin at each place of the text.
        ends: where each line ends.
    """

    def __init__(self, block: bytes) -> None:
        """Args:
        block: whole lines, the last one with its line end or without; UTF-8.
        """
        block = block.removesuffix(b"\n")
        self.text = bytearray(b"%b%b\n%b" % (_BEFORE, block, PADDING))
        self.content = np.frombuffer(self.text, np.uint8)
        self.word = words(self.text)
        self.ends = np.flatnonzero(self.content == _LINE_END)
        self._starts = np.concatenate(([len(_BEFORE)], self.ends[:-1] + 1))
        self._tabs = np.flatnonzero(self.content == _TAB)
        self._first_tab = np.searchsorted(self._tabs, self._starts)
        self._columns = np.diff(self._first_tab, append=len(self._tabs))
        special = np.flatnonzero(np.frombuffer(block.translate(_IS_SPECIAL), np.bool_)) + len(_BEFORE)
        #: Of each line whether it has no byte that the codec escapes or CSV quotes.
        self._is_plain = np.ones(len(self.ends), np.bool_)
        self._is_plain[np.searchsorted(self.ends, special)] = False
        self._is_left = np.ones(len(self.ends), np.bool_)
        self._block = block

    def of(self, table: Table) -> tuple[Places, Places]:
        """-> which plain lines have a table's tag and columns; and the tab before each column, a row for a column."""
        is_such = (self.content[self._starts] == table.tag[0]) & (self._columns == len(table.columns))
        lines = np.flatnonzero(is_such & self._is_plain)
        tabs = self._tabs[self._first_tab[lines] + np.arange(len(table.columns))[:, np.newaxis]]
        has_tag = tabs[0] == self._starts[lines] + len(table.tag)
        return lines[has_tag], tabs[:, has_tag]

    def take(self, lines: Places) -> None:
        """These are not left any more."""
        self._is_left[lines] = False

    def left(self) -> Iterator[bytes]:
        """-> the lines that nobody has taken."""
        others = np.flatnonzero(self._is_left)
        for start, end in zip(self._starts[others].tolist(), self.ends[others].tolist(), strict=True):
            yield self._block[start - len(_BEFORE) : end - len(_BEFORE)]

    def digits(self, starts: Places, ends: Places) -> Places:
        """Fields -> how many digits of any script each may have: characters beyond ASCII count as such."""
        # Up to each place, it included; a character of more bytes than one begins with 0xc2 or more.
        count = np.cumsum((self.content - np.uint8(_ZERO) < 10) | (self.content >= 0xC2))
        digits: Places = count[ends - 1] - count[starts - 1]
        return digits

    def ids(self, starts: Places, ends: Places) -> tuple[Words, Flags]:
        """Fields -> the numbers that they are; and which are ids of few digits, without leading zeros."""
        values, are_ids = numbers(self.word, starts, ends - starts)
        are_ids &= (ends - starts == 1) | (self.content[starts] != _ZERO)
        return values, are_ids

    def located_ids(self, starts: Places, ends: Places) -> tuple[Words, Flags]:
        """The same, but only ids of two digits or more, which have a slot of their own."""
        values, are_ids = self.ids(starts, ends)
        return values, are_ids & (ends - starts > 1)
