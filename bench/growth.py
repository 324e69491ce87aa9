"""Time and memory of the project on this machine, against the number of movements and how they are spread over cards.

    .venv/bin/python -m bench.growth --sizes 100000 1000000 5000000 20000000

On the flat databases all used cards are alike; on the skewed ones a card's share falls with its rank like Zipf's law
with an exponent of 0.9, and the first has about a quarter of all movements.
"""

from bench.databases import flatten_all
from bench.measure import main
from bench.session import options, record, show
from movimento_flat.sample_data.plan import Plan

SIZES = (100_000, 1_000_000, 5_000_000, 20_000_000)
SKEWS = {"flat": 1, "skewed": 10}


def script() -> bool:
    """Measure, count what was written, and print both; return whether no movement is missing."""
    parser = options(__doc__, rounds=1)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of movements")
    arguments = parser.parse_args()
    plans = {
        f"{spread} {size}": Plan(movements=size, seed=arguments.seed, skew=skew)
        for size in sorted(arguments.sizes)
        for spread, skew in SKEWS.items()
    }
    results, versions, right = flatten_all(plans, arguments.rounds)
    show(results)
    if arguments.record and right:
        record("growth", results, versions)
    return right


if __name__ == "__main__":
    main(script)
