"""The local shuffle: what map tasks write comes to the reducers whole, a bucket's records together, in order."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.workers import Workers
from mr_jobs.frames import Record
from mr_jobs.local_runner import merged, write_runs

_buckets = st.sampled_from(["`", "a1", "a2", "b10", "b11", "c100", "Ab10", "~", "-"]).map(str.encode)
_tags = st.sampled_from([b"A", b"K", b"M"])
_packs = st.binary(max_size=40).map(lambda pack: pack.replace(b"\n", b" "))
_records = st.lists(st.tuples(_buckets, st.tuples(_tags, _packs).map(b"\t".join)), max_size=40)


def _map(records: list[Record], folder: Path, reducers: int) -> list[list[Path]]:
    """One map task: the files of each run, one for each reducer."""
    files: list[list[Path]] = []
    task = len(list(folder.iterdir()))

    def files_of(run: int) -> list[Path]:
        files.append([folder / f"{task}-{run}-{reducer}" for reducer in range(reducers)])
        return files[-1]

    runs, written = write_runs(records, files_of)
    assert runs == len(files)
    assert written == sum(path.stat().st_size for run in files for path in run)
    return files


def _reduce(runs: list[Path]) -> list[Record]:
    """One reduce task, which says how much it has read."""
    read: list[int] = []
    found = list(merged(runs, read.append))
    assert sum(read) == sum(path.stat().st_size for path in runs)
    return found


@given(st.lists(_records, max_size=4), st.integers(1, 3), st.sampled_from([2, 7, 1 << 18]))
def test_each_reducer_gets_its_buckets_records_in_order(
    tasks: list[list[Record]], reducers: int, at_once: int
) -> None:
    with TemporaryDirectory() as name, patch("mr_jobs.local_runner.MOST_OF_RUN", at_once):
        files = [run for records in tasks for run in _map(records, Path(name), reducers)]
        found = [_reduce([run[number] for run in files]) for number in range(reducers)]
    assert Counter(record for records in found for record in records) == Counter(
        record for records in tasks for record in records
    )
    keys = [[(bucket, value.split(b"\t")[0]) for bucket, value in records] for records in found]
    for of_reducer in keys:
        assert of_reducer == sorted(of_reducer)
    buckets = [[bucket for bucket, *_ in of_reducer] for of_reducer in keys]
    assert sum(len(set(of_reducer)) for of_reducer in buckets) == len(set().union(*buckets))


def test_records_in_order_are_one_run(tmp_path: Path) -> None:
    records = [(b"a%d" % bucket, b"M\t%d" % pack) for bucket in range(1, 10) for pack in range(3)]
    assert len(_map(records, tmp_path, 1)) == 1
    assert len(_map(records[::-1], tmp_path, 1)) == 9


def test_more_runs_than_a_process_may_usually_have_files(tmp_path: Path) -> None:
    descending = [(b"a%d" % bucket, b"M\tx") for bucket in range(9, 0, -1)]
    runs = [path for _ in range(200) for (path,) in _map(descending, tmp_path, 1)]
    assert len(runs) == 1800
    with Workers(1) as workers:
        found = workers.submit(_reduce, runs).result()
    assert len(found) == 1800
    assert all(one <= other for one, other in pairwise(found))
