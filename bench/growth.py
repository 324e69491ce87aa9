"""Time and memory of the project on this machine, against the number of movements and how they are spread over cards.

    .venv/bin/python bench/growth.py --sizes 100000 1000000 5000000 20000000

On the flat databases all used cards are alike; on the skewed ones a card's share falls with its rank like Zipf's law
with an exponent of 0.9, and the first has about a quarter of all movements.
"""

import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.content import content  # noqa: E402
from bench.databases import Server  # noqa: E402
from bench.measure import STATE, main  # noqa: E402
from bench.sitting import Contestants, alternate, options, record, table  # noqa: E402
from movimento_flat.publish.parts import CSV_NAME  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402

SIZES = (100_000, 1_000_000, 5_000_000, 20_000_000)
SKEWS = {"flat": 1, "skewed": 10}
OUTPUT = STATE / "output"


def script() -> bool:
    """Measure, count what was written, print; -> whether nothing is missing."""
    parser = options(__doc__, rounds=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="in the place of --movements")
    arguments = parser.parse_args()
    with Server() as server:
        databases = {
            f"{spread} {size}": server.database(Plan(movements=size, seed=arguments.seed, skew=skew))
            for size in sorted(arguments.sizes)
            for spread, skew in SKEWS.items()
        }
        contestants: Contestants = {
            name: partial(database.flatten, OUTPUT / name.replace(" ", "_"))
            for name, database in databases.items()
        }
        results = alternate(contestants, arguments.rounds)
        versions = server.versions()
    print(f"\nRatio: seconds of the first line to the line's.\n\n{table(results)}\n")
    right = True
    for name, database in databases.items():
        found = content([OUTPUT / name.replace(" ", "_") / CSV_NAME])
        print(f"{name}: {found}")
        right = database.all_in(found) and right
    if arguments.record and right:
        record("growth", "growth", results, versions)
    return right


if __name__ == "__main__":
    main(script)
