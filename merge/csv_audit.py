"""What a finished CSV holds, counted from nothing but its bytes."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS

CHUNK = 1 << 20
_QUOTE, _COMMA, _LINE_FEED, _POINT, _MINUS, _ZERO = b'",\n.-0'
#: Amounts with more digits than this are added up one by one: they could overflow 64 bits.
_SAFE_LENGTH = 17

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Audit:
    """What the file at hand holds."""

    totals: Totals
    bytes: int
    sha256: str


def audit(
    csv: Path,
    columns: tuple[str, ...] = FLAT_COLUMNS,
    progress: Callable[[int], None] = lambda rows: None,
) -> Audit:
    """Read a flat CSV once more: its hash, its rows and the sum of its amounts, each row's columns counted.

    `progress` is told of the rows read.

    Raises:
        UserError: it is no CSV of the flat table.
        OSError: it cannot be read.
    """
    with ThreadPoolExecutor(1) as pool:
        digest = pool.submit(sha256, csv)
        blocks = whole_rows(csv, ",".join(columns))
        place = columns.index(AMOUNT)
        totals = Totals()
        for block in blocks:
            counted = _count_rows(*block, len(columns), place)
            totals += counted
            progress(counted.rows)
        return Audit(totals, csv.stat().st_size, digest.result())


def sha256(path: Path) -> str:
    """-> the SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def whole_rows(csv: Path, header: str) -> Iterator[tuple[Bytes, Positions]]:
    """-> (bytes of some whole rows, positions of the separators in them), without the header.

    A block is of CHUNK bytes or, where a row is longer, of as many as it has.

    Raises:
        UserError: another header, or a row without an end.
        OSError: it cannot be read.
    """
    with csv.open("rb") as file:
        if file.readline() != f"{header}\n".encode():
            raise UserError(f"{csv} does not begin with the flat table's header.")
        rest = b""
        while chunk := file.read(CHUNK):
            block: Bytes = np.frombuffer(rest + chunk, np.uint8)
            separators = _separators(block)
            ends = np.flatnonzero(block[separators] == _LINE_FEED)
            whole = ends[-1] + 1 if len(ends) else 0
            length = int(separators[whole - 1]) + 1 if whole else 0
            yield block[:length], separators[:whole]
            rest = block[length:].tobytes()
    if rest:
        raise UserError(f"{csv} ends in the middle of a row.")


def _separators(block: Bytes) -> Positions:
    """Positions of the commas and line ends that are not in a quoted field; the block begins with a row."""
    separators = np.flatnonzero((block == _COMMA) | (block == _LINE_FEED))
    quotes = np.flatnonzero(block == _QUOTE)
    if not len(quotes):
        return separators
    # In a quoted field is what has an odd number of quotes before it.
    following = np.bincount(np.searchsorted(separators, quotes), minlength=len(separators) + 1)[:-1]
    outside: Positions = separators[np.cumsum(following) % 2 == 0]
    return outside


def _count_rows(block: Bytes, separators: Positions, columns: int, place: int) -> Totals:
    """The amount is the column at `place` of so many."""
    is_end = block[separators] == _LINE_FEED
    count = int(is_end.sum())
    if len(separators) != count * columns or not is_end[columns - 1 :: columns].all():
        raise UserError(f"A row of the CSV does not have {columns} columns.")
    if not count:
        return Totals()
    end = separators[place::columns]
    before = np.concatenate(([-1], separators[:-1]))
    start = before[place::columns] + 1
    return Totals(count, _sum_of_amounts(block, start[end > start], end[end > start]))


def _sum_of_amounts(block: Bytes, start: Positions, end: Positions) -> int:
    """Sum in centavos of the amounts at block[start:end], digit by digit from the right."""
    negative = block[start] == _MINUS
    first_digit = start + negative
    length = end - first_digit
    longest = int(length.max(initial=0))
    if length.min(initial=4) < 4 or (block[end - 3] != _POINT).any():
        raise UserError("An amount of the CSV is not written with a point and two digits.")
    if longest > _SAFE_LENGTH:
        texts = (block[a:b].tobytes() for a, b in zip(start.tolist(), end.tolist(), strict=True))
        return sum(int(text.replace(b".", b"")) for text in texts)
    centavos = np.zeros(len(start), np.int64)
    worth = 1
    for place in (1, 2, *range(4, longest + 1)):
        inside = place <= length
        digits = block[np.where(inside, end - place, end - 1)] - np.uint8(_ZERO)
        if (digits > 9).any():
            raise UserError("An amount of the CSV has a character that is no digit.")
        centavos += np.where(inside, digits, 0) * np.int64(worth)
        worth *= 10
    return int(np.where(negative, -centavos, centavos).sum())
