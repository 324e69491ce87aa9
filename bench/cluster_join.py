"""The join alone, from tagged TSV in HDFS, on the cluster in Docker: the project's job against PySpark, both on YARN.

    make cluster-up
    .venv/bin/python bench/cluster_join.py --movements 5000000 --rounds 3

Each runs once before the rounds, untimed: files are then in the page cache, and Spark's jars on the nodes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.databases import Server  # noqa: E402
from bench.measure import STATE, Timing, alternate, content, fresh, main, run, say, table  # noqa: E402
from bench.spark import JOIN, spark_packages  # noqa: E402
from extract.extraction import extract  # noqa: E402
from extract.hdfs_sink import HdfsSink  # noqa: E402
from extract.sink import FolderSink  # noqa: E402
from merge.parts import CSV_NAME, merge_parts  # noqa: E402
from movimento_flat.errors import UserError  # noqa: E402
from seed.plan import Plan  # noqa: E402

OURS, PYSPARK = "movimento-flat", "PySpark"
PROJECT = os.environ.get("COMPOSE_PROJECT_NAME", "movimento-flat")
IMAGE = "movimento-flat"
CLIENT = f"{PROJECT}-bench"
#: In HDFS; under /tmp, since YARN shares files among applications only where everybody may read them.
FOLDER = "hdfs:///tmp/movimento-flat-bench"
SPARK_JARS = f"{FOLDER}/spark-jars.zip"
#: The same in this folder here and in the client's container.
EXCHANGE = STATE / "cluster"
EXCHANGE_THERE = "/state"
SPARK_THERE = "/spark"

CONNECTIONS = 2
EXECUTORS = 2
#: Two executors of one core, as large as the cluster's two nodes of 1,280 MB let them be. Ours asks for two tasks
#: of 768 MB and an ApplicationMaster of 512 MB.
SPARK_SETTINGS = {
    "spark.executor.instances": EXECUTORS,
    "spark.executor.cores": 1,
    "spark.executor.memory": "896m",
    "spark.executor.memoryOverhead": "128m",
    "spark.yarn.am.memory": "128m",
    "spark.yarn.am.memoryOverhead": "128m",
    "spark.yarn.archive": SPARK_JARS,
    "spark.yarn.report.interval": "200ms",
    "spark.ui.enabled": "false",
}


def project_join(tagged_tsv: str, output: str) -> list[str]:
    """The project's join on YARN, as a command in the client's container."""
    return ["movimento-flat", "join", "--from", tagged_tsv, "--to", output]


def pyspark_join(tagged_tsv: str, output: str) -> list[str]:
    """The same by PySpark."""
    settings = " ".join(f"--conf {name}={value}" for name, value in SPARK_SETTINGS.items())
    submit = f"PYSPARK_SUBMIT_ARGS=--master yarn --deploy-mode client {settings} pyspark-shell"
    path = f"PYTHONPATH={SPARK_THERE}/site-packages"
    return ["env", path, submit, "python3", f"{SPARK_THERE}/{JOIN.name}", "tsv", tagged_tsv, output]


class Client:
    """A container beside the cluster, in which commands run as this user."""

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Client"]:
        """Start it, and remove it at the end. The label tells hadoop-docker/cluster that the cluster is in use."""
        EXCHANGE.mkdir(parents=True, exist_ok=True)
        mounts = {EXCHANGE: EXCHANGE_THERE, spark_packages(): f"{SPARK_THERE}/site-packages:ro"}
        mounts[JOIN] = f"{SPARK_THERE}/{JOIN.name}:ro"
        options = ["--detach", "--init", f"--name={CLIENT}", f"--network={PROJECT}_default"]
        options += [f"--label=movimento-flat.client={PROJECT}", "--security-opt=label=disable"]
        options += [f"--env=CLIENT_UID={os.getuid()}", f"--env=CLIENT_GID={os.getgid()}"]
        options += [f"--volume={here}:{there}" for here, there in mounts.items()]
        options += [f"--workdir={EXCHANGE_THERE}", "--entrypoint=sleep"]
        _docker("rm", "--force", CLIENT)
        if not _docker("run", *options, IMAGE, "infinity"):
            raise UserError("The client's container does not start.", "Start the cluster: make cluster-up")
        try:
            yield cls()
        finally:
            _docker("rm", "--force", CLIENT)

    def run(self, *command: str) -> Timing:
        """Run a command as the project's client does, and time it."""
        return run(["docker", "exec", CLIENT, "client", *command])

    def has(self, path: str) -> bool:
        """Whether there is such a path in HDFS."""
        return _docker("exec", CLIENT, "client", "hadoop", "fs", "-test", "-e", path)

    def upload(self, local: Path, path: str) -> None:
        """Copy a file or folder of EXCHANGE into HDFS; it has its name when it is complete."""
        there = f"{EXCHANGE_THERE}/{local.relative_to(EXCHANGE)}"
        unfinished = f"{path}.unfinished"
        self.run("hadoop", "fs", "-rm", "-r", "-f", "-skipTrash", unfinished)
        self.run("hadoop", "fs", "-mkdir", "-p", FOLDER)
        self.run("hadoop", "fs", "-put", there, unfinished)
        self.run("hadoop", "fs", "-mv", unfinished, path)

    def join(self, command: list[str], output: str) -> Timing:
        """Time a join; what an earlier one has left in its output's place is removed before."""
        self.run("hadoop", "fs", "-rm", "-r", "-f", "-skipTrash", output)
        return self.run(*command)

    def fetch(self, path: str, name: str) -> Path:
        """Copy a folder out of HDFS, into EXCHANGE."""
        folder = fresh(EXCHANGE / name)
        self.run("hadoop", "fs", "-get", path, f"{EXCHANGE_THERE}/{name}")
        return folder


def _docker(*arguments: str) -> bool:
    docker = shutil.which("docker")
    if not docker:
        raise UserError("There is no docker command on this machine.", "Install Docker.")
    return subprocess.run([docker, *arguments], capture_output=True, check=False).returncode == 0


def tagged_tsv(client: Client, plan: Plan) -> str:
    """The folder in HDFS of a plan's tagged TSV, in files as the project's extraction makes them; once."""
    name = f"tagged_tsv_{plan.movements}_{plan.seed}"
    if not client.has(f"{FOLDER}/{name}"):
        say("Tagged TSV: extracted and copied into HDFS now, once.")
        folder = fresh(EXCHANGE / name)
        with Server() as server:
            extract(server.database(plan).source, SinkAsHdfs(folder), CONNECTIONS, say)
        client.upload(folder, f"{FOLDER}/{name}")
    return f"{FOLDER}/{name}"


class SinkAsHdfs(FolderSink):
    """A folder of this machine with files as large as those that go to HDFS."""

    file_bytes = HdfsSink.file_bytes


def upload_spark_jars(client: Client) -> None:
    """Spark's jars as one archive in HDFS, once, so that no application has to bring them along."""
    if not client.has(SPARK_JARS):
        say("Spark's jars: copied into HDFS now, once.")
        archive = EXCHANGE / "spark-jars.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
            for jar in (spark_packages() / "pyspark" / "jars").glob("*.jar"):
                file.write(jar, jar.name)
        client.upload(archive, SPARK_JARS)


def script() -> bool:
    """Measure, compare what was written, print; -> whether both wrote the same, and nothing is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--movements", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with Client.started() as client:
        folder = tagged_tsv(client, Plan(movements=arguments.movements, seed=arguments.seed))
        upload_spark_jars(client)
        outputs = {name: f"{FOLDER}/{name}" for name in (OURS, PYSPARK)}
        contestants = {
            OURS: partial(client.join, project_join(folder, outputs[OURS]), outputs[OURS]),
            PYSPARK: partial(client.join, pyspark_join(folder, outputs[PYSPARK]), outputs[PYSPARK]),
        }
        say("Each once, untimed.")
        for contestant in contestants.values():
            contestant()
        results = alternate(contestants, arguments.rounds)
        fetched = {name: client.fetch(output, name) for name, output in outputs.items()}
    print(f"\n{arguments.movements:,} movements; ratio: {OURS}'s median to the line's.\n")
    print(table(results, memory=False), end="\n\n")
    merged = fresh(EXCHANGE / "merged")
    merged.mkdir()
    merge_parts(sorted(fetched[OURS].glob("part-*")), merged)
    contents = {
        OURS: content([merged / CSV_NAME]),
        PYSPARK: content(sorted(fetched[PYSPARK].glob("*.csv"))),
    }
    for name, found in contents.items():
        print(f"{name}: {found}")
    if contents[OURS] != contents[PYSPARK]:
        say("The results differ.")
    return contents[OURS] == contents[PYSPARK] and contents[OURS].rows == arguments.movements


if __name__ == "__main__":
    main(script)
