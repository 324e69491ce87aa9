"""Every movement on one card against the usual spread: the memory of any process must stay the same.

.venv/bin/python bench/hot_card.py --movements 5000000
"""

import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.content import content  # noqa: E402
from bench.databases import Server  # noqa: E402
from bench.measure import STATE, main, say  # noqa: E402
from bench.sitting import MB, alternate, options, record, show  # noqa: E402
from movimento_flat.publish.parts import CSV_NAME  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402

SPREAD, ONE_CARD = "usual_spread", "one_card"
OUTPUT = STATE / "output"
MOST_MEMORY = 400 * MB


def script() -> bool:
    """Measure, count what was written, print; -> whether nothing is lost and no process was too large."""
    arguments = options(__doc__, movements=5_000_000, rounds=1).parse_args()
    plans = {
        SPREAD: Plan(movements=arguments.movements, seed=arguments.seed),
        ONE_CARD: Plan(movements=arguments.movements, seed=arguments.seed, cards=1),
    }
    with Server() as server:
        databases = {name: server.database(plan) for name, plan in plans.items()}
        contestants = {name: partial(found.flatten, OUTPUT / name) for name, found in databases.items()}
        results = alternate(contestants, arguments.rounds)
        versions = server.versions()
    show(arguments.movements, results)
    right = True
    for name, database in databases.items():
        found = content([OUTPUT / name / CSV_NAME])
        print(f"{name}: {found}")
        peak = max(timing.peak for timing in results[name])
        if peak > MOST_MEMORY:
            say(f"{name}: a process had {peak / MB:.0f} MB, more than {MOST_MEMORY / MB:.0f}.")
        right = right and database.all_in(found) and peak <= MOST_MEMORY
    if arguments.record and right:
        size = arguments.movements
        record(f"hot_card_{size}", "hot_card", results, versions, movements=size)
    return right


if __name__ == "__main__":
    main(script)
