"""mrjob's local runner, on the cores of this machine."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER
from extract.sink import FolderSink
from movimento_flat.progress import Console
from mr_jobs.local import join_locally
from mr_jobs.rules import Rules


@dataclass(frozen=True)
class LocalEngine:
    """See `movimento_flat.engines.Engine`.

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

        def movements() -> list[Path]:
            movements_complete()
            return tsv_files(self._tsv / MOVEMENTS_FOLDER)

        with self._console.stage("join", unit=" tasks") as progress:
            small_tables = tsv_files(self._tsv / SMALL_TABLES_FOLDER)
            return join_locally(
                small_tables,
                movements,
                self._work / "parts",
                self._work,
                rules,
                self._cores,
                progress,
                self._console.phases.append,
            )


def tsv_files(folder: Path) -> list[Path]:
    """The complete files of a folder of tagged TSV, in order."""
    return sorted(folder.glob("*.tsv"))
