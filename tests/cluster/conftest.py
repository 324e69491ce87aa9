"""One cluster for all tests of this folder. Where no Docker engine answers they are skipped, and fail if CI=true."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from movimento_flat.publish.parts import CSV_NAME
from tests.cluster.docker import RUNS, Cluster
from tests.conftest import ROOT

#: Where this folder exists, the cluster is kept from one call of pytest to the next: for work on these tests.
KEPT = ROOT / ".movimento-flat" / "test-cluster"
#: Enough movements for several pages and packs, and of every kind of damage.
DATA = ("--movements", "300000", "--seed", "5", "--dirty", "0.01")
#: For one test; the first one has the image built.
TIMEOUT_SECONDS = 1800
DATABASE = "sicooperative_300000_30000_22500_15000_5_10000"


@dataclass(frozen=True)
class Data:
    """The database of most tests.

    Attributes:
        output: folder of the CSV that its first run made.
        said: what that run said.
    """

    output: Path
    said: str

    @property
    def csv(self) -> bytes:
        """The bytes that every run must give."""
        return (self.output / CSV_NAME).read_bytes()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is marked, so that `make test` can leave it to `make test-cluster`."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(TIMEOUT_SECONDS))


def _engine_answers() -> bool:
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster made from nothing but the image's cached layers, and removed with its data at the end."""
    if not _engine_answers():
        pytest.skip("no Docker engine answers")
    cluster = Cluster(KEPT if KEPT.exists() else tmp_path_factory.mktemp("cluster"))
    if not KEPT.exists():
        cluster.script("clean")
    try:
        cluster.heal()
        yield cluster
    finally:
        if not KEPT.exists():
            cluster.script("clean")


@pytest.fixture(scope="session")
def data(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> "Data":
    """A fictitious database on the cluster's server, damaged rows too, with the CSV of its first run."""
    output = tmp_path_factory.mktemp("data")
    result = cluster.run(output, *DATA)
    assert result.returncode == 0, result.stderr
    return Data(output, result.stderr)


@pytest.fixture(autouse=True)
def healthy(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[None]:
    """Each test finds a whole cluster and leaves nothing of its runs in HDFS or on YARN.

    One that does harm to the cluster is in a module with `HURTS_THE_CLUSTER`.
    """
    yield
    if getattr(request.module, "HURTS_THE_CLUSTER", False):
        cluster.heal()
    assert cluster.applications() == []
    assert [name for name in cluster.list_folder(RUNS) if name] == []
