"""Database -> one CSV on the cluster in Docker: what `make run ENGINE=docker` does against PySpark on the same YARN.

    make cluster-up
    .venv/bin/python bench/cluster_run.py --movements 1000000 --rounds 3

Both read the cluster's own database, and leave one file on this machine. Each runs once before the rounds, untimed.
"""

import shlex
import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.cluster import EXCHANGE, EXCHANGE_THERE, EXECUTORS, OUTPUTS, SECRETS, Client, pyspark, versions  # noqa: E402
from bench.content import content  # noqa: E402
from bench.measure import Timing, fresh, main, say  # noqa: E402
from bench.sitting import Contestants, alternate, options, pinned, record, show  # noqa: E402
from bench.spark import JDBC_DRIVER, PYSPARK  # noqa: E402
from movimento_flat.cli.fictitious import database_name  # noqa: E402
from movimento_flat.publish.parts import CSV_NAME  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402
from movimento_flat.schema import FLAT_COLUMNS  # noqa: E402
from movimento_flat.sql_files import READER  # noqa: E402

OURS, PYSPARK_RUN = "movimento-flat", "PySpark, partitions"
SERVER = "database:3306"
PARTS = f"{OUTPUTS}/csv_parts"


def ours(client: Client, database: str) -> Timing:
    """One run, in a client's container as `make run` starts it."""
    output = fresh(EXCHANGE / OURS)
    command = [
        "movimento-flat",
        "run",
        "--engine",
        "hadoop",
        "--source",
        f"mysql://{READER}@{SERVER}/{database}",
    ]
    return client.run(
        *command,
        "--tls",
        "off",
        "--output",
        f"{EXCHANGE_THERE}/{output.name}",
        "--profile",
        environment=_password(),
    )


def pyspark_run(client: Client, database: str) -> Timing:
    """One run: parts in HDFS, written by both executors, then one file of them; their header comes first."""
    output = fresh(EXCHANGE / "pyspark")
    output.mkdir()
    client.remove(PARTS)
    url = f"jdbc:mysql://{SERVER}/{database}?permitMysqlScheme"
    join = pyspark("jdbc", url, PARTS, "--partitions", str(EXECUTORS), "--parts")
    commands = f"""
        set -e
        {shlex.join(join)}
        echo {",".join(FLAT_COLUMNS)} >{output.name}/{CSV_NAME}
        hadoop fs -cat '{PARTS}/part-*' >>{output.name}/{CSV_NAME}
    """
    return client.run("sh", "-c", commands, environment=_password())


def _password() -> dict[str, str]:
    return {"MYSQL_PWD": (SECRETS / "reader_password").read_text().strip()}


def script() -> bool:
    """Measure, compare what was written, print; -> whether both wrote the same, and nothing is missing."""
    arguments = options(__doc__).parse_args()
    plan = Plan(movements=arguments.movements, seed=arguments.seed)
    database = database_name(plan)
    with Client.started() as client:
        client.run("movimento-flat", "seed", "--movements", str(plan.movements), "--seed", str(plan.seed))
        contestants: Contestants = {
            OURS: partial(ours, client, database),
            PYSPARK_RUN: partial(pyspark_run, client, database),
        }
        say("Each once, untimed.")
        for contestant in contestants.values():
            contestant()
        results = alternate(contestants, arguments.rounds)
        found = versions(client) | pinned(PYSPARK, JDBC_DRIVER)
    show(arguments.movements, results)
    contents = {
        OURS: content([EXCHANGE / OURS / CSV_NAME]),
        PYSPARK_RUN: content([EXCHANGE / "pyspark" / CSV_NAME]),
    }
    for name, written in contents.items():
        print(f"{name}: {written}")
    right = len(set(contents.values())) == 1 and contents[OURS].rows == plan.movements
    if not right:
        say("The results differ.")
    elif arguments.record:
        name = "cluster_run"
        record(f"{name}_{plan.movements}", name, results, found, movements=plan.movements)
    return right


if __name__ == "__main__":
    main(script)
