"""Database to one CSV on this machine: the project's local engine against what a user would pick instead.

.venv/bin/python -m bench.local --movements 1000000 --rounds 3
"""

import shlex
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bench.content import content
from bench.databases import HOST, OUTPUT, Database, Server
from bench.environments import python_with
from bench.measure import ROOT, STATE, Timing, fresh, main, movimento_flat, run
from bench.session import (
    Contestants,
    all_equal,
    alternate,
    options_of_one_size,
    pinned,
    record,
    said_version,
    show,
)
from bench.spark import JDBC_DRIVER, JDBC_DRIVERS, JOIN, PYSPARK, jdbc_driver, spark_python
from extract.server_kind import MYSQL, Scheme
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import FLAT_COLUMNS

OURS = "movimento-flat"
#: Contestants by the names that bench/baselines.py has for them.
BASELINES = {"DuckDB": "duckdb", "ConnectorX + Polars": "polars", "SQL join, PyMySQL": "sql"}
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
TEXTBOOK = "textbook mrjob join"
#: With more movements a contestant takes longer than all the others together, or has no room; it is left out.
MOST_MOVEMENTS = {TEXTBOOK: 1_000_000, "SQL join, PyMySQL": 5_000_000}
CORES = 2
#: By contestant: partitions of the movements.
SPARKS = {"PySpark": 1, "PySpark, partitions": CORES}
#: The tables' times have no zone, so none may be applied to them.
JAVA_OPTIONS = "-Duser.timezone=UTC"


def pyspark(database: Database, output: Path, partitions: int) -> Timing:
    """Measure one run of PySpark on this machine."""
    submit = [
        f"--master local[{CORES}]",
        f"--jars {jdbc_driver(JDBC_DRIVERS[database.scheme.name])}",
        "--driver-memory 4g",
        f"--driver-java-options {JAVA_OPTIONS}",
        "--conf spark.ui.enabled=false",
        "pyspark-shell",
    ]
    command = [str(spark_python()), str(JOIN), "jdbc", database.jdbc, str(fresh(output))]
    command += [f"--partitions={partitions}"]
    return run(command, {**database.environment, "PYSPARK_SUBMIT_ARGS": " ".join(submit)}, database.process)


def baseline(database: Database, output: Path, program: str) -> Timing:
    """Measure one run of a program of bench/baselines.py."""
    file = fresh(output) / CSV_NAME
    file.parent.mkdir()
    command = [str(python_with("baselines", PACKAGES)), str(ROOT / "bench" / "baselines.py"), program]
    command += [HOST, str(database.port), database.name, str(file)]
    return run(command, database.environment, database.process)


def textbook(database: Database, output: Path) -> Timing:
    """Measure one run of the textbook join, with the project's extraction."""
    # mrjob's tasks allow no blank in the path.
    work, file = fresh(STATE / "textbook"), fresh(output) / CSV_NAME
    work.mkdir()
    output.mkdir()
    extraction = movimento_flat("extract", "--source", str(database.source), "--to", str(work / "tsv"))
    join = [sys.executable, str(ROOT / "bench" / "textbook_join.py"), "-r", "local", "--no-conf", "--quiet"]
    join += [f"--num-cores={CORES}", f"--local-tmp-dir={work}"]
    commands = f"""
        set -e
        {shlex.join(extraction)}
        echo {",".join(FLAT_COLUMNS)} >{shlex.quote(str(file))}
        {shlex.join(join)} {shlex.quote(str(work / "tsv"))}/*/*.tsv >>{shlex.quote(str(file))}
    """
    return run(["sh", "-c", commands], database.environment, database.process)


def script() -> bool:
    """Measure, and compare what was written; return whether all wrote the same, and no movement is missing."""
    arguments = options_of_one_size(__doc__, optional=[*SPARKS, *BASELINES, TEXTBOOK]).parse_args()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants: dict[str, Callable[[], Timing]] = {OURS: partial(database.flatten, OUTPUT / OURS)}
        contestants |= {
            name: partial(pyspark, database, OUTPUT / name, partitions) for name, partitions in SPARKS.items()
        }
        contestants |= {
            name: partial(baseline, database, OUTPUT / name, key) for name, key in BASELINES.items()
        }
        contestants[TEXTBOOK] = partial(textbook, database, OUTPUT / TEXTBOOK)
        too_slow = {name for name, most in MOST_MOVEMENTS.items() if arguments.movements > most}
        for name in too_slow.union(arguments.without):
            contestants.pop(name, None)
        prepare(contestants)
        results = alternate(contestants, arguments.rounds)
        versions = server.versions()
    show(results, arguments.movements)
    contents = {name: content((OUTPUT / name).glob("*.csv")) for name in contestants}
    right = all_equal(contents)
    right = database.all_in(contents[OURS]) and right
    if arguments.record and right:
        versions |= pinned(PYSPARK, JDBC_DRIVER, *PACKAGES, f"mrjob=={version('mrjob')}")
        versions["Java"] = said_version(["java", "-version"])
        record("local", results, versions, movements=arguments.movements)
    return right


def prepare(contestants: Contestants, scheme: Scheme = MYSQL) -> None:
    """Fetch what the contestants need, before any clock runs."""
    if contestants.keys() & SPARKS.keys():
        spark_python()
        jdbc_driver(JDBC_DRIVERS[scheme.name])
    if contestants.keys() & BASELINES.keys():
        python_with("baselines", PACKAGES)


if __name__ == "__main__":
    main(script)
