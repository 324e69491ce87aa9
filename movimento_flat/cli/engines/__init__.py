"""Where the join runs. Each engine gives a run a workspace; the pipeline is the same for all."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from extract.extraction import SmallTables
from extract.sink import Sink
from movimento_flat.cli.progress import Console
from mr_jobs.job_options import JobOptions


class Workspace(Protocol):
    """A private place of one run for tagged TSV and the join's work; it is gone when the run ends."""

    @property
    def sink(self) -> Sink:
        """Where the extraction writes."""

    def join(
        self,
        job_options: JobOptions,
        small_tables: Callable[[], SmallTables],
        movements_complete: Callable[[], int],
    ) -> list[Path]:
        """Join what the sink holds by these options, as of the extraction's clock; -> the sorted parts, as files here.

        Both functions are called when what they answer is needed, and raise what hindered it: `small_tables` waits
        until these are complete, `movements_complete` until the movements are, and says how many there are.
        """


class Engine(Protocol):
    """A way to run the join."""

    @property
    def name(self) -> str:
        """As the user calls it."""

    def open(self, work: Path, console: Console) -> AbstractContextManager[Workspace]:
        """Open a workspace; `work` is a private folder of this machine, on the disk of OUTPUT."""
