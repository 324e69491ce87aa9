"""A CSV, whose rows come in order of their cards, as Parquet files by month, in the same order.

    amounts   decimal(18, 2), or decimal(38, 2) where one needs more digits
    ids       bigint, or decimal(20, 0) where one needs more
    ages      bigint
    dates     timestamp in microseconds without a zone
    others    varchar

Spans of the CSV are split by processes: each writes its rows' pieces, by month, into a file. Then processes make each
month's files of the pieces of all spans. So no process holds more than a piece and a row group, however many months
there are.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polars.io.plugins import register_io_source

from movimento_flat.columnar import pl
from movimento_flat.exports.parquet import GROUP_BYTES, GROUP_ROWS, column_type, parquet_totals, typed
from movimento_flat.lake.record import UNDATED, FileEntry
from movimento_flat.money import Totals
from movimento_flat.publish.csv_audit import frames, pieces, totals_of
from movimento_flat.schema import AMOUNT, FLAT_BY_NAME, MOMENT, Kind

#: The first and the wider type of amounts and of ids, as SQL and as Polars have them.
MONEY, WIDE_MONEY = "decimal(18,2)", "decimal(38,2)"
ID, WIDE_ID = "bigint", "decimal(20,0)"
_SQL_TYPES = {
    Kind.MONEY: MONEY,
    Kind.ID: ID,
    Kind.WHOLE: "bigint",
    Kind.MOMENT: "timestamp",
    Kind.TEXT: "varchar",
}
_TYPES: dict[str, pl.DataType] = {
    MONEY: pl.Decimal(18, 2),
    WIDE_MONEY: pl.Decimal(38, 2),
    ID: pl.Int64(),
    WIDE_ID: pl.Decimal(20, 0),
    "timestamp": pl.Datetime("us"),
    "varchar": pl.String(),
}
_WIDER = {MONEY: WIDE_MONEY, ID: WIDE_ID}
_LONG_AMOUNT = "^-?[0-9]{17}"
_LARGEST_ID = (1 << 63) - 1
_MONTH_CHARACTERS = len("2024-02")
_TEXT_OF_AMOUNT = "amount as text"


@dataclass(frozen=True)
class Piece:
    """Rows of a month of one span.

    Attributes:
        file: where they are, in Arrow's format.
        start, size: bytes in it.
        totals: of the rows.
    """

    file: Path
    start: int
    size: int
    totals: Totals


@dataclass(frozen=True)
class Split:
    """A span of the CSV, split.

    Attributes:
        months: its pieces by month.
        widest: bytes of a row of the CSV, at the most an average of some megabytes.
        wide: columns in which a value needs the wider type.
        left_out: fields that are no value of their type, by column.
    """

    months: Mapping[str, Sequence[Piece]]
    widest: float
    wide: frozenset[str]
    left_out: Counter[str]


def column_types(columns: Iterable[str], wide: Iterable[str] = ()) -> dict[str, str]:
    """Return the type of each column, as SQL has it; `wide` are those that need the wider one."""
    types = {name: _SQL_TYPES[FLAT_BY_NAME[name].kind] for name in columns}
    return {name: _WIDER[kind] if name in wide else kind for name, kind in types.items()}


def split(csv: Path, columns: tuple[str, ...], start: int, end: int, file: Path) -> Split:
    """Split the rows in these bytes of a CSV; `file` is where their pieces go.

    Raises:
        UserError: an amount has more than 36 digits before its point.
        OSError: a file cannot be read or written.
    """
    months: dict[str, list[Piece]] = {}
    wide, left_out, widest = set[str](), Counter[str](), 0.0
    with csv.open("rb") as text, file.open("xb") as written:
        text.seek(start)

        def read(length: int) -> bytes:
            return text.read(min(length, end - text.tell()))

        at = start
        for rows in frames(read, columns, columns, has_header=start == 0):
            widest, at = max(widest, (text.tell() - at) / max(1, len(rows))), text.tell()
            for month, part in _by_month(rows, wide, left_out):
                begun = written.tell()
                totals = totals_of(pieces(part[_TEXT_OF_AMOUNT]))
                part.drop(_TEXT_OF_AMOUNT).write_ipc_stream(written)
                months.setdefault(month, []).append(Piece(file, begun, written.tell() - begun, totals))
    return Split(months, widest, frozenset(wide), left_out)


def _by_month(
    rows: pl.DataFrame, wide: set[str], left_out: Counter[str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows of each month, typed; the text of the amount stands beside it."""
    kinds = {name: FLAT_BY_NAME[name].kind for name in rows.columns}
    made = pl.DataFrame([typed(rows[name], column_type(kind), left_out) for name, kind in kinds.items()])
    wide |= {
        name
        for name, kind in kinds.items()
        if (kind is Kind.MONEY and rows[name].str.contains(_LONG_AMOUNT).any())
        or (kind is Kind.ID and (made[name] > _LARGEST_ID).any())
    }
    month = pl.when(made[MOMENT].is_not_null()).then(rows[MOMENT].str.head(_MONTH_CHARACTERS))
    made = made.with_columns(month=month.fill_null(UNDATED), **{_TEXT_OF_AMOUNT: rows[AMOUNT]})
    for (name,), part in made.partition_by(
        "month", maintain_order=True, include_key=False, as_dict=True
    ).items():
        yield name, part


def write_month(
    parts: Sequence[Piece], path: Path, types: Mapping[str, str], widest: float, metadata: dict[str, str]
) -> tuple[Totals, FileEntry]:
    """Write a Parquet file of pieces, in their order; return what is in it when it is read again.

    Args:
        parts: the pieces.
        path: an empty file.
        types: of the columns, as SQL has them.
        widest: bytes of a row of the CSV.
        metadata: of the file.
    """
    schema = {name: _TYPES[kind] for name, kind in types.items()}

    def rows(*_: object) -> Iterator[pl.DataFrame]:
        for part in parts:
            with part.file.open("rb") as file:
                file.seek(part.start)
                yield pl.read_ipc_stream(io.BytesIO(file.read(part.size))).cast(schema)  # type: ignore[arg-type]

    size = max(1, min(GROUP_ROWS, int(GROUP_BYTES / max(1.0, widest))))
    register_io_source(rows, schema=schema).sink_parquet(
        path, compression="zstd", row_group_size=size, metadata=metadata
    )
    return parquet_totals(path), FileEntry.of(path)
