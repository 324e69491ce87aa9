"""`--metrics`: what a run has delivered, as Prometheus text for the textfile collector of a node exporter.

It has no personal data, and everybody may read it. A run that fails leaves the file of the last one that did not: its
`movimento_flat_last_success_timestamp_seconds` grows old, which an alert can be about.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.publish.manifest import Manifest

_MODE = 0o644

#: A label and its value, or none; and the figure.
Sample = tuple[tuple[str, str] | None, float]


def write_metrics(path: Path, manifest: Manifest) -> None:
    """Write the figures of a delivery to a file, which changes in one step.

    Raises:
        UserError: the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            unfinished.write_text(metrics(manifest, time.time()))
            unfinished.chmod(_MODE)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"The figures could not be written to {path}: {error.strerror}.",
            "The run has done its work; only the figures are missing.",
        ) from error


def metrics(manifest: Manifest, now: float) -> str:
    """Return the figures as Prometheus reads them (its text format 0.0.4)."""
    csv, rejected = manifest.csv, manifest.rejected
    figures: dict[str, tuple[str, Iterable[Sample]]] = {
        "rows": ("Rows of the CSV.", [(None, csv.rows)]),
        "centavos": ("Sum of the amounts of the CSV, in centavos.", [(None, csv.centavos)]),
        "csv_bytes": ("Bytes of the CSV.", [(None, csv.bytes)]),
        "source_rows": (
            "Rows that the source has, by table.",
            [(("table", table), rows) for table, rows in manifest.source.rows.items()],
        ),
        "rejected_movements": ("Movements that are not in the CSV.", [(None, rejected.rows)]),
        "rejected_centavos": ("Sum of their amounts, in centavos.", [(None, rejected.centavos)]),
        "rejected_rows": (
            "Rows of the list of rejected rows, by reason.",
            [(("reason", reason), rows) for reason, rows in rejected.by_reason.items()],
        ),
        "warnings": (
            "Rows of the list of warnings, by reason.",
            [(("reason", reason), rows) for reason, rows in manifest.warned.items()],
        ),
        "holder_owner_mismatches": (
            "Cards whose holder is not their account's owner.",
            [(None, manifest.holder_owner_mismatches)],
        ),
        "stage_seconds": (
            "Seconds of each stage.",
            [(("stage", stage), seconds) for stage, seconds in manifest.seconds.items()],
        ),
        "last_success_timestamp_seconds": (
            "When the last run that succeeded ended.",
            [(None, round(now, 3))],
        ),
    }
    lines = []
    for name, (meaning, samples) in figures.items():
        lines += [f"# HELP movimento_flat_{name} {meaning}", f"# TYPE movimento_flat_{name} gauge"]
        for label, figure in samples:
            labels = f'{{{label[0]}="{label[1]}"}}' if label else ""
            lines.append(f"movimento_flat_{name}{labels} {figure}")
    return "\n".join(lines) + "\n"
