"""Database -> one CSV on this machine: the project's local engine against what a user would pick instead.

.venv/bin/python bench/local.py --movements 1000000 --rounds 3
"""

import shlex
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.content import content  # noqa: E402
from bench.databases import HOST, Database, Server  # noqa: E402
from bench.environments import python_with  # noqa: E402
from bench.measure import ROOT, STATE, Timing, fresh, main, ours, run, say  # noqa: E402
from bench.sitting import Contestants, alternate, options, pinned, record, said_version, show  # noqa: E402
from bench.spark import JDBC_DRIVER, JOIN, PYSPARK, jdbc_driver, spark_python  # noqa: E402
from movimento_flat.publish.parts import CSV_NAME  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402
from movimento_flat.schema import FLAT_COLUMNS  # noqa: E402

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
TEXTBOOK = "textbook mrjob join"
#: Beyond this a contestant takes longer than all the others together, or has no room; it is left out.
MOST_MOVEMENTS = {TEXTBOOK: 1_000_000, "SQL join, PyMySQL": 5_000_000}
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
    return run(command, {**database.environment, "PYSPARK_SUBMIT_ARGS": " ".join(submit)}, database.process)


def rival(database: Database, output: Path, program: str) -> Timing:
    """One run of another program."""
    file = fresh(output) / CSV_NAME
    file.parent.mkdir()
    command = [str(python_with("rivals", PACKAGES)), str(ROOT / "bench" / "rivals.py"), program]
    place = [HOST, str(database.port), database.name, str(file)]
    return run([*command, *place], database.environment, database.process)


def textbook(database: Database, output: Path) -> Timing:
    """One run of the textbook join, of the same extraction as ours."""
    # mrjob's tasks do without blanks in the path.
    work, file = fresh(STATE / "textbook"), fresh(output) / CSV_NAME
    work.mkdir()
    output.mkdir()
    extraction = ours("extract", "--source", str(database.source), "--to", str(work / "tsv"))
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
    """Measure, compare what was written, print; -> whether all wrote the same, and nothing is missing."""
    arguments = options(__doc__).parse_args()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants: dict[str, Callable[[], Timing]] = {OURS: partial(database.flatten, OUTPUT / OURS)}
        contestants |= {
            name: partial(pyspark, database, OUTPUT / name, partitions) for name, partitions in SPARKS.items()
        }
        contestants |= {name: partial(rival, database, OUTPUT / name, key) for name, key in RIVALS.items()}
        contestants[TEXTBOOK] = partial(textbook, database, OUTPUT / TEXTBOOK)
        too_slow = {name for name, most in MOST_MOVEMENTS.items() if arguments.movements > most}
        for name in too_slow.union(arguments.without):
            contestants.pop(name, None)
        prepare(contestants)
        results = alternate(contestants, arguments.rounds)
        versions = server.versions()
    show(arguments.movements, results)
    contents = {name: content((OUTPUT / name).glob("*.csv")) for name in contestants}
    for name, found in contents.items():
        print(f"{name}: {found}")
    same = len(set(contents.values())) == 1
    if not same:
        say("The CSVs differ.")
    right = database.all_in(contents[OURS]) and same
    if arguments.record and right:
        versions |= pinned(PYSPARK, JDBC_DRIVER, *PACKAGES, f"mrjob=={version('mrjob')}")
        versions["Java"] = said_version(["java", "-version"])
        record(f"local_{arguments.movements}", "local", results, versions, movements=arguments.movements)
    return right


def prepare(contestants: Contestants) -> None:
    """Fetch what they need before any clock runs."""
    if contestants.keys() & SPARKS.keys():
        spark_python()
        jdbc_driver()
    if contestants.keys() & RIVALS.keys():
        python_with("rivals", PACKAGES)


if __name__ == "__main__":
    main(script)
