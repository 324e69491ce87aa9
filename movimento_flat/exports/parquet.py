"""The finished CSV once more, as Parquet: with types, and in the same order. PyArrow is needed (the extra `parquet`).

    amounts   decimal128(38, 2), exact
    dates     timestamp[us] without a zone, as the CSV has none
    ages      int64
    ids       uint64
    others    utf8; kinds of account by a dictionary

An empty field is null. So is a date that no calendar has, as 0000-00-00 (or a number of more than 64 bits): Parquet has
no value for it. That is no secret: such fields are counted, by column.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from movimento_flat.errors import UserError
from movimento_flat.money import Totals, centavos_of
from movimento_flat.private_files import make_private_file
from movimento_flat.publish.csv_audit import blocks
from movimento_flat.publish.parts import PARQUET_NAME
from movimento_flat.schema import ACCOUNT_KIND, AMOUNT, FLAT_WITH_IDS, FlatColumn, Kind

MONEY = pa.decimal128(38, 2)
MOMENT = pa.timestamp("us")
_FIRST_MOMENT = pa.scalar(datetime(1, 1, 1), MOMENT)
#: Of an amount: PyArrow wraps a longer one without a word.
_LONGEST_AMOUNT = 36 + len(".00")
#: Of the CSV, in a row group, which is held in memory.
_GROUP_BYTES = 32 << 20

_TYPES = {Kind.MONEY: MONEY, Kind.MOMENT: MOMENT, Kind.WHOLE: pa.int64(), Kind.ID: pa.uint64()}

Column = Any
Table = Any


def column_type(flat: FlatColumn) -> Any:
    """-> the Arrow type of a flat column."""
    if flat.name == ACCOUNT_KIND:
        return pa.dictionary(pa.int32(), pa.utf8())
    return _TYPES.get(flat.kind, pa.utf8())


def write_parquet(
    flat: Path,
    columns: tuple[str, ...],
    folder: Path,
    progress: Callable[[int], None] = lambda rows: None,
) -> Counter[str]:
    """Write a flat CSV with these columns into `folder`; -> fields that are no value of Parquet, by column.

    A row group is held at once. `progress` is told of the rows written.

    Raises:
        UserError: an amount has more than 36 digits before its point, or the CSV is none.
        OSError: a file cannot be read or written.
    """
    types = {column.name: column_type(column) for column in FLAT_WITH_IDS if column.name in columns}
    path, left_out = make_private_file(folder / PARQUET_NAME), Counter[str]()
    with pq.ParquetWriter(path, pa.schema(types.items()), compression="zstd") as writer:
        for texts in _row_groups(flat, columns):
            typed = [_typed(name, texts[name], kind, left_out) for name, kind in types.items()]
            writer.write_table(pa.table(typed, writer.schema), row_group_size=len(texts))
            progress(len(texts))
    return left_out


def parquet_totals(path: Path) -> Totals:
    """Read the amounts once more -> rows, and their sum."""
    totals = Totals()
    for batch in pq.ParquetFile(path).iter_batches(columns=[AMOUNT]):
        # In 76 digits, which a sum of 38 cannot overflow.
        amount = pc.sum(pc.cast(batch.column(0), pa.decimal256(76, 2))).as_py()
        totals += Totals(len(batch), centavos_of(amount or Decimal()))
    return totals


def _row_groups(flat: Path, columns: tuple[str, ...]) -> Iterator[Table]:
    """-> tables of text, null where a field is empty."""
    tables: list[Table] = []
    size = 0
    with flat.open("rb") as file:
        for block in blocks(file.read, columns):
            tables.append(_texts(block.content, columns))
            size += len(block.content)
            if size >= _GROUP_BYTES:
                yield pa.concat_tables(tables)
                tables, size = [], 0
    if tables:
        yield pa.concat_tables(tables)


def _texts(block: Any, columns: tuple[str, ...]) -> Table:
    """Some whole rows of the CSV -> a table of them."""
    return pyarrow.csv.read_csv(
        pa.py_buffer(block),
        pyarrow.csv.ReadOptions(column_names=columns, block_size=len(block)),
        pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.utf8()), strings_can_be_null=True, null_values=[""]
        ),
    )


def _typed(name: str, texts: Column, kind: Any, left_out: Counter[str]) -> Column:
    """A column of text -> of its type; what is none of its values is null, and counted."""
    if kind == MONEY and (pc.max(pc.utf8_length(pc.utf8_ltrim(texts, "-"))).as_py() or 0) > _LONGEST_AMOUNT:
        raise UserError(
            f"{AMOUNT} has an amount of more than 36 digits before its point, which Parquet does not hold.",
            "Run without --parquet.",
        )
    try:
        column = pc.cast(texts, kind)
    except pa.ArrowInvalid:
        value = _VALUES[kind]
        column = pa.chunked_array([[text and value(text) for text in texts.to_pylist()]], kind)
    if kind == MOMENT:
        # Year 0 is one for Arrow, and none for Python and for others who read the file.
        column = pc.if_else(pc.less(column, _FIRST_MOMENT), None, column)
    left_out.update({name: lost} if (lost := column.null_count - texts.null_count) else {})
    return column


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _signed(text: str) -> int | None:
    """-> an age; None where it has too many digits, or is masked since it may be a card number."""
    number = int(text) if "*" not in text else 1 << 63
    return number if -(1 << 63) <= number < 1 << 63 else None


def _unsigned(text: str) -> int | None:
    number = int(text)
    return number if 0 <= number < 1 << 64 else None


#: Of the types that have no value for each text: text -> its value, or None.
_VALUES: dict[Any, Callable[[str], datetime | int | None]] = {
    MOMENT: _moment,
    pa.int64(): _signed,
    pa.uint64(): _unsigned,
}
