"""Every movement on one card against the usual spread: the memory of any process must stay the same.

.venv/bin/python bench/hot_card.py --movements 5000000
"""

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.databases import Server  # noqa: E402
from bench.measure import MB, STATE, alternate, content, main, say, table  # noqa: E402
from merge.parts import CSV_NAME  # noqa: E402
from seed.plan import Plan  # noqa: E402

SPREAD, ONE_CARD = "usual_spread", "one_card"
OUTPUT = STATE / "output"
MOST_MEMORY = 400 * MB


def script() -> bool:
    """Measure, count what was written, print; -> whether nothing is lost and no process was too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--movements", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    plans = {
        SPREAD: Plan(movements=arguments.movements, seed=arguments.seed),
        ONE_CARD: Plan(movements=arguments.movements, seed=arguments.seed, cards=1),
    }
    with Server() as server:
        databases = {name: server.database(plan) for name, plan in plans.items()}
        contestants = {name: partial(found.flatten, OUTPUT / name) for name, found in databases.items()}
        results = alternate(contestants, arguments.rounds)
    print(f"\n{arguments.movements:,} movements; ratio: that of the {SPREAD} to the line's.\n")
    print(table(results), end="\n\n")
    right = True
    for name, database in databases.items():
        found = content([OUTPUT / name / CSV_NAME])
        print(f"{name}: {found}")
        peak = max(timing.peak for timing in results[name])
        if peak > MOST_MEMORY:
            say(f"{name}: a process had {peak / MB:.0f} MB, more than {MOST_MEMORY / MB:.0f}.")
        right = right and database.all_in(found) and peak <= MOST_MEMORY
    return right


if __name__ == "__main__":
    main(script)
