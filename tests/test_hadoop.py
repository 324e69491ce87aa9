"""What Hadoop's commands print, as a person needs it; the cluster's own tests are in tests/cluster."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from movimento_flat.cli.engines.hadoop import HadoopEngine
from movimento_flat.cli.progress import Console
from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop, explain, last_words
from mr_jobs.hadoop_runner import JobReport, join_on_hadoop, words_of_a_task

DRIVER = """\
26/11/24 10:28:30 INFO impl.YarnClientImpl: Submitted application application_1795516067664_0003
26/11/24 10:28:30 INFO mapreduce.Job: The url to track the job: http://rm:8088/proxy/application_1795516067664_0003/
26/11/24 10:28:31 INFO mapreduce.Job:  map 0% reduce 0%
26/11/24 10:28:35 INFO mapreduce.Job: Task Id : attempt_1795516067664_0003_m_000000_0, Status : FAILED
Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 1
\tat org.apache.hadoop.streaming.PipeMapRed.waitOutputThreads(PipeMapRed.java:326)

26/11/24 10:28:39 INFO mapreduce.Job:  map 67% reduce 11%
"""

LOGS = """\
Container: container_1_0003_01_000002 on node1_45454
LogType:stderr
LogLength:90
LogContents:
Traceback (most recent call last):
  File "join.py", line 1, in <module>
OSError: a broken disk

End of LogType:stderr
***********************************************************************

Container: container_1_0003_01_000001 on node1_45454
LogType:stderr
LogContents:
log4j:WARN No appenders could be found for logger (org.apache.hadoop.mapreduce.v2.app.MRAppMaster).
End of LogType:stderr
"""


def test_a_report_knows_application_address_percents_and_failures() -> None:
    report = JobReport()
    for line in DRIVER.splitlines():
        report.read(line)
    assert report.application == "application_1795516067664_0003"
    assert report.address == "http://rm:8088/proxy/application_1795516067664_0003/"
    assert report.done == (67, 11)
    assert report.failures == [
        "Error: java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code 1"
    ]


def test_a_report_knows_a_job_that_runs_in_the_client() -> None:
    report = JobReport()
    report.read(
        "26/11/26 01:45:50 INFO mapreduce.JobSubmitter: Submitting tokens for job: job_local477660528_0001"
    )
    report.read("26/11/26 01:45:50 INFO mapreduce.Job: The url to track the job: http://localhost:8080/")
    report.read("26/11/26 01:45:51 INFO mapreduce.Job:  map 100% reduce 0%")
    assert report.runs_here
    assert not report.application
    assert not report.address
    assert report.done == (100, 0)


def test_a_tasks_python_error_is_found_among_the_logs() -> None:
    assert last_words(words_of_a_task(LOGS)).splitlines()[-1] == "  OSError: a broken disk"
    assert words_of_a_task("") == ""


def test_log_lines_and_stack_traces_are_left_out() -> None:
    assert last_words("26/11/24 10:00:00 WARN x.Y: z\nput: no\n\tat java.lang.Thread.run\n") == "  put: no"
    long = f"put: {'x' * 500} There are 2 datanode(s) running and 2 node(s) are excluded."
    shown = last_words(long).strip()
    assert (len(shown), shown[:9], shown[-12:]) == (400, "put: xxxx", "re excluded.")


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("Cannot create directory /x. Name node is in safe mode.", "safemode get"),
        ("The DiskSpace quota of /user/x is exceeded", "quota"),
        ("File /x could only be written to 0 of the 1 minReplication nodes.", "HDFS is full"),
        ("Permission denied: user=x, access=WRITE", "--hdfs-folder"),
        ("Client cannot authenticate via:[TOKEN, KERBEROS]", "kinit"),
        ("java.net.ConnectException: Connection refused", "the cluster is up"),
        ("Error: x: PipeMapRed.waitOutputThreads(): subprocess failed with code 132", "polars[rtcompat]"),
        ("ImportError: _polars_runtime.abi3.so: wrong ELF class: ELFCLASS64", "another kind of processor"),
        ("Container is running beyond physical memory limits. Current usage: 1 GB", "memory.mb=1536"),
        ("something else", "Run it again"),
    ],
)
def test_known_causes_have_a_next_step(said: str, step: str) -> None:
    assert step in explain(said)


def test_no_hadoop_command_is_one_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("HADOOP_HOME", raising=False)
    with pytest.raises(UserError, match=r"no `hadoop` command.*\n.*ENGINE=docker"):
        Hadoop.find()


@pytest.fixture
def recorder(tmp_path: Path) -> Hadoop:
    """A `hadoop` that writes down its folder and its arguments, one a line."""
    command = tmp_path / "hadoop"
    command.write_text(
        f'#!/bin/sh\npwd >>"{tmp_path}/said"\nprintf "%s\\n" "$@" >>"{tmp_path}/said"\ncat >/dev/null\necho 7\n'
    )
    command.chmod(0o755)
    return Hadoop(command)


def test_whatever_a_command_writes_into_hdfs_is_its_users_alone(recorder: Hadoop, tmp_path: Path) -> None:
    """By an option: a cluster's own configuration may let everybody read."""
    recorder.fs("-mkdir", "-p", "hdfs:///user/x")
    with recorder.write("hdfs:///user/x/file") as file:
        file.write(b"text")
    assert (tmp_path / "said").read_text().count("-D\nfs.permissions.umask-mode=077\n") == 2


@pytest.mark.parametrize("character", "*?[]{}^\\,\n\x1b")
def test_a_name_that_hadoop_takes_for_a_pattern_is_refused(
    character: str, recorder: Hadoop, tmp_path: Path
) -> None:
    uri = f"hdfs:///user/x{character}"
    uses: list[Callable[[], object]] = [
        lambda: recorder.fs("-rm", "-r", uri),
        lambda: recorder.size(uri),
        lambda: recorder.get(uri, tmp_path / "parts"),
        lambda: recorder.write(uri).__enter__(),
        lambda: join_on_hadoop(
            recorder, uri, 1, lambda: "hdfs:///m", "hdfs:///p", "hdfs:///w", tmp_path, "hdfs:///k"
        ),
        lambda: join_on_hadoop(
            recorder, "hdfs:///s", 1, lambda: "hdfs:///m", uri, "hdfs:///w", tmp_path, "hdfs:///k"
        ),
        lambda: HadoopEngine(uri).open(tmp_path, Mock(), Console()).__enter__(),
    ]
    for use in uses:
        with pytest.raises(UserError, match="for a part of a pattern") as refused:
            use()
        assert "\x1b" not in str(refused.value)
    assert not (tmp_path / "said").exists()


def test_a_folder_is_fetched_under_any_name(recorder: Hadoop, tmp_path: Path) -> None:
    """`hadoop fs` would take a local path for a URI."""
    folder = tmp_path / "out [1] %41 *"
    folder.mkdir()
    recorder.get("hdfs:///user/x/parts", folder / "parts")
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == str(folder)
    assert said[-3:] == ["-get", "hdfs:///user/x/parts", "parts"]
