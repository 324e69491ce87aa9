"""What a lake costs: a run with --lake, beside one without it.

.venv/bin/python -m bench.lake --movements 5000000 --rounds 3
"""

from functools import partial
from pathlib import Path

import polars as pl

from bench.content import content
from bench.databases import OUTPUT, Database, Server
from bench.measure import Timing, fresh, main, say
from bench.session import MB, Contestants, alternate, options_of_one_size, record, show
from movimento_flat.money import Totals
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import AMOUNT

WITHOUT, WITH = "without a lake", "with a lake"
LAKE = OUTPUT / "lake"
MOST_MEMORY = 300 * MB


def with_lake(database: Database, output: Path) -> Timing:
    """Measure a run that makes a new lake."""
    return database.flatten(output, "--lake", str(fresh(LAKE)))


def script() -> bool:
    """Measure, and read the lake; return whether it has every movement, and no process had more than MOST_MEMORY."""
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
    lake = pl.scan_parquet(LAKE, hidden_file_prefix="_").select(pl.len(), pl.col(AMOUNT).sum()).collect()
    rows, total = lake.row(0)
    found = Totals(rows, int(total * 100))
    months = len(list(LAKE.glob("ano_mes=*")))
    print(f"The lake has {months} months, {found.rows:,} rows, {found.centavos:,} centavos.")
    right = database.all_in(content([OUTPUT / WITH / CSV_NAME])) and found == database.movements
    peak = max(timing.peak for timings in results.values() for timing in timings)
    if peak > MOST_MEMORY:
        say(f"A process had {peak / MB:.0f} MB.")
    if arguments.record and right:
        record("lake", results, versions, movements=arguments.movements)
    return right and peak <= MOST_MEMORY


if __name__ == "__main__":
    main(script)
