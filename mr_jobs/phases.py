"""What a phase of a MapReduce step has cost: by the runner's own look at its tasks, or by Hadoop's counters."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_find_counter = re.compile(r"^\s+([^=]+)=(\d+)$").match


@dataclass(frozen=True)
class Phase:
    """A phase of a step.

    Attributes:
        step: 1 or 2.
        name: map, sort or reduce.
        tasks: how many were started.
        seconds: of all tasks together, as if one ran after the other.
        read, written: bytes.
    """

    step: int
    name: str
    tasks: int
    seconds: float
    read: int
    written: int

    def __str__(self) -> str:
        tasks = f"{self.tasks} task{'s' * (self.tasks != 1)}"
        return (
            f"{tasks}, {self.seconds:.1f} s, {self.read / 1e6:,.1f} MB in, {self.written / 1e6:,.1f} MB out"
        )


#: Told of each phase that has ended.
Tell = Callable[[Phase], None]


def phases_of_counters(step: int, lines: Iterable[str]) -> Iterator[Phase]:
    """What `hadoop jar` prints at a job's end -> its phases; none where it prints no counters.

    The bytes of the sort are those that went over the network, compressed if the cluster compresses them. Its time is
    part of the tasks'.
    """
    counters = {found[1]: int(found[2]) for line in lines if (found := _find_counter(line))}
    try:
        map_seconds, reduce_seconds = (
            counters[f"Total time spent by all {kind} tasks (ms)"] / 1000 for kind in ("map", "reduce")
        )
        shuffled = counters["Reduce shuffle bytes"]
        maps, reduces = counters["Launched map tasks"], counters["Launched reduce tasks"]
        output = counters["Map output bytes"]
        yield Phase(step, "map", maps, map_seconds, counters["Bytes Read"], output)
        yield Phase(step, "sort", reduces, 0.0, output, shuffled)
        yield Phase(step, "reduce", reduces, reduce_seconds, shuffled, counters["Bytes Written"])
    except KeyError:
        return
