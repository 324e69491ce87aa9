"""The summary of a command at its end: for a person as text, for a machine as JSON."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from movimento_flat.cli.progress import broken
from movimento_flat.lake.folder import Change
from movimento_flat.money import reais
from movimento_flat.privacy import FULL, MASK, TOKEN, Privacy
from movimento_flat.publish.manifest import CsvEntry, Manifest, SourceEntry
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.publish.parts import CSV_NAME, WORKBOOK_NAME
from mr_jobs.phases import Phase

if TYPE_CHECKING:
    from movimento_flat.cli.delivery import Delivered

#: Columns of the labels, and the least of the text beside them.
_LABEL, _TEXT = 17, 20

Paint = Callable[..., str]


@dataclass(frozen=True)
class Summary:
    """What a command has done.

    Attributes:
        heading: its first line.
        lines: (label, text) for a person.
        facts: the same for a machine, with the keys of the JSON; amounts in centavos, times in seconds.
    """

    heading: str
    lines: list[tuple[str, str]]
    facts: dict[str, Any]

    def as_text(self, width: int | None, paint: Paint = lambda text, **style: text) -> str:
        """Return lines, wrapped to the terminal's `width` where there is one; `paint` gets styles of click."""
        return "\n".join([paint(self.heading, bold=True), *self._lines(width, paint)])

    def as_json(self) -> str:
        """Return one line of ASCII, so that a reader need not know an encoding."""
        return json.dumps(self.facts)

    def _lines(self, width: int | None, paint: Paint) -> Iterable[str]:
        for label, text in self.lines:
            first, *others = broken(text, width and max(width - _LABEL, _TEXT))
            yield paint(f"  {label}".ljust(_LABEL), dim=True) + first
            yield from (" " * _LABEL + other for other in others)


def of_delivery(
    delivered: "Delivered",
    output: Path,
    elapsed: float,
    verbose: bool = False,
    phases: Sequence[Phase] = (),
) -> Summary:
    """Return what was published to `output`, as the user calls it; with the join's `phases`, if they are asked for.

    `elapsed` are the seconds of the whole command: some of its stages go on at the same time.
    """
    manifest = delivered.manifest
    warnings, key_fingerprint = manifest.warned, manifest.privacy.key_fingerprint
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in manifest.seconds.items())
    lines = [
        *of_csv(manifest.csv),
        ("rejected", _counted(manifest.rejected.rows, manifest.rejected.by_reason)),
        ("mismatches", f"{manifest.holder_owner_mismatches:,} cards whose holder is not the account's owner"),
        ("warnings", _counted(warnings.total(), warnings)),
        ("seconds", f"{elapsed:.1f} ({stages})"),
        ("checked", against_database(manifest.source)),
        ("time zone", _time_zone(manifest)),
        *(
            [("not there", f"{', '.join(manifest.source.absent)}: always empty")]
            if manifest.source.absent
            else []
        ),
        *(("too small", f"{what}: check digits not looked at") for what in manifest.source.too_small),
        ("shows", f"{_what_shows(manifest.shown)}; only its owner may read it (mode 0600)"),
        *of_key(key_fingerprint),
        *(
            ("workbook", f"{count:,} values of {column} are none that a cell holds, and stand as text")
            for name, file in manifest.files.items()
            if name == WORKBOOK_NAME
            for column, count in file.left_out.items()
        ),
        *([("lake", _what_changed(delivered.lake))] if delivered.lake else []),
        ("details", f"{output / RUN_NAME}/"),
        *(_details(manifest) if verbose else ()),
        *of_phases(phases),
    ]
    content = asdict(manifest)
    facts = {
        "path": str(output / CSV_NAME),
        **content["csv"],
        "key_fingerprint": key_fingerprint,
        **{
            name: content[name]
            for name in ("rejected", "warnings", "holder_owner_mismatches", "files", "engine", "seconds")
        },
        **({"phases": [asdict(phase) for phase in phases]} if phases else {}),
        **(
            {"lake": {"replaced": delivered.lake.replaced, "removed": delivered.lake.removed}}
            if delivered.lake
            else {}
        ),
    }
    return Summary(str(output / CSV_NAME), lines, facts)


def _what_changed(change: Change) -> str:
    count, removed = len(change.replaced), len(change.removed)
    written = f"{count:,} month{'s' * (count != 1)} written"
    return f"{written}, {removed:,} without rows removed" if removed else written


def _time_zone(manifest: Manifest) -> str:
    own = "the server's own; --time-zone names another" if manifest.source.system_time_zone else ""
    return ", ".join(filter(None, [f"{manifest.source.zone} for TIMESTAMP columns", own]))


def of_phases(phases: Iterable[Phase]) -> list[tuple[str, str]]:
    """Return a line for each phase of the join."""
    return [(f"{phase.name} {phase.step}", str(phase)) for phase in phases]


def of_key(fingerprint: str | None) -> list[tuple[str, str]]:
    """Return the line on the key of tokens; none without tokens."""
    return [("tokens", f"by the key {fingerprint}")] if fingerprint else []


def against_database(source: SourceEntry) -> str:
    """Return what a delivery was compared with before it was published."""
    return f"against the database as of {source.snapshot_utc.partition('.')[0]} UTC: rows and total"


def of_csv(csv: CsvEntry) -> list[tuple[str, str]]:
    """Return the lines on a CSV."""
    return [("rows", f"{csv.rows:,} ({csv.bytes / 1e6:,.1f} MB)"), ("total", reais(csv.centavos))]


def _details(manifest: Manifest) -> Iterable[tuple[str, str]]:
    source = manifest.source
    yield "engine", manifest.engine
    yield "source", f"{source.address}, {source.server}"
    yield "read", ", ".join(f"{rows:,} {table}" for table, rows in source.rows.items())
    yield "connections", str(source.connections)
    yield "columns", ", ".join(manifest.csv.columns)
    yield "sha256", manifest.csv.sha256
    yield "versions", ", ".join(f"{name} {version}" for name, version in manifest.versions.items())


def _counted(count: int, reasons: Mapping[str, int]) -> str:
    by_reason = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    return f"{count:,}" + (f" ({by_reason})" if by_reason else "")


def _what_shows(privacy: Privacy) -> str:
    cards = {FULL: "whole card numbers", MASK: "masked card numbers", TOKEN: "tokens of card numbers"}
    people = {FULL: "names", TOKEN: "tokens of people"}
    ids = ", with the ids of the database" if privacy.ids else ""
    dates = "" if privacy.dates == FULL else f", dates by {privacy.dates}"
    return f"{cards[privacy.card]} and {people[privacy.people]}{dates}{ids}"
