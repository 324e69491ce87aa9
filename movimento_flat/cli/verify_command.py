"""`movimento-flat verify`: a summary where everything is right, else an error that names each difference."""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from extract.source import Source
from movimento_flat.cli.container_paths import as_the_user_wrote
from movimento_flat.cli.progress import Console
from movimento_flat.cli.summary import Summary, against_database, of_csv, of_key
from movimento_flat.errors import UserError
from movimento_flat.lake import folder as lake_folder
from movimento_flat.lake.record import LakeRecord
from movimento_flat.lake.stores import store_of
from movimento_flat.money import reais
from movimento_flat.publish.manifest import MANIFEST_NAME, Manifest
from movimento_flat.publish.output_folder import RUN_NAME, settle
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.verify.database import compared_columns, masked_columns, verify_database
from movimento_flat.verify.delivery import Comparison, verify_files
from movimento_flat.verify.lake import verify_months


def verify_delivery(output: Path, database: Source | None, console: Console) -> Summary:
    """Compare a published folder with its manifest, and with a database where one is given; return the summary.

    Raises:
        UserError: something differs, or there is no manifest to compare with.
        OSError: a file cannot be read.
    """
    settle(output)
    manifest = Manifest.read(output / RUN_NAME / MANIFEST_NAME)
    comparison = Comparison()
    with console.stage("audit", total=manifest.csv.rows) as progress:
        audited = verify_files(output, manifest, comparison, progress)
    if audited and database:
        with console.stage("compare", total=audited.totals.rows) as progress:
            verify_database(output, manifest, audited, database, comparison, progress)
    _refuse_differences(str(output), comparison, _next_step(manifest, database, asked=bool(audited)))
    return _summary(output, manifest, database)


def verify_lake(lake: str, console: Console) -> Summary:
    """Compare a lake with its record, and return the summary. What a killed run has left is finished first.

    Args:
        lake: its folder, or its URI in HDFS.
        console: told how far it is.

    Raises:
        UserError: something differs, or there is no record to compare with.
        OSError: a file cannot be read.
    """
    comparison = Comparison(by="the lake's record")
    with (
        TemporaryDirectory(prefix="movimento-flat-") as work,
        store_of(lake, None, Path(work) / "lake", console.say) as store,
    ):
        record = lake_folder.settle(store)
        with console.stage("audit", total=record.totals.rows) as progress:
            verify_months(store, record, comparison, progress)
    _refuse_differences(
        f"The lake {lake}",
        comparison,
        "Run again without --since and --until: all months are written anew.",
    )
    return _summary_of_lake(lake, record)


def _refuse_differences(what: str, comparison: Comparison, next_step: str) -> None:
    if comparison.differences:
        lines = "\n".join(f"  {line}" for line in comparison.differences)
        raise UserError(f"{what} is not what it should be.\n{lines}", next_step)


def _next_step(manifest: Manifest, database: Source | None, asked: bool) -> str:
    restore = "Take the folder from a backup, or run again."
    if not database:
        return restore
    if not asked:
        return f"{restore} The database was not asked: there is nothing whole to compare it with."
    snapshot = manifest.source.snapshot_utc
    return f"{restore} If only the database differs, it may have changed since {snapshot} UTC."


def _summary(output: Path, manifest: Manifest, database: Source | None) -> Summary:
    path = as_the_user_wrote(str(output / CSV_NAME))
    lines = [
        *of_csv(manifest.csv),
        ("rejected", f"{manifest.rejected.rows:,}"),
        ("checked", f"when it was published, {against_database(manifest.source)}"),
    ]
    lines += of_key(manifest.privacy.key_fingerprint)
    if database:
        lines.append(("database", f"{database} holds the same rows now{_but_for(manifest)}"))
    content = asdict(manifest)
    facts = {
        "path": path,
        **content["csv"],
        **{name: content[name] for name in ("rejected", "holder_owner_mismatches")},
        "key_fingerprint": manifest.privacy.key_fingerprint,
        "snapshot_utc": manifest.source.snapshot_utc,
        "database": str(database) if database else None,
    }
    return Summary(f"{path}: as its manifest says", lines, facts)


def _summary_of_lake(path: str, record: LakeRecord) -> Summary:
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
        "path": path,
        **vars(totals),
        "months": {month: vars(entry.totals) for month, entry in record.months.items()},
        "key_fingerprint": record.privacy.key_fingerprint,
    }
    return Summary(f"{path}: as its record says", lines, facts)


def _but_for(manifest: Manifest) -> str:
    """Return what was not compared with the database."""
    compared = compared_columns(manifest)
    left_out = []
    if tokens := [name for name in manifest.csv.columns if name not in compared]:
        left_out.append(f"the tokens of {', '.join(tokens)}")
    if masked_columns(manifest):
        left_out.append("the digits of texts that may hold card numbers")
    return f", compared without {' and '.join(left_out)}" if left_out else ""
