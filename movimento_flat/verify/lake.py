"""Whether a lake still is what its record says: from nothing but the bytes of its files."""

from pathlib import Path

from movimento_flat.cli.progress import Console
from movimento_flat.cli.summary import Summary, of_key
from movimento_flat.columnar import pl
from movimento_flat.errors import UserError
from movimento_flat.exports.parquet import parquet_totals
from movimento_flat.lake.folder import foreign_names, settle
from movimento_flat.lake.record import FileEntry, LakeRecord, folder_of
from movimento_flat.money import Totals, reais
from movimento_flat.verify.delivery import Comparison


def verify_lake(path: Path, console: Console) -> Summary:
    """Compare a lake with its record; return the summary. What a killed run has left is finished first.

    Raises:
        UserError: something differs, or there is no record to compare with.
        OSError: a file cannot be read.
    """
    record = settle(path)
    comparison = Comparison()
    for name in foreign_names(path, record):
        comparison.same(name, "nothing", "what the lake's record does not know")
    with console.stage("audit", total=record.totals.rows) as progress:
        for month, entry in record.months.items():
            totals = Totals()
            for name, file in entry.files.items():
                totals += _compare(path / folder_of(month) / name, file, comparison)
            comparison.same_totals(month, entry.totals, totals)
            progress(entry.rows)
    if comparison.differences:
        raise UserError(
            f"The lake {path} is not what it should be.\n"
            + "\n".join(f"  {line}" for line in comparison.differences),
            "Run again without --since and --until: all months are written anew.",
        )
    return _summary(path, record)


def _compare(path: Path, file: FileEntry, comparison: Comparison) -> Totals:
    what = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        comparison.same(what, "a file", "none")
        return Totals()
    found = FileEntry.of(path)
    comparison.same(f"SHA-256 of {what}", file.sha256, found.sha256)
    comparison.same(f"bytes of {what}", file.bytes, found.bytes)
    try:
        return parquet_totals(path)
    except pl.exceptions.PolarsError:
        comparison.same(what, "a Parquet file", "none")
        return Totals()


def _summary(path: Path, record: LakeRecord) -> Summary:
    totals = record.totals
    snapshots = [month.snapshot_utc for month in record.months.values()]
    lines = [
        ("months", f"{len(record.months):,}"),
        ("rows", f"{totals.rows:,}"),
        ("total", reais(totals.centavos)),
        *([("snapshots", f"{min(snapshots)[:19]} to {max(snapshots)[:19]} UTC")] if snapshots else []),
        *of_key(record.privacy.key_fingerprint),
    ]
    facts = {
        "path": str(path),
        "rows": totals.rows,
        "centavos": totals.centavos,
        "months": {
            month: {"rows": entry.rows, "centavos": entry.centavos} for month, entry in record.months.items()
        },
        "key_fingerprint": record.privacy.key_fingerprint,
    }
    return Summary(f"{path}: as its record says", lines, facts)
