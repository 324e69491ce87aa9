"""The k-way merge of the join's sorted parts into the CSV and the lists beside it."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from movimento_flat.money import Totals, centavos
from movimento_flat.schema import FLAT_HEADER, MOVIMENTO
from movimento_flat.tagged_tsv import ROW_SEPARATOR, unescape
from mr_jobs.cards import DISAGREEMENT, DISAGREEMENT_COLUMNS, FLAT, REJECTED, REJECTED_COLUMNS

CSV_NAME = "movimento_flat.csv"
REJECTED_NAME = "rejected.tsv"
DISAGREEMENTS_NAME = "disagreements.tsv"


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
    """What the merge wrote beside the CSV."""

    rejected: Rejected
    disagreements: int


def merge_parts(
    parts: Iterable[Path], folder: Path, progress: Callable[[int], None] = lambda read: None
) -> Merged:
    """Write CSV_NAME, REJECTED_NAME and DISAGREEMENTS_NAME into `folder`, in the order of the cards.

    A part is read once, line by line, and holds a card's records together and the cards in order.
    `progress` is told of the bytes read.

    Raises:
        OSError: a file cannot be read or written.
    """
    rejected, disagreements = Rejected(), 0
    with (
        _new_file(folder / CSV_NAME, FLAT_HEADER) as csv,
        _new_file(folder / REJECTED_NAME, _header(REJECTED_COLUMNS)) as rejected_list,
        _new_file(folder / DISAGREEMENTS_NAME, _header(DISAGREEMENT_COLUMNS)) as disagreement_list,
    ):
        for kind, rows in _merged(parts):
            progress(len(rows))
            if kind == FLAT:
                csv.write(unescape(rows.replace(ROW_SEPARATOR, b"\n")))
            elif kind == REJECTED:
                for row in rows.rstrip(b"\n").split(ROW_SEPARATOR):
                    rejected.add(row)
                rejected_list.write(rows.replace(ROW_SEPARATOR, b"\n"))
            elif kind == DISAGREEMENT:
                disagreement_list.write(rows)
                disagreements += 1
            else:
                raise ValueError(f"a part has a record of unknown kind {kind!r}")
    return Merged(rejected, disagreements)


def _merged(parts: Iterable[Path]) -> Iterator[tuple[bytes, bytes]]:
    """-> (kind, rows with the last one's line end) of all parts, by card."""
    for _, value in heapq.merge(*map(_records, parts)):
        kind, _, rows = value.partition(b"\t")
        yield kind, rows


def _records(part: Path) -> Iterator[tuple[bytes, bytes]]:
    """-> (sortable card, kind and rows); a card lies in one part only, so ties never compare across parts."""
    with part.open("rb") as lines:
        for line in lines:
            card, _, value = line.partition(b"\t")
            yield card, value


def _new_file(path: Path, header: bytes) -> BinaryIO:
    path.touch(mode=0o600, exist_ok=False)
    file = path.open("wb", buffering=1 << 20)
    file.write(header + b"\n")
    return file


def _header(columns: tuple[str, ...]) -> bytes:
    return "\t".join(columns).encode()
