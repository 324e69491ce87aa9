"""--parquet: read by PyArrow, DuckDB and Polars it is the CSV; what Parquet has no value for is counted and said."""

import csv
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.cli import delivery, pipeline
from movimento_flat.cli.engines.local import LocalEngine
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.errors import UserError
from movimento_flat.exports import parquet
from movimento_flat.exports.parquet import parquet_totals, write_parquet
from movimento_flat.money import Totals, centavos
from movimento_flat.publish import csv_audit
from movimento_flat.publish.parts import PARQUET_NAME
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, FLAT_WITH_IDS, ID_COLUMNS, Kind
from mr_jobs.job_options import JobOptions
from tests.brute_force import Row, as_csv
from tests.conftest import PASSWORD, Database, Server
from tests.nasty import NO_DATES, nasty_database
from tests.test_run import CSV, RUN, assert_user_error, command, run

COLUMNS = (*FLAT_COLUMNS, *ID_COLUMNS)

#: The text that the CSV has, None for an empty field.
Rows = list[tuple[str | None, ...]]

texts = st.text(
    alphabet=st.one_of(st.characters(codec="utf-8"), st.sampled_from('\\\t\n\r\0",;\ufeff\u2028 0N')),
    max_size=12,
)
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda moment: moment.isoformat(" ", "seconds")
)
no_moments = st.sampled_from([*NO_DATES, "0000-01-01 00:00:00", "1900-02-29 12:00:00"])
amounts = (st.integers(-999_999, 999_999) | st.integers(-(10**38) + 1, 10**38 - 1)).map(
    lambda number: f"{'-' if number < 0 else ''}{abs(number) // 100}.{abs(number) % 100:02d}"
)
ages = st.integers(-(1 << 63), (1 << 63) - 1).map(str)
no_ages = st.integers(1 << 63, (1 << 64) - 1).map(str)
ids = st.integers(0, (1 << 64) - 1).map(str)
#: What tagged TSV allows, and no database has.
no_ids = st.integers(1 << 64, 10**20 - 1).map(str)
fields = {
    Kind.TEXT: texts,
    Kind.MONEY: amounts,
    Kind.MOMENT: moments | no_moments,
    Kind.WHOLE: ages | no_ages,
    Kind.ID: ids | no_ids,
}
rows_of_any = st.tuples(*(st.just("") | fields[flat.kind] for flat in FLAT_WITH_IDS))


def by_arrow(file: Path) -> Rows:
    return _texts(pq.read_table(file).to_pylist())


def by_duckdb(file: Path) -> Rows:
    found = duckdb.execute("SELECT * FROM read_parquet(?)", [str(file)])
    names = [name for name, *_ in found.description or []]
    return _texts([dict(zip(names, row, strict=True)) for row in found.fetchall()])


def by_polars(file: Path) -> Rows:
    return _texts(polars.read_parquet(file).to_dicts())


def _texts(rows: list[dict[str, Any]]) -> Rows:
    return [tuple(map(_text, row.values())) for row in rows]


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        # strftime does not fill up the years before 1000.
        return value.isoformat(" ", "seconds")
    assert value is None or type(value) in {str, int, Decimal}
    return f"{value:.2f}" if isinstance(value, Decimal) else None if value is None else str(value)


def has_value(kind: Kind, text: str | None) -> bool:
    """Whether Parquet has one for it, by other means than the program's."""
    if kind is Kind.MOMENT and text:
        try:
            return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").year > 0
        except ValueError:
            return False
    if kind is Kind.ID:
        return not text or int(text).bit_length() <= 64
    return kind is not Kind.WHOLE or not text or int(text).bit_length() < 64 or int(text) == -(1 << 63)


def expected(rows: list[Row]) -> tuple[Rows, Counter[str]]:
    """-> the fields that Parquet must have, and how many of each column it cannot have."""
    kinds = [flat.kind for flat in FLAT_WITH_IDS]
    values = [
        tuple(
            (text or None) if has_value(kind, text) else None for kind, text in zip(kinds, row, strict=True)
        )
        for row in rows
    ]
    lost = Counter[str]()
    for row in rows:
        for flat, text in zip(FLAT_WITH_IDS, row, strict=True):
            if not has_value(flat.kind, text):
                lost[flat.name] += 1
    return values, lost


def written(rows: list[Row], folder: Path, columns: tuple[str, ...] = COLUMNS) -> tuple[Path, Counter[str]]:
    flat = folder / "flat.csv"
    flat.write_bytes(as_csv(columns, rows))
    left_out = write_parquet(flat, columns, folder)
    return folder / PARQUET_NAME, left_out


def test_no_rows_are_a_file_with_its_columns(tmp_path: Path) -> None:
    file, left_out = written([], tmp_path)
    assert not left_out
    schema = pq.read_schema(file)
    assert schema.names == list(COLUMNS)
    assert parquet_totals(file).rows == len(pq.read_table(file)) == 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=st.lists(rows_of_any, max_size=6), chunk=st.integers(1, 300), group=st.integers(1, 300))
def test_three_readers_see_the_csv_however_it_is_cut(
    rows: list[Row],
    chunk: int,
    group: int,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_audit, "CHUNK", chunk)
    monkeypatch.setattr(parquet, "_GROUP_BYTES", group)
    file, left_out = written(rows, tmp_path_factory.mktemp("parquet"))
    values, lost = expected(rows)
    assert left_out == lost
    for reader in (by_arrow, by_duckdb, by_polars):
        assert reader(file) == values
    totals = parquet_totals(file)
    assert totals.rows == len(rows)
    assert totals.centavos == sum(centavos((row[FLAT_COLUMNS.index(AMOUNT)] or "").encode()) for row in rows)


def test_the_types_are_exact(tmp_path: Path) -> None:
    file, _ = written([], tmp_path)
    types = {Kind.TEXT: pa.large_utf8(), Kind.MONEY: pa.decimal128(38, 2), Kind.WHOLE: pa.int64()}
    types |= {Kind.ID: pa.uint64()}
    for field, flat in zip(pq.read_schema(file), FLAT_WITH_IDS, strict=True):
        assert field.type == types.get(flat.kind, pa.timestamp("us"))


def test_amounts_alone_one_of_which_is_null(tmp_path: Path) -> None:
    flat = tmp_path / "flat.csv"
    flat.write_text(f"{AMOUNT}\n1.00\n\n-2.50\n")
    left_out = write_parquet(flat, (AMOUNT,), tmp_path)
    file = tmp_path / PARQUET_NAME
    assert by_arrow(file) == [("1.00",), (None,), ("-2.50",)]
    assert (parquet_totals(file).rows, parquet_totals(file).centavos, left_out) == (3, -150, Counter())


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_amount_that_does_not_fit_ends_it(sign: str, tmp_path: Path) -> None:
    file, _ = written([(f"{sign}{'9' * 36}.99",)] * 30, tmp_path, (AMOUNT,))
    assert parquet_totals(file).centavos == int(f"{sign}{'9' * 38}") * 30
    file.unlink()
    with pytest.raises(UserError, match="more than 36 digits"):
        written([(f"{sign}1{'0' * 36}.00",)], tmp_path, (AMOUNT,))


def test_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_audit, "CHUNK", 1000)
    monkeypatch.setattr(parquet, "_GROUP_BYTES", 10_000)
    file, _ = written([(f"{number}.00",) for number in range(20_000)], tmp_path, (AMOUNT,))
    metadata = pq.read_metadata(file)
    assert max(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)) < 3000
    assert by_arrow(file) == [(f"{number}.00",) for number in range(20_000)]


@pytest.mark.parametrize("reader", [by_arrow, by_duckdb, by_polars])
def test_the_parquet_file_of_a_run_is_its_csv(
    reader: Callable[[Path], Rows], nasty: Database, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Of all columns, and of some with masked and empty ones."""
    for options in ((), ("--card", "mask", "--people", "token", "--drop", "data_movimento")):
        output = tmp_path / str(len(options))
        result = run(nasty, output, "--parquet", *options)
        assert result.returncode == 0, result.stderr
        file = output / PARQUET_NAME
        assert file.stat().st_mode & 0o777 == 0o600
        header, *rows = read_csv(output / CSV)
        found = reader(file)
        assert [flat for flat in FLAT_COLUMNS if flat in header] == pq.read_schema(file).names
        assert found == [
            tuple(None if field == "" or field in NO_DATES else field for field in row) for row in rows
        ]


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


@pytest.fixture(scope="module")
def nasty(server: Server) -> Database:
    return nasty_database(server, no_dates=True)


def test_a_run_says_and_counts_what_is_no_date_and_verify_knows_the_file(
    nasty: Database, tmp_path: Path
) -> None:
    result = run(nasty, tmp_path, "--parquet")
    header, *rows = read_csv(tmp_path / CSV)
    counts = {
        name: count
        for place, name in enumerate(header)
        if (count := sum(row[place] in NO_DATES for row in rows))
    }
    listed = json.loads((tmp_path / RUN / "manifest.json").read_text())["files"][PARQUET_NAME]
    assert listed["left_out"] == counts
    assert set(counts) == {"data_movimento", "data_criacao_cartao", "data_criacao_conta"}
    for name, count in counts.items():
        assert f"{count:,} values of {name} are none that Parquet has, and null in it." in result.stderr
    assert command("verify", tmp_path).returncode == 0
    first = (tmp_path / PARQUET_NAME).read_bytes()
    assert run(nasty, tmp_path, "--parquet").returncode == 0
    assert (tmp_path / PARQUET_NAME).read_bytes() == first
    (tmp_path / PARQUET_NAME).write_bytes(first[:-1] + b"2")
    assert_user_error(command("verify", tmp_path), f"{PARQUET_NAME} is not as it was published")
    (tmp_path / PARQUET_NAME).unlink()
    assert_user_error(command("verify", tmp_path), f"{PARQUET_NAME} is missing")
    assert run(nasty, tmp_path).returncode == 0
    assert not (tmp_path / PARQUET_NAME).exists()


def test_a_parquet_file_with_other_amounts_than_the_csv_is_not_published(
    nasty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By as many rows, and one centavo."""
    found = parquet_totals
    monkeypatch.setattr(delivery, "parquet_totals", lambda file: found(file) + Totals(0, 1))
    publishing = Publishing(parquet=True)
    with pytest.raises(UserError, match="so nothing is published"):
        pipeline.run(
            nullcontext(nasty.reader()),
            tmp_path,
            LocalEngine(),
            2,
            JobOptions(),
            publishing,
            Console(quiet=True),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_run_needs_neither_numpy_nor_pyarrow(nasty: Database, tmp_path: Path) -> None:
    """They are installed here for the tests alone; all processes of the run believe that they are not."""
    nasty.reader()
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules.update(numpy=None, pyarrow=None)\n")
    environment = {"MYSQL_PWD": PASSWORD, "PYTHONPATH": str(tmp_path)}
    arguments = ("--output", tmp_path / "out", "--source", nasty.url(), "--parquet", "--excel")
    result = command("run", *arguments, environment=environment)
    assert result.returncode == 0, result.stderr
    assert by_polars(tmp_path / "out" / PARQUET_NAME)
    import_numpy = [sys.executable, "-c", "import numpy"]
    assert subprocess.run(import_numpy, env=environment, capture_output=True, check=False).returncode != 0
