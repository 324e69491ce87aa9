"""manifest.json: what lies beside a CSV to say what it is, as of when, and that nothing is missing.

The classes here declare its keys, each in one place: they are written and read by the names of their fields. Its own
checksum lies beside it, as `sha256sum -c` reads it.
"""

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NamedTuple, Self, TypeVar, get_args, get_origin, get_type_hints

from extract.extraction import Extraction
from extract.window import Window
from movimento_flat import __version__
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.privacy import FULL, Privacy
from movimento_flat.private_files import make_private_file
from movimento_flat.publish.accounting import Audit, sha256
from movimento_flat.publish.parts import (
    MISMATCHES_NAME,
    PACKAGE_NAME,
    PARQUET_NAME,
    REPORT_NAME,
    WORKBOOK_NAME,
    Merged,
)
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, ID_COLUMNS, MOVIMENTO

MANIFEST_NAME = "manifest.json"
CHECKSUM_NAME = f"{MANIFEST_NAME}.sha256"
EXTRACTION_NAME = "extraction.json"
FORMAT = 4
OLDEST_FORMAT = 1
#: The first with the lists among its files, a checksum beside it, and the fingerprint of the key of tokens.
WHOLE_FORMAT = 3
#: The first with page, Parquet file and workbook beside the CSV, and with the word mismatches for disagreements.
BESIDE_FORMAT = 4
#: Files that a delivery may have beside the CSV and the run folder; before BESIDE_FORMAT only the package.
FILES_BESIDE = (PACKAGE_NAME, PARQUET_NAME, WORKBOOK_NAME, REPORT_NAME)

_Entry = TypeVar("_Entry")


class _Since(NamedTuple):
    """Declares a field that each manifest has from a format on; `before` is read where an earlier one has none."""

    first_format: int
    before: object


class _Renamed(NamedTuple):
    """Declares a field that has its name from a format on; in an earlier one its name is `before`."""

    first_format: int
    before: str


@dataclass(frozen=True)
class FileEntry:
    """A file that must stay as it is."""

    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path, **more: Any) -> Self:
        """Return what lies there; `more` is what else is known of it.

        Raises:
            OSError: it cannot be read.
        """
        return cls(sha256(path), path.stat().st_size, **more)


@dataclass(frozen=True)
class ExtraFile(FileEntry):
    """A file that is delivered with the CSV.

    Attributes:
        left_out: fields of the CSV that its format cannot hold, by column: a Parquet file has null there, a workbook
            has text.
        rows: movements in it; None where it holds something else.
    """

    left_out: Annotated[Mapping[str, int], _Since(3, {})]
    rows: Annotated[int | None, _Since(4, None)]


@dataclass(frozen=True)
class Counted:
    """Movements, and the sum of their amounts."""

    rows: int
    centavos: int

    @property
    def totals(self) -> Totals:
        """Both as one."""
        return Totals(self.rows, self.centavos)


@dataclass(frozen=True)
class CsvEntry(Counted):
    """The CSV."""

    columns: tuple[str, ...]
    sha256: str
    bytes: int


@dataclass(frozen=True)
class PrivacyEntry:
    """What the CSV shows; the fingerprint is that of the key of tokens, None where there are none."""

    card: str
    people: str
    dropped: tuple[str, ...]
    key_fingerprint: Annotated[str | None, _Since(3, None)]
    dates: Annotated[str, _Since(4, FULL)]

    @classmethod
    def of(cls, privacy: Privacy, key_fingerprint: str | None) -> Self:
        """Return what a run shows."""
        dropped = tuple(sorted(privacy.dropped))
        return cls(privacy.card, privacy.people, dropped, key_fingerprint, privacy.dates)


@dataclass(frozen=True)
class RejectedEntry(Counted):
    """Movements that the CSV does not hold, and rows of the list by reason."""

    by_reason: Mapping[str, int]


@dataclass(frozen=True)
class WarningsEntry:
    """Rows of the list of warnings by reason."""

    by_reason: Mapping[str, int]


@dataclass(frozen=True)
class SourceEntry:
    """What was read and as of when; extraction.json holds it alone.

    Attributes:
        rows: of each table.
        clock: the moment of `snapshot_utc` in `time_zone`.
        time_zone: in which TIMESTAMP columns were read; SYSTEM where it is that of the server's system.
        system_time_zone: what that system calls its zone; else empty.
        since, until, as_of: which rows were asked for, as `Window` has it.
        tables: text of the tables file; empty where there was none.
        absent: columns that the database does not have, such as cartao.data_criacao.
        too_small: columns into which a whole value does not fit, with their types.
    """

    address: str
    rows: Mapping[str, int]
    movement_centavos: int
    snapshot_utc: str
    clock: Annotated[str, _Since(3, "")]
    time_zone: str
    system_time_zone: Annotated[str, _Since(4, "")]
    server: str
    connections: int
    since: Annotated[str | None, _Since(3, None)]
    until: Annotated[str | None, _Since(3, None)]
    as_of: Annotated[str | None, _Since(3, None)]
    tables: Annotated[str, _Since(4, "")]
    absent: Annotated[tuple[str, ...], _Since(4, [])]
    too_small: Annotated[tuple[str, ...], _Since(4, [])]

    @classmethod
    def of(cls, extraction: Extraction, address: str) -> Self:
        """Return what was extracted from the database at this address."""
        return cls(
            address=address,
            rows={name: totals.rows for name, totals in extraction.tables.items()},
            movement_centavos=extraction.tables[MOVIMENTO.name].centavos,
            snapshot_utc=extraction.server.utc,
            clock=extraction.server.clock,
            time_zone=extraction.server.time_zone,
            system_time_zone=extraction.server.system_time_zone,
            server=extraction.server.version,
            connections=extraction.connections,
            **extraction.window.as_json(),
            tables=extraction.tables_file,
            absent=extraction.absent,
            too_small=extraction.too_small,
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `movimento-flat extract` has written.

        Raises:
            UserError: it is damaged.
            OSError: it cannot be read.
        """
        try:
            return entry_of(cls, json.loads(path.read_bytes()), FORMAT)
        except (ValueError, LookupError, TypeError) as error:
            raise UserError(f"{path} is damaged: {error}.", "Extract again into a new folder.") from error

    @property
    def movements(self) -> Totals:
        """Movements of the snapshot, and the sum of their amounts."""
        return Totals(self.rows[MOVIMENTO.name], self.movement_centavos)

    @property
    def zone(self) -> str:
        """Return the zone of TIMESTAMP columns as people call it."""
        return self.system_time_zone or self.time_zone

    @property
    def window(self) -> Window:
        """Return which rows were asked for."""
        return Window.from_json(vars(self))


@dataclass(frozen=True)
class Manifest:
    """What is known about a delivery: made by a run when it is about to publish, or read back.

    Attributes:
        warnings: None where the format had none.
        holder_owner_mismatches: cards whose holder is not their account's owner.
        files: every file that is delivered, by name, but the CSV, the manifest and its checksum; before WHOLE_FORMAT
            without the lists.
        seconds: of each stage.
    """

    format: int
    csv: CsvEntry
    privacy: Annotated[PrivacyEntry, _Since(3, {"card": FULL, "people": FULL, "dropped": []})]
    rejected: RejectedEntry
    holder_owner_mismatches: Annotated[int, _Renamed(BESIDE_FORMAT, "disagreements")]
    warnings: Annotated[WarningsEntry | None, _Since(2, None)]
    files: Annotated[Mapping[str, ExtraFile], _Since(3, {})]
    source: SourceEntry
    engine: str
    seconds: Mapping[str, float]
    versions: Mapping[str, str]

    @classmethod
    def of(
        cls,
        audit: Audit,
        merged: Merged,
        privacy: Privacy,
        key_fingerprint: str | None,
        source: SourceEntry,
        engine: str,
        seconds: Mapping[str, float],
    ) -> Self:
        """Return the manifest of a run, yet without its files."""
        rejected = merged.rejected
        return cls(
            format=FORMAT,
            csv=CsvEntry(
                **vars(audit.totals), columns=privacy.columns, sha256=audit.sha256, bytes=audit.bytes
            ),
            privacy=PrivacyEntry.of(privacy, key_fingerprint),
            rejected=RejectedEntry(
                **vars(rejected.movements), by_reason=dict(sorted(rejected.reasons.items()))
            ),
            holder_owner_mismatches=merged.mismatches,
            warnings=WarningsEntry(dict(sorted(merged.warnings.items()))),
            files={},
            source=source,
            engine=engine,
            seconds=seconds,
            versions={
                "movimento-flat": __version__,
                "mrjob": version("mrjob"),
                "PyMySQL": version("PyMySQL"),
                "Python": platform.python_version(),
            },
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest of any format up to this program's.

        Raises:
            UserError: there is none, it is damaged, or a later version has written it.
        """
        try:
            content = json.loads(path.read_bytes())
        except (FileNotFoundError, IsADirectoryError) as error:
            raise UserError(f"There is no {path}.", "Name a folder that a run has published to.") from error
        except ValueError as error:
            raise _damaged(path, error) from error
        number = content.get("format") if isinstance(content, dict) else None
        if not isinstance(number, int) or number < OLDEST_FORMAT:
            raise _damaged(path, "it does not say its format")
        if number > FORMAT:
            raise UserError(
                f"{path} has format {number}; this version knows formats up to {FORMAT}.",
                "Use the version that has written it, or a later one.",
            )
        try:
            manifest = entry_of(cls, content, number)
            _ = (
                manifest.shown,
                manifest.source.movements,
                manifest.source.window,
            )  # which raise where it is damaged
        except (LookupError, TypeError, ValueError, UserError) as error:
            raise _damaged(path, error) from error
        return manifest

    @property
    def shown(self) -> Privacy:
        """Return what the CSV shows.

        Raises:
            ValueError, UserError: no CSV has such columns, or shows that.
        """
        names, ids = set(self.csv.columns), set(ID_COLUMNS)
        if AMOUNT not in names or not names <= {*FLAT_COLUMNS, *ids}:
            raise ValueError(f"no columns of the flat table: {self.csv.columns}")
        entry = self.privacy
        has_ids = not ids.isdisjoint(names)
        return Privacy(entry.card, entry.people, frozenset(entry.dropped), has_ids, entry.dates)

    @property
    def warned(self) -> Counter[str]:
        """Rows of the list of warnings by reason; none where the format had no warnings."""
        return Counter(self.warnings.by_reason if self.warnings else {})

    @property
    def beside(self) -> frozenset[str]:
        """Names of the extra files that lie beside the CSV; the others lie in the run folder."""
        names = FILES_BESIDE if self.format >= BESIDE_FORMAT else (PACKAGE_NAME,)
        return frozenset(names) & self.files.keys()

    @property
    def mismatches_name(self) -> str:
        """Name of the list of holder/owner mismatches."""
        return MISMATCHES_NAME if self.format >= BESIDE_FORMAT else "disagreements.tsv"

    def write(self, folder: Path) -> None:
        """Write MANIFEST_NAME and CHECKSUM_NAME into `folder`."""
        content = json_bytes(asdict(self))
        make_private_file(folder / MANIFEST_NAME).write_bytes(content)
        make_private_file(folder / CHECKSUM_NAME).write_bytes(checksum(content))


def checksum(manifest: bytes) -> bytes:
    """Return what CHECKSUM_NAME holds beside a manifest with this content."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_NAME}\n".encode()


def json_bytes(content: dict[str, Any]) -> bytes:
    """Return indented JSON in UTF-8."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _damaged(path: Path, why: object) -> UserError:
    return UserError(f"{path} is damaged: {why!r}.", "Take it from a backup, or run again.")


def entry_of(kind: type[_Entry], content: object, number: int = FORMAT) -> _Entry:
    """Return a JSON value, of a manifest of format `number`, as a value of this type.

    Raises:
        LookupError: a key is missing.
        TypeError: a value is of another type.
    """
    made: Any = content
    wanted: Any = kind
    inner = get_args(wanted)
    if hasattr(wanted, "__dataclass_fields__"):
        values = dict(_object(content))
        for name, declared in get_type_hints(wanted, include_extras=True).items():
            for mark in getattr(declared, "__metadata__", ()):
                if number < mark.first_format and isinstance(mark, _Renamed):
                    values[name] = values[mark.before]
                elif number < mark.first_format:
                    values.setdefault(name, mark.before)
        types = get_type_hints(wanted)
        made = wanted(**{name: entry_of(types[name], values[name], number) for name in types})
    elif get_origin(wanted) is UnionType:
        made = None if content is None else entry_of(inner[0], content, number)
    elif get_origin(wanted) is tuple and isinstance(content, list):
        made = tuple(entry_of(inner[0], value, number) for value in content)
    elif get_origin(wanted) is Mapping:
        made = {name: entry_of(inner[1], value, number) for name, value in _object(content).items()}
    elif type(content) is not wanted:
        raise TypeError(f"{content!r} is no {wanted.__name__}")
    result: _Entry = made
    return result


def _object(content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise TypeError(f"{content!r} is no JSON object")
    return content
