"""What a contestant has written: results are compared by rows, centavos and a checksum, in any order."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, MOVIMENTO

#: The beginning of a row of movimento in mydumper's INSERT statements, which are written a row a line.
_find_row = re.compile(
    rb"^(?:INSERT INTO `movimento` VALUES)?,?\(\d+,\"?(-?\d+)\.(\d\d)\"?,", re.MULTILINE
).findall


@dataclass(frozen=True)
class Content:
    """What a flat CSV holds, whatever the order of its rows and the style of its quotes.

    Attributes:
        rows: without the header.
        centavos: sum of the amounts.
        digest: sum of a checksum of every row's fields.
    """

    rows: int
    centavos: int
    digest: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.centavos:,} centavos, digest {self.digest:x}"


def content(files: Iterable[Path]) -> Content:
    """Return what CSV files, each with its header, hold together.

    Raises:
        UserError: there is none, or a row does not have the flat table's columns.
    """
    rows = centavos = digest = 0
    amount = FLAT_COLUMNS.index(AMOUNT)
    header: list[str] | None = None
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, None)
            if header != list(FLAT_COLUMNS):
                raise UserError(f"{path} does not begin with the flat table's header.")
            for row in reader:
                if len(row) != len(FLAT_COLUMNS):
                    raise UserError(f"{path}: a row has {len(row)} columns.")
                rows += 1
                centavos += int(row[amount].replace(".", ""))
                digest += crc32("\0".join(row).encode())
    if header is None:
        raise UserError("No CSV was written.")
    return Content(rows, centavos, digest)


def lines(files: Iterable[Path]) -> tuple[int, int]:
    """Return the number of lines of some files, and the sum of their checksums, which is the same in any order."""
    number = digest = 0
    for path in files:
        with path.open("rb") as file:
            for line in file:
                number += 1
                digest += crc32(line.rstrip(b"\t\n"))  # streaming leaves a tab after a key without value
    return number, digest


def movements_of_tsv(files: Iterable[Path]) -> Totals:
    """Return rows and centavos of movements in tagged TSV."""
    amount = 1 + MOVIMENTO.column_names.index("vlr_transacao")
    rows = centavos = 0
    for path in files:
        with path.open("rb") as file:
            for line in file:
                rows += 1
                centavos += int(line.split(b"\t", amount + 1)[amount].replace(b".", b""))
    return Totals(rows, centavos)


def movements_of_dump(files: Iterable[Path]) -> Totals:
    """Return rows and centavos of movements in mydumper's files."""
    rows = centavos = 0
    for path in files:
        for reais, cents in _find_row(path.read_bytes()):
            rows += 1
            centavos += int(reais + cents)
    return Totals(rows, centavos)
