"""The extraction alone: the project's tagged TSV against mydumper's INSERT statements, with as many connections.

.venv/bin/python -m bench.extraction --movements 5000000 --rounds 3
"""

from functools import partial
from pathlib import Path

from bench import mydumper
from bench.content import movements_of_dump, movements_of_tsv
from bench.databases import OUTPUT, Database, Server
from bench.measure import Timing, fresh, main, movimento_flat, run
from bench.session import Contestants, all_equal, alternate, options_of_one_size, record, show
from extract.extraction import MOVEMENTS_FOLDER
from movimento_flat.sample_data.plan import Plan

OURS, MYDUMPER = "movimento-flat extract", "mydumper"
CONNECTIONS = 2


def extract(database: Database, output: Path) -> Timing:
    """Measure one extraction of this project."""
    command = movimento_flat("extract", "--source", str(database.source), "--to", str(fresh(output)))
    return run([*command, "--connections", str(CONNECTIONS)], database.environment, database.process)


def script() -> bool:
    """Measure, count what was written, and print both; return whether both wrote every movement."""
    arguments = options_of_one_size(__doc__, movements=5_000_000).parse_args()
    mydumper.mydumper()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants: Contestants = {
            OURS: partial(extract, database, OUTPUT / OURS),
            MYDUMPER: partial(mydumper.dump, database, OUTPUT / MYDUMPER, CONNECTIONS),
        }
        results = alternate(contestants, arguments.rounds)
        versions = {**server.versions(), MYDUMPER: mydumper.version()}
    show(results, arguments.movements)
    found = {
        OURS: movements_of_tsv((OUTPUT / OURS / MOVEMENTS_FOLDER).iterdir()),
        MYDUMPER: movements_of_dump((OUTPUT / MYDUMPER).glob(f"{database.name}.movimento.*sql")),
    }
    right = all_equal({"the database": database.movements, **found})
    if arguments.record and right:
        record("extraction", results, versions, movements=arguments.movements, connections=CONNECTIONS)
    return right


if __name__ == "__main__":
    main(script)
