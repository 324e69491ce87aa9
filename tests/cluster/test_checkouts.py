"""A cluster belongs to its checkout: two on one machine do not meet."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.cluster.docker import SCRIPT, Cluster, Result, docker
from tests.conftest import ROOT

WEB_PORTS = (9870, 8088, 19888)


class Checkout:
    """A copy of this one, with the names and ports that it takes by itself."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, files.decode().split("\0")):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        own = (
            "COMPOSE_PROJECT_NAME",
            "MOVIMENTO_FLAT_HOME",
            "HDFS_WEB_PORT",
            "YARN_WEB_PORT",
            "HISTORY_WEB_PORT",
        )
        self._environment = {name: value for name, value in cluster.environment.items() if name not in own}
        self._script = folder / SCRIPT.relative_to(ROOT)

    def script(self, *arguments: str, **environment: str) -> Result:
        return subprocess.run(
            [str(self._script), *arguments],
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def other(cluster: Cluster, tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "a checkout", cluster)
    try:
        yield checkout
    finally:
        checkout.script("clean")


def test_checkouts_have_clusters_of_different_names(
    cluster: Cluster, other: Checkout, tmp_path: Path
) -> None:
    third = Checkout(tmp_path / "another", cluster)
    names = [checkout.script("name").stdout.strip() for checkout in (other, third)]
    assert len(set(names)) == 2
    assert all(name.startswith("movimento-flat-") for name in names)
    assert other.script("name").stdout.strip() == names[0]
    assert other.script("name", COMPOSE_PROJECT_NAME="mine").stdout == "mine\n"
    through_link = tmp_path / "link"
    through_link.symlink_to(tmp_path / "a checkout")
    linked = Checkout.__new__(Checkout)
    linked.__dict__.update(other.__dict__, _script=through_link / SCRIPT.relative_to(ROOT))
    assert linked.script("name").stdout.strip() == names[0]


def test_two_clusters_run_at_the_same_time_and_each_checkout_has_its_own(
    cluster: Cluster, other: Checkout, tmp_path: Path
) -> None:
    with ExitStack() as taken:
        for port in WEB_PORTS:
            with suppress(OSError):  # somebody has it already
                taken.enter_context(socket.create_server(("127.0.0.1", port)))
        started = other.script("up")
        assert started.returncode == 0, started.stderr
        assert "they get free ones" in started.stderr
        name = other.script("name").stdout.strip()
        made = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={name}")
        again = other.script("up")
        assert again.returncode == 0, again.stderr
        assert docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={name}") == made
        status = other.script("status").stdout
        assert "namenode" in status
        assert not any(f":{port} " in status for port in WEB_PORTS)
        result = other.script("run", "--movements", "100", OUTPUT=str(tmp_path / "out"))
        assert result.returncode == 0, result.stderr
        assert other.script("clean").returncode == 0
    assert "No cluster" in other.script("status").stdout
    assert docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={name}") == ""
    # That of this checkout is as it was.
    assert "namenode" in cluster.script("status").stdout


def test_ports_that_the_user_has_chosen_are_not_replaced(other: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = other.script("up", HDFS_WEB_PORT=str(port), YARN_WEB_PORT="0", HISTORY_WEB_PORT="0")
    assert result.returncode == 1
    assert "Choose other ports" in result.stderr


def test_the_one_cluster_of_earlier_versions_is_named(other: Checkout, cluster: Cluster) -> None:
    label = "com.docker.compose.project=movimento-flat"
    container = docker("create", "--label", label, "debian:trixie-slim", "true").strip()
    try:
        said = other.script("status").stdout
        assert "COMPOSE_PROJECT_NAME=movimento-flat hadoop-docker/cluster clean" in said
        assert "COMPOSE_PROJECT_NAME" in other.script("clean").stdout
    finally:
        docker("rm", container)
