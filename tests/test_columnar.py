"""The join on Polars, as bench/columnar_join.py measures it, equals brute force: rows, rejected rows and warnings."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import columnar_join
from bench.columnar.flat_rows import FlatRows
from bench.columnar.profiles import CardNumbers, Profiles
from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER
from movimento_flat.privacy import Privacy
from movimento_flat.publish.parts import CSV_NAME, REJECTED_NAME, WARNINGS_NAME, merge_parts
from movimento_flat.schema import FLAT_COLUMNS, ID_COLUMNS
from tests.brute_force import Tables, as_csv, flat_rows, warnings
from tests.test_join import nasty_tables

NOW = "2024-01-01 00:00:00"


@pytest.fixture(params=[None, {"batch": 60, "room": 40}], ids=["usual room", "little room"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With little room a few rows are a batch, and more go through sort(1)."""
    for kind in (FlatRows, Profiles, CardNumbers) if request.param else ():
        monkeypatch.setattr(columnar_join, kind.__name__, partial(kind, **request.param))
    yield


def joined(tables: Tables, seed: int, folder: Path, privacy: Privacy) -> Path:
    """Return the folder of the merged files; the lines come in any order, in two files."""
    lines = tables.lines()
    random.Random(seed).shuffle(lines)
    for name in (SMALL_TABLES_FOLDER, MOVEMENTS_FOLDER):
        (folder / name).mkdir()
        own = [line for line in lines if (line[:1] == b"M") == (name == MOVEMENTS_FOLDER)]
        for number in range(2):
            (folder / name / f"{number:04d}.tsv").write_bytes(b"".join(own[number::2]))
    parts = columnar_join.join_by_columns(folder, folder / "parts", privacy, NOW)
    (folder / "merged").mkdir()
    merge_parts(parts, folder / "merged", privacy.columns)
    return folder / "merged"


def columns_of(file: Path, *places: int) -> list[tuple[str, ...]]:
    rows = [line.split("\t") for line in file.read_text("utf-8").splitlines()[1:]]
    return sorted(tuple(row[place] for place in places) for row in rows)


@pytest.mark.usefixtures("room")
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(tables=nasty_tables(views=True), seed=st.integers(0, 9), ids=st.booleans())
def test_rows_and_rejected_rows_equal_brute_force(
    tables: Tables, seed: int, ids: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    merged = joined(tables, seed, tmp_path_factory.mktemp("columnar"), Privacy(ids=ids))
    rows, rejected = flat_rows(tables, ids)
    assert (merged / CSV_NAME).read_bytes() == as_csv(FLAT_COLUMNS + (ID_COLUMNS if ids else ()), rows)
    assert columns_of(merged / REJECTED_NAME, 0, 2) == rejected


@pytest.mark.usefixtures("room")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(tables=nasty_tables(), seed=st.integers(0, 9))
def test_warnings_equal_brute_force(
    tables: Tables, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    merged = joined(tables, seed, tmp_path_factory.mktemp("columnar"), Privacy())
    assert columns_of(merged / WARNINGS_NAME, 0, 1, 2, 3) == warnings(tables, NOW)
