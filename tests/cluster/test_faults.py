"""What may break while a run is under way: the result is right, or nothing is published and the message says why."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from movimento_flat.publish.parts import CSV_NAME
from tests.cluster.conftest import DATA, Data
from tests.cluster.docker import PYTHON, RUNS, Cluster, Result, Running, docker, wait_for
from tests.soak import LONG

HURTS_THE_CLUSTER = True
#: At which a client is killed, one after the other.
STAGES = ("extraction", "step 1", "step 2", "merge") if LONG else ("extraction", "step 2")


@contextmanager
def paused_extraction(cluster: Cluster, running: Running) -> Iterator[None]:
    """The database stands still while movements are being written to HDFS, and goes on afterwards."""
    database = cluster.database_process()
    run = cluster.wait_for_movements()
    os.kill(database, signal.SIGSTOP)
    try:
        assert running.process.poll() is None, "the run ended before"
        names = cluster.list_folder(f"{RUNS}/{run}/movements")
        assert any(name.endswith("._COPYING_") for name in names), f"the extraction had ended: {names}"
        yield
    finally:
        os.kill(database, signal.SIGCONT)


def assert_right(running: Running, data: Data) -> None:
    status, said = running.end()
    assert status == 0, said
    assert (running.output / CSV_NAME).read_bytes() == data.csv


def assert_one_message(status: int, said: str, *texts: str) -> None:
    assert status == 1, said
    for text in texts:
        assert text in said, said
    assert 'Traceback (most recent call last):\n  File "/opt/movimento-flat/bin' not in said
    assert len(said.splitlines()) < 40


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """An OUTPUT with the CSV of an earlier run."""
    (tmp_path / CSV_NAME).write_text("the previous file")
    return tmp_path


def assert_untouched(output: Path) -> None:
    assert (output / CSV_NAME).read_text() == "the previous file"
    assert [path.name for path in output.iterdir()] == [CSV_NAME]


def test_a_datanode_killed_during_extraction_loses_nothing(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    with cluster.running(previous, *DATA) as running:
        with paused_extraction(cluster, running):
            cluster.kill("datanode1")
        assert_right(running, data)


def test_a_datanode_killed_during_the_join_loses_nothing(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    with cluster.running(previous, *DATA) as running:
        running.wait_for_line("Step 2 of 2")
        cluster.kill("datanode2")
        assert_right(running, data)


def test_a_nodemanager_killed_during_the_join_loses_nothing(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    with cluster.running(previous, *DATA) as running:
        running.wait_for_line("Step 2 of 2")
        busy = wait_for(lambda: [node for node, n in cluster.nodes_of_tasks().items() if n], running.process)
        cluster.kill(busy[0])
        assert_right(running, data)


def test_a_client_killed_at_any_stage_leaves_the_previous_csv_and_the_next_run_works(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    """The next run is killed at the next stage, and the last one is not."""
    for stage in STAGES:
        with cluster.running(previous, *DATA) as running:
            if stage == "extraction":
                with paused_extraction(cluster, running):
                    running.kill_client()
            elif stage == "merge":
                merging = previous / ".movimento_flat.work" / "run" / "rejected.tsv"
                wait_for(merging.exists, running.process)
                running.kill_client()
            else:
                running.wait_for_line(f"Step {stage[-1]} of 2")
                running.kill_client()
            assert running.end()[0] != 0
        assert (previous / CSV_NAME).read_text() == "the previous file"
    result = cluster.run(previous, *DATA)
    assert result.returncode == 0, result.stderr
    assert (previous / CSV_NAME).read_bytes() == data.csv


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_an_interrupted_run_ends_its_application_and_cleans_up(
    cluster: Cluster, data: Data, previous: Path, by: signal.Signals
) -> None:
    with cluster.running(previous, *DATA) as running:
        running.wait_for_line("Step 2 of 2")
        running.process.send_signal(by)
        status, said = running.end()
    assert status == 130, said
    assert "Interrupted" in said
    assert_untouched(previous)
    assert cluster.applications() == []
    assert cluster.list_folder(RUNS) == []


def test_a_database_restarted_during_extraction_is_one_message(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    with cluster.running(previous, *DATA) as running:
        with paused_extraction(cluster, running):
            pass
        docker("restart", "--time", "0", cluster.container("database"))
        assert_one_message(*running.end(), "Reading mysql://", "Run the command again")
    assert_untouched(previous)


def test_a_full_hdfs_is_one_message(cluster: Cluster, data: Data, previous: Path) -> None:
    """Every byte that the datanodes' disks have left is reserved for others."""
    full = {"HDFS_RESERVED_BYTES": str(1 << 60)}
    assert cluster.script("up", **full).returncode == 0
    result = cluster.run(previous, *DATA, **full)
    assert_one_message(result.returncode, result.stderr, "HDFS is full")
    assert "Docker's disk has " in result.stderr
    assert_untouched(previous)


def test_a_quota_that_is_used_up_is_one_message(cluster: Cluster, data: Data, previous: Path) -> None:
    """Not one block of two copies fits in."""
    cluster.hadoop("hdfs", "dfsadmin", "-setSpaceQuota", "100m", RUNS)
    try:
        result = cluster.run(previous, *DATA)
        assert_one_message(result.returncode, result.stderr, "quota")
        assert_untouched(previous)
    finally:
        cluster.hadoop("hdfs", "dfsadmin", "-clrSpaceQuota", RUNS)


def run_as_the_cluster_is(cluster: Cluster, output: Path) -> Result:
    """A run without the script's `up`, which would repair the cluster first; OUTPUT is mounted at /output."""
    command = ("movimento-flat", "run", "--engine", "hadoop", "--output", "/output", *DATA)
    return cluster.script("client", *command, OUTPUT=str(output))


def test_safe_mode_is_one_message(cluster: Cluster, data: Data, previous: Path) -> None:
    cluster.hadoop("hdfs", "dfsadmin", "-safemode", "enter")
    try:
        result = run_as_the_cluster_is(cluster, previous)
        assert_one_message(result.returncode, result.stderr, "safe mode", "dfsadmin -safemode get")
        assert_untouched(previous)
    finally:
        cluster.hadoop("hdfs", "dfsadmin", "-safemode", "leave")


def test_a_cluster_that_is_not_up_is_one_message(cluster: Cluster, data: Data, previous: Path) -> None:
    docker("stop", "--time", "0", cluster.container("namenode"))
    result = run_as_the_cluster_is(cluster, previous)
    assert_one_message(result.returncode, result.stderr, "Check that the cluster is up")
    assert_untouched(previous)


def replace_python(cluster: Cluster, script: str) -> None:
    """Tasks run `script` as their Python on both nodes, until the containers are made anew."""
    for node in ("nodemanager1", "nodemanager2"):
        command = ["docker", "exec", "--interactive", "--user", "root", cluster.container(node), "sh", "-c"]
        install = f"rm -f {PYTHON} && cat > {PYTHON} && chmod 755 {PYTHON}"
        subprocess.run([*command, install], input=script, text=True, check=True)


@pytest.fixture
def tasks_python(cluster: Cluster) -> Iterator[None]:
    """Puts the true Python back."""
    yield
    for node in ("nodemanager1", "nodemanager2"):
        docker("exec", "--user", "root", cluster.container(node), "ln", "-sf", f"{PYTHON}3", PYTHON)


FAILS_TWICE = f"""#!/bin/sh
# The first two attempts of a map and of a reduce task hand on some of their output, and fail.
case $mapreduce_task_attempt_id in
*_m_000000_[01] | *_r_000000_[01])
    {PYTHON}3 "$@" | head -c 20000
    echo "this attempt was made to fail" >&2
    exit 1
    ;;
esac
exec {PYTHON}3 "$@"
"""

FAILS_ALWAYS = """#!/bin/sh
cat >/dev/null
echo "OSError: the disk of this node is made of cheese" >&2
exit 1
"""

IS_SLOW_ONCE = f"""#!/bin/sh
# The first attempt of one task hangs: a second one has to overtake it.
case $mapreduce_task_attempt_id in
*_m_000001_0) sleep 600 ;;
esac
exec {PYTHON}3 "$@"
"""


@pytest.mark.usefixtures("tasks_python")
def test_a_task_that_fails_twice_and_then_works_counts_no_row_twice(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    replace_python(cluster, FAILS_TWICE)
    with cluster.running(previous, *DATA) as running:
        assert_right(running, data)


@pytest.mark.usefixtures("tasks_python")
def test_a_task_that_always_fails_shows_what_it_said(cluster: Cluster, data: Data, previous: Path) -> None:
    replace_python(cluster, FAILS_ALWAYS)
    result = cluster.run(previous, *DATA)
    assert_one_message(result.returncode, result.stderr, "made of cheese", "yarn logs -applicationId")
    assert_untouched(previous)


def test_a_first_step_that_fails_in_the_client_is_run_on_the_cluster(
    cluster: Cluster, data: Data, previous: Path
) -> None:
    """Of all tasks only those in the client's JVM ask for the folder of this property."""
    result = cluster.run(previous, *DATA, "-D", "mapreduce.cluster.local.dir=/proc/none")
    assert result.returncode == 0, result.stderr
    assert "Step 1 of 2: application_" in result.stderr
    assert (previous / CSV_NAME).read_bytes() == data.csv


@pytest.mark.usefixtures("tasks_python")
def test_speculative_attempts_count_no_row_twice(cluster: Cluster, data: Data, previous: Path) -> None:
    replace_python(cluster, IS_SLOW_ONCE)
    properties = ["mapreduce.map.speculative=true", "mapreduce.reduce.speculative=true"]
    properties.append(f"mapreduce.input.fileinputformat.split.maxsize={8 << 20}")  # more than one map task
    options = [word for key_value in properties for word in ("-D", key_value)]
    with cluster.running(previous, *DATA, *options) as running:
        assert_right(running, data)


def test_two_runs_at_once_do_not_disturb_each_other(cluster: Cluster, data: Data, tmp_path: Path) -> None:
    with cluster.running(tmp_path / "one", *DATA) as one:
        one.wait_for_line("Step 1 of 2")
        with cluster.running(tmp_path / "two", *DATA) as two:
            assert_right(two, data)
        assert_right(one, data)
