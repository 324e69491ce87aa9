"""The records of sittings, read again: docs/benchmark/*.json, as `bench.sitting.record` writes them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Contestant:
    """What one contestant's runs have needed.

    Attributes:
        runs: figures by name, run by run.
    """

    name: str
    runs: list[dict[str, Any]]

    def median(self, figure: str) -> float | None:
        """Of all runs; None where a run lacks the figure."""
        found = self._figures(figure)
        return median(found) if found else None

    def most(self, figure: str) -> float | None:
        """The same, the largest."""
        return max(self._figures(figure), default=None)

    def _figures(self, name: str) -> list[float]:
        found = [run.get(name) for run in self.runs]
        return [] if None in found else [float(figure) for figure in found if figure is not None]

    def stages(self, *names: str) -> float | None:
        """Median of the seconds of some stages together."""
        found = [run.get("stage_seconds") or {} for run in self.runs]
        if not found or not all(name in run for run in found for name in names):
            return None
        return float(median(sum(run[name] for name in names) for run in found))

    @property
    def seconds(self) -> list[float]:
        """Of each run."""
        return [run["seconds"] for run in self.runs]


@dataclass(frozen=True)
class Record:
    """A sitting.

    Attributes:
        file: its name, without the ending.
        contestants: in their order; ratios are to the first.
        facts: all else that it says.
    """

    file: str
    contestants: list[Contestant]
    facts: dict[str, Any]

    @property
    def benchmark(self) -> str:
        """What was measured."""
        return str(self.facts["benchmark"])

    @property
    def movements(self) -> int:
        """How many; 0 where the contestants differ in this."""
        return int(self.facts.get("movements", 0))

    def of(self, name: str) -> Contestant | None:
        """The contestant of that name, if it took part."""
        return next((found for found in self.contestants if found.name == name), None)

    def ratio(self, name: str) -> float | None:
        """Median seconds of the first contestant to those of this."""
        other = self.of(name)
        return median(self.contestants[0].seconds) / median(other.seconds) if other else None


@dataclass(frozen=True)
class Records:
    """All sittings, by benchmark and size."""

    all: list[Record]

    def of(self, benchmark: str) -> list[Record]:
        """Those of a benchmark, the smallest first."""
        found = [record for record in self.all if record.benchmark == benchmark]
        return sorted(found, key=lambda record: record.movements)

    def one(self, benchmark: str, movements: int = 0) -> Record | None:
        """The one of a size."""
        return next((record for record in self.of(benchmark) if record.movements == movements), None)


def read(files: Iterable[Path]) -> Records:
    """Read records' files."""
    records = []
    for file in sorted(files):
        facts = json.loads(file.read_text("utf-8"))
        contestants = [Contestant(one["name"], one["runs"]) for one in facts.pop("contestants")]
        records.append(Record(file.stem, contestants, facts))
    return Records(records)
