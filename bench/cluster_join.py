"""The join alone, from tagged TSV in HDFS, on the cluster in Docker: the project's job against PySpark, both on YARN.

    make cluster-up
    .venv/bin/python bench/cluster_join.py --movements 5000000 --rounds 3

Beside them one sort of the movements by a streaming job that does nothing else. Each runs once before the rounds,
untimed: files are then in the page cache, and Spark's jars on the nodes.
"""

import sys
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.cluster import EXCHANGE, FOLDER, OUTPUTS, Client, pyspark, versions  # noqa: E402
from bench.content import content, lines  # noqa: E402
from bench.databases import Server  # noqa: E402
from bench.measure import fresh, main, say  # noqa: E402
from bench.sitting import Contestants, alternate, options, pinned, record, show  # noqa: E402
from bench.spark import PYSPARK  # noqa: E402
from extract.extraction import MOVEMENTS_FOLDER, extract  # noqa: E402
from extract.hdfs_sink import HdfsSink  # noqa: E402
from extract.sink import FolderSink  # noqa: E402
from movimento_flat.publish.parts import CSV_NAME, merge_parts  # noqa: E402
from movimento_flat.sample_data.plan import Plan  # noqa: E402

OURS, BROADCAST, SORT_MERGE, SORT = (
    "movimento-flat",
    "PySpark, broadcast",
    "PySpark, sort-merge",
    "identity sort",
)
CONNECTIONS = 2
STREAMING = "/opt/hadoop/lib/hadoop-streaming-3.4.2.jar"


def ours(tagged_tsv: str, output: str, *more: str) -> list[str]:
    """The project's join on YARN, as a command in the client's container."""
    return ["movimento-flat", "join", "--from", tagged_tsv, "--to", output, "--profile", *more]


def identity_sort(tagged_tsv: str, output: str) -> list[str]:
    """One streaming job on the movements alone, sorted by their id: its settings are the cluster's, as for ours."""
    by_id = ["-D", "stream.num.map.output.key.fields=2"]
    paths = ["-input", f"{tagged_tsv}/{MOVEMENTS_FOLDER}", "-output", output]
    return ["hadoop", "jar", STREAMING, *by_id, *paths, "-mapper", "cat", "-reducer", "cat"]


def tagged_tsv(client: Client, plan: Plan) -> str:
    """The folder in HDFS of a plan's tagged TSV, in files as the project's extraction makes them; once."""
    name = f"tagged_tsv_{plan.movements}_{plan.seed}"
    if not client.has(f"{FOLDER}/{name}") or not (EXCHANGE / name).exists():
        say("Tagged TSV: extracted and copied into HDFS now, once.")
        client.remove(f"{FOLDER}/{name}")
        folder = fresh(EXCHANGE / name)
        with Server() as server:
            extract(server.database(plan).source, SinkAsHdfs(folder), CONNECTIONS, say)
        client.upload(folder, f"{FOLDER}/{name}")
    return f"{FOLDER}/{name}"


class SinkAsHdfs(FolderSink):
    """A folder of this machine with files as large as those that go to HDFS."""

    file_bytes = HdfsSink.file_bytes


def script() -> bool:
    """Measure, compare what was written, print; -> whether all wrote the same, and nothing is missing."""
    arguments = options(__doc__, movements=5_000_000).parse_args()
    with Client.started() as client:
        folder = tagged_tsv(client, Plan(movements=arguments.movements, seed=arguments.seed))
        outputs = {name: f"{OUTPUTS}/{number}" for number, name in enumerate(_COMMANDS)}
        contestants: Contestants = {
            name: partial(client.job, command(folder, outputs[name]), outputs[name])
            for name, command in _COMMANDS.items()
            if name not in arguments.without
        }
        say("Each once, untimed.")
        for contestant in contestants.values():
            contestant()
        results = alternate(contestants, arguments.rounds)
        fetched = {name: client.fetch(outputs[name], f"fetched_{n}") for n, name in enumerate(contestants)}
        found = versions(client) | pinned(PYSPARK)
    show(arguments.movements, results)
    right = _all_equal(fetched, arguments.movements, EXCHANGE / Path(folder).name / MOVEMENTS_FOLDER)
    if arguments.record and right:
        name = "cluster_join"
        size, tsv = arguments.movements, (EXCHANGE / Path(folder).name / MOVEMENTS_FOLDER).iterdir()
        bytes_in = sum(file.stat().st_size for file in tsv)
        bytes_out = (EXCHANGE / "merged" / CSV_NAME).stat().st_size
        facts = {"movements": size, "movements_bytes": bytes_in, "csv_bytes": bytes_out}
        record(f"{name}_{size}", name, results, found, **facts)
    return right


_COMMANDS = {
    OURS: ours,
    BROADCAST: lambda tsv, output: pyspark("tsv", tsv, output),
    SORT_MERGE: lambda tsv, output: pyspark(
        "tsv", tsv, output, "--sort-merge", **{"spark.sql.autoBroadcastJoinThreshold": "-1"}
    ),
    SORT: identity_sort,
}


def _all_equal(fetched: dict[str, Path], movements: int, sorted_input: Path) -> bool:
    """Whether all joined the same rows, and the sort has lost none of its own."""
    merged = fresh(EXCHANGE / "merged")
    merged.mkdir()
    merge_parts(sorted(fetched[OURS].glob("part-*")), merged)
    contents = {OURS: content([merged / CSV_NAME])}
    for name in fetched.keys() & {BROADCAST, SORT_MERGE}:
        contents[name] = content(sorted(fetched[name].glob("*.csv")))
    for name, found in contents.items():
        print(f"{name}: {found}")
    same = len(set(contents.values())) == 1 and contents[OURS].rows == movements
    if not same:
        say("The results differ.")
    if SORT in fetched:
        sorted_lines, input_lines = lines(fetched[SORT].glob("part-*")), lines(sorted_input.iterdir())
        print(f"{SORT}: {sorted_lines[0]:,} lines")
        if sorted_lines != input_lines:
            say(f"The sort was given {input_lines[0]:,} lines, or others.")
            return False
    return same


if __name__ == "__main__":
    main(script)
