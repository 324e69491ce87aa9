"""What a command has to say at its end: for a person as text, for a machine as JSON."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from movimento_flat.cli.progress import broken
from movimento_flat.money import Totals, reais
from movimento_flat.privacy import FULL, MASK, TOKEN, Privacy
from movimento_flat.publish.manifest import Delivery
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.publish.parts import CSV_NAME
from mr_jobs.phases import Phase

#: Columns that labels have, and the least that a text beside them needs.
_LABEL, _TEXT = 17, 20

Paint = Callable[..., str]


@dataclass(frozen=True)
class Summary:
    """A summary.

    Attributes:
        heading: its first line.
        lines: (label, text) for a person.
        facts: the same for a machine, as JSON has it; amounts in centavos, times in seconds.
    """

    heading: str
    lines: list[tuple[str, str]]
    facts: dict[str, Any]

    def as_text(self, width: int | None, paint: Paint = lambda text, **style: text) -> str:
        """-> lines, broken between words where `width` is the terminal's; `paint` is given click's styles."""
        return "\n".join([paint(self.heading, bold=True), *self._lines(width, paint)])

    def as_json(self) -> str:
        """Return one line, in ASCII: whatever reads it need not know an encoding."""
        return json.dumps(self.facts)

    def _lines(self, width: int | None, paint: Paint) -> Iterable[str]:
        for label, text in self.lines:
            first, *others = broken(text, width and max(width - _LABEL, _TEXT))
            yield paint(f"  {label}".ljust(_LABEL), dim=True) + first
            yield from (" " * _LABEL + other for other in others)


def of_delivery(
    delivery: Delivery, output: Path, verbose: bool = False, phases: Sequence[Phase] = ()
) -> Summary:
    """What was published to `output`, as the user calls it; with the join's `phases`, if they are asked for."""
    manifest = delivery.as_json()
    rejected, warnings = delivery.merged.rejected, delivery.merged.warnings
    seconds = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in delivery.seconds.items())
    lines = [
        *of_csv(delivery.audit.totals, delivery.audit.bytes),
        ("rejected", _counted(rejected.movements.rows, rejected.reasons)),
        ("mismatches", f"{delivery.merged.mismatches:,} cards whose holder is not the account's owner"),
        ("warnings", _counted(sum(warnings.values()), warnings)),
        ("seconds", seconds),
        ("balanced", f"with the database as of {delivery.extraction.taken_at.partition('.')[0]} UTC"),
        ("shows", f"{_what_shows(delivery.privacy)}; only its owner may read it (mode 0600)"),
        *of_key(delivery.key_fingerprint),
        ("details", f"{output / RUN_NAME}/"),
        *(_details(manifest) if verbose else ()),
        *of_phases(phases),
    ]
    facts = {
        "path": str(output / CSV_NAME),
        **manifest["csv"],
        "key_fingerprint": delivery.key_fingerprint,
        **{
            name: manifest[name]
            for name in ("rejected", "warnings", "holder_owner_mismatches", "files", "engine", "seconds")
        },
        **({"phases": [asdict(phase) for phase in phases]} if phases else {}),
    }
    return Summary(str(output / CSV_NAME), lines, facts)


def of_phases(phases: Iterable[Phase]) -> list[tuple[str, str]]:
    """A line for each phase of the join."""
    return [(f"{phase.name} {phase.step}", str(phase)) for phase in phases]


def of_key(fingerprint: str | None) -> list[tuple[str, str]]:
    """The line on the key of tokens, where there are any."""
    return [("tokens", f"by the key {fingerprint}")] if fingerprint else []


def of_csv(totals: Totals, size: int) -> list[tuple[str, str]]:
    """The lines on a CSV of so many bytes."""
    return [("rows", f"{totals.rows:,} ({size / 1e6:,.1f} MB)"), ("total", reais(totals.centavos))]


def _details(manifest: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    source = manifest["source"]
    yield "engine", manifest["engine"]
    yield "source", f"{source['address']}, {source['server']}"
    yield "read", ", ".join(f"{rows:,} {table}" for table, rows in source["rows"].items())
    yield "connections", str(source["connections"])
    yield "columns", ", ".join(manifest["csv"]["columns"])
    yield "sha256", manifest["csv"]["sha256"]
    yield "versions", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())


def _counted(count: int, reasons: Counter[str]) -> str:
    by_reason = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
    return f"{count:,}" + (f" ({by_reason})" if by_reason else "")


def _what_shows(privacy: Privacy) -> str:
    cards = {FULL: "whole card numbers", MASK: "masked card numbers", TOKEN: "tokens of card numbers"}
    people = {FULL: "names", TOKEN: "tokens of people"}
    ids = ", with the ids of the database" if privacy.ids else ""
    return f"{cards[privacy.card]} and {people[privacy.people]}{ids}"
