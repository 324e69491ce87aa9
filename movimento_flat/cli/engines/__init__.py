"""The engines that run the join. Each gives a run a workspace; the pipeline is the same for all."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from extract.extraction import SmallTables
from extract.sink import Sink
from movimento_flat.cli.progress import Console
from movimento_flat.workers import Workers
from mr_jobs.job_options import JobOptions


def as_of(job_options: JobOptions, small_tables: SmallTables) -> JobOptions:
    """Return the options of a job for what was extracted."""
    return replace(job_options, now=small_tables.clock, check_digits=small_tables.has_check_digits)


class Workspace(Protocol):
    """A private workspace of one run for tagged TSV and the join; it is removed when the run ends."""

    @property
    def sink(self) -> Sink:
        """Return the sink of the extraction."""

    def join(
        self,
        job_options: JobOptions,
        small_tables: Callable[[], SmallTables],
        movements_complete: Callable[[], int],
    ) -> list[Path]:
        """Join what the sink holds by these options; return the sorted parts, as files of this machine.

        Args:
            job_options: the options of the job; its clock becomes that of the extraction.
            small_tables: waits until the small tables are complete; it raises the extraction's error.
            movements_complete: waits until the movements are complete, and returns their number; it raises the same.
        """


class Engine(Protocol):
    """A way to run the join."""

    @property
    def name(self) -> str:
        """Return its name on the command line."""

    @property
    def cores(self) -> int | None:
        """Return how many tasks this machine may run at the same time; None: one for each of its cores."""

    def open(self, work: Path, workers: Workers, console: Console) -> AbstractContextManager[Workspace]:
        """Open a workspace.

        Args:
            work: a private folder of this machine, on the disk of OUTPUT.
            workers: what runs tasks on this machine.
            console: told where the join runs, and how far it is.
        """
