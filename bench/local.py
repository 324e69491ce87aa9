"""Database -> one CSV on this machine: the project's local engine against PySpark reading by JDBC.

.venv/bin/python bench/local.py --movements 1000000 --rounds 3
"""

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.databases import HOST, Database, Server  # noqa: E402
from bench.measure import STATE, Timing, alternate, content, fresh, main, run, say, table  # noqa: E402
from bench.spark import JOIN, jdbc_driver, spark_python  # noqa: E402
from merge.parts import CSV_NAME  # noqa: E402
from seed.plan import Plan  # noqa: E402

OURS, PLAIN, PARTITIONED = "movimento-flat", "PySpark", "PySpark, partitions"
OUTPUT = STATE / "output"
CORES = 2
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


def script() -> bool:
    """Measure, compare what was written, print; -> whether all wrote the same, and nothing is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--movements", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for prepare in (spark_python, jdbc_driver):
        prepare()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants = {
            OURS: partial(database.flatten, OUTPUT / OURS),
            PLAIN: partial(pyspark, database, OUTPUT / PLAIN, 1),
            PARTITIONED: partial(pyspark, database, OUTPUT / PARTITIONED, CORES),
        }
        results = alternate(contestants, arguments.rounds)
    print(f"\n{arguments.movements:,} movements; ratio: {OURS}'s median to the line's.\n")
    print(table(results), end="\n\n")
    contents = {OURS: content([OUTPUT / OURS / CSV_NAME])}
    contents |= {name: content((OUTPUT / name).glob("*.csv")) for name in (PLAIN, PARTITIONED)}
    for name, found in contents.items():
        print(f"{name}: {found}")
    same = len(set(contents.values())) == 1
    if not same:
        say("The CSVs differ.")
    return database.all_in(contents[OURS]) and same


if __name__ == "__main__":
    main(script)
