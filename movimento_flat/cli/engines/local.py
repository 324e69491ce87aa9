"""The engine of this machine: all cores run tasks of the join."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER, SmallTables
from extract.sink import FolderSink
from movimento_flat.cli.engines import as_of
from movimento_flat.cli.progress import Console
from movimento_flat.workers import Workers
from mr_jobs.job_options import JobOptions
from mr_jobs.phases import Reached


@dataclass(frozen=True)
class LocalEngine:
    """See `movimento_flat.cli.engines.Engine`.

    Attributes:
        cores: see `Engine.cores`.
    """

    cores: int | None = None
    name: str = "local"

    @contextmanager
    def open(self, work: Path, workers: Workers, console: Console) -> Iterator["LocalWorkspace"]:
        """See `Engine.open`."""
        console.say(f"The join runs on this machine, {workers.count} tasks at a time.")
        yield LocalWorkspace(work, workers, console)


class LocalWorkspace:
    """Folders in the run's work folder, which the run removes at its end."""

    def __init__(self, work: Path, workers: Workers, console: Console) -> None:
        self._tsv = work / "tagged_tsv"
        self._work = work
        self._workers = workers
        self._console = console
        self.sink = FolderSink(self._tsv)

    def join(
        self,
        job_options: JobOptions,
        small_tables: Callable[[], SmallTables],
        movements_complete: Callable[[], int],
    ) -> list[Path]:
        """See `Workspace.join`."""
        parts = self._work / "parts"
        return join_here(
            self._tsv,
            as_of(job_options, small_tables()),
            movements_complete,
            parts,
            self._work,
            self._workers,
            self._console,
        )


def join_here(
    tagged_tsv: Path,
    job_options: JobOptions,
    movements_complete: Callable[[], int | None],
    parts: Path,
    work: Path,
    workers: Workers,
    console: Console,
) -> list[Path]:
    """Join the two folders in `tagged_tsv` on this machine, and show the progress; see `Workspace.join`."""
    from mr_jobs.local_runner import join_locally  # noqa: PLC0415  # mrjob is slow to import; the small tables are read meanwhile

    count: int | None = None

    def movements() -> list[Path]:
        nonlocal count
        count = movements_complete()
        return _tsv_files(tagged_tsv / MOVEMENTS_FOLDER)

    with console.stage("join") as progress:

        def watched(reached: Callable[[], Reached]) -> None:
            progress.look = lambda: progress.show_join(reached(), count)

        small_tables = _tsv_files(tagged_tsv / SMALL_TABLES_FOLDER)
        tell = console.phases.append
        return join_locally(small_tables, movements, parts, work, workers, job_options, watched, tell)


def _tsv_files(folder: Path) -> list[Path]:
    """Return the complete files of a folder of tagged TSV, in order."""
    return sorted(folder.glob("*.tsv"))
