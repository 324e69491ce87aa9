"""What a lake costs: a run with --lake, beside one without it. Then four readers read it, and a month is written again.

.venv/bin/python -m bench.lake --movements 5000000 --rounds 3
"""

import subprocess
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.compute as pc
import pyarrow.dataset as ds

from bench.content import content
from bench.databases import OUTPUT, Database, Server
from bench.measure import Timing, fresh, main, say
from bench.session import MB, Contestants, alternate, options_of_one_size, record, show
from bench.spark import spark_python
from movimento_flat.money import Totals
from movimento_flat.publish.accounting import sha256
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import AMOUNT

WITHOUT, WITH = "without a lake", "with a lake"
LAKE = OUTPUT / "lake"
MOST_MEMORY = 300 * MB
MONTH = ("--since", "2024-02-01", "--until", "2024-03-01")
FOLDER_OF_MONTH = "ano_mes=2024-02"
_SPARK = f"""
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print(*spark.read.parquet({str(LAKE)!r}).selectExpr("count(*)", "sum({AMOUNT})").first())
"""


def by_duckdb() -> tuple[int, Decimal]:
    """Return rows and sum of the lake as DuckDB reads it."""
    query = f"SELECT count(*), sum({AMOUNT}) FROM read_parquet('{LAKE}/ano_mes=*/*.parquet')"
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()[0]


def by_polars() -> tuple[int, Decimal]:
    """Return them as Polars reads the folder."""
    lake = pl.scan_parquet(LAKE, hidden_file_prefix="_")
    return lake.select(pl.len(), pl.col(AMOUNT).sum()).collect().row(0)


def by_pyarrow() -> tuple[int, Decimal]:
    """Return them as PyArrow reads the folder."""
    lake = ds.dataset(LAKE, format="parquet", partitioning="hive")
    return lake.count_rows(), pc.sum(lake.to_table([AMOUNT])[AMOUNT]).as_py()


def by_pyspark() -> tuple[int, Decimal]:
    """Return them as PySpark reads the folder, in its own environment."""
    result = subprocess.run([spark_python(), "-c", _SPARK], capture_output=True, text=True, check=True)
    rows, total = result.stdout.split()
    return int(rows), Decimal(total)


READERS: dict[str, Callable[[], tuple[int, Decimal]]] = {
    "DuckDB": by_duckdb,
    "Polars": by_polars,
    "PyArrow": by_pyarrow,
    "PySpark": by_pyspark,
}


def with_lake(database: Database, output: Path) -> Timing:
    """Measure a run that makes a new lake."""
    return database.flatten(output, "--lake", str(fresh(LAKE)))


def is_read_by_all(movements: Totals) -> bool:
    """Return whether each reader finds each movement and each centavo of the database; say what it finds."""
    right = True
    for name, read in READERS.items():
        rows, total = read()
        print(f"{name} finds {rows:,} rows, R$ {total:,.2f}.")
        right &= Totals(rows, int(total * 100)) == movements
    return right


def _files() -> dict[Path, tuple[int, str]]:
    """Return when each file of the lake was written, and its hash."""
    return {file: (file.stat().st_mtime_ns, sha256(file)) for file in LAKE.rglob("*.parquet")}


def changes_one_file(database: Database) -> bool:
    """Return whether a month that is written again leaves every other file as it was."""
    before = _files()
    database.flatten(OUTPUT / "month", "--lake", str(LAKE), *MONTH)
    after = _files()
    written = {file.parent.name for file in before | after if before.get(file) != after.get(file)}
    print(f"A run of one month writes {', '.join(written)}.")
    return written == {FOLDER_OF_MONTH}


def script() -> bool:
    """Measure, and read the lake; return whether all is right, and no process had more than MOST_MEMORY."""
    arguments = options_of_one_size(__doc__).parse_args()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants: Contestants = {
            WITHOUT: partial(database.flatten, OUTPUT / WITHOUT),
            WITH: partial(with_lake, database, OUTPUT / WITH),
        }
        results = alternate(contestants, arguments.rounds)
        versions = server.versions()
        show(results, arguments.movements)
        right = database.all_in(content([OUTPUT / WITH / CSV_NAME])) and is_read_by_all(database.movements)
        right &= changes_one_file(database)
    print(f"The lake has {len(list(LAKE.glob('ano_mes=*')))} months.")
    peak = max(timing.peak for timings in results.values() for timing in timings)
    if peak > MOST_MEMORY:
        say(f"A process had {peak / MB:.0f} MB.")
    if arguments.record and right:
        record("lake", results, versions, movements=arguments.movements)
    return right and peak <= MOST_MEMORY


if __name__ == "__main__":
    main(script)
