"""Whether the files of a delivery still are what its manifest says: offline, from nothing but their bytes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.money import Totals, reais
from movimento_flat.problem_lists import MISMATCH_COLUMNS, REJECTED_COLUMNS, WARNING_COLUMNS
from movimento_flat.publish.accounting import Audit
from movimento_flat.publish.csv_audit import audit
from movimento_flat.publish.datapackage import is_package_of_ours
from movimento_flat.publish.manifest import (
    BESIDE_FORMAT,
    CHECKSUM_NAME,
    MANIFEST_NAME,
    WHOLE_FORMAT,
    FileEntry,
    Manifest,
    checksum,
)
from movimento_flat.publish.output_folder import REFUSED_NAME, RUN_NAME
from movimento_flat.publish.parts import (
    CSV_NAME,
    PACKAGE_NAME,
    REJECTED_NAME,
    REPORT_NAME,
    WARNINGS_NAME,
    Rejected,
)

_OUR_PREFIX = "movimento_flat."


@dataclass
class Comparison:
    """Collects what is not as it must be, a sentence each.

    Attributes:
        by: what says how it must be.
        differences: the sentences.
    """

    by: str = "the manifest"
    differences: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Add a sentence, once."""
        if sentence not in self.differences:
            self.differences.append(sentence)

    def same_rows(self, what: str, expected: int, found: int, by: str = "") -> None:
        """Compare numbers of rows."""
        if found != expected:
            self.note(f"{what} has {_counted(found, 'row')}; by {by or self.by} it must have {expected:,}.")

    def same_totals(self, what: str, expected: Totals, found: Totals, by: str = "") -> None:
        """Compare rows and amounts."""
        self.same_rows(what, expected.rows, found.rows, by)
        if found.centavos != expected.centavos:
            self.note(
                f"The amounts of {what} add up to {reais(found.centavos)};"
                f" by {by or self.by} it must be {reais(expected.centavos)}."
            )

    def same_reasons(self, what: str, expected: Counter[str], found: Counter[str]) -> None:
        """Compare rows by reason."""
        for reason in sorted(expected | found):
            self.same_rows(f"{what}, of the reason {reason},", expected[reason], found[reason])

    def same_bytes(self, what: str, expected: FileEntry, found: FileEntry) -> None:
        """Compare a file's bytes."""
        if (found.sha256, found.bytes) != (expected.sha256, expected.bytes):
            self.note(
                f"{what} is not as it was published: it has {_counted(found.bytes, 'byte')}"
                f" with the SHA-256 {found.sha256};"
                f" by {self.by} it must have {expected.bytes:,} with {expected.sha256}."
            )

    def unknown(self, name: str) -> None:
        """Note what lies there and should not."""
        self.note(f"{name} is no part of it: {self.by} does not know it.")


def verify_files(
    output: Path,
    manifest: Manifest,
    comparison: Comparison,
    progress: Callable[[int], None] = lambda rows: None,
) -> Audit | None:
    """Audit the CSV and count the lists once more; return the CSV's audit.

    None where the CSV or the list of rejected rows is none: a database can be compared with both only.
    `progress` is told of the CSV's rows read.

    Raises:
        OSError: a file is there and cannot be read.
    """
    run = output / RUN_NAME
    if manifest.format >= WHOLE_FORMAT:
        _compare_checksum(run, comparison)
    _note_foreign_files(output, manifest, comparison)
    audited = _audit(output / CSV_NAME, manifest, comparison, progress)
    if audited:
        published = FileEntry(manifest.csv.sha256, manifest.csv.bytes)
        comparison.same_bytes(CSV_NAME, published, FileEntry(audited.sha256, audited.bytes))
        comparison.same_totals(CSV_NAME, manifest.csv.totals, audited.totals)
    rejected = Rejected()
    if has_rejected := _read(run / REJECTED_NAME, REJECTED_COLUMNS, rejected.add, comparison):
        comparison.same_totals(REJECTED_NAME, manifest.rejected.totals, rejected.movements)
        comparison.same_reasons(REJECTED_NAME, Counter(manifest.rejected.by_reason), rejected.reasons)
    mismatches = Counter[str]()
    if _read(
        run / manifest.mismatches_name, MISMATCH_COLUMNS, lambda row: mismatches.update("c"), comparison
    ):
        comparison.same_rows(manifest.mismatches_name, manifest.holder_owner_mismatches, mismatches.total())
    if manifest.warnings is not None:
        warnings = Counter[str]()
        if _read(
            run / WARNINGS_NAME,
            WARNING_COLUMNS,
            lambda row: warnings.update([row.partition(b"\t")[0].decode()]),
            comparison,
        ):
            comparison.same_reasons(WARNINGS_NAME, manifest.warned, warnings)
    for name, file in manifest.files.items():
        compare_file((output if name in manifest.beside else run) / name, name, file, comparison)
    if audited:
        both = audited.totals + rejected.movements
        comparison.same_totals(f"{CSV_NAME} with {REJECTED_NAME}", manifest.source.movements, both)
    return audited if has_rejected else None


def _audit(
    csv: Path, manifest: Manifest, comparison: Comparison, progress: Callable[[int], None]
) -> Audit | None:
    if not _is_file(csv, comparison):
        return None
    try:
        return audit(csv, manifest.csv.columns, progress)
    except UserError as error:
        comparison.note(f"{csv.name} is damaged. {error.what}")
    return None


def _compare_checksum(run: Path, comparison: Comparison) -> None:
    """Compare the manifest with the checksum beside it, which can be written in one way only."""
    path = run / CHECKSUM_NAME
    if _is_file(path, comparison) and path.read_bytes() != checksum((run / MANIFEST_NAME).read_bytes()):
        comparison.note(f"{MANIFEST_NAME} has another SHA-256 than {CHECKSUM_NAME} says.")


def _note_foreign_files(output: Path, manifest: Manifest, comparison: Comparison) -> None:
    """Note what the manifest does not know: in the run folder, and beside it under the program's names."""
    known = {MANIFEST_NAME, REJECTED_NAME, manifest.mismatches_name, *manifest.files} - manifest.beside
    if manifest.warnings is not None:
        known.add(WARNINGS_NAME)
    if manifest.format >= WHOLE_FORMAT:
        known.add(CHECKSUM_NAME)
    beside = {CSV_NAME, RUN_NAME, REFUSED_NAME, *manifest.beside}
    foreign = [path for path in (output / RUN_NAME).iterdir() if path.name not in known]
    foreign += [
        path for path in output.iterdir() if path.name not in beside and _has_our_name(path, manifest)
    ]
    for path in sorted(foreign):
        comparison.unknown(str(path.relative_to(output)))


def _has_our_name(path: Path, manifest: Manifest) -> bool:
    """Return whether a reader of OUTPUT would take it for something that a run has published there."""
    if path.name == PACKAGE_NAME:
        return path.is_file() and is_package_of_ours(path)
    if path.name == REPORT_NAME:
        return manifest.format >= BESIDE_FORMAT
    return path.name.startswith(_OUR_PREFIX)


def _is_file(path: Path, comparison: Comparison, what: str = "") -> bool:
    """Return whether it is a file that can be read to its end; note it, as `what` or by its name, where it is not."""
    if path.is_file():
        return True
    comparison.note(f"{what or path.name} is {'no file' if path.exists() else 'missing'}.")
    return False


def compare_file(path: Path, what: str, expected: FileEntry, comparison: Comparison) -> bool:
    """Compare a file's bytes with what they must be; return whether there is a file. `what` is how it is called."""
    if not _is_file(path, comparison, what):
        return False
    comparison.same_bytes(what, expected, FileEntry.of(path))
    return True


def _read(path: Path, columns: tuple[str, ...], add: Callable[[bytes], None], comparison: Comparison) -> bool:
    """Hand each row of a list to `add`; return whether it is such a list."""
    if not _is_file(path, comparison):
        return False
    try:
        with path.open("rb") as lines:
            if next(lines, b"") != "\t".join(columns).encode() + b"\n":
                comparison.note(f"{path.name} does not begin with the names of its columns.")
            for row in lines:
                if row.count(b"\t") != len(columns) - 1 or not row.endswith(b"\n"):
                    raise ValueError
                add(row[:-1])
    except ValueError:
        comparison.note(f"{path.name} has a line that is no row of {len(columns)} columns.")
        return False
    return True


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"
