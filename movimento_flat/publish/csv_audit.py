"""What a finished CSV holds, counted from nothing but its bytes."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.publish.accounting import Audit
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS
from movimento_flat.words import PADDING, Bytes, Words, numbers, words

CHUNK = 1 << 20
_QUOTE, _COMMA, _LINE_FEED, _POINT, _MINUS, _ZERO = b'",\n.-0'
#: Longest amount, without its sign, that is added up in 64 bits: 10^12 centavos, times all rows of a chunk.
_SAFE_LENGTH = 13
_NO_DIGIT = "An amount of the CSV has a character that is no digit."

Positions = npt.NDArray[np.intp]
#: Centavos: int64, or Python's integers where their sum might not fit.
Centavos = npt.NDArray[Any]


@dataclass(frozen=True)
class Block:
    """Some whole rows of a flat CSV.

    Attributes:
        content: their bytes.
        words: the eight bytes that begin at each of them.
        ends: where each field ends, a row for each row and a column for each of `columns`.
    """

    content: Bytes
    words: Words
    ends: Positions
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ends)

    def field(self, name: str) -> tuple[Positions, Positions]:
        """-> where the column begins and ends in each row; quotes are part of it, and NULL is empty."""
        place = self.columns.index(name)
        if place:
            start = self.ends[:, place - 1] + 1
        else:
            start = np.zeros(len(self), np.intp)
            start[1:] = self.ends[:-1, -1] + 1
        return start, np.ascontiguousarray(self.ends[:, place])

    @cached_property
    def centavos(self) -> Centavos:
        """Each row's amount; that of NULL is 0.

        Raises:
            UserError: an amount is written otherwise than with a point and two digits.
        """
        start, end = self.field(AMOUNT)
        known = end > start
        if known.all():
            return _centavos(self.content, self.words, start, end)
        amounts = _centavos(self.content, self.words, start[known], end[known])
        centavos = np.zeros(len(self), amounts.dtype)
        centavos[known] = amounts
        return centavos


def audit(
    csv: Path,
    columns: tuple[str, ...] = FLAT_COLUMNS,
    watch: Callable[[Block], None] = lambda block: None,
) -> Audit:
    """Read a flat CSV once more: its hash, its rows and the sum of its amounts, each row's columns counted.

    Args:
        csv: the file.
        columns: that it must have.
        watch: sees every block of rows on the way, in order: who wants more of the file need not read it again.

    Raises:
        UserError: it is no CSV of the flat table.
        OSError: it cannot be read.
    """
    with csv.open("rb") as file, ThreadPoolExecutor(1) as pool:
        digest, size = hashlib.sha256(), 0
        hashed: Future[None] = pool.submit(lambda: None)

        def read(length: int) -> bytes:
            nonlocal size, hashed
            content = file.read(length)
            size += len(content)
            hashed.result()
            hashed = pool.submit(digest.update, content)
            return content

        totals = totals_of(blocks(read, columns), watch)
        hashed.result()
        return Audit(totals, size, digest.hexdigest())


def totals_of(rows: Iterable[Block], watch: Callable[[Block], None] = lambda block: None) -> Totals:
    """-> what blocks add up to, each of them shown to `watch`, too."""
    totals = Totals()
    for block in rows:
        totals += Totals(len(block), int(block.centavos.sum()))
        watch(block)
    return totals


def blocks(
    read: Callable[[int], bytes], columns: tuple[str, ...] = FLAT_COLUMNS, has_header: bool = True
) -> Iterator[Block]:
    """What a CSV's `read` gives -> all rows: of CHUNK bytes at once or, where a row is longer, of as many as it has.

    A part of a CSV, without its header, passes for whole rows only if rows begin and end where it does. So parts that
    all pass, the first one with the header, are the rows of the whole.

    Raises:
        UserError: it is no CSV with these columns.
        OSError: it cannot be read.
    """
    header = f"{','.join(columns)}\n".encode()
    if has_header and read(len(header)) != header:
        raise UserError("The CSV does not begin with the flat table's header.")
    rest = b""
    while chunk := read(CHUNK):
        text = b"".join((rest, chunk, PADDING))
        content: Bytes = np.frombuffer(text, np.uint8)[: -len(PADDING)]
        separators = _separators(content)
        is_end = content[separators] == _LINE_FEED
        ends = np.flatnonzero(is_end)
        whole = int(ends[-1]) + 1 if len(ends) else 0
        length = int(separators[whole - 1]) + 1 if whole else 0
        if whole != len(ends) * len(columns) or not is_end[len(columns) - 1 : whole : len(columns)].all():
            raise UserError(f"A row of the CSV does not have {len(columns)} columns.")
        if whole:
            yield Block(content[:length], words(text), separators[:whole].reshape(-1, len(columns)), columns)
        rest = content[length:].tobytes()
    if rest:
        raise UserError("The CSV ends in the middle of a row.")


def _separators(content: Bytes) -> Positions:
    """Positions of the commas and line ends that are not in a quoted field; the content begins with a row.

    Between an odd quote and the next one nothing separates. Most texts in quotes hold no separator, so the few
    that do are looked up, which is quicker than to know of each byte whether it is quoted.
    """
    separators: Positions = np.flatnonzero((content == _COMMA) | (content == _LINE_FEED))
    quotes = np.flatnonzero(content == _QUOTE)
    if len(quotes) % 2:
        quotes = np.append(quotes, len(content))
    first, behind = np.searchsorted(separators, quotes).reshape(-1, 2).T
    hidden = behind - first
    if not hidden.any():
        return separators
    is_outside = np.ones(len(separators), np.bool_)
    # Counted on from each first one.
    is_outside[np.repeat(first - (np.cumsum(hidden) - hidden), hidden) + np.arange(hidden.sum())] = False
    return separators[is_outside]


def _centavos(content: Bytes, word: Words, start: Positions, end: Positions) -> Centavos:
    """The amounts at content[start:end]."""
    negative = content[start] == _MINUS
    first_digit = start + negative
    length = end - first_digit
    longest = int(length.max(initial=0))
    if length.min(initial=4) < 4 or (content[end - 3] != _POINT).any():
        raise UserError("An amount of the CSV is not written with a point and two digits.")
    if longest > _SAFE_LENGTH:
        places = zip(first_digit.tolist(), end.tolist(), strict=True)
        texts = [content[a:b].tobytes().replace(b".", b"") for a, b in places]
        if not all(map(bytes.isdigit, texts)):
            raise UserError(_NO_DIGIT)
        worths = np.array([int(text) for text in texts], object)
        return np.where(negative, -worths, worths)
    reais, are_digits = numbers(word, first_digit, length - 3)
    tens, ones = (content[end - place] - np.uint8(_ZERO) for place in (2, 1))
    if not are_digits.all() or (tens > 9).any() or (ones > 9).any():
        raise UserError(_NO_DIGIT)
    centavos = reais.astype(np.int64) * 100 + tens * np.int64(10) + ones
    signed: Centavos = np.where(negative, -centavos, centavos)
    return signed
