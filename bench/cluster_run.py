"""Database to one CSV on the cluster in Docker: what `make run ENGINE=docker` does against PySpark on the same YARN.

    make cluster-up
    .venv/bin/python -m bench.cluster_run --movements 1000000 --rounds 3

Both read the cluster's own database, and leave one file on this machine. Each runs once before the rounds, untimed.
"""

import shlex
from functools import partial

from bench.cluster import EXCHANGE, EXCHANGE_THERE, EXECUTORS, OUTPUTS, SECRETS, Client, pyspark, versions
from bench.content import content
from bench.measure import Timing, fresh, main, say
from bench.session import Contestants, all_equal, alternate, options_of_one_size, pinned, record, show
from bench.spark import JDBC_DRIVER, PYSPARK
from movimento_flat.cli.fictitious import database_name
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.sql_files import READER

OURS, PYSPARK_RUN = "movimento-flat", "PySpark, partitions"
SERVER = "database:3306"
PARTS = f"{OUTPUTS}/csv_parts"


def run_ours(client: Client, database: str) -> Timing:
    """Measure one run of this project, in a client's container as `make run` starts it."""
    output = fresh(EXCHANGE / OURS)
    command = ["movimento-flat", "run", "--engine", "hadoop", "--tls", "off", "--profile"]
    command += ["--source", f"mysql://{READER}@{SERVER}/{database}"]
    command += ["--output", f"{EXCHANGE_THERE}/{output.name}"]
    return client.run(*command, environment=_password())


def run_pyspark(client: Client, database: str) -> Timing:
    """Measure one run of PySpark: both executors write parts to HDFS, then one file is made, its header first."""
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
    """Measure, and compare what was written; return whether both wrote the same, and no movement is missing."""
    arguments = options_of_one_size(__doc__).parse_args()
    plan = Plan(movements=arguments.movements, seed=arguments.seed)
    database = database_name(plan)
    with Client.started() as client:
        client.run("movimento-flat", "seed", "--movements", str(plan.movements), "--seed", str(plan.seed))
        contestants: Contestants = {
            OURS: partial(run_ours, client, database),
            PYSPARK_RUN: partial(run_pyspark, client, database),
        }
        results = alternate(contestants, arguments.rounds, warm_up=True)
        found = versions(client) | pinned(PYSPARK, JDBC_DRIVER)
    show(results, plan.movements)
    contents = {
        OURS: content([EXCHANGE / OURS / CSV_NAME]),
        PYSPARK_RUN: content([EXCHANGE / "pyspark" / CSV_NAME]),
    }
    right = all_equal(contents)
    if contents[OURS].rows != plan.movements:
        say(f"The database has {plan.movements:,} movements.")
        right = False
    if arguments.record and right:
        record("cluster_run", results, found, movements=plan.movements)
    return right


if __name__ == "__main__":
    main(script)
