"""docs/recipes/lake: each reader finds all rows of a lake and each centavo, and reads the files of a month alone."""

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
import sqlglot

from movimento_flat.lake.record import LakeRecord
from movimento_flat.money import reais
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS
from movimento_flat.state import state_dir
from tests.conftest import ROOT, Server, filled_database
from tests.spark import spark_environment
from tests.test_lake import run

RECIPES = ROOT / "docs" / "recipes" / "lake"
MONTH = "2024-02"

SPARK = f"""
import runpy
found = runpy.run_path({str(RECIPES / "read_pyspark.py")!r})
movements = found["movements"]
movements.createOrReplaceTempView("movements")
of_month = found["spark"].sql("SELECT count(*), sum({AMOUNT}) FROM movements WHERE ano_mes = '{MONTH}'")
of_all = found["spark"].sql("SELECT count(*), sum({AMOUNT}) FROM movements")
print(*of_all.first(), *of_month.first(), sep="|")
print(of_month._jdf.queryExecution().executedPlan().toString())
"""


@pytest.fixture(scope="module")
def lake(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    result = run(filled_database(server, 20_000), folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def record(lake: Path, monkeypatch: pytest.MonkeyPatch) -> LakeRecord:
    """What the lake says of itself; the recipes are run in the folder that it lies in."""
    monkeypatch.chdir(lake)
    return LakeRecord.of_bytes((lake / "lake" / "_lake.json").read_bytes(), "lake")


def found_by(name: str) -> dict[str, Any]:
    return runpy.run_path(str(RECIPES / name))


def amount(total: object) -> str:
    return f"R$ {total:,.2f}"


def test_duckdb(record: LakeRecord) -> None:
    with duckdb.connect() as connection:
        connection.execute((RECIPES / "read_duckdb.sql").read_text())
        ((rows, total),) = connection.execute(f"SELECT count(*), sum({AMOUNT}) FROM movements").fetchall()
        assert (rows, amount(total)) == (record.totals.rows, reais(record.totals.centavos))
        of_month = f"SELECT count(*), sum({AMOUNT}) FROM movements WHERE ano_mes = '{MONTH}'"
        assert connection.execute(of_month).fetchall()[0][0] == record.months[MONTH].rows
        ((_, plan),) = connection.execute(f"EXPLAIN ANALYZE {of_month}").fetchall()
        assert "Total Files Read: 1" in plan


def test_polars(record: LakeRecord) -> None:
    movements = found_by("read_polars.py")["movements"]
    found = movements.select(polars.len(), polars.col(AMOUNT).sum()).collect().row(0)
    assert (found[0], amount(found[1])) == (record.totals.rows, reais(record.totals.centavos))
    of_month = movements.filter(polars.col("ano_mes") == MONTH)
    assert len(of_month.collect()) == record.months[MONTH].rows
    # Polars takes the columns from the first file; who looks into another month fails.
    _, *others = sorted(Path("lake").rglob("*.parquet"))
    whole = {file: file.read_bytes() for file in others if MONTH not in str(file)}
    try:
        for file in whole:
            file.write_bytes(b"no Parquet file")
        assert len(found_by("read_polars.py")["movements"].filter(polars.col("ano_mes") == MONTH).collect())
    finally:
        for file, content in whole.items():
            file.write_bytes(content)


def test_pandas(record: LakeRecord) -> None:
    february = found_by("read_pandas.py")["february"]
    assert len(february) == record.months[MONTH].rows
    assert amount(february[AMOUNT].sum()) == reais(record.months[MONTH].centavos)
    assert set(february["ano_mes"]) == {MONTH}


@pytest.mark.machine
def test_pyspark(record: LakeRecord) -> None:
    environment = spark_environment(state_dir())
    result = subprocess.run(
        [sys.executable, "-c", SPARK], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    figures, plan = result.stdout.split("\n", 1)
    rows, total, of_month, total_of_month = figures.split("|")
    assert (int(rows), amount(float(total))) == (record.totals.rows, reais(record.totals.centavos))
    assert int(of_month) == record.months[MONTH].rows
    assert amount(float(total_of_month)) == reais(record.months[MONTH].centavos)
    assert "PartitionFilters: [isnotnull(ano_mes" in plan


def test_trino_reads_its_statements() -> None:
    table, procedure = sqlglot.parse((RECIPES / "trino.sql").read_text(), dialect="trino")
    assert table and procedure
    assert [column.name for column in table.find_all(sqlglot.exp.ColumnDef)] == [*FLAT_COLUMNS, "ano_mes"]
