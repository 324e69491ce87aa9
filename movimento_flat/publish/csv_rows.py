"""The finished CSV row by row, as Python's csv module reads it: what shares nothing with the code that wrote it."""

import csv
from collections.abc import Iterator
from pathlib import Path

_LONGEST_FIELD = (1 << 31) - 1


def read_rows(path: Path) -> Iterator[list[str]]:
    """Return the header and each row, as fields. An empty line is a row of one empty field: an amount that is NULL.

    Raises:
        ValueError: it is no UTF-8.
        csv.Error: it is no CSV.
        OSError: it cannot be read.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file, strict=True):
            yield row or [""]
