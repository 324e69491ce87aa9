"""PostgreSQL to one CSV on this machine, beside MariaDB and PySpark by JDBC.

.venv/bin/python -m bench.postgres --movements 5000000 --rounds 3
"""

from functools import partial

from bench.content import content
from bench.databases import OUTPUT, Database, Server
from bench.local import CORES, prepare, pyspark
from bench.measure import STATE, main, say
from bench.session import Contestants, all_equal, alternate, options_of_one_size, pinned, record, show
from bench.spark import JDBC_DRIVERS, PYSPARK
from extract.server_kind import POSTGRESQL
from movimento_flat.money import Totals
from movimento_flat.sample_data.plan import Plan
from tests.postgres import PASSWORD, PostgresServer

OURS, OURS_OF_MARIADB = "PostgreSQL", "MariaDB"
SPARKS = {"PySpark": 1, "PySpark, partitions": CORES}
#: MariaDB's server, too, has as much memory for its pages as it needs.
SETTINGS = ["shared_buffers=1GB"]


def filled(server: PostgresServer, plan: Plan) -> Database:
    """Return a new database of the server with the rows of a plan."""
    database = server.new_database()
    say(f"PostgreSQL {server.version}: filled with fictitious data now.")
    admin = database.admin()
    admin.kind.fill(admin, plan, lambda rows: None)
    database.execute("VACUUM ANALYZE")
    (movements,) = database.query(
        "SELECT count(*), (coalesce(sum(vlr_transacao), 0) * 100)::bigint FROM movimento"
    )
    return Database(database.name, server.port, PASSWORD, server.process, Totals(*movements), POSTGRESQL)


def script() -> bool:
    """Measure, and compare what was written; return whether all wrote the same, and no movement is missing."""
    arguments = options_of_one_size(__doc__, optional=[OURS_OF_MARIADB, *SPARKS]).parse_args()
    plan = Plan(movements=arguments.movements, seed=arguments.seed)
    with Server() as mariadb, PostgresServer(STATE, SETTINGS) as server:
        database = filled(server, plan)
        contestants: Contestants = {
            OURS: partial(database.flatten, OUTPUT / OURS),
            OURS_OF_MARIADB: partial(mariadb.database(plan).flatten, OUTPUT / OURS_OF_MARIADB),
            **{name: partial(pyspark, database, OUTPUT / name, parts) for name, parts in SPARKS.items()},
        }
        contestants = {name: one for name, one in contestants.items() if name not in arguments.without}
        prepare(contestants, database.scheme)
        results = alternate(contestants, arguments.rounds)
        versions = mariadb.versions() | {"PostgreSQL": server.version}
    show(results, plan.movements)
    contents = {name: content((OUTPUT / name).glob("*.csv")) for name in contestants}
    right = all_equal(contents)
    right = database.all_in(contents[OURS]) and right
    if arguments.record and right:
        versions |= pinned(PYSPARK, JDBC_DRIVERS[POSTGRESQL.name])
        record("postgres", results, versions, movements=plan.movements)
    return right


if __name__ == "__main__":
    main(script)
