"""The join alone, from tagged TSV in HDFS, on the cluster in Docker: the project's job against PySpark, both on YARN.

    make cluster-up
    .venv/bin/python -m bench.cluster_join --movements 5000000 --rounds 3

Beside them one sort of the movements by a streaming job that does nothing else. Each runs once before the rounds,
untimed: files are then in the page cache, and Spark's jars on the nodes.
"""

from functools import partial
from pathlib import Path

from bench.cluster import EXCHANGE, FOLDER, OUTPUTS, Client, merged, pyspark, versions
from bench.content import content, lines
from bench.databases import Server
from bench.measure import fresh, main, say
from bench.session import Contestants, all_equal, alternate, options_of_one_size, pinned, record, show
from bench.spark import PYSPARK
from extract.extraction import MOVEMENTS_FOLDER, extract
from extract.hdfs_sink import HdfsSink
from extract.sink import FolderSink
from movimento_flat.sample_data.plan import Plan

OURS, BROADCAST, SORT_MERGE, SORT = (
    "movimento-flat",
    "PySpark, broadcast",
    "PySpark, sort-merge",
    "identity sort",
)
CONNECTIONS = 2
STREAMING = "/opt/hadoop/lib/hadoop-streaming-3.4.2.jar"


def join_command(tagged_tsv: str, output: str, *more: str) -> list[str]:
    """Return the project's join on YARN, as a command in the client's container."""
    return ["movimento-flat", "join", "--from", tagged_tsv, "--to", output, "--profile", *more]


def identity_sort(tagged_tsv: str, output: str) -> list[str]:
    """Return one streaming job that sorts the movements by their id, with the cluster's settings as ours has them."""
    by_id = ["-D", "stream.num.map.output.key.fields=2"]
    paths = ["-input", f"{tagged_tsv}/{MOVEMENTS_FOLDER}", "-output", output]
    return ["hadoop", "jar", STREAMING, *by_id, *paths, "-mapper", "cat", "-reducer", "cat"]


def tagged_tsv(client: Client, plan: Plan) -> str:
    """Return the folder in HDFS of a plan's tagged TSV; the project's extraction makes it at the first call."""
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
    """Measure, and compare what was written; return whether all wrote the same, and no movement is missing."""
    arguments = options_of_one_size(__doc__, movements=5_000_000, optional=list(_COMMANDS)[1:]).parse_args()
    with Client.started() as client:
        folder = tagged_tsv(client, Plan(movements=arguments.movements, seed=arguments.seed))
        outputs = {name: f"{OUTPUTS}/{number}" for number, name in enumerate(_COMMANDS)}
        contestants: Contestants = {
            name: partial(client.job, command(folder, outputs[name]), outputs[name])
            for name, command in _COMMANDS.items()
            if name not in arguments.without
        }
        results = alternate(contestants, arguments.rounds, warm_up=True)
        fetched = {name: client.fetch(outputs[name], f"fetched_{n}") for n, name in enumerate(contestants)}
        found = versions(client) | pinned(PYSPARK)
    show(results, arguments.movements)
    csv = merged(fetched[OURS])
    tsv = EXCHANGE / Path(folder).name / MOVEMENTS_FOLDER
    right = _are_right(fetched, csv, arguments.movements, tsv)
    if arguments.record and right:
        facts = {
            "movements": arguments.movements,
            "movements_bytes": sum(file.stat().st_size for file in tsv.iterdir()),
            "csv_bytes": csv.stat().st_size,
        }
        record("cluster_join", results, found, **facts)
    return right


_COMMANDS = {
    OURS: join_command,
    BROADCAST: lambda tsv, output: pyspark("tsv", tsv, output),
    SORT_MERGE: lambda tsv, output: pyspark(
        "tsv", tsv, output, "--sort-merge", **{"spark.sql.autoBroadcastJoinThreshold": "-1"}
    ),
    SORT: identity_sort,
}


def _are_right(fetched: dict[str, Path], csv: Path, movements: int, sorted_input: Path) -> bool:
    """Return whether all joined the same rows, one for each movement, and the sort has lost no line."""
    contents = {OURS: content([csv])}
    for name in fetched.keys() & {BROADCAST, SORT_MERGE}:
        contents[name] = content(sorted(fetched[name].glob("*.csv")))
    right = all_equal(contents)
    if contents[OURS].rows != movements:
        say(f"There are {movements:,} movements.")
        right = False
    if SORT in fetched:
        sorted_lines, input_lines = lines(fetched[SORT].glob("part-*")), lines(sorted_input.iterdir())
        print(f"{SORT}: {sorted_lines[0]:,} lines")
        if sorted_lines != input_lines:
            say(f"The sort was given {input_lines[0]:,} lines, or others.")
            right = False
    return right


if __name__ == "__main__":
    main(script)
