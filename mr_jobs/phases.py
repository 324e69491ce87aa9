"""How far the join is, and what its phases have cost: by the runner's look at its tasks, or by what Hadoop says."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

STEPS = 2

_find_counter = re.compile(r"^\s+([^=]+)=(\d+)$").match


@dataclass(frozen=True)
class Phase:
    """A phase of a step.

    Attributes:
        step: 1 or 2.
        name: map, sort or reduce.
        tasks: how many were started; None where they were part of the submitting command.
        seconds: of all tasks together, as if one ran after the other; None where nobody has counted them.
        read, written: bytes.
    """

    step: int
    name: str
    tasks: int | None
    seconds: float | None
    read: int
    written: int

    def __str__(self) -> str:
        tasks = "in the client" if self.tasks is None else f"{self.tasks} task{'s' * (self.tasks != 1)}"
        seconds = [] if self.seconds is None else [f"{self.seconds:.1f} s"]
        size = [f"{self.read / 1e6:,.1f} MB in", f"{self.written / 1e6:,.1f} MB out"]
        return ", ".join([tasks, *seconds, *size])


@dataclass(frozen=True)
class Reached:
    """How far the join is.

    Attributes:
        step: 1 or 2.
        mapped, reduced: percent of what its map tasks and its reduce tasks have to read.
    """

    step: int = 1
    mapped: int = 0
    reduced: int = 0

    def __str__(self) -> str:
        return f"step {self.step} of {STEPS}: map {self.mapped}% reduce {self.reduced}%"

    def rows(self, movements: int) -> int:
        """So many movements of all, in proportion: they pass through step 2, mapped first and then reduced."""
        return movements * (self.mapped + self.reduced) // 200 if self.step == STEPS else 0


#: Told of each phase that has ended.
Tell = Callable[[Phase], None]


def phases_of_counters(step: int, lines: Iterable[str], read: int | None = None) -> Iterator[Phase]:
    """Return a job's phases by what `hadoop jar` prints at its end; none where it prints no counters.

    `read` are the bytes of the job's input where they are known: tasks in one JVM count each other's, too.
    The bytes of the sort are those that went over the network, compressed if the cluster compresses them. Its time is
    part of the tasks'.
    """
    counters = {found[1]: int(found[2]) for line in lines if (found := _find_counter(line))}
    maps, reduces = (counters.get(f"Launched {kind} tasks") for kind in ("map", "reduce"))
    times = [counters.get(f"Total time spent by all {kind} tasks (ms)") for kind in ("map", "reduce")]
    map_seconds, reduce_seconds = (None if time is None else time / 1000 for time in times)
    try:
        # Where files share a map task nobody counts the input's bytes by themselves.
        read = read or counters["HDFS: Number of bytes read"]
        output, shuffled = counters["Map output bytes"], counters["Reduce shuffle bytes"]
        yield Phase(step, "map", maps, map_seconds, read, output)
        sort_seconds = None if reduces is None else 0.0
        yield Phase(step, "sort", reduces, sort_seconds, output, shuffled)
        yield Phase(step, "reduce", reduces, reduce_seconds, shuffled, counters["Bytes Written"])
    except KeyError:
        return
