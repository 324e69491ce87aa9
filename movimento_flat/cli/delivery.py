"""The last two stages: the join's parts become the CSV and what lies beside it, proved and published."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from movimento_flat.cli.auditing import Auditing
from movimento_flat.cli.fictitious import is_fictitious
from movimento_flat.cli.lake import record_of, write_lake
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.errors import UserError
from movimento_flat.exports.parquet import parquet_totals, write_parquet
from movimento_flat.exports.workbook import write_workbook
from movimento_flat.lake.folder import Change, LakeFolder
from movimento_flat.privacy import Privacy
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.publish.accounting import Audit, check_identity
from movimento_flat.publish.datapackage import datapackage
from movimento_flat.publish.limits import Limits, too_few_rows
from movimento_flat.publish.manifest import (
    MANIFEST_NAME,
    ExtraFile,
    Manifest,
    PrivacyEntry,
    SourceEntry,
    json_bytes,
)
from movimento_flat.publish.output_folder import RUN_NAME, OutputFolder
from movimento_flat.publish.parts import CSV_NAME, PACKAGE_NAME, PARQUET_NAME, WORKBOOK_NAME, merge_parts
from movimento_flat.workers import Workers


@dataclass(frozen=True)
class Delivered:
    """What a run has published: the manifest of OUTPUT, and what it has changed in a lake, if there is one."""

    manifest: Manifest
    lake: Change | None


def merge_and_publish(
    folder: OutputFolder,
    parts: list[Path],
    source: SourceEntry,
    privacy: Privacy,
    publishing: Publishing,
    engine: str,
    key_fingerprint: str | None,
    workers: Workers,
    console: Console,
    lake: LakeFolder | None = None,
) -> Delivered:
    """Merge the join's parts, prove that nothing is missing, publish, and return what was published.

    The manifest knows each file that is published: those beside the CSV, and whatever lies in the run's folder when
    it is written. The workers are closed once they have audited the CSV and made the months of the lake. The lake is
    published after OUTPUT.

    Raises:
        UserError: the accounting identity does not hold, or a limit is broken.
    """
    shown = PrivacyEntry.of(privacy, key_fingerprint)
    record = record_of(shown, privacy.columns, source)
    if lake:
        lake.refuse_other(privacy.columns, shown, source.address, source.tables, source.zone)
    publishing.refuse_rows(source.movements.rows)
    results = make_private_folder(folder.work / "run")
    merging = results / CSV_NAME
    size = sum(part.stat().st_size for part in parts)
    split_into = make_private_folder(lake.work / "pieces") if lake else None
    with Auditing(merging, privacy.columns, publishing.report, workers, split_into, source.clock) as auditing:
        with console.stage("merge", unit="B", total=size) as progress:
            merged = merge_parts(parts, results, privacy.columns, progress, auditing.has_written)
        movements = source.movements.rows - merged.rejected.movements.rows
        with console.stage("audit", total=movements) as progress:
            audited, figures = auditing.result(progress)
            check_identity(source.movements, audited.totals, merged.rejected.movements)
    csv = merging.rename(folder.work / CSV_NAME)
    manifest = Manifest.of(audited, merged, privacy, key_fingerprint, source, engine, console.seconds)
    _refuse_beyond(publishing.limits, folder, manifest, results, console)
    change = write_lake(lake, record, auditing.splits, manifest, workers, console) if lake else None
    workers.close()
    beside: list[Path] = []
    left_out: dict[str, Counter[str]] = {}
    if publishing.excel:
        with console.stage("excel", total=audited.totals.rows) as progress:
            left_out[WORKBOOK_NAME] = _write_workbook(
                csv, audited, privacy, source, folder.work, progress, console
            )
        beside.append(folder.work / WORKBOOK_NAME)
    if publishing.parquet:
        with console.stage("parquet", total=audited.totals.rows) as progress:
            left_out[PARQUET_NAME] = _write_parquet(csv, audited, privacy, folder.work, progress, console)
        beside.append(folder.work / PARQUET_NAME)
    if figures:
        from movimento_flat.report.page import write_report  # noqa: PLC0415  # a run without a page needs no Jinja

        with console.stage("report"):
            beside.append(
                write_report(folder.work, results, figures, asdict(manifest), is_fictitious(source.address))
            )
    files = {
        file.name: _entry(file, audited, left_out.get(file.name))
        for file in (*beside, *sorted(results.iterdir()))
    }
    package = make_private_file(folder.work / PACKAGE_NAME)
    package.write_bytes(
        json_bytes(
            datapackage(
                audited,
                {file.name: files[file.name] for file in beside},
                privacy,
                source.snapshot_utc,
                source.zone,
            )
        )
    )
    beside.append(package)
    manifest = replace(manifest, files=files | {PACKAGE_NAME: _entry(package, audited)})
    manifest.write(results)
    folder.publish([csv, *beside], results)
    if lake and change:
        lake.publish(change)
    return Delivered(manifest, change)


def _entry(file: Path, audited: Audit, left_out: Counter[str] | None = None) -> ExtraFile:
    """Return what the manifest says of a file; `left_out` where it holds the rows of the CSV."""
    rows = audited.totals.rows if left_out is not None else None
    return ExtraFile.of(file, left_out=dict(sorted((left_out or {}).items())), rows=rows)


def _write_workbook(
    csv: Path,
    audited: Audit,
    privacy: Privacy,
    source: SourceEntry,
    folder: Path,
    progress: Callable[[int], None],
    console: Console,
) -> Counter[str]:
    """Write it into `folder`; return the fields that stand as text in it, by column.

    Raises:
        UserError: it has not the CSV's rows.
    """
    created = datetime.fromisoformat(source.snapshot_utc)
    rows, left_out = write_workbook(csv, privacy.columns, folder, created, progress)
    if rows != audited.totals.rows:
        raise UserError(
            f"{WORKBOOK_NAME} has {rows:,} rows, the CSV {audited.totals.rows:,}, so nothing is published.",
            "Please report this, with the version of XlsxWriter.",
        )
    console.say_left_out(WORKBOOK_NAME, left_out, "a cell holds, and stand as text")
    return left_out


def _write_parquet(
    csv: Path,
    audited: Audit,
    privacy: Privacy,
    folder: Path,
    progress: Callable[[int], None],
    console: Console,
) -> Counter[str]:
    """Write it into `folder`, and read it once more; return the fields that it cannot hold, by column.

    Raises:
        UserError: it cannot hold the CSV's amounts.
    """
    left_out = write_parquet(csv, privacy.columns, folder, progress)
    if (found := parquet_totals(folder / PARQUET_NAME)) != audited.totals:
        raise UserError(
            f"{PARQUET_NAME} has {found}, the CSV {audited.totals}, so nothing is published.",
            "Please report this, with the version of Polars.",
        )
    console.say_left_out(PARQUET_NAME, left_out, "Parquet has, and null in it")
    return left_out


def _refuse_beyond(
    limits: Limits, folder: OutputFolder, manifest: Manifest, results: Path, console: Console
) -> None:
    """Raises:
    UserError: a limit is broken; the lists are where the user finds them.
    """
    reasons = Counter(manifest.rejected.by_reason) + manifest.warned
    broken = limits.broken(manifest.source.movements.rows, manifest.rejected.rows, reasons)
    if not limits.may_shrink and (previous := _previous(folder.path, manifest, console)):
        broken += too_few_rows(previous.csv.rows, manifest.csv.rows)
        broken += [
            f"{name} is not in the database, and was at the previous delivery; if that is expected: --allow-shrink"
            for name in manifest.source.absent
            if name not in previous.source.absent
        ]
    if not broken:
        return
    refused = folder.refuse(results)
    raise UserError(
        "The run is beyond its limits, so nothing is published; what was published before is as it was.\n"
        + "\n".join(f"  {line}" for line in broken),
        f"The lists are in {refused}: correct what they name, or allow more.",
    )


def _previous(output: Path, manifest: Manifest, console: Console) -> Manifest | None:
    """Return the manifest of what OUTPUT holds of the same span of time."""
    path = output / RUN_NAME / MANIFEST_NAME
    if not path.exists():
        return None
    try:
        previous = Manifest.read(path)
    except UserError as error:
        console.say(f"The rows are not compared with those of the previous delivery: {error.what}")
        return None
    return previous if previous.source.window.span == manifest.source.window.span else None
