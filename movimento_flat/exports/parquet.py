"""The finished CSV once more, as Parquet: with types, and in the same order.

    amounts   decimal(38, 2), exact
    dates     timestamp in microseconds without a zone, as the CSV has none
    ages      int64
    ids       uint64
    others    text

An empty field is null. So is a date that no calendar has, as 0000-00-00 (or a number of more than 64 bits): Parquet has
no value for it. That is no secret: such fields are counted, by column.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from movimento_flat.columnar import pl
from movimento_flat.errors import UserError
from movimento_flat.interrupts import ended_by_interrupts
from movimento_flat.money import Totals
from movimento_flat.private_files import make_private_file
from movimento_flat.publish.csv_audit import blocks, frames, moments
from movimento_flat.publish.parts import PARQUET_NAME
from movimento_flat.schema import AMOUNT, FLAT_BY_NAME, Kind

MONEY = pl.Decimal(38, 2)
#: Of zstd: it takes a fifth less time than 3, and 2 % more bytes.
LEVEL = 1
_TYPES = {Kind.MONEY: MONEY, Kind.MOMENT: pl.Datetime("us"), Kind.WHOLE: pl.Int64(), Kind.ID: pl.UInt64()}
_PIECE = 10**18
_TOO_LONG = "^-?[0-9]{37}"
#: Of the CSV, in a row group at most, which is held in memory; and of its rows.
_GROUP_BYTES, _GROUP_ROWS = 32 << 20, 250_000


def column_type(kind: Kind) -> pl.DataType:
    """Return the type of a flat column of this kind."""
    return _TYPES.get(kind, pl.String())


def write_parquet(
    flat: Path,
    columns: tuple[str, ...],
    folder: Path,
    progress: Callable[[int], None] = lambda rows: None,
) -> Counter[str]:
    """Write a flat CSV with these columns into `folder`; return how many fields are no value of Parquet, by column.

    A row group is held at once. `progress` is told of the rows written.

    Raises:
        UserError: an amount has more than 36 digits before its point, or the CSV is none.
        OSError: a file cannot be read or written.
    """
    types = {name: column_type(FLAT_BY_NAME[name].kind) for name in columns}
    path, left_out, stopping = make_private_file(folder / PARQUET_NAME), Counter[str](), Event()

    def typed_frames(*_: object) -> Iterator[pl.DataFrame]:
        with flat.open("rb") as file:
            for texts in frames(file.read, columns, columns):
                if stopping.is_set():
                    raise InterruptedError
                yield pl.DataFrame([typed(texts[name], kind, left_out) for name, kind in types.items()])
                progress(len(texts))

    rows = pl.io.plugins.register_io_source(typed_frames, schema=types)
    size = _rows_of_a_group(flat, columns)
    # A signal is heard by this thread only where it does not wait within Polars.
    with ThreadPoolExecutor(1) as pool, ended_by_interrupts(stopping.set):
        pool.submit(rows.sink_parquet, path, compression_level=LEVEL, row_group_size=size).result()
    return left_out


def parquet_totals(path: Path) -> Totals:
    """Read the amounts once more, and return the rows and their sum: that of no piece needs more than 128 bits."""
    centavos = pl.col(AMOUNT).cast(MONEY).to_physical()
    query = pl.scan_parquet(path).select(
        pl.len(), (centavos // _PIECE).sum().alias("high"), (centavos % _PIECE).sum().alias("low")
    )
    rows, high, low = query.collect(engine="streaming").row(0)
    return Totals(rows, high * _PIECE + low)


def _rows_of_a_group(flat: Path, columns: tuple[str, ...]) -> int:
    """Return how many rows have _GROUP_BYTES at most, wherever in the CSV they are."""
    with flat.open("rb") as file:
        widest = max((len(block.rows) / block.count for block in blocks(file.read, columns)), default=1)
    return group_rows(widest)


def group_rows(width: float) -> int:
    """Return how many rows a row group has, each of so many bytes of the CSV."""
    return max(1, min(_GROUP_ROWS, int(_GROUP_BYTES / width)))


def typed(
    texts: pl.Series, kind: pl.DataType, left_out: Counter[str], at: pl.Series | None = None
) -> pl.Series:
    """Return a column of text as its type; what is none of its values is null, and counted.

    Args:
        texts: the column.
        kind: its type.
        left_out: counts, by column.
        at: the moments that the texts are, where they are known.

    Raises:
        UserError: an amount is too long.
    """
    if kind == MONEY and texts.str.contains(_TOO_LONG).any():
        raise UserError(
            f"{AMOUNT} has an amount of more than 36 digits before its point, which Parquet does not hold.",
            "Run without --parquet and --lake.",
        )
    if at is None:
        at = moments(texts) if isinstance(kind, pl.Datetime) else None
    column = texts.cast(kind, strict=False) if at is None else at
    if lost := column.null_count() - texts.null_count():
        left_out[texts.name] += lost
    return column.alias(texts.name)
