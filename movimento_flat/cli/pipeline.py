"""Runs all stages: extract, join, merge, publish."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from extract.extraction import Extraction, SmallTables, extract
from extract.source import Source
from movimento_flat.cli.engines import Engine, Workspace
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.cli.token_key import key_fingerprint_of, refuse_another_key, with_key
from movimento_flat.imports import import_for_good
from movimento_flat.lake.folder import LakeFolder, open_lake
from movimento_flat.lake.stores import store_of
from movimento_flat.publish.manifest import PrivacyEntry, SourceEntry
from movimento_flat.publish.output_folder import open_output
from movimento_flat.schema import MOVIMENTO
from movimento_flat.workers import Workers
from mr_jobs.job_options import JobOptions

if TYPE_CHECKING:
    from movimento_flat.cli.delivery import Delivered


def run(
    database: AbstractContextManager[Source],
    output: Path,
    engine: Engine,
    connections: int,
    job_options: JobOptions,
    publishing: Publishing,
    console: Console,
) -> "Delivered":
    """Deliver a database to OUTPUT, and to a lake if one is asked for; return what was published.

    OUTPUT, the lake and the engine are checked before the context `database` is entered, which may have to make
    the database.

    Raises:
        UserError: something that the user can fix; OUTPUT is as it was.
        OSError: a disk is full or broken; OUTPUT is as it was.
    """
    with open_output(output) as folder:
        job_options = with_key(job_options, folder.work, console.say)
        key_fingerprint = key_fingerprint_of(job_options)
        refuse_another_key(folder.path, key_fingerprint, publishing.allow_new_key, console.say)
        with lake_of(publishing, folder.work, console) as lake, Workers(engine.cores) as workers:
            with engine.open(folder.work, workers, console) as workspace, database as source:
                if lake:
                    privacy = job_options.privacy
                    shown = PrivacyEntry.of(privacy, key_fingerprint)
                    lake.refuse_other(privacy.columns, shown, str(source), source.tables.text)
                extraction, parts = _extract_and_join(
                    source, workspace, connections, job_options, publishing, console
                )
            from movimento_flat.cli.delivery import merge_and_publish  # noqa: PLC0415  # see _import_what_comes_later

            return merge_and_publish(
                folder,
                parts,
                SourceEntry.of(extraction, str(source)),
                job_options.privacy,
                publishing,
                engine.name,
                key_fingerprint,
                workers,
                console,
                lake,
            )


@contextmanager
def lake_of(publishing: Publishing, work: Path, console: Console) -> Iterator[LakeFolder | None]:
    """Open the lake that is asked for, if one is. What it needs on this machine goes into the folder `work`."""
    if not publishing.lake:
        yield None
        return
    with (
        store_of(publishing.lake, publishing.lake_group, work / "lake", console.say) as store,
        open_lake(store) as lake,
    ):
        yield lake


def _extract_and_join(
    source: Source,
    workspace: Workspace,
    connections: int,
    job_options: JobOptions,
    publishing: Publishing,
    console: Console,
) -> tuple[Extraction, list[Path]]:
    """Extract in a thread, and join the small tables meanwhile; return the extraction and the join's parts.

    Raises:
        UserError: there are more movements than what is to be published may have.
    """
    small_tables: Future[SmallTables] = Future()  # done when they are complete
    stopping = Event()

    def extracting() -> Extraction:
        try:
            with console.stage("extract") as progress:
                stoppable = _stoppable(progress, stopping)
                extraction = extract(
                    source,
                    workspace.sink,
                    connections,
                    console.say,
                    stoppable,
                    small_tables.set_result,
                    progress.expect,
                )
            publishing.refuse_rows(extraction.tables[MOVIMENTO.name].rows)
            return extraction
        except BaseException as error:
            if not small_tables.done():
                small_tables.set_exception(error)
            raise

    with ThreadPoolExecutor(1) as background:
        extraction = background.submit(extracting)
        try:
            _import_what_comes_later(publishing.report)
            parts = workspace.join(
                job_options,
                small_tables.result,
                lambda: extraction.result().tables[MOVIMENTO.name].rows,
            )
        except BaseException:
            stopping.set()
            raise
        return extraction.result(), parts


def _import_what_comes_later(has_page: bool) -> None:
    """Import what the last stages need, while the first one waits for the database.

    Only the main thread imports: an import that a signal interrupts leaves its lock closed to other threads for ever.
    """
    import_for_good("movimento_flat.cli.delivery", *(["movimento_flat.report.page"] if has_page else []))


def _stoppable(progress: Callable[[int], None], stopping: Event) -> Callable[[int], None]:
    """Return a progress function that also ends the extraction once `stopping` is set."""

    def progress_or_stop(rows: int) -> None:
        if stopping.is_set():
            raise InterruptedError("the extraction was stopped")
        progress(rows)

    return progress_or_stop
