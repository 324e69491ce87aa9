"""The speed and memory that the project wants to reach, and whether the records show that it does.

Each target is a ratio of medians within one session.
"""

from dataclasses import dataclass

from bench.records import Sessions

MISSING = "not measured"


@dataclass(frozen=True)
class Target:
    """A ratio of this project's seconds to a baseline's that should not be exceeded.

    Attributes:
        text: the target in words.
        most: the ratio.
        benchmark, movements: the session that shows it.
        baselines: the fastest of these is the one to compare with.
    """

    text: str
    most: float
    benchmark: str
    movements: int
    baselines: tuple[str, ...]

    def found(self, sessions: Sessions) -> float | None:
        """Return the ratio that was measured; None where there is no such session."""
        session = sessions.one(self.benchmark, self.movements)
        ratios = [session.ratio(baseline) for baseline in self.baselines] if session else []
        return max((ratio for ratio in ratios if ratio is not None), default=None)


M = 1_000_000
ON_YARN = ("PySpark, broadcast", "PySpark, sort-merge")
ON_ONE_MACHINE = ("PySpark", "PySpark, partitions")
TARGETS = (
    Target("cluster, join of 5 M in HDFS : PySpark's fastest", 0.6, "cluster_join", 5 * M, ON_YARN),
    Target(
        "cluster, join of 5 M in HDFS : one sort of the movements",
        1.2,
        "cluster_join",
        5 * M,
        ("identity sort",),
    ),
    Target("cluster, join of 20 M in HDFS : PySpark by sort-merge", 0.6, "cluster_join", 20 * M, ON_YARN[1:]),
    Target("cluster, database to CSV, 1 M : PySpark", 0.6, "cluster_run", 1 * M, ("PySpark, partitions",)),
    Target("cluster, database to CSV, 5 M : PySpark", 0.6, "cluster_run", 5 * M, ("PySpark, partitions",)),
    Target("one machine, database to CSV, 1 M : PySpark's fastest", 0.35, "local", 1 * M, ON_ONE_MACHINE),
    Target("one machine, database to CSV, 5 M : PySpark's fastest", 0.5, "local", 5 * M, ON_ONE_MACHINE),
    Target("one machine, database to CSV, 5 M : DuckDB", 1.0, "local", 5 * M, ("DuckDB",)),
    Target(
        "one machine, database to CSV, 5 M : ConnectorX + Polars",
        1.5,
        "local",
        5 * M,
        ("ConnectorX + Polars",),
    ),
    Target("extraction of 5 M : mydumper", 2.0, "extraction", 5 * M, ("mydumper",)),
)
SMALL, LARGE, MOST_MEMORY = 1 * M, 20 * M, 1.2


def table(sessions: Sessions) -> str:
    """Return the targets with what was measured, as a table in Markdown."""
    rows = ["| ratio of medians | at most | found | |", "|---|--:|--:|---|"]
    rows += [_row(target.text, target.most, target.found(sessions)) for target in TARGETS]
    for spread in ("flat", "skewed"):
        text = f"largest process of ours, {spread}, 20 M : 1 M"
        rows.append(_row(text, MOST_MEMORY, memory_growth(sessions, spread)))
    return "\n".join(rows)


def memory_growth(sessions: Sessions, spread: str) -> float | None:
    """Return the ratio of the largest process's memory with LARGE movements to that with SMALL."""
    growth = sessions.one("growth")
    measured = [growth.contestant(f"{spread} {size}") for size in (SMALL, LARGE)] if growth else [None, None]
    small, large = (one.most("peak_bytes") if one else None for one in measured)
    return large / small if small and large else None


def _row(text: str, most: float, found: float | None) -> str:
    if found is None:
        return f"| {text} | {most:.2f} | {MISSING} | |"
    return f"| {text} | {most:.2f} | {found:.2f} | {'reached' if found <= most else 'not reached'} |"
