"""A CSV, whose rows come in order of their cards, as Parquet files by month, in the same order.

    amounts   decimal(18, 2), or decimal(38, 2) where one needs more digits
    ids       bigint, or decimal(20, 0) where one needs more
    ages      bigint
    dates     timestamp in microseconds without a zone
    others    varchar

Whoever audits a span of the CSV splits it as well: its rows' pieces, by month, go into a file. Then processes make
each month's files of the pieces of all spans. So no process holds more than a piece and a row group, however many
months there are.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.columnar import pl
from movimento_flat.exports.parquet import (
    LEVEL,
    column_type,
    group_rows,
    parquet_totals,
    typed,
)
from movimento_flat.lake.record import UNDATED
from movimento_flat.money import Totals
from movimento_flat.publish.csv_audit import PIECES, of_pieces
from movimento_flat.publish.manifest import FileEntry
from movimento_flat.schema import FLAT_BY_NAME, MOMENT, Kind

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
_MONTH = "month"


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
        width: bytes of a row of the CSV, on average.
        wide: columns in which a value needs the wider type.
        left_out: fields that are no value of their type, by column.
    """

    months: Mapping[str, Sequence[Piece]]
    width: float
    wide: frozenset[str]
    left_out: Counter[str]


def column_types(columns: Iterable[str], wide: Iterable[str] = ()) -> dict[str, str]:
    """Return the type of each column, as SQL has it; `wide` are those that need the wider one."""
    types = {name: _SQL_TYPES[FLAT_BY_NAME[name].kind] for name in columns}
    return {name: _WIDER[kind] if name in wide else kind for name, kind in types.items()}


class Splitter:
    """Splits the rows of a span by their months."""

    def __init__(self, file: Path) -> None:
        """Args:
        file: new file, where their pieces go.
        """
        self._file = file
        self._written = file.open("xb")
        self._months: dict[str, list[Piece]] = {}
        self._wide, self._left_out = set[str](), Counter[str]()

    def add(self, rows: pl.DataFrame, amounts: pl.DataFrame, at: pl.Series) -> None:
        """Write the next rows.

        Args:
            rows: all columns of the CSV, as text.
            amounts: theirs, in pieces.
            at: their moments, null where they have none.

        Raises:
            UserError: an amount has more than 36 digits before its point.
            OSError: the disk is full.
        """
        typed_rows = self._typed(rows, at)
        month = pl.select(
            pl.when(at.is_not_null())
            .then(rows[MOMENT].str.head(_MONTH_CHARACTERS))
            .otherwise(pl.lit(UNDATED))
        )
        by_month = typed_rows.with_columns(month.to_series().alias(_MONTH)).partition_by(
            _MONTH, maintain_order=True, include_key=False, as_dict=True
        )
        totals = _totals_by_month(amounts, month.to_series())
        for (name,), part in by_month.items():
            start = self._written.tell()
            part.write_ipc_stream(self._written)
            piece = Piece(self._file, start, self._written.tell() - start, totals[name])
            self._months.setdefault(name, []).append(piece)

    def _typed(self, rows: pl.DataFrame, at: pl.Series) -> pl.DataFrame:
        columns = []
        for name in rows.columns:
            kind = FLAT_BY_NAME[name].kind
            column = typed(rows[name], column_type(kind), self._left_out, at if name == MOMENT else None)
            if (kind is Kind.MONEY and rows[name].str.contains(_LONG_AMOUNT).any()) or (
                kind is Kind.ID and (column > _LARGEST_ID).any()
            ):
                self._wide.add(name)
            columns.append(column)
        return pl.DataFrame(columns)

    def close(self, size: int) -> Split:
        """Return what was split; `size` is the bytes of the CSV that the rows had."""
        self._written.close()
        rows = sum(piece.totals.rows for of_month in self._months.values() for piece in of_month)
        return Split(self._months, size / max(1, rows), frozenset(self._wide), self._left_out)


def _totals_by_month(amounts: pl.DataFrame, month: pl.Series) -> dict[str, Totals]:
    """Return rows and sum of amounts, which are in pieces, by month."""
    sums = amounts.with_columns(month.alias(_MONTH)).group_by(_MONTH).agg(pl.len(), PIECES.sum())
    return {name: Totals(rows, of_pieces(of_month)) for name, rows, *of_month in sums.iter_rows()}


def write_month(
    parts: Sequence[Piece], path: Path, types: Mapping[str, str], width: float, metadata: dict[str, str]
) -> tuple[Totals, FileEntry]:
    """Write a Parquet file of pieces, in their order; return what is in it when it is read again.

    Args:
        parts: the pieces.
        path: an empty file.
        types: of the columns, as SQL has them.
        width: bytes of a row of the CSV.
        metadata: of the file.
    """
    schema = {name: _TYPES[kind] for name, kind in types.items()}

    def rows(*_: object) -> Iterator[pl.DataFrame]:
        for part in parts:
            with part.file.open("rb") as file:
                file.seek(part.start)
                yield pl.read_ipc_stream(io.BytesIO(file.read(part.size))).cast(schema)  # type: ignore[arg-type]

    pl.io.plugins.register_io_source(rows, schema=schema).sink_parquet(
        path, compression_level=LEVEL, row_group_size=group_rows(width), metadata=metadata
    )
    return parquet_totals(path), FileEntry.of(path)
