"""The cluster in Docker to measure on, as `make cluster-up` makes it, a client beside it, and what they use."""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bench import processes
from bench.measure import HOME, STATE, Timing, fresh, run, say
from bench.spark import JOIN, MODEL, jdbc_driver, spark_packages
from movimento_flat.errors import UserError
from movimento_flat.publish.parts import CSV_NAME, merge_parts

PROJECT = subprocess.run(
    [str(Path(__file__).resolve().parent.parent / "hadoop-docker" / "cluster"), "name"],
    capture_output=True,
    text=True,
    check=True,
).stdout.strip()
IMAGE = PROJECT
CLIENT = f"{PROJECT}-bench"
#: Its passwords, as hadoop-docker/cluster makes them.
SECRETS = HOME / ("docker" if PROJECT == "movimento-flat" else f"docker.{PROJECT}") / "secrets"
#: In HDFS; under /tmp, since YARN shares files among applications only where everybody may read them.
FOLDER = "hdfs:///tmp/movimento-flat-bench"
SPARK_JARS = f"{FOLDER}/spark-jars.zip"
#: Folder of what contestants write, removed at the end.
OUTPUTS = f"{FOLDER}/outputs"
#: One folder, by its path here and by that in the client's container.
EXCHANGE, EXCHANGE_THERE = STATE / "cluster", "/state"
SPARK_THERE, DRIVER_THERE, SECRETS_THERE = "/spark", "/jdbc.jar", "/run/secrets"

#: Services whose processes do the work of a job, and those that also serve it.
TASKS, SERVERS = ("nodemanager1", "nodemanager2"), ("namenode", "datanode1", "datanode2", "resourcemanager")
#: Command that runs the rest of its arguments, and adds to their output what they have used.
AND_USED = ("sh", "-c", '"$@"; status=$?; echo; cat /proc/$$/stat /proc/$$/io; exit $status', "sh")
_TICKS = os.sysconf("SC_CLK_TCK")

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
    # The tables' times have no zone, so none may be applied to them.
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
    "spark.executor.extraJavaOptions": "-Duser.timezone=UTC",
}


def pyspark(*arguments: str, **settings: str) -> list[str]:
    """Return bench/spark_join.py on YARN, as a command in the client's container."""
    conf = " ".join(f"--conf {name}={value}" for name, value in {**SPARK_SETTINGS, **settings}.items())
    jars = f"--jars {DRIVER_THERE}" if arguments[0] == "jdbc" else ""
    submit = f"PYSPARK_SUBMIT_ARGS=--master yarn --deploy-mode client {jars} {conf} pyspark-shell"
    path = f"PYTHONPATH={SPARK_THERE}/site-packages"
    return ["env", path, submit, "python3", f"{SPARK_THERE}/{JOIN.name}", *arguments]


class Client:
    """A container beside the cluster, in which commands run as this user."""

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Client"]:
        """Start it, and remove it at the end. Its label tells hadoop-docker/cluster that the cluster is in use.

        Raises:
            UserError: it does not start.
        """
        EXCHANGE.mkdir(parents=True, exist_ok=True)
        mounts = {
            EXCHANGE: EXCHANGE_THERE,
            spark_packages(): f"{SPARK_THERE}/site-packages:ro",
            JOIN: f"{SPARK_THERE}/{JOIN.name}:ro",
            MODEL: f"{SPARK_THERE}/{MODEL.name}:ro",
            jdbc_driver(): f"{DRIVER_THERE}:ro",
            SECRETS: f"{SECRETS_THERE}:ro",
        }
        options = ["--detach", "--init", f"--name={CLIENT}", f"--network={PROJECT}_default"]
        options += [f"--label=movimento-flat.client={PROJECT}", "--security-opt=label=disable"]
        options += [f"--env=CLIENT_UID={os.getuid()}", f"--env=CLIENT_GID={os.getgid()}"]
        options += [
            f"--env=MOVIMENTO_FLAT_SECRETS={SECRETS_THERE}",
            f"--env=MOVIMENTO_FLAT_HOME={EXCHANGE_THERE}",
        ]
        options += ["--env=MOVIMENTO_FLAT_SERVER=mysql://movimento_admin@database:3306"]
        options += [f"--volume={here}:{there}" for here, there in mounts.items()]
        options += [f"--workdir={EXCHANGE_THERE}", "--entrypoint=sleep"]
        _docker("rm", "--force", CLIENT)
        try:
            started = _docker("run", *options, IMAGE, "infinity")
            if started.returncode or not _first_processes(*TASKS):
                raise UserError(
                    "The client's container does not start.", "Start the cluster: make cluster-up"
                )
            client = cls()
            client.upload_spark_jars()
            try:
                yield client
            finally:
                with suppress(UserError):  # the cluster is gone, and another error says so already
                    client.remove(OUTPUTS)
        finally:
            _docker("rm", "--force", CLIENT)

    def __init__(self) -> None:
        own = _inspect(CLIENT)
        self._tasks = processes.in_containers([*own, *_first_processes(*TASKS)])
        self._all = processes.in_containers(_first_processes(*TASKS, *SERVERS))
        in_database = processes.in_containers(_first_processes("database"))
        self._database = next(
            process
            for process in processes.find(in_database)
            if processes.command(process).split(" ")[0] in ("mariadbd", "mysqld")
        )

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> Timing:
        """Run a command as the project's client does, and measure it.

        Processor and disk are those of the command and of all of the cluster's containers but the database, whose
        processor time is a figure of its own. Memory is that of the command and of the tasks, without what ran before.
        """
        variables = [f"--env={name}" for name in environment or ()]
        wrapped = ["docker", "exec", *variables, CLIENT, *AND_USED, "client", *command]
        before = self._used()
        timing = run(wrapped, environment, self._database, self._tasks)
        used = [after - earlier for after, earlier in zip(self._used(), before, strict=True)]
        said, cpu_seconds, written = without_used(timing.said)
        return replace(
            timing,
            cpu_seconds=used[0] + cpu_seconds,
            written=int(used[1]) + written,
            shuffled=shuffled_bytes(said),
            said=said,
        )

    def _used(self) -> tuple[float, int]:
        """Return seconds of processor and bytes written of the cluster's processes and of all that they waited for."""
        seconds, written = 0.0, 0
        for process in processes.find(self._all):
            with suppress(OSError):
                seconds += processes.cpu_seconds(process)
                written += processes.written_bytes(process)
        return seconds, written

    def has(self, path: str) -> bool:
        """Return whether there is such a path in HDFS."""
        return not _docker("exec", CLIENT, "client", "hadoop", "fs", "-test", "-e", path).returncode

    def remove(self, path: str) -> None:
        """Remove a path of HDFS, if it is there."""
        self.run("hadoop", "fs", "-rm", "-r", "-f", "-skipTrash", path)

    def upload(self, local: Path, path: str) -> None:
        """Copy a file or folder of EXCHANGE into HDFS; it has its name when it is complete."""
        there = f"{EXCHANGE_THERE}/{local.relative_to(EXCHANGE)}"
        unfinished = f"{path}.unfinished"
        self.remove(unfinished)
        self.run("hadoop", "fs", "-mkdir", "-p", FOLDER)
        self.run("hadoop", "fs", "-put", there, unfinished)
        self.run("hadoop", "fs", "-mv", unfinished, path)

    def upload_spark_jars(self) -> None:
        """Copy Spark's jars into HDFS as one archive, once, so that no application has to bring them along."""
        if not self.has(SPARK_JARS):
            say("Spark's jars: copied into HDFS now, once.")
            archive = EXCHANGE / "spark-jars.zip"
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
                for jar in (spark_packages() / "pyspark" / "jars").glob("*.jar"):
                    file.write(jar, jar.name)
            self.upload(archive, SPARK_JARS)
            archive.unlink()

    def job(self, command: list[str], output: str) -> Timing:
        """Measure a command with an output in HDFS, after removing what an earlier command has left there."""
        self.remove(output)
        return self.run(*command)

    def fetch(self, path: str, name: str) -> Path:
        """Copy a folder out of HDFS, into EXCHANGE."""
        folder = fresh(EXCHANGE / name)
        self.run("hadoop", "fs", "-get", path, f"{EXCHANGE_THERE}/{name}")
        return folder


def merged(parts: Path) -> Path:
    """Merge the join's parts in a folder, and return the CSV."""
    folder = fresh(EXCHANGE / "merged")
    folder.mkdir()
    merge_parts(sorted(parts.glob("part-*")), folder)
    return folder / CSV_NAME


def shuffled_bytes(said: str) -> int | None:
    """Return the bytes between map and reduce that a command has said; None where it has not.

    They are in our profile, in Hadoop's counters, or in the last line of bench/spark_join.py.
    """
    ours = re.findall(r"\bsort \d:? .*?([\d.,]+) MB out", said)
    if ours:
        return round(sum(float(size.replace(",", "")) for size in ours) * 1e6)
    others = re.findall(r"\b(?:Reduce shuffle bytes|shuffled)=(\d+)$", said, re.MULTILINE)
    return sum(map(int, others)) if others else None


def without_used(said: str) -> tuple[str, float, int]:
    """Return what the command itself has said, its seconds of processor, and the bytes that it wrote; see AND_USED."""
    lines = said.splitlines()
    stat = next(number for number in reversed(range(len(lines))) if lines[number].startswith("rchar:")) - 1
    ticks = lines[stat].rpartition(")")[2].split()[11:15]
    written = next(line for line in lines[stat:] if line.startswith("write_bytes:"))
    return "\n".join(lines[:stat]), sum(map(int, ticks)) / _TICKS, int(written.split()[1])


def versions(client: Client) -> dict[str, str]:
    """Return the versions of what runs in the containers."""
    said = client.run("sh", "-c", "ls /opt/hadoop/lib; java -version").said
    hadoop, java = re.search(r"hadoop-common-([\d.]+)\.jar", said), re.search(r'version "([^"]+)"', said)
    docker = _docker("version", "--format", "{{.Server.Version}}")
    found = {"Hadoop": hadoop and hadoop[1], "Java": java and java[1], "Docker": docker.stdout.strip()}
    return {name: version or "unknown" for name, version in found.items()}


def _first_processes(*services: str) -> list[int]:
    """Return the ids, on this machine, of the first process of each container of some services of the cluster."""
    project = f"label=com.docker.compose.project={PROJECT}"
    names = []
    for service in services:
        label = f"label=com.docker.compose.service={service}"
        names += _docker("ps", "--quiet", "--filter", project, "--filter", label).stdout.split()
    return _inspect(*names)


def _inspect(*names: str) -> list[int]:
    if not names:
        return []
    return [int(x) for x in _docker("inspect", "--format", "{{.State.Pid}}", *names).stdout.split()]


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    docker = shutil.which("docker")
    if not docker:
        raise UserError("There is no docker command on this machine.", "Install Docker.")
    return subprocess.run([docker, *arguments], capture_output=True, text=True, check=False)
