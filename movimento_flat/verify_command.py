"""`movimento-flat verify`: one summary of what is right, or one error that names each difference."""

from pathlib import Path

from extract.source import Source
from merge.output_folder import RUN_NAME, settle
from merge.parts import CSV_NAME
from merge.verify import Comparison, verify_files
from merge.verify_database import compared_columns, verify_database, without_numbers
from movimento_flat.delivered import Delivered
from movimento_flat.errors import UserError
from movimento_flat.manifest import MANIFEST_NAME
from movimento_flat.money import reais
from movimento_flat.progress import Console
from movimento_flat.schema import DESCRIPTION


def verify_delivery(output: Path, database: Source | None, console: Console) -> str:
    """Check a published folder, and against its database where there is one; -> the summary.

    Raises:
        UserError: something differs, or there is no manifest that says what must be.
        OSError: a file cannot be read.
    """
    settle(output)
    delivered = Delivered.read(output / RUN_NAME / MANIFEST_NAME)
    comparison = Comparison()
    with console.stage("audit"):
        audited = verify_files(output, delivered, comparison)
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


def _summary(output: Path, delivered: Delivered, database: Source | None) -> str:
    lines = [
        f"{output / CSV_NAME}: as its manifest says.",
        f"  rows           {delivered.csv.rows:,} ({delivered.bytes / 1e6:,.1f} MB), {reais(delivered.csv.centavos)}",
        f"  rejected       {delivered.rejected.rows:,}",
        f"  The accounts balance with the database as of {delivered.snapshot} UTC.",
    ]
    if database:
        lines.append(f"  {database} holds the same rows now{_but_for(delivered)}.")
    return "\n".join(lines)


def _but_for(delivered: Delivered) -> str:
    """What was not compared with the database."""
    compared = compared_columns(delivered)
    left_out = []
    if tokens := [name for name in delivered.columns if name not in compared]:
        left_out.append(f"the tokens of {', '.join(tokens)}")
    if without_numbers(delivered):
        left_out.append(f"the numbers in {DESCRIPTION}")
    return f", compared without {' and '.join(left_out)}" if left_out else ""
