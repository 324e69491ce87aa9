"""The k-way merge of the join's sorted parts into the CSV and the lists beside it."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from movimento_flat.money import Totals, centavos
from movimento_flat.private_files import make_private_file
from movimento_flat.problem_lists import (
    FLAT,
    MISMATCH,
    MISMATCH_COLUMNS,
    REJECTED,
    REJECTED_COLUMNS,
    WARNING,
    WARNING_COLUMNS,
)
from movimento_flat.schema import FLAT_COLUMNS, MOVIMENTO
from movimento_flat.tagged_tsv import ROW_SEPARATOR, unescape

CSV_NAME = "movimento_flat.csv"
REJECTED_NAME = "rejected.tsv"
MISMATCHES_NAME = "holder_owner_mismatches.tsv"
WARNINGS_NAME = "warnings.tsv"
PARQUET_NAME = "movimento_flat.parquet"
WORKBOOK_NAME = "movimento_flat.xlsx"
REPORT_NAME = "relatorio.html"
PACKAGE_NAME = "datapackage.json"
#: Bytes that are read or written at once.
CHUNK = 1 << 20


@dataclass
class Rejected:
    """What the list of rejected rows holds: its movements, and rows by reason."""

    movements: Totals = field(default_factory=Totals)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, row: bytes) -> None:
        """Count a row of REJECTED_COLUMNS."""
        reason, table, _, _, amount, _ = row.split(b"\t")
        self.reasons[reason.decode()] += 1
        if table == MOVIMENTO.name.encode():
            self.movements += Totals(1, centavos(amount))


@dataclass(frozen=True)
class Merged:
    """What the merge wrote into the lists; warnings by reason."""

    rejected: Rejected
    mismatches: int
    warnings: Counter[str]


def merge_parts(
    parts: Iterable[Path],
    folder: Path,
    columns: tuple[str, ...] = FLAT_COLUMNS,
    progress: Callable[[int], None] = lambda read: None,
    written: Callable[[int], None] = lambda size: None,
) -> Merged:
    """Write the CSV, with these columns, and the lists beside it into `folder`, in the order of the cards.

    A part is read once, line by line, and holds a bucket's records together and the buckets in order.
    `progress` is told of the bytes read, and `written` how many of the CSV can be read, whenever these are
    CHUNK more.

    Raises:
        OSError: a file cannot be read or written.
    """
    rejected, mismatches, warnings = Rejected(), 0, Counter[str]()
    with (
        _new_file(folder / CSV_NAME, ",".join(columns)) as csv,
        _new_file(folder / REJECTED_NAME, _header(REJECTED_COLUMNS)) as rejected_list,
        _new_file(folder / MISMATCHES_NAME, _header(MISMATCH_COLUMNS)) as mismatch_list,
        _new_file(folder / WARNINGS_NAME, _header(WARNING_COLUMNS)) as warning_list,
    ):
        told = 0
        for kind, rows in _merged(parts):
            progress(len(rows))
            if kind == FLAT:
                csv.write(unescape(rows.replace(ROW_SEPARATOR, b"\n")))
                if csv.tell() >= told + CHUNK:
                    csv.flush()
                    told = csv.tell()
                    written(told)
            elif kind == REJECTED:
                for row in rows.rstrip(b"\n").split(ROW_SEPARATOR):
                    rejected.add(row)
                rejected_list.write(rows.replace(ROW_SEPARATOR, b"\n"))
            elif kind == MISMATCH:
                mismatch_list.write(rows.replace(ROW_SEPARATOR, b"\n"))
                mismatches += rows.count(ROW_SEPARATOR) + 1
            elif kind == WARNING:
                for row in rows.split(ROW_SEPARATOR):
                    warnings[row.partition(b"\t")[0].decode()] += 1
                warning_list.write(rows.replace(ROW_SEPARATOR, b"\n"))
            else:
                raise ValueError(f"a part has a record of unknown kind {kind!r}")
    return Merged(rejected, mismatches, warnings)


def _merged(parts: Iterable[Path]) -> Iterator[tuple[bytes, bytes]]:
    """Return (kind, rows with the last one's line end) of all parts, by bucket of cards."""
    for _, value in heapq.merge(*map(_records, parts)):
        kind, _, rows = value.partition(b"\t")
        yield kind, rows


def _records(part: Path) -> Iterator[tuple[bytes, bytes]]:
    """Return (bucket, kind and rows); a bucket lies in one part only, so ties never compare across parts."""
    with part.open("rb", buffering=CHUNK) as lines:
        for line in lines:
            bucket, _, value = line.partition(b"\t")
            yield bucket, value


def _new_file(path: Path, header: str) -> BinaryIO:
    file = make_private_file(path).open("wb", buffering=CHUNK)
    file.write(f"{header}\n".encode())
    return file


def _header(columns: tuple[str, ...]) -> str:
    return "\t".join(columns)
