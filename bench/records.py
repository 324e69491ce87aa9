"""Reads the records of sessions, docs/benchmark/*.json, which `bench.session.record` writes."""

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
        """Return a figure's median of all runs; None where a run lacks the figure."""
        found = self._figures(figure)
        return median(found) if found else None

    def most(self, figure: str) -> float | None:
        """Return a figure's largest value of all runs; None where a run lacks the figure."""
        return max(self._figures(figure), default=None)

    def _figures(self, name: str) -> list[float]:
        found = [run.get(name) for run in self.runs]
        return [] if None in found else [float(figure) for figure in found if figure is not None]

    def stages(self, *names: str) -> float | None:
        """Return the median of the seconds of some stages together; None where a run lacks one."""
        found = [run.get("stage_seconds") or {} for run in self.runs]
        if not found or not all(name in run for run in found for name in names):
            return None
        return float(median(sum(run[name] for name in names) for run in found))

    @property
    def seconds(self) -> list[float]:
        """Seconds of each run."""
        return [run["seconds"] for run in self.runs]


@dataclass(frozen=True)
class Session:
    """A session, as its record has it.

    Attributes:
        contestants: in their order; ratios are to the first.
        facts: all else that the record says.
    """

    contestants: list[Contestant]
    facts: dict[str, Any]

    @property
    def benchmark(self) -> str:
        """What was measured."""
        return str(self.facts["benchmark"])

    @property
    def movements(self) -> int:
        """How many movements; 0 where the contestants differ in this."""
        return int(self.facts.get("movements", 0))

    def contestant(self, name: str) -> Contestant | None:
        """Return the contestant of that name, if it took part."""
        return next((found for found in self.contestants if found.name == name), None)

    def ratio(self, name: str) -> float | None:
        """Return the ratio of the first contestant's median seconds to those of another, if it took part."""
        other = self.contestant(name)
        return median(self.contestants[0].seconds) / median(other.seconds) if other else None


@dataclass(frozen=True)
class Sessions:
    """All recorded sessions."""

    all: list[Session]

    def of(self, benchmark: str) -> list[Session]:
        """Return the sessions of a benchmark, the smallest first."""
        found = [session for session in self.all if session.benchmark == benchmark]
        return sorted(found, key=lambda session: session.movements)

    def one(self, benchmark: str, movements: int = 0) -> Session | None:
        """Return the session of a benchmark with so many movements, if there is one."""
        return next((found for found in self.of(benchmark) if found.movements == movements), None)


def read(files: Iterable[Path]) -> Sessions:
    """Return the sessions of some files."""
    sessions = []
    for file in sorted(files):
        facts = json.loads(file.read_text("utf-8"))
        contestants = [Contestant(one["name"], one["runs"]) for one in facts.pop("contestants")]
        sessions.append(Session(contestants, facts))
    return Sessions(sessions)
