"""The tests' own Docker cluster: made by hadoop-docker/cluster as a user does it, then hurt and looked at."""

import json
import os
import subprocess
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pymysql
from pymysql.connections import Connection

from tests.conftest import ROOT, hear_interrupts

SCRIPT = ROOT / "hadoop-docker" / "cluster"
#: Another checkout's tests have another cluster.
PROJECT = f"movimento-flat-test-{zlib.crc32(str(ROOT).encode())}"
RUNS = "/user/movimento/movimento-flat"
PYTHON = "/opt/movimento-flat/bin/python"
WAIT_SECONDS = 240
POLL_SECONDS = 0.02
#: In the namenode's container, since HDFS is reached from there only; without the time that a JVM takes.
LIST_FOLDER = """
import json, sys, time, urllib.error, urllib.request
def names(path):
    url = f"http://namenode:9870/webhdfs/v1{path}?op=LISTSTATUS&user.name=hadoop"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return [entry["pathSuffix"] for entry in json.load(answer)["FileStatuses"]["FileStatus"]]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return []
        raise
"""

T = TypeVar("T")
Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        home: its state folder on this machine, with the secrets.
    """

    home: Path

    @property
    def secrets(self) -> Path:
        """Folder of its passwords."""
        return self.home / f"docker.{PROJECT}" / "secrets"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its script; it has its own name and free ports."""
        ports = dict.fromkeys(("HDFS_WEB_PORT", "YARN_WEB_PORT", "HISTORY_WEB_PORT"), "0")
        return {
            **os.environ,
            **ports,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "MOVIMENTO_FLAT_HOME": str(self.home),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_STATE_HOME": str(self.home / "state"),  # a key that this user keeps there is not asked for
        }

    def script(self, *arguments: str, **environment: str) -> Result:
        """Run hadoop-docker/cluster to its end."""
        return subprocess.run(
            [str(SCRIPT), *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, output: Path, *arguments: str, **environment: str) -> Result:
        """From a database to `output`."""
        return self.script("run", *arguments, OUTPUT=str(output), **environment)

    @contextmanager
    def running(self, output: Path, *arguments: str, **environment: str) -> Iterator["Running"]:
        """The same in the background; it has ended when the block is left."""
        process = subprocess.Popen(
            [str(SCRIPT), "run", *arguments],
            env=self.environment | {"OUTPUT": str(output)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_interrupts,
        )
        try:
            yield Running(self, process, output)
        finally:
            process.terminate()
            process.wait()

    def container(self, service: str) -> str:
        """Name of a service's container."""
        label = f"label=com.docker.compose.service={service}"
        project = f"label=com.docker.compose.project={PROJECT}"
        (name,) = docker(
            "ps", "--all", "--filter", label, "--filter", project, "--format", "{{.Names}}"
        ).split()
        return name

    def kill(self, service: str) -> None:
        """SIGKILL, as by a crash of its machine."""
        docker("kill", self.container(service))

    def heal(self) -> None:
        """Start what was stopped, and wait until everything is ready."""
        result = self.script("up")
        assert result.returncode == 0, result.stderr
        # A datanode that has just been started is up, but not yet one to write to.
        docker("exec", self.container("namenode"), "ready", "--wait", "namenode")

    def hadoop(self, *command: str) -> str:
        """Run a command as HDFS's superuser, in the namenode's container."""
        return docker("exec", self.container("namenode"), *command)

    def list_folder(self, path: str) -> list[str]:
        """Names in a folder of HDFS; empty where it is not there."""
        return self._python(f"{LIST_FOLDER}print(*names(sys.argv[1]))", path).split()

    def wait_for_movements(self) -> str:
        """Wait until a run writes movements into HDFS; -> the name of its folder."""
        wait = f"""
end = time.monotonic() + {WAIT_SECONDS}
while True:
    for run in names({RUNS!r}):
        if any(name.endswith("._COPYING_") for name in names(f"{RUNS}/{{run}}/movements")):
            print(run)
            sys.exit()
    assert time.monotonic() < end, "no run writes movements"
    time.sleep({POLL_SECONDS})
"""
        return self._python(LIST_FOLDER + wait).strip()

    def _python(self, script: str, *arguments: str) -> str:
        return docker("exec", self.container("namenode"), "python3", "-c", script, *arguments)

    def applications(self, states: str = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING") -> list[dict[str, Any]]:
        """YARN's applications."""
        url = f"http://{self.address('web', 8088)}/ws/v1/cluster/apps?states={states}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return list((json.load(answer)["apps"] or {}).get("app", []))

    def nodes_of_tasks(self) -> dict[str, int]:
        """Nodemanager -> containers that run on it."""
        url = f"http://{self.address('web', 8088)}/ws/v1/cluster/nodes"
        with urllib.request.urlopen(url, timeout=10) as answer:
            nodes = json.load(answer)["nodes"]["node"]
        return {node["nodeHostName"]: node["numContainers"] for node in nodes if node["state"] == "RUNNING"}

    def admin(self, database: str | None = None) -> "Connection[Any]":
        """Connect to the cluster's database as its administrator."""
        return pymysql.connect(
            host=self.ip_address("database"),
            user="movimento_admin",
            password=(self.secrets / "admin_password").read_text().strip(),
            database=database,
            charset="utf8mb4",
            local_infile=True,
            autocommit=True,
        )

    def query(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self.admin(database) as admin, admin.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def database_process(self) -> int:
        """Process of the database server, as this machine numbers it."""
        for line in docker("top", self.container("database"), "-eo", "pid,comm").splitlines():
            pid, name = line.split(None, 1)
            if name in ("mariadbd", "mysqld"):
                return int(pid)
        raise AssertionError("the database does not run")

    def ip_address(self, service: str) -> str:
        """Address of a service's container in the network that this machine is in, or else in the cluster's."""
        template = "{{json .NetworkSettings.Networks}}"
        networks = json.loads(docker("inspect", "--format", template, self.container(service)))
        network = networks.get(f"{PROJECT}_outside") or networks[f"{PROJECT}_default"]
        return str(network["IPAddress"])

    def address(self, service: str, port: int) -> str:
        """Host and port at which this machine reaches a service's port."""
        return docker("port", self.container(service), f"{port}/tcp").splitlines()[0].strip()


@dataclass(frozen=True)
class Running:
    """A run in the background."""

    cluster: Cluster
    process: "subprocess.Popen[str]"
    output: Path

    def wait_for_line(self, text: str) -> str:
        """Read what it says up to a line with `text`."""
        assert self.process.stderr
        said = []
        for line in self.process.stderr:
            said.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended before it said {text!r}:\n{''.join(said)}")

    def kill_client(self) -> None:
        """SIGKILL to everything in the client's container."""
        names = client_containers()
        assert names, "no client runs"
        docker("kill", *names)

    def end(self) -> tuple[int, str]:
        """Wait for its end; -> (exit status, the rest of what it said)."""
        _, stderr = self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode, stderr


def client_containers() -> list[str]:
    """Names of the client containers that run now."""
    return docker(
        "ps", "--filter", f"label=movimento-flat.client={PROJECT}", "--format", "{{.Names}}"
    ).split()


def docker(*arguments: str) -> str:
    """Run docker; -> its standard output."""
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"docker {' '.join(arguments)}: {result.stderr}"
    return result.stdout


def logs(container: str) -> str:
    """What a container has said, by either of its streams."""
    command = ["docker", "logs", container]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    return result.stdout


def wait_for(condition: Callable[[], T], process: "subprocess.Popen[str] | None" = None) -> T:
    """Wait until a condition answers something true; -> its answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        assert process is None or process.poll() is None, "the run ended before"
        time.sleep(POLL_SECONDS)
    return answer
