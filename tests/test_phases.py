"""How far the join is and what its phases have cost: by the local runner's look, or read from Hadoop's counters."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from movimento_flat.workers import Workers
from mr_jobs.local_runner import join_locally
from mr_jobs.phases import Phase, Reached, phases_of_counters
from tests.test_join import SAMPLE

COUNTERS = """
26/11/24 18:01:20 INFO mapreduce.Job: Counters: 55
\tFile System Counters
\t\tHDFS: Number of bytes read=1000
\tJob Counters
\t\tLaunched map tasks=3
\t\tLaunched reduce tasks=2
\t\tTotal time spent by all maps in occupied slots (ms)=9
\t\tTotal time spent by all map tasks (ms)=4500
\t\tTotal time spent by all reduce tasks (ms)=2500
\tMap-Reduce Framework
\t\tMap output bytes=700
\t\tReduce shuffle bytes=300
\tFile Input Format Counters
\t\tBytes Read=900
\tFile Output Format Counters
\t\tBytes Written=2000
"""


def test_counters_of_hadoop_become_phases() -> None:
    assert list(phases_of_counters(2, COUNTERS.splitlines())) == [
        Phase(2, "map", 3, 4.5, 1000, 700),
        Phase(2, "sort", 2, 0.0, 700, 300),
        Phase(2, "reduce", 2, 2.5, 300, 2000),
    ]


def test_a_job_in_the_client_has_no_tasks_and_no_times() -> None:
    lines = [line for line in COUNTERS.splitlines() if "task" not in line]
    found = list(phases_of_counters(1, lines))
    assert found == [
        Phase(1, "map", None, None, 1000, 700),
        Phase(1, "sort", None, None, 700, 300),
        Phase(1, "reduce", None, None, 300, 2000),
    ]
    assert str(found[0]) == "in the client, 0.0 MB in, 0.0 MB out"


def test_an_input_of_known_size_is_not_what_tasks_of_one_jvm_have_counted_together() -> None:
    assert next(phases_of_counters(1, COUNTERS.splitlines(), 500)).read == 500


def test_without_counters_there_are_no_phases() -> None:
    assert not list(phases_of_counters(1, ["Job not successful!"]))


def test_the_local_runner_counts_what_it_reads_and_writes(tmp_path: Path) -> None:
    movements, small_tables = SAMPLE
    phases: list[Phase] = []
    with Workers(2) as workers:
        parts = join_locally(
            [small_tables], lambda: [movements], tmp_path / "parts", tmp_path, workers, tell=phases.append
        )
    assert [(phase.step, phase.name) for phase in phases] == [
        (step, name) for step in (1, 2) for name in ("map", "reduce")
    ]
    map_1, reduce_1, map_2, reduce_2 = phases
    assert map_1.read == small_tables.stat().st_size
    assert map_2.read == reduce_1.written + movements.stat().st_size
    for mapped, reduced in ((map_1, reduce_1), (map_2, reduce_2)):
        assert mapped.written == reduced.read > 0
        assert (mapped.seconds or 0) > 0 < (reduced.seconds or 0)
    assert reduce_2.written == sum(part.stat().st_size for part in parts)


def test_movements_are_counted_while_they_pass_through_step_2() -> None:
    assert Reached(1, 100, 99).rows(2000) == 0
    assert Reached(2, 50).rows(2000) == 500
    assert Reached(2, 100, 100).rows(2001) == 2001
    assert str(Reached(2, 100, 7)) == "step 2 of 2: map 100% reduce 7%"


def test_the_local_runner_says_how_far_its_tasks_have_read(tmp_path: Path) -> None:
    """Asked at the end of each phase, and whenever a task has read something."""
    movements, small_tables = SAMPLE
    many = tmp_path / "many.tsv"
    many.write_bytes(movements.read_bytes() * (12_000_000 // movements.stat().st_size))
    asked: list[Callable[[], Reached]] = []
    at_ends: list[Reached] = []
    with Workers() as workers, ThreadPoolExecutor(1) as pool:
        joining = pool.submit(
            join_locally,
            *([small_tables], lambda: [many], tmp_path / "parts", tmp_path, workers),
            watched=asked.append,
            tell=lambda phase: at_ends.append(asked[0]()),
        )
        reached, read = [], -1
        while not joining.done():
            if workers.read != read and asked:
                read = workers.read
                reached.append(asked[0]())
        assert joining.result()
    assert at_ends == [Reached(step, 100, reduced) for step in (1, 2) for reduced in (0, 100)]
    order = [(now.step, now.mapped, now.reduced) for now in reached]
    assert order == sorted(order)
    assert any(0 < now.mapped < 100 for now in reached)
