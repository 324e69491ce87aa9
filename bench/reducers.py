"""The project's join on the cluster in Docker with 1, 2, 4 and 8 reduce tasks: time and memory.

    make cluster-up
    .venv/bin/python bench/reducers.py --movements 5000000

The merged files must be the same.
"""

import sys
from functools import partial
from hashlib import file_digest
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.cluster import EXCHANGE, OUTPUTS, Client, versions  # noqa: E402
from bench.cluster_join import ours, tagged_tsv  # noqa: E402
from bench.measure import fresh, main, say  # noqa: E402
from bench.sitting import Contestants, alternate, options, record, show  # noqa: E402
from movimento_flat.publish.parts import CSV_NAME, merge_parts  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402

NUMBERS = (2, 1, 4, 8)


def script() -> bool:
    """Measure, compare what was written, print; -> whether the number made no difference to it."""
    arguments = options(__doc__, movements=5_000_000, rounds=1).parse_args()
    with Client.started() as client:
        folder = tagged_tsv(client, Plan(movements=arguments.movements, seed=arguments.seed))
        outputs = {number: f"{OUTPUTS}/{number}" for number in NUMBERS}
        contestants: Contestants = {
            str(number): partial(
                client.job, ours(folder, output, "-D", f"mapreduce.job.reduces={number}"), output
            )
            for number, output in outputs.items()
        }
        say("Once, untimed.")
        next(iter(contestants.values()))()
        results = alternate(contestants, arguments.rounds)
        merged = [_merged(client.fetch(output, f"reducers_{number}")) for number, output in outputs.items()]
        found = versions(client)
    show(arguments.movements, results)
    right = all(csv == merged[0] for csv in merged)
    if not right:
        say("The merged files differ.")
    elif arguments.record:
        size = arguments.movements
        record(f"reducers_{size}", "reducers", results, found, movements=size)
    return right


def _merged(parts: Path) -> str:
    """-> SHA-256 of the CSV that is merged from parts."""
    folder = fresh(EXCHANGE / "merged")
    folder.mkdir()
    merge_parts(sorted(parts.glob("part-*")), folder)
    with (folder / CSV_NAME).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main(script)
