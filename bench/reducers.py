"""The project's join on the cluster in Docker with 1, 2, 4 and 8 reduce tasks: time and memory.

    make cluster-up
    .venv/bin/python -m bench.reducers --movements 5000000

The merged files must be the same.
"""

from functools import partial
from hashlib import file_digest
from pathlib import Path

from bench.cluster import OUTPUTS, Client, merged, versions
from bench.cluster_join import join_command, tagged_tsv
from bench.measure import main
from bench.session import Contestants, all_equal, alternate, options_of_one_size, record, show
from movimento_flat.sample_data.plan import Plan

NUMBERS = (2, 1, 4, 8)


def script() -> bool:
    """Measure, and compare what was written; return whether it is the same by any number of tasks."""
    arguments = options_of_one_size(__doc__, movements=5_000_000, rounds=1).parse_args()
    with Client.started() as client:
        folder = tagged_tsv(client, Plan(movements=arguments.movements, seed=arguments.seed))
        outputs = {str(number): f"{OUTPUTS}/{number}" for number in NUMBERS}
        contestants: Contestants = {
            number: partial(
                client.job, join_command(folder, output, "-D", f"mapreduce.job.reduces={number}"), output
            )
            for number, output in outputs.items()
        }
        results = alternate(contestants, arguments.rounds, warm_up=True)
        digests = {
            number: _sha256(merged(client.fetch(output, f"reducers_{number}")))
            for number, output in outputs.items()
        }
        found = versions(client)
    show(results, arguments.movements)
    right = all_equal(digests)
    if arguments.record and right:
        record("reducers", results, found, movements=arguments.movements)
    return right


def _sha256(csv: Path) -> str:
    with csv.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main(script)
