"""Whether the files of a delivery still are what its manifest says: offline, from nothing but their bytes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from merge.accounting import Audit
from merge.csv_audit import audit
from merge.datapackage import PACKAGE_NAME
from merge.delivered import Delivered
from merge.manifest import FurtherFile
from merge.output_folder import RUN_NAME
from merge.parts import CSV_NAME, DISAGREEMENTS_NAME, REJECTED_NAME, WARNINGS_NAME, Rejected
from movimento_flat.errors import UserError
from movimento_flat.money import Totals, reais
from mr_jobs.report import DISAGREEMENT_COLUMNS, REJECTED_COLUMNS, WARNING_COLUMNS


@dataclass
class Comparison:
    """Collects what is not as it must be, a line each."""

    differences: list[str] = field(default_factory=list)

    def same(self, what: str, expected: object, found: object) -> None:
        """Note it where they differ."""
        if expected != found:
            self.differences.append(f"{what}: expected {_text(expected)}, found {_text(found)}")

    def same_totals(self, what: str, expected: Totals, found: Totals) -> None:
        """Compare rows and amounts."""
        self.same(f"rows of {what}", expected.rows, found.rows)
        self.same(f"sum of {what}", reais(expected.centavos), reais(found.centavos))

    def same_reasons(self, what: str, expected: Counter[str], found: Counter[str]) -> None:
        """Compare rows by reason."""
        for reason in sorted(expected | found):
            self.same(f"{reason} in {what}", expected[reason], found[reason])


def verify_files(
    output: Path,
    delivered: Delivered,
    comparison: Comparison,
    progress: Callable[[int], None] = lambda rows: None,
) -> Audit | None:
    """Audit the CSV and count the lists once more; -> the CSV's audit.

    None where the CSV or the list of rejected rows is none: a database can be compared with both only.
    `progress` is told of the CSV's rows read.

    Raises:
        OSError: a file is there and cannot be read.
    """
    run = output / RUN_NAME
    audited = _audit(output / CSV_NAME, delivered, comparison, progress)
    if audited:
        comparison.same(f"SHA-256 of {CSV_NAME}", delivered.sha256, audited.sha256)
        comparison.same(f"bytes of {CSV_NAME}", delivered.bytes, audited.bytes)
        comparison.same_totals(CSV_NAME, delivered.csv, audited.totals)
    rejected = Rejected()
    if has_rejected := _read(run / REJECTED_NAME, REJECTED_COLUMNS, rejected.add, comparison):
        comparison.same_totals(REJECTED_NAME, delivered.rejected, rejected.movements)
        comparison.same_reasons(REJECTED_NAME, delivered.reasons, rejected.reasons)
    disagreements = Counter[str]()
    if _read(
        run / DISAGREEMENTS_NAME, DISAGREEMENT_COLUMNS, lambda row: disagreements.update("c"), comparison
    ):
        comparison.same(f"rows of {DISAGREEMENTS_NAME}", delivered.disagreements, disagreements.total())
    if delivered.warnings is not None:
        warnings = Counter[str]()
        if _read(
            run / WARNINGS_NAME,
            WARNING_COLUMNS,
            lambda row: warnings.update([row.partition(b"\t")[0].decode()]),
            comparison,
        ):
            comparison.same_reasons(WARNINGS_NAME, delivered.warnings, warnings)
    for name, file in delivered.further.items():
        _compare_file((output if name == PACKAGE_NAME else run) / name, file, comparison)
    if audited:
        found = audited.totals + rejected.movements
        comparison.same_totals("database = CSV + rejected", delivered.database, found)
    return audited if has_rejected else None


def _audit(
    csv: Path, delivered: Delivered, comparison: Comparison, progress: Callable[[int], None]
) -> Audit | None:
    try:
        return audit(csv, delivered.columns, lambda block: progress(len(block)))
    except FileNotFoundError:
        comparison.same(csv.name, "a file", "none")
    except UserError as error:
        comparison.same(csv.name, f"whole rows of {len(delivered.columns)} columns", error.what)
    return None


def _compare_file(path: Path, expected: FurtherFile, comparison: Comparison) -> None:
    try:
        found = FurtherFile.of(path)
    except FileNotFoundError:
        comparison.same(path.name, "a file", "none")
        return
    comparison.same(f"SHA-256 of {path.name}", expected.sha256, found.sha256)
    comparison.same(f"bytes of {path.name}", expected.bytes, found.bytes)


def _read(path: Path, columns: tuple[str, ...], add: Callable[[bytes], None], comparison: Comparison) -> bool:
    """Hand each row of a list to `add`; -> whether it is such a list."""
    try:
        with path.open("rb") as lines:
            comparison.same(
                f"header of {path.name}", "\t".join(columns), next(lines, b"").decode().rstrip("\n")
            )
            for row in lines:
                if row.count(b"\t") != len(columns) - 1 or not row.endswith(b"\n"):
                    raise ValueError
                add(row[:-1])
    except FileNotFoundError:
        comparison.same(path.name, "a file", "none")
        return False
    except ValueError:
        comparison.same(path.name, f"rows of {len(columns)} columns", "one that is none")
        return False
    return True


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
