"""Every movement on one card against the default spread: no process may need more memory for it.

.venv/bin/python -m bench.hot_card --movements 5000000
"""

from bench.databases import flatten_all
from bench.measure import main, say
from bench.session import MB, options_of_one_size, record, show
from movimento_flat.sample_data.plan import Plan

SPREAD, ONE_CARD = "usual_spread", "one_card"
MOST_MEMORY = 400 * MB


def script() -> bool:
    """Measure, count what was written, and print both.

    Return whether no movement is missing and no process had more than MOST_MEMORY.
    """
    arguments = options_of_one_size(__doc__, movements=5_000_000, rounds=1).parse_args()
    size = arguments.movements
    plans = {
        SPREAD: Plan(movements=size, seed=arguments.seed),
        ONE_CARD: Plan(movements=size, seed=arguments.seed, cards=1),
    }
    results, versions, right = flatten_all(plans, arguments.rounds)
    show(results, size)
    for name, timings in results.items():
        peak = max(timing.peak for timing in timings)
        if peak > MOST_MEMORY:
            say(f"{name}: a process had {peak / MB:.0f} MB, more than {MOST_MEMORY / MB:.0f}.")
            right = False
    if arguments.record and right:
        record("hot_card", results, versions, movements=size)
    return right


if __name__ == "__main__":
    main(script)
