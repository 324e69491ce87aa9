"""The local shuffle: what map tasks write comes to the reducers whole, a bucket's records together, in order."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from mr_jobs.local_shuffle import MapOutput, Position, Run, read_runs, reduce_input, remove, write_runs

_buckets = st.sampled_from(["`", "a1", "a2", "b10", "b11", "c100", "Ab10", "~", "-"]).map(str.encode)
_tags = st.sampled_from([b"A", b"K", b"M"])
_packs = st.binary(max_size=40).map(lambda pack: pack.replace(b"\n", b" "))
_records = st.lists(st.tuples(_buckets, _tags, _packs).map(b"\t".join), max_size=40)


def _map(records: list[bytes], folder: Path, reducers: int) -> list[Run]:
    """One map task, which mrjob lets write a record, then its line end."""
    output = folder / f"map{len(list(folder.iterdir()))}"
    with output.open("wb") as stdout, MapOutput(str(output), reducers, stdout) as shuffled:
        for record in records:
            shuffled.write(record)
            shuffled.write(b"\n")
    with output.open("rb") as file:
        return read_runs(file)


def _reduce(runs: list[Run], folder: Path) -> list[bytes]:
    """One reduce task, whose position ends at the size of what it has read."""
    path = folder / "reduce"
    with path.open("wb") as file:
        write_runs(runs, file)
    with path.open("rb") as file, Position(folder / "position") as position:
        found = list(reduce_input(file, position))
    assert Position.of(folder / "position") == sum(map(len, runs))
    return found


@given(st.lists(_records, max_size=4), st.integers(1, 3), st.sampled_from([1, 7, 1 << 18]))
def test_each_reducer_gets_its_buckets_records_in_order(
    tasks: list[list[bytes]], reducers: int, at_once: int
) -> None:
    with TemporaryDirectory() as name, patch("mr_jobs.local_shuffle.MOST", at_once):
        folder = Path(name)
        runs = [run for records in tasks for run in _map(records, folder, reducers)]
        found = [
            _reduce([run for run in runs if run.reducer == number], folder) for number in range(reducers)
        ]
    assert Counter(record for records in found for record in records) == Counter(
        record for records in tasks for record in records
    )
    keys = [[record.split(b"\t", 2)[:2] for record in records] for records in found]
    for of_reducer in keys:
        assert of_reducer == sorted(of_reducer)
    buckets = [[bucket for bucket, *_ in of_reducer] for of_reducer in keys]
    assert sum(len(set(of_reducer)) for of_reducer in buckets) == len(set().union(*buckets))


def test_records_in_order_are_one_run(tmp_path: Path) -> None:
    records = [b"a%d\tM\t%d" % (bucket, pack) for bucket in range(1, 10) for pack in range(3)]
    (run,) = _map(records, tmp_path, 1)
    assert (run.start, run.end) == (0, sum(map(len, records)) + len(records))
    assert len(_map(records[::-1], tmp_path, 1)) == 9


def test_more_runs_than_a_process_may_have_files(tmp_path: Path) -> None:
    descending = [b"a%d\tM\tx" % bucket for bucket in range(9, 0, -1)]
    runs = [run for _ in range(200) for run in _map(descending, tmp_path, 1)]
    assert len(runs) == 1800
    found = _reduce(runs, tmp_path)
    assert len(found) == 1800
    assert all(one <= other for one, other in pairwise(found))
    remove(runs)
    assert not [path for path in tmp_path.iterdir() if path.name.endswith("-0")]
