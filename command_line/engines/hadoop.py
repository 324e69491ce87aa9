"""A Hadoop cluster, by the `hadoop` command of this machine and its configuration."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from command_line.engines.runs import HdfsRun, hdfs_run
from command_line.progress import Console, Progress
from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER
from extract.hdfs_sink import HdfsSink
from movimento_flat.hadoop import Hadoop
from movimento_flat.state import state_dir
from mr_jobs.hadoop import JobReport, Watch, join_on_hadoop
from mr_jobs.rules import Rules

#: Replaces the host in the web address of an application where that is known inside the cluster only.
WEB_VARIABLE = "MOVIMENTO_FLAT_YARN_WEB"
STEPS = 2


def default_hdfs_folder() -> str:
    """The folder for runs in the user's home in HDFS."""
    user = os.environ.get("HADOOP_USER_NAME") or getuser()
    return f"hdfs:///user/{user}/movimento-flat"


@dataclass(frozen=True)
class HadoopEngine:
    """See `command_line.engines.Engine`.

    Attributes:
        folder: URI of a folder in HDFS; each run makes one of its own in it, and removes it.
        options: Hadoop properties (`key=value`) of the join's jobs.
    """

    folder: str
    options: tuple[str, ...] = ()
    name: str = "hadoop"

    @contextmanager
    def open(self, work: Path, console: Console) -> Iterator["HadoopWorkspace"]:
        """See `Engine.open`. What killed runs have left on the cluster is removed first."""
        hadoop = Hadoop.find()
        folders = (SMALL_TABLES_FOLDER, MOVEMENTS_FOLDER)
        with hdfs_run(hadoop, self.folder, folders, state_dir(), console) as run:
            console.say(f"The join runs on the cluster of {hadoop.binary}, in {run.folder}.")
            yield HadoopWorkspace(hadoop, run, work, self.options, console)


class HadoopWorkspace:
    """A run's folder in HDFS."""

    def __init__(
        self, hadoop: Hadoop, run: HdfsRun, work: Path, options: tuple[str, ...], console: Console
    ) -> None:
        self._hadoop = hadoop
        self._run = run
        self._work = work
        self._options = options
        self._console = console
        self.sink = HdfsSink(hadoop, run.folder)

    def join(self, rules: Callable[[], Rules], movements_complete: Callable[[], object]) -> list[Path]:
        """See `Workspace.join`."""

        def movements() -> str:
            movements_complete()
            return f"{self._run.folder}/{MOVEMENTS_FOLDER}"

        parts = f"{self._run.folder}/parts"
        join_with_progress(
            self._hadoop,
            f"{self._run.folder}/{SMALL_TABLES_FOLDER}",
            movements,
            parts,
            f"{self._run.folder}/work",
            self._work,
            rules(),
            (*self._options, f"mapreduce.job.tags={self._run.tag}"),
            self._console,
        )
        with self._console.stage("fetch"):
            self._hadoop.fs("-get", parts, str(self._work / "parts"))
        return sorted((self._work / "parts").glob("part-*"))


def join_with_progress(
    hadoop: Hadoop,
    small_tables: str,
    movements: Callable[[], str],
    parts: str,
    work: str,
    local_work: Path,
    rules: Rules,
    options: tuple[str, ...],
    console: Console,
) -> None:
    """`mr_jobs.hadoop.join_on_hadoop`, watched by a person."""
    with console.stage("join", total=STEPS * 200, unit="%") as progress:
        watch = _watch(console, progress)
        tell = console.phases.append
        join_on_hadoop(hadoop, small_tables, movements, parts, work, local_work, rules, options, watch, tell)


def _watch(console: Console, progress: Progress) -> Watch:
    """-> a function that names each application once, and moves the bar by percents of map and reduce."""
    announced: set[str] = set()
    shown = 0

    def watch(step: int, report: JobReport) -> None:
        nonlocal shown
        if report.address and report.application not in announced:
            announced.add(report.application)
            console.say(f"Step {step} of {STEPS}: {report.application}, {_web_address(report)}")
        done = (step - 1) * 200 + sum(report.done)
        if done > shown:
            progress.describe("step {} of {}: map {}% reduce {}%".format(step, STEPS, *report.done))
            progress(done - shown)
            shown = done

    return watch


def _web_address(report: JobReport) -> str:
    web = os.environ.get(WEB_VARIABLE)
    return f"{web}/cluster/app/{report.application}" if web else report.address
