"""--lake: the folder is the CSV by months for whoever reads it, and each month is whole at every moment."""

import csv
import grp
import io
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from itertools import count
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow.dataset
import pyarrow.parquet
import pytest

from movimento_flat.cli import lake as lake_stage
from movimento_flat.cli import pipeline
from movimento_flat.cli.engines.local import LocalEngine
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.cli.verify_command import verify_lake
from movimento_flat.errors import UserError
from movimento_flat.lake.folder import Change, open_lake, settle
from movimento_flat.lake.local_store import LocalStore, is_lake
from movimento_flat.lake.record import FORMAT, UNDATED, LakeRecord, MonthEntry, folder_of
from movimento_flat.locks import open_locked
from movimento_flat.publish.manifest import FileEntry, PrivacyEntry
from movimento_flat.schema import AMOUNT, MOMENT, Kind
from movimento_flat.sql_files import expected_rows
from mr_jobs.job_options import JobOptions
from tests.conftest import Database, Server, filled_database
from tests.nasty import nasty_database
from tests.rows import INTO_MOVIMENTO
from tests.test_parquet import by_arrow, has_value
from tests.test_publishing import dies_before
from tests.test_run import CSV, Result, assert_user_error, command
from tests.test_run import run as run_to

FILE = "movimentos.parquet"
JANUARY = ("--since", "2024-01-01", "--until", "2024-02-01")


def run(database: Database, folder: Path, *options: str) -> Result:
    return run_to(database, folder / "out", "--lake", str(folder / "lake"), "--no-report", *options)


def verify(lake: Path) -> Result:
    return command("verify", lake)


def csv_by_month(output: Path) -> dict[str, list[tuple[str | None, ...]]]:
    """Return the rows of the CSV by month, in their order, an empty field as None."""
    months = defaultdict(list)
    with (output / CSV).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not has_value(Kind.MOMENT, row[MOMENT]):
                row[MOMENT] = ""
            months[row[MOMENT][:7] or UNDATED].append(tuple(value or None for value in row.values()))
    return dict(months)


def lake_by_month(lake: Path) -> dict[str, list[tuple[str | None, ...]]]:
    months: dict[str, list[tuple[str | None, ...]]] = {}
    for folder in sorted(lake.glob("ano_mes=*")):
        rows = [row for file in sorted(folder.iterdir()) for row in by_arrow(file)]
        months[folder.name.partition("=")[2]] = rows
    return months


def contents(lake: Path) -> dict[str, bytes]:
    """Return the bytes of each file that a reader takes for data."""
    return {
        str(file.relative_to(lake)): file.read_bytes()
        for file in sorted(lake.rglob("*.parquet"))
        if not file.relative_to(lake).parts[0].startswith("_")
    }


@pytest.fixture(scope="module")
def lakes(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path]:
    """A database, and a folder with its OUTPUT and its lake; to be read, not changed."""
    database = filled_database(server, 20_000)
    folder = tmp_path_factory.mktemp("lakes")
    result = run(database, folder)
    assert result.returncode == 0, result.stderr
    return database, folder


@pytest.fixture
def lake(lakes: tuple[Database, Path], tmp_path: Path) -> tuple[Database, Path]:
    """A copy of both folders, to be changed."""
    database, folder = lakes
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return database, tmp_path


def test_each_month_has_the_rows_of_the_csv_in_its_order(lakes: tuple[Database, Path]) -> None:
    _, folder = lakes
    months = lake_by_month(folder / "lake")
    assert months == csv_by_month(folder / "out")
    assert len(months) > 24
    assert UNDATED not in months
    record = json.loads((folder / "lake" / "_lake.json").read_text())
    assert {month: entry["rows"] for month, entry in record["months"].items()} == {
        month: len(rows) for month, rows in months.items()
    }


def test_rows_without_a_date_have_a_folder_of_their_own(server: Server, tmp_path: Path) -> None:
    database = nasty_database(server, no_dates=True)
    result = run(database, tmp_path)
    assert result.returncode == 0, result.stderr
    found = lake_by_month(tmp_path / "lake")
    by_csv = csv_by_month(tmp_path / "out")
    assert {month: len(rows) for month, rows in found.items()} == {
        month: len(rows) for month, rows in by_csv.items()
    }
    assert UNDATED in found
    before = contents(tmp_path / "lake")
    result = run(database, tmp_path, "--since", "2023-02-01", "--until", "2024-11-01")
    assert result.returncode == 0, result.stderr
    after = contents(tmp_path / "lake")
    undated = f"{folder_of(UNDATED)}/{FILE}"
    assert after[undated] == before[undated]
    assert "have a date that is none" in result.stderr
    assert verify(tmp_path / "lake").returncode == 0


def test_types_are_those_that_every_engine_has(server: Server, tmp_path: Path) -> None:
    database = filled_database(server, 100)
    result = run(database, tmp_path, "--with-ids")
    assert result.returncode == 0, result.stderr
    (file, *_) = sorted((tmp_path / "lake").rglob("*.parquet"))
    schema = pyarrow.parquet.read_schema(file)
    assert str(schema.field(AMOUNT).type) == "decimal128(18, 2)"
    assert str(schema.field(MOMENT).type) == "timestamp[us]"
    assert str(schema.field("id_movimento").type) == "int64"
    footer = pyarrow.parquet.read_metadata(file)
    metadata = {key.decode(): value.decode() for key, value in footer.metadata.items()}
    manifest = json.loads((tmp_path / "out" / "movimento_flat.run" / "manifest.json").read_text())
    assert metadata["csv_sha256"] == manifest["csv"]["sha256"]
    assert metadata["snapshot_utc"] == manifest["source"]["snapshot_utc"]
    assert footer.row_group(0).column(0).compression == "ZSTD"


def test_larger_values_have_wider_types_and_only_in_a_whole_run(
    lake: tuple[Database, Path], server: Server
) -> None:
    _, folder = lake
    database = filled_database(server, 100)
    shutil.rmtree(folder)
    folder.mkdir()
    assert run(database, folder, "--with-ids").returncode == 0
    database.execute(
        "ALTER TABLE movimento MODIFY vlr_transacao DECIMAL(30, 2), MODIFY id BIGINT UNSIGNED",
        f"{INTO_MOVIMENTO} SELECT 18446744073709551615, 1234567890123456789.01, 'x', '2024-01-02', id_cartao"
        " FROM movimento WHERE data_movimento >= '2023-06-01' AND id_cartao IN (SELECT id FROM cartao) LIMIT 1",
    )
    assert_user_error(run(database, folder, "--with-ids", *JANUARY), "Run once without --since and --until")
    assert run(database, folder, "--with-ids").returncode == 0
    rows = pyarrow.parquet.read_table(folder / "lake" / folder_of("2024-01") / FILE).to_pylist()
    assert "1234567890123456789.01" in {str(row[AMOUNT]) for row in rows}
    assert "18446744073709551615" in {str(row["id_movimento"]) for row in rows}
    record = json.loads((folder / "lake" / "_lake.json").read_text())
    assert record["columns"][AMOUNT] == "decimal(38,2)"


def test_a_window_changes_its_months_alone(server: Server, tmp_path: Path) -> None:
    database, folder = filled_database(server, 5_000), tmp_path
    assert run(database, folder).returncode == 0
    before = contents(folder / "lake")
    place = "data_movimento >= '2024-01-01' AND data_movimento < '2024-02-01'"
    database.execute(f"UPDATE movimento SET des_transacao = 'changed' WHERE {place}")
    result = run(database, folder, *JANUARY, "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["lake"] == {"replaced": ["2024-01"], "removed": []}
    after = contents(folder / "lake")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {f"ano_mes=2024-01/{FILE}"}
    assert lake_by_month(folder / "lake")["2024-01"] == csv_by_month(folder / "out")["2024-01"]
    database.execute(f"DELETE FROM movimento WHERE {place}")
    result = run(database, folder, *JANUARY, "--json", "--allow-shrink")
    assert json.loads(result.stdout)["lake"] == {"replaced": [], "removed": ["2024-01"]}
    assert contents(folder / "lake").keys() == before.keys() - changed
    assert verify(folder / "lake").returncode == 0
    result = run(database, folder, "--allow-shrink", "--json")
    assert json.loads(result.stdout)["lake"]["removed"] == []
    assert lake_by_month(folder / "lake") == csv_by_month(folder / "out")


def test_every_reader_finds_one_table(lakes: tuple[Database, Path]) -> None:
    database, folder = lakes
    lake = folder / "lake"
    query = f"SELECT COUNT(*), CAST(SUM(CAST({AMOUNT} AS DECIMAL(30, 2))) AS CHAR) FROM ({expected_rows()}) AS flat"
    ((rows, total),) = database.query(query)
    with duckdb.connect() as connection:
        files = f"read_parquet('{lake}/ano_mes=*/*.parquet', hive_partitioning = true)"
        found = connection.sql(
            f"SELECT count(*), sum({AMOUNT})::VARCHAR, count(DISTINCT ano_mes) FROM {files}"
        )
        assert found.fetchall() == [(rows, total, len(lake_by_month(lake)))]
    frame = polars.scan_parquet(lake, hidden_file_prefix="_").collect()
    assert (len(frame), f"{frame[AMOUNT].sum()}") == (rows, total)
    assert frame["ano_mes"].n_unique() == len(lake_by_month(lake))
    assert pyarrow.dataset.dataset(lake, partitioning="hive").count_rows() == rows
    assert len(pandas.read_parquet(lake)) == rows


def test_several_files_where_one_would_be_too_large(
    lakes: tuple[Database, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_stage, "FILE_ROWS", 1)
    monkeypatch.setattr("movimento_flat.cli.auditing.SPAN", 1 << 12)
    database, _ = lakes
    deliver(database, tmp_path)
    assert lake_by_month(tmp_path / "lake") == csv_by_month(tmp_path / "out")
    assert max(len(list(folder.iterdir())) for folder in (tmp_path / "lake").glob("ano_mes=*")) > 1
    assert verify(tmp_path / "lake").returncode == 0


def deliver(database: Database, folder: Path) -> None:
    """Run in this process."""
    pipeline.run(
        nullcontext(database.reader()),
        folder / "out",
        LocalEngine(1),
        1,
        JobOptions(),
        Publishing(lake=str(folder / "lake")),
        Console(quiet=True),
    )


def test_files_are_private_or_of_a_group(lake: tuple[Database, Path]) -> None:
    database, folder = lake
    modes = {path.stat().st_mode & 0o777 for path in (folder / "lake").rglob("*")}
    assert modes == {0o600, 0o700}
    group = grp.getgrgid(os.getgid()).gr_name
    assert run(database, folder, "--lake-group", group).returncode == 0
    modes = {path.stat().st_mode & 0o777 for path in (folder / "lake").rglob("*")}
    assert modes == {0o640, 0o750}
    assert_user_error(run(database, folder, "--lake-group", "nobody-has-this"), "there is no group", 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--card", "mask"), "was made otherwise"),
        (("--with-ids",), "was made otherwise"),
        (("--drop", "idade_associado"), "was made otherwise"),
        (("--drop", "data_movimento"), "written by months"),
        (("--since", "2024-01-02"), "no first day of one"),
        (("--until", "2024-01-01 00:00:01"), "no first day of one"),
    ],
)
def test_a_run_that_does_not_fit_changes_nothing(
    options: tuple[str, ...], said: str, lake: tuple[Database, Path]
) -> None:
    database, folder = lake
    before = contents(folder)
    result = run(database, folder, *options)
    assert_user_error(result, said)
    assert "xtract" not in result.stderr
    assert contents(folder) == before
    assert not (folder / "lake" / "_work").exists()


def test_a_folder_with_other_files_is_no_lake(lakes: tuple[Database, Path], tmp_path: Path) -> None:
    database, _ = lakes
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "letter.txt").write_text("mine")
    assert_user_error(run(database, tmp_path), "letter.txt")
    assert [path.name for path in (tmp_path / "lake").iterdir()] == ["letter.txt"]


def test_a_lake_is_held_by_one_run(lake: tuple[Database, Path]) -> None:
    database, folder = lake
    descriptor = open_locked(folder / "lake", os.O_RDONLY)
    try:
        assert_user_error(run(database, folder), "is in use by a run")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "options",
    [("--card", "mask"), ("--card", "token", "--people", "token", "--dates", "month"), ("--with-ids",)],
)
def test_what_must_not_show_is_not_in_the_lake(
    options: tuple[str, ...], lakes: tuple[Database, Path], tmp_path: Path
) -> None:
    database, _ = lakes
    result = run(database, tmp_path, *options)
    assert result.returncode == 0, result.stderr
    assert lake_by_month(tmp_path / "lake") == csv_by_month(tmp_path / "out")


def damaged(lake: Path) -> Iterator[str]:
    """Damage a lake in one way after the other, and say what verify must name."""
    file = lake / folder_of("2024-01") / FILE
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    yield "ano_mes=2024-01/movimentos.parquet is not as it was published"
    file.write_bytes(whole)
    file.rename(lake / "kept")
    yield "ano_mes=2024-01/movimentos.parquet is missing"
    (lake / "kept").rename(file)
    shutil.copy(file, file.with_name("more.parquet"))
    yield "ano_mes=2024-01/more.parquet"
    file.with_name("more.parquet").unlink()
    shutil.copytree(file.parent, lake / folder_of("1999-01"))
    yield "ano_mes=1999-01"


def test_verify_finds_any_change(lake: tuple[Database, Path]) -> None:
    _, folder = lake
    assert verify(folder / "lake").returncode == 0
    for said in damaged(folder / "lake"):
        result = verify(folder / "lake")
        assert result.returncode == 1
        assert said in result.stderr
    assert_user_error(
        command("verify", folder / "lake", "--source", "mysql://a@b/c"), "OUTPUT folder", status=2
    )


def entry(files: dict[str, Path], rows: int) -> MonthEntry:
    return MonthEntry(
        rows, 100 * rows, {name: FileEntry.of(path) for name, path in files.items()}, "now", "00"
    )


@cache
def parquet_of(rows: tuple[str, ...]) -> bytes:
    """Return a file; it is made once, since Polars does not work in a process that is forked."""
    file = io.BytesIO()
    amounts = polars.Series(AMOUNT, ["1.00"] * len(rows)).cast(polars.Decimal(18, 2))
    polars.DataFrame({AMOUNT: amounts, "row": list(rows)}).write_parquet(file)
    return file.getvalue()


def publish(lake: Path, months: dict[str, list[list[str]]], removed: tuple[str, ...] = ()) -> None:
    """Publish months, each of some files with some rows."""
    with open_lake(LocalStore(lake)) as folder:
        entries = dict(folder.record.months) if folder.record else {}
        for month, files in months.items():
            made = {}
            for number, rows in enumerate(files):
                name = FILE if len(files) == 1 else f"movimentos-{number}-{rows[0]}.parquet"
                made[name] = folder.new_file(month, name)
                made[name].write_bytes(parquet_of(tuple(rows)))
            entries[month] = entry(made, sum(map(len, files)))
        kept = {month: one for month, one in entries.items() if month not in removed}
        privacy = PrivacyEntry("full", "full", (), None, "full")
        record = LakeRecord(FORMAT, {AMOUNT: "decimal(18,2)"}, privacy, "here", "", "UTC", {})
        folder.publish(Change(record.with_months(kept), tuple(months), removed))


OLD = {"2024-01": [["a", "b"]], "2024-02": [["c"], ["d"]], "2024-03": [["e"]], "2024-04": [["f"]]}
NEW = {"2024-01": [["A"], ["B"]], "2024-02": [["C", "D", "X"]], "2024-05": [["G"]]}


@pytest.mark.parametrize("recover", ["next run", "verify"])
@pytest.mark.parametrize("is_new", [False, True])
def test_a_run_killed_at_any_step_shows_each_month_as_it_was_or_as_it_is(
    is_new: bool, recover: str, tmp_path: Path
) -> None:
    """A run killed before its journal is written changes nothing; one killed later is finished."""

    def change(lake: Path) -> None:
        publish(lake, NEW, () if is_new else ("2024-03",))

    if not is_new:
        publish(tmp_path / "old", OLD)
    else:
        (tmp_path / "old").mkdir()
    old = lake_by_month_of(tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    change(tmp_path / "new")
    new = lake_by_month_of(tmp_path / "new")
    states = []
    for step in count(1):
        lake = tmp_path / str(step)
        shutil.copytree(tmp_path / "old", lake)
        if not dies_before(step, lambda lake=lake: change(lake)):  # type: ignore[misc]
            break
        found = lake_by_month_of(lake)
        for month in old.keys() | new.keys() | found.keys():
            assert found.get(month) in (old.get(month), new.get(month)), (step, month)
        if recover == "verify" and is_lake(lake):
            verify_lake(str(lake), Console(quiet=True))
        elif recover == "next run":
            with open_lake(LocalStore(lake)):
                pass
        else:
            with pytest.raises(UserError):
                settle(LocalStore(lake))
        after = lake_by_month_of(lake)
        assert after in (old, new), step
        assert not (lake / "_work").exists() or after == old
        states.append(after == new)
        if after:
            assert verify_lake(str(lake), Console(quiet=True))
        shutil.rmtree(lake)
    assert states == sorted(states)
    assert len(set(states)) == 2
    assert lake_by_month_of(lake) == new


def lake_by_month_of(lake: Path) -> dict[str, list[str]]:
    return {
        folder.name: [
            row for file in sorted(folder.iterdir()) for row in polars.read_parquet(file)["row"].to_list()
        ]
        for folder in sorted(lake.glob("ano_mes=*"))
    }
