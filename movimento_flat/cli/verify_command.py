"""`movimento-flat verify`: one summary of what is right, or one error that names each difference."""

from pathlib import Path

from extract.source import Source
from movimento_flat.cli.container_paths import as_the_user_wrote
from movimento_flat.cli.progress import Console
from movimento_flat.cli.summary import Summary, of_csv, of_key
from movimento_flat.errors import UserError
from movimento_flat.publish.delivered import Delivered
from movimento_flat.publish.manifest import MANIFEST_NAME, totals_as_json
from movimento_flat.publish.output_folder import RUN_NAME, settle
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.verify.database import compared_columns, masked_columns, verify_database
from movimento_flat.verify.delivery import Comparison, verify_files


def verify_delivery(output: Path, database: Source | None, console: Console) -> Summary:
    """Check a published folder, and against its database where there is one; -> the summary.

    Raises:
        UserError: something differs, or there is no manifest that says what must be.
        OSError: a file cannot be read.
    """
    settle(output)
    delivered = Delivered.read(output / RUN_NAME / MANIFEST_NAME)
    comparison = Comparison()
    with console.stage("audit", total=delivered.csv.rows) as progress:
        audited = verify_files(output, delivered, comparison, progress)
    if audited and database:
        with console.stage("compare", total=audited.totals.rows) as progress:
            verify_database(output, delivered, audited, database, comparison, progress)
    if comparison.differences:
        raise UserError(
            f"{output} is not what it should be.\n"
            + "\n".join(f"  {line}" for line in comparison.differences),
            _next_step(delivered, database, asked=bool(audited)),
        )
    return _summary(output, delivered, database)


def _next_step(delivered: Delivered, database: Source | None, asked: bool) -> str:
    again = "Take the folder from a backup, or run again."
    if not database:
        return again
    if not asked:
        return f"{again} The database was not asked: there is nothing whole to compare it with."
    return (
        f"{again} What only the database says otherwise it may have changed since {delivered.snapshot} UTC."
    )


def _summary(output: Path, delivered: Delivered, database: Source | None) -> Summary:
    path = as_the_user_wrote(str(output / CSV_NAME))
    lines = [
        *of_csv(delivered.csv, delivered.bytes),
        ("rejected", f"{delivered.rejected.rows:,}"),
        ("balanced", f"with the database as of {delivered.snapshot.partition('.')[0]} UTC"),
    ]
    lines += of_key(delivered.key_fingerprint)
    if database:
        lines.append(("database", f"{database} holds the same rows now{_but_for(delivered)}"))
    facts = {
        "path": path,
        "columns": list(delivered.columns),
        "sha256": delivered.sha256,
        "bytes": delivered.bytes,
        **totals_as_json(delivered.csv),
        "rejected": {
            **totals_as_json(delivered.rejected),
            "by_reason": dict(sorted(delivered.reasons.items())),
        },
        "holder_owner_mismatches": delivered.mismatches,
        "key_fingerprint": delivered.key_fingerprint,
        "snapshot_utc": delivered.snapshot,
        "database": str(database) if database else None,
    }
    return Summary(f"{path}: as its manifest says", lines, facts)


def _but_for(delivered: Delivered) -> str:
    """What was not compared with the database."""
    compared = compared_columns(delivered)
    left_out = []
    if tokens := [name for name in delivered.columns if name not in compared]:
        left_out.append(f"the tokens of {', '.join(tokens)}")
    if masked_columns(delivered):
        left_out.append("the digits of texts that may hold card numbers")
    return f", compared without {' and '.join(left_out)}" if left_out else ""
