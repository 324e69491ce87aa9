"""What the README says of `make` and the cluster, as it stands there."""

import subprocess
from pathlib import Path

from movimento_flat.publish.csv_rows import read_rows
from movimento_flat.publish.parts import CSV_NAME
from tests.cluster.docker import Cluster, Result
from tests.conftest import ROOT

HURTS_THE_CLUSTER = True


def make(cluster: Cluster, *arguments: str) -> Result:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=cluster.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_run_takes_the_cluster_where_an_engine_answers(cluster: Cluster, tmp_path: Path) -> None:
    result = make(cluster, "run", f"OUTPUT={tmp_path}", "MOVEMENTS=2000")
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("Engine: docker (a Docker engine answers).\n")
    _, *rows = read_rows(tmp_path / CSV_NAME)
    assert len(rows) == 2000


def test_make_looks_after_the_cluster(cluster: Cluster) -> None:
    assert make(cluster, "cluster-up").returncode == 0
    status = make(cluster, "status")
    assert status.returncode == 0, status.stderr
    assert "resourcemanager" in status.stdout + status.stderr
    logs = make(cluster, "logs", "SERVICE=namenode")
    assert logs.returncode == 0, logs.stderr
    said = [line for line in logs.stdout.splitlines() if "|" in line]  # each behind the name of its container
    assert said
    assert all(line.startswith("namenode") for line in said)
    down = make(cluster, "cluster-down")
    assert down.returncode == 0, down.stderr
    assert make(cluster, "cluster-up").returncode == 0
