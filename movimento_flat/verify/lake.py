"""Whether the files of a lake still are what its record says: from nothing but their bytes."""

from collections.abc import Callable
from pathlib import Path

from movimento_flat.columnar import pl
from movimento_flat.exports.parquet import parquet_totals
from movimento_flat.lake.folder import foreign_names
from movimento_flat.lake.record import LakeRecord, folder_of
from movimento_flat.money import Totals
from movimento_flat.publish.manifest import FileEntry
from movimento_flat.verify.delivery import Comparison, compare_file


def verify_months(
    path: Path, record: LakeRecord, comparison: Comparison, progress: Callable[[int], None]
) -> None:
    """Compare a lake's files with its record; `progress` is told of the rows of each month.

    Raises:
        OSError: a file is there and cannot be read.
    """
    for name in foreign_names(path, record):
        comparison.same(name, "nothing", "what the lake's record does not know")
    for month, entry in record.months.items():
        totals = Totals()
        for name, file in entry.files.items():
            totals += _totals(path / folder_of(month) / name, file, comparison)
        comparison.same_totals(month, entry.totals, totals)
        progress(entry.rows)


def _totals(path: Path, file: FileEntry, comparison: Comparison) -> Totals:
    what = f"{path.parent.name}/{path.name}"
    try:
        if compare_file(path, what, file, comparison):
            return parquet_totals(path)
    except pl.exceptions.PolarsError:
        comparison.same(what, "a Parquet file", "none")
    return Totals()
