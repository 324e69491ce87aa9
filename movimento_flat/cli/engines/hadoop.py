"""The engine for a Hadoop cluster: the `hadoop` command of this machine and its configuration."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER, SmallTables
from extract.hdfs_sink import HdfsSink
from movimento_flat.cli.engines import as_of
from movimento_flat.cli.engines.runs import HdfsRun, hdfs_run
from movimento_flat.cli.progress import Console
from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop, refuse_patterns
from movimento_flat.state import state_dir
from movimento_flat.workers import Workers
from mr_jobs.hadoop_runner import JobReport, join_on_hadoop
from mr_jobs.job_options import JobOptions
from mr_jobs.phases import STEPS, Phase, Reached

#: Variable with the web address of YARN, where only the cluster itself knows the host in an application's address.
WEB_VARIABLE = "MOVIMENTO_FLAT_YARN_WEB"
HERE = "in the JVM of `hadoop jar`, since its tables are small"


def default_hdfs_folder() -> str:
    """Return the folder for runs in the user's home in HDFS.

    Raises:
        UserError: the user has no name.
    """
    user = os.environ.get("HADOOP_USER_NAME")
    if not user:
        try:
            user = getuser()
        except (KeyError, OSError) as error:
            raise UserError(
                "This user has no name on this machine, and so no home in HDFS.",
                "Set HADOOP_USER_NAME, or name a folder in HDFS: --hdfs-folder hdfs:///path.",
            ) from error
    return f"hdfs:///user/{user}/movimento-flat"


@dataclass(frozen=True)
class HadoopEngine:
    """See `movimento_flat.cli.engines.Engine`.

    Attributes:
        folder: URI of a folder in HDFS, in which each run makes one of its own, and removes it.
        options: Hadoop properties (`key=value`) of the join's jobs.
    """

    folder: str
    options: tuple[str, ...] = ()
    name: str = "hadoop"
    cores: None = None

    @contextmanager
    def open(self, work: Path, workers: Workers, console: Console) -> Iterator["HadoopWorkspace"]:
        """See `Engine.open`. First removes what killed runs have left on the cluster."""
        refuse_patterns(self.folder)
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
        self.sink = HdfsSink(hadoop, run.folder, run.wait)

    def join(
        self,
        job_options: JobOptions,
        small_tables: Callable[[], SmallTables],
        movements_complete: Callable[[], int],
    ) -> list[Path]:
        """See `Workspace.join`."""
        small = small_tables()
        parts = f"{self._run.folder}/parts"
        join_with_progress(
            self._hadoop,
            f"{self._run.folder}/{SMALL_TABLES_FOLDER}",
            small.bytes,
            f"{self._run.folder}/{MOVEMENTS_FOLDER}",
            movements_complete,
            parts,
            f"{self._run.folder}/work",
            self._work,
            f"{self._run.folder.rpartition('/')[0]}/packages",
            as_of(job_options, small),
            (*self._options, f"mapreduce.job.tags={self._run.tag}"),
            self._console,
        )
        fetched = self._work / "parts"
        with self._console.stage("fetch", total=_size_of_output(self._console.phases), unit="B") as progress:
            progress.look = lambda: progress.reach(_size(fetched))
            self._hadoop.get(parts, fetched)
        return sorted(fetched.glob("part-*"))


def _size_of_output(phases: list[Phase]) -> int | None:
    """Return the bytes of the join's parts, by Hadoop's counters; None where they are not known."""
    return phases[-1].written if phases and phases[-1].step == STEPS else None


def _size(folder: Path) -> int:
    """Return the bytes of a folder's files, while `hadoop fs` still writes and renames them."""
    size = 0
    for file in folder.glob("*"):
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


def join_with_progress(
    hadoop: Hadoop,
    small_tables: str,
    small_bytes: int,
    movements: str,
    movements_complete: Callable[[], int | None],
    parts: str,
    work: str,
    local_work: Path,
    packages: str,
    job_options: JobOptions,
    options: tuple[str, ...],
    console: Console,
) -> None:
    """Run `mr_jobs.hadoop_runner.join_on_hadoop`, show its progress, and name each application once."""
    count: int | None = None
    announced: set[str] = set()

    def when_complete() -> str:
        nonlocal count
        count = movements_complete()
        return movements

    with console.stage("join") as progress:

        def watch(step: int, state: JobReport) -> None:
            where = HERE if state.runs_here else state.application
            if (state.runs_here or state.address) and where not in announced:
                announced.add(where)
                console.say(f"Step {step} of {STEPS}: {where}{_web_address(state)}")
            progress.show_join(Reached(step, *state.done), count)

        tell = console.phases.append
        join_on_hadoop(
            hadoop,
            small_tables,
            small_bytes,
            when_complete,
            parts,
            work,
            local_work,
            packages,
            job_options,
            options,
            watch,
            tell,
        )


def _web_address(state: JobReport) -> str:
    """Return the text after an application's name: its address, or nothing."""
    web = os.environ.get(WEB_VARIABLE)
    if not state.application:
        return ""
    return f", {web}/cluster/app/{state.application}" if web else f", {state.address}"
