"""What the project wants to be, as ratios of medians within one sitting, and whether the records show it."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.records import Record, Records

MISSING = "not measured"


@dataclass(frozen=True)
class Aim:
    """A ratio that should not be exceeded.

    Attributes:
        what: in words.
        most: the ratio.
        benchmark, movements: whose record shows it.
        rivals: against the fastest of these.
    """

    what: str
    most: float
    benchmark: str
    movements: int
    rivals: tuple[str, ...]

    def found(self, records: Records) -> float | None:
        """The ratio of the record, if there is one."""
        record = records.one(self.benchmark, self.movements)
        ratios = [ratio for rival in self.rivals if record and (ratio := record.ratio(rival)) is not None]
        return max(ratios, default=None)


M = 1_000_000
ON_YARN = ("PySpark, broadcast", "PySpark, sort-merge")
ON_ONE_MACHINE = ("PySpark", "PySpark, partitions")
AIMS = (
    Aim("cluster, join of 5 M in HDFS : PySpark's fastest", 0.6, "cluster_join", 5 * M, ON_YARN),
    Aim(
        "cluster, join of 5 M in HDFS : one sort of the movements",
        1.2,
        "cluster_join",
        5 * M,
        ("identity sort",),
    ),
    Aim("cluster, join of 20 M in HDFS : PySpark by sort-merge", 0.6, "cluster_join", 20 * M, ON_YARN[1:]),
    Aim("cluster, database to CSV, 1 M : PySpark", 0.6, "cluster_run", 1 * M, ("PySpark, partitions",)),
    Aim("cluster, database to CSV, 5 M : PySpark", 0.6, "cluster_run", 5 * M, ("PySpark, partitions",)),
    Aim("one machine, database to CSV, 1 M : PySpark's fastest", 0.35, "local", 1 * M, ON_ONE_MACHINE),
    Aim("one machine, database to CSV, 5 M : PySpark's fastest", 0.5, "local", 5 * M, ON_ONE_MACHINE),
    Aim("one machine, database to CSV, 5 M : DuckDB", 1.0, "local", 5 * M, ("DuckDB",)),
    Aim(
        "one machine, database to CSV, 5 M : ConnectorX + Polars",
        1.5,
        "local",
        5 * M,
        ("ConnectorX + Polars",),
    ),
    Aim("extraction of 5 M : mydumper", 2.0, "extraction", 5 * M, ("mydumper",)),
)
SMALL, LARGE, MOST_MEMORY = 1 * M, 20 * M, 1.2


def table(records: Records) -> str:
    """The aims with what was found, as a table."""
    rows = ["| ratio of medians | at most | found | |", "|---|--:|--:|---|"]
    rows += [_row(aim.what, aim.most, aim.found(records)) for aim in AIMS]
    for spread in ("flat", "skewed"):
        what = f"largest process of ours, {spread}, 20 M : 1 M"
        rows.append(_row(what, MOST_MEMORY, memory_growth(records, spread)))
    return "\n".join(rows)


def memory_growth(records: Records, spread: str) -> float | None:
    """Peak memory of the largest process with many movements to that with few."""
    growth = records.one("growth")
    peak: Callable[[Record, int], float | None] = lambda record, size: (  # noqa: E731
        found.most("peak_bytes") if (found := record.of(f"{spread} {size}")) else None
    )
    few, many = (peak(growth, size) if growth else None for size in (SMALL, LARGE))
    return many / few if few and many else None


def _row(what: str, most: float, found: float | None) -> str:
    if found is None:
        return f"| {what} | {most:.2f} | {MISSING} | |"
    return f"| {what} | {most:.2f} | {found:.2f} | {'reached' if found <= most else 'not reached'} |"
