"""Database -> one CSV on this machine: the project's local engine against what a user would pick instead.

.venv/bin/python bench/local.py --movements 1000000 --rounds 3
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.databases import HOST, Database, Server  # noqa: E402
from bench.environments import python_with  # noqa: E402
from bench.measure import (  # noqa: E402
    ROOT,
    STATE,
    Contestants,
    Timing,
    alternate,
    content,
    fresh,
    main,
    run,
    say,
    table,
)
from bench.spark import JOIN, jdbc_driver, spark_python  # noqa: E402
from merge.parts import CSV_NAME  # noqa: E402
from seed.plan import Plan  # noqa: E402

OURS = "movimento-flat"
#: Contestant -> what bench/rivals.py calls it.
RIVALS = {"DuckDB": "duckdb", "ConnectorX + Polars": "polars", "SQL join, PyMySQL": "sql"}
PACKAGES = (
    "connectorx==0.4.6",
    "duckdb==1.5.5",
    "duckdb-extensions==1.5.5",
    "duckdb-extension-mysql==1.5.5",
    "duckdb-extension-mysql-scanner==1.5.5",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "PyMySQL==1.2.4",
)
OUTPUT = STATE / "output"
CORES = 2
#: Contestant -> partitions of the movements.
SPARKS = {"PySpark": 1, "PySpark, partitions": CORES}
#: The tables' times have no zone: none must be made of them.
JAVA_OPTIONS = "-Duser.timezone=UTC"


def pyspark(database: Database, output: Path, partitions: int) -> Timing:
    """One run of PySpark on this machine."""
    url = f"jdbc:mysql://{HOST}:{database.port}/{database.name}?permitMysqlScheme"
    submit = [
        f"--master local[{CORES}]",
        f"--jars {jdbc_driver()}",
        "--driver-memory 4g",
        f"--driver-java-options {JAVA_OPTIONS}",
        "--conf spark.ui.enabled=false",
        "pyspark-shell",
    ]
    command = [str(spark_python()), str(JOIN), "jdbc", url, str(fresh(output)), f"--partitions={partitions}"]
    return run(command, {**database.environment, "PYSPARK_SUBMIT_ARGS": " ".join(submit)})


def rival(database: Database, output: Path, program: str) -> Timing:
    """One run of another program."""
    file = fresh(output) / CSV_NAME
    file.parent.mkdir()
    command = [str(python_with("rivals", PACKAGES)), str(ROOT / "bench" / "rivals.py"), program]
    return run([*command, HOST, str(database.port), database.name, str(file)], database.environment)


def script() -> bool:
    """Measure, compare what was written, print; -> whether all wrote the same, and nothing is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--movements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without", action="append", default=[], help="a contestant to leave out")
    arguments = parser.parse_args()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants: dict[str, Callable[[], Timing]] = {OURS: partial(database.flatten, OUTPUT / OURS)}
        contestants |= {
            name: partial(pyspark, database, OUTPUT / name, partitions) for name, partitions in SPARKS.items()
        }
        contestants |= {name: partial(rival, database, OUTPUT / name, key) for name, key in RIVALS.items()}
        for name in arguments.without:
            contestants.pop(name)
        prepare(contestants)
        results = alternate(contestants, arguments.rounds)
    print(f"\n{arguments.movements:,} movements; ratio: {OURS}'s median to the line's.\n")
    print(table(results), end="\n\n")
    contents = {name: content((OUTPUT / name).glob("*.csv")) for name in contestants}
    for name, found in contents.items():
        print(f"{name}: {found}")
    same = len(set(contents.values())) == 1
    if not same:
        say("The CSVs differ.")
    return database.all_in(contents[OURS]) and same


def prepare(contestants: Contestants) -> None:
    """Fetch what they need before any clock runs."""
    if contestants.keys() & SPARKS.keys():
        spark_python()
        jdbc_driver()
    if contestants.keys() & RIVALS.keys():
        python_with("rivals", PACKAGES)


if __name__ == "__main__":
    main(script)
