"""The extraction alone: the project's tagged TSV against mydumper's INSERT statements, with as many connections.

.venv/bin/python bench/extraction.py --movements 5000000 --rounds 3
"""

import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench import mydumper  # noqa: E402
from bench.content import movements_of_dump, movements_of_tsv  # noqa: E402
from bench.databases import Database, Server  # noqa: E402
from bench.measure import STATE, Timing, fresh, main, ours, run, say  # noqa: E402
from bench.sitting import Contestants, alternate, options, record, show  # noqa: E402
from extract.extraction import MOVEMENTS_FOLDER  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402

OURS, MYDUMPER = "movimento-flat extract", "mydumper"
OUTPUT = STATE / "output"
CONNECTIONS = 2


def extract(database: Database, output: Path) -> Timing:
    """One run of ours."""
    command = ours("extract", "--source", str(database.source), "--to", str(fresh(output)))
    return run([*command, "--connections", str(CONNECTIONS)], database.environment, database.process)


def script() -> bool:
    """Measure, count what was written, print; -> whether both wrote every movement."""
    arguments = options(__doc__, movements=5_000_000).parse_args()
    mydumper.mydumper()
    with Server() as server:
        database = server.database(Plan(movements=arguments.movements, seed=arguments.seed))
        contestants: Contestants = {
            OURS: partial(extract, database, OUTPUT / OURS),
            MYDUMPER: partial(mydumper.dump, database, OUTPUT / MYDUMPER, CONNECTIONS),
        }
        results = alternate(contestants, arguments.rounds)
        versions = {**server.versions(), MYDUMPER: mydumper.version()}
    show(arguments.movements, results)
    found = {
        OURS: movements_of_tsv((OUTPUT / OURS / MOVEMENTS_FOLDER).iterdir()),
        MYDUMPER: movements_of_dump((OUTPUT / MYDUMPER).glob(f"{database.name}.movimento.*sql")),
    }
    for name, movements in found.items():
        print(f"{name}: {movements}")
    right = set(found.values()) == {database.movements}
    if not right:
        say(f"The database has {database.movements}.")
    elif arguments.record:
        name, size = "extraction", arguments.movements
        record(f"{name}_{size}", name, results, versions, movements=size, connections=CONNECTIONS)
    return right


if __name__ == "__main__":
    main(script)
