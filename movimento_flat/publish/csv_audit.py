"""What a finished CSV holds, counted from nothing but its bytes."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from movimento_flat.columnar import pl
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.publish.accounting import Audit
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, MOMENT

#: Bytes that are read at once: with less, the calls cost more than the work in them.
CHUNK = 10 << 20
_AMOUNT = r"^-?[0-9]+\.[0-9][0-9]$"
#: Columns with pieces of an amount, the lowest first, and the digits of each.
PIECES, _PIECE_DIGITS = pl.selectors.starts_with("piece "), 12
_MORE_DIGITS = rf"[0-9]{{{_PIECE_DIGITS + 1}}}"
#: Microseconds of a day: moments are counted in them.
DAY = 24 * 60 * 60 * 10**6
_MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]+)?$"


def audit(
    csv: Path,
    columns: tuple[str, ...] = FLAT_COLUMNS,
    progress: Callable[[int], None] = lambda rows: None,
) -> Audit:
    """Read a flat CSV once more: its hash, its rows and the sum of its amounts, each row's columns counted.

    Args:
        csv: the file.
        columns: that it must have.
        progress: is told of the rows that have been read.

    Raises:
        UserError: it is no CSV of the flat table.
        OSError: it cannot be read.
    """
    digest, size, totals = hashlib.sha256(), 0, Totals()
    with csv.open("rb") as file:

        def read(length: int) -> bytes:
            nonlocal size
            content = file.read(length)
            size += len(content)
            digest.update(content)
            return content

        # A damaged text changes the hash.
        for rows in frames(read, columns, (AMOUNT,), encoding="utf8-lossy"):
            totals += totals_of(pieces(rows[AMOUNT]))
            progress(len(rows))
    return Audit(totals, size, digest.hexdigest())


def frames(
    read: Callable[[int], bytes],
    columns: tuple[str, ...],
    wanted: Sequence[str],
    has_header: bool = True,
    encoding: Literal["utf8", "utf8-lossy"] = "utf8",
) -> Iterator[pl.DataFrame]:
    """Return all rows of a CSV as frames of text, in which an empty field is null.

    A part of a CSV, without its header, passes for whole rows only if rows begin and end where it does. So parts that
    all pass, the first one with the header, are the rows of the whole.

    Args:
        read: gives the next bytes of the CSV, so many at most.
        columns: that it must have.
        wanted: those of them that the frames have.
        has_header: whether the CSV begins with the header.
        encoding: utf8-lossy lets bytes pass that are no UTF-8.

    Raises:
        UserError: it is no CSV with these columns.
        OSError: it cannot be read.
    """
    for block in blocks(read, columns, has_header):
        yield _frame(block, columns, wanted, encoding)


@dataclass(frozen=True)
class Block:
    """Whole rows of a CSV.

    Attributes:
        rows: their bytes.
        bare: these without what stands between quotes, where nothing separates.
    """

    rows: bytes
    bare: bytes

    @property
    def count(self) -> int:
        """Return how many rows these are."""
        return self.bare.count(b"\n")


def blocks(
    read: Callable[[int], bytes], columns: tuple[str, ...], has_header: bool = True
) -> Iterator[Block]:
    """Return the rows of a CSV: CHUNK bytes or, where a row is longer, as many as it has."""
    header = _header(columns)
    if has_header and read(len(header)) != header:
        raise UserError("The CSV does not begin with the flat table's header.")
    rest = b""
    while chunk := read(CHUNK):
        text = rest + chunk
        block = _whole_rows(text)
        rest = text[len(block.rows) :]
        if block.rows:
            yield block
    if rest:
        raise UserError("The CSV ends in the middle of a row.")


def _header(columns: Sequence[str]) -> bytes:
    return f"{','.join(columns)}\n".encode()


def _whole_rows(text: bytes) -> Block:
    """Return what ends with the last line end that is not between quotes."""
    end = text.rfind(b"\n") + 1
    while True:
        rows = text[:end]
        unquoted = rows.split(b'"')
        if len(unquoted) % 2:
            return Block(rows, b"".join(unquoted[::2]))
        last_quote = end - len(unquoted[-1])
        end = text.rfind(b"\n", 0, last_quote) + 1


def _frame(
    block: Block, columns: tuple[str, ...], wanted: Sequence[str], encoding: Literal["utf8", "utf8-lossy"]
) -> pl.DataFrame:
    """Return the rows of a block.

    A row has no more fields than the header, which Polars sees to, and altogether none is missing.
    """
    rows, count = None, block.count
    with suppress(pl.exceptions.ComputeError):  # its message may have a row's text
        rows = pl.read_csv(
            _header(columns) + block.rows, columns=list(wanted), infer_schema=False, encoding=encoding
        )
    is_whole = block.bare.count(b",") == count * (len(columns) - 1) and b"\r" not in block.bare
    if rows is None or len(rows) != count or not is_whole:
        raise UserError(f"A row of the CSV does not have {len(columns)} columns in UTF-8.")
    return rows.rechunk()  # else each question to the frame would do it


def pieces(amounts: pl.Series) -> pl.DataFrame:
    """Return amounts in centavos, each in PIECES of so many digits that sums fit in 64 bits; null where it is null.

    Raises:
        UserError: an amount is written otherwise than with a point and two digits.
    """
    if not amounts.str.contains(_AMOUNT).all():
        raise UserError("An amount of the CSV is not written as digits, a point and two digits.")
    left, found = amounts.str.replace(".", "", literal=True), list[pl.Series]()
    while left.str.contains(_MORE_DIGITS).any():
        sign = 1 - 2 * left.str.starts_with("-").cast(pl.Int64)
        found.append(left.str.strip_prefix("-").str.tail(_PIECE_DIGITS).cast(pl.Int64, strict=False) * sign)
        left = left.str.head(-_PIECE_DIGITS)
    found.append(left.cast(pl.Int64, strict=False))
    return pl.DataFrame({f"piece {place}": piece for place, piece in enumerate(found)})


def of_pieces(sums: Sequence[int]) -> int:
    """Return the sum of amounts in centavos from the sums of their pieces."""
    return sum(piece * 10 ** (_PIECE_DIGITS * place) for place, piece in enumerate(sums))


def in_floats(amounts: pl.DataFrame) -> pl.Series:
    """Return amounts or sums in centavos, which are in PIECES, as floats: what is above 2^53 is rounded."""
    return amounts.select(
        pl.sum_horizontal(
            piece.cast(pl.Float64) * 10.0 ** (_PIECE_DIGITS * place)
            for place, piece in enumerate(amounts.select(PIECES))
        )
    ).to_series()


def totals_of(amounts: pl.DataFrame) -> Totals:
    """Return the rows and the sum of amounts, which are in pieces."""
    return Totals(len(amounts), of_pieces(amounts.sum().row(0)))


def moments_in(rows: pl.DataFrame) -> pl.Series:
    """Return the moments of rows; all are null where the rows have no such column."""
    if MOMENT in rows.columns:
        return _moments(rows[MOMENT])
    return pl.repeat(None, len(rows), dtype=pl.Datetime("us"), eager=True)


def moments(texts: pl.Series) -> pl.Series:
    """Return texts as moments of the calendar; others are null, as MySQL's 0000-00-00 and 2024-02-30.

    The rows of a card come together, so most of a card's and an account's moments are those of the row before.
    """
    runs = texts.rle_id()
    if len(runs) and runs[-1] < len(runs) // 2:
        return _moments(texts.filter(runs.is_first_distinct())).gather(runs)
    return _moments(texts)


def _moments(texts: pl.Series) -> pl.Series:
    has_fraction = (texts.str.len_bytes() > len("2024-03-01 00:00:00")).any()
    fraction = "%.f" if has_fraction else ""  # it takes four times as long
    found = texts.str.to_datetime(f"%Y-%m-%d %H:%M:%S{fraction}", time_unit="us", strict=False, cache=False)
    is_moment = texts.str.contains(_MOMENT) & (found >= datetime.min)
    return pl.select(pl.when(is_moment).then(found)).to_series()
