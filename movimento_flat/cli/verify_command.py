"""`movimento-flat verify`: a summary where everything is right, else an error that names each difference."""

from dataclasses import asdict
from pathlib import Path

from extract.source import Source
from movimento_flat.cli.container_paths import as_the_user_wrote
from movimento_flat.cli.progress import Console
from movimento_flat.cli.summary import Summary, of_csv, of_key
from movimento_flat.errors import UserError
from movimento_flat.publish.manifest import MANIFEST_NAME, Manifest
from movimento_flat.publish.output_folder import RUN_NAME, settle
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.verify.database import compared_columns, masked_columns, verify_database
from movimento_flat.verify.delivery import Comparison, verify_files


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
    if comparison.differences:
        raise UserError(
            f"{output} is not what it should be.\n"
            + "\n".join(f"  {line}" for line in comparison.differences),
            _next_step(manifest, database, asked=bool(audited)),
        )
    return _summary(output, manifest, database)


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
        ("balanced", f"with the database as of {manifest.source.snapshot_utc.partition('.')[0]} UTC"),
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


def _but_for(manifest: Manifest) -> str:
    """Return what was not compared with the database."""
    compared = compared_columns(manifest)
    left_out = []
    if tokens := [name for name in manifest.csv.columns if name not in compared]:
        left_out.append(f"the tokens of {', '.join(tokens)}")
    if masked_columns(manifest):
        left_out.append("the digits of texts that may hold card numbers")
    return f", compared without {' and '.join(left_out)}" if left_out else ""
