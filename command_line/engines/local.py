"""mrjob's local runner, on the cores of this machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from command_line.progress import Console
from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER
from extract.sink import FolderSink
from mr_jobs.local import join_locally
from mr_jobs.rules import Rules


@dataclass(frozen=True)
class LocalEngine:
    """See `command_line.engines.Engine`.

    Attributes:
        cores: map or reduce tasks at once; all cores when None.
    """

    cores: int | None = None
    name: str = "local"

    @contextmanager
    def open(self, work: Path, console: Console) -> Iterator["LocalWorkspace"]:
        """See `Engine.open`."""
        cores = self.cores or os.cpu_count() or 1
        console.say(f"The join runs on this machine: mrjob's local runner, {cores} tasks at once.")
        yield LocalWorkspace(work, cores, console)


class LocalWorkspace:
    """Folders in the run's work folder, which goes away with it."""

    def __init__(self, work: Path, cores: int, console: Console) -> None:
        self._tsv = work / "tagged_tsv"
        self._work = work
        self._cores = cores
        self._console = console
        self.sink = FolderSink(self._tsv)

    def join(self, movements_complete: Callable[[], object], rules: Rules) -> list[Path]:
        """See `Workspace.join`."""

        return join_here(
            self._tsv, movements_complete, self._work / "parts", self._work, rules, self._cores, self._console
        )


def join_here(
    tagged_tsv: Path,
    movements_complete: Callable[[], object],
    parts: Path,
    work: Path,
    rules: Rules,
    cores: int | None,
    console: Console,
) -> list[Path]:
    """`mr_jobs.local.join_locally` of the two folders in `tagged_tsv`, watched by a person."""

    def movements() -> list[Path]:
        movements_complete()
        return _tsv_files(tagged_tsv / MOVEMENTS_FOLDER)

    with console.stage("join", unit=" tasks") as progress:
        small_tables = _tsv_files(tagged_tsv / SMALL_TABLES_FOLDER)
        tell = console.phases.append
        return join_locally(small_tables, movements, parts, work, rules, cores, progress, tell)


def _tsv_files(folder: Path) -> list[Path]:
    """The complete files of a folder of tagged TSV, in order."""
    return sorted(folder.glob("*.tsv"))
