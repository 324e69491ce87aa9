"""Whether the files of a lake still are what its record says: from nothing but their bytes."""

from collections.abc import Callable
from pathlib import Path

from movimento_flat.columnar import pl
from movimento_flat.exports.parquet import parquet_totals
from movimento_flat.lake.folder import Store, foreign_names
from movimento_flat.lake.record import LakeRecord, folder_of
from movimento_flat.money import Totals
from movimento_flat.publish.manifest import FileEntry
from movimento_flat.verify.delivery import Comparison, compare_file


def verify_months(
    store: Store, record: LakeRecord, comparison: Comparison, progress: Callable[[int], None]
) -> None:
    """Compare a lake's files with its record; `progress` is told of the rows of each month.

    Raises:
        OSError: a file is there and cannot be read.
    """
    for name in foreign_names(store, record):
        comparison.unknown(name)
    for month, entry in record.months.items():
        totals = Totals()
        for name, file in entry.files.items():
            with store.fetched(month, name) as path:
                totals += _totals(path, f"{folder_of(month)}/{name}", file, comparison)
        comparison.same_totals(month, entry.totals, totals)
        progress(entry.rows)


def _totals(path: Path, what: str, file: FileEntry, comparison: Comparison) -> Totals:
    try:
        if compare_file(path, what, file, comparison):
            return parquet_totals(path)
    except pl.exceptions.PolarsError:
        comparison.note(f"{what} is no Parquet file.")
    return Totals()
