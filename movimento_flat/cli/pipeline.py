"""The four stages in one run: extract, join, merge, publish."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Event

from extract.extraction import Extraction, SmallTables, extract
from extract.source import Source
from movimento_flat.cli.engines import Engine, Workspace
from movimento_flat.cli.progress import Console
from movimento_flat.cli.token_key import key_fingerprint_of, refuse_another_key, with_key
from movimento_flat.errors import UserError
from movimento_flat.publish.limits import Limits
from movimento_flat.publish.manifest import Manifest, SourceEntry
from movimento_flat.publish.output_folder import open_output
from movimento_flat.schema import MOVIMENTO
from mr_jobs.job_options import Rules


@dataclass(frozen=True)
class Publishing:
    """What is published, and within which limits.

    Attributes:
        excel: whether there is a file for spreadsheets, too.
        parquet: whether there is a Parquet file, too.
        report: whether there is a page for managers, too.
        limits: what a run must not exceed.
        allow_new_key: whether tokens may be made by another key than those of the previous delivery.

    Raises:
        UserError: PyArrow is not installed and needed.
    """

    excel: bool = False
    parquet: bool = False
    report: bool = True
    limits: Limits = Limits()  # noqa: RUF009  # it is frozen
    allow_new_key: bool = False

    def __post_init__(self) -> None:
        if self.parquet and not find_spec("pyarrow"):
            raise UserError(
                "--parquet needs PyArrow, which is not installed.",
                "pip install 'movimento-flat[parquet]'; make run OPTIONS=--parquet installs it.",
            )


def run(
    database: AbstractContextManager[Source],
    output: Path,
    engine: Engine,
    connections: int,
    rules: Rules,
    publishing: Publishing,
    console: Console,
) -> Manifest:
    """Deliver a database to OUTPUT, and return the manifest.

    OUTPUT and engine are looked at before the database is entered, which may have to be made first.

    Raises:
        UserError: something that the user can mend; OUTPUT is as it was.
        OSError: a disk is full or broken; OUTPUT is as it was.
    """
    with open_output(output) as folder:
        rules = with_key(rules, folder.work, console.say)
        key_fingerprint = key_fingerprint_of(rules)
        refuse_another_key(folder.path, key_fingerprint, publishing.allow_new_key, console.say)
        with engine.open(folder.work, console) as workspace, database as source:
            extraction, parts = _extract_and_join(
                source, workspace, connections, rules, publishing.report, console
            )
        from movimento_flat.cli.delivery import merge_and_publish  # noqa: PLC0415  # see _import_what_comes_later

        return merge_and_publish(
            folder,
            parts,
            SourceEntry.of(extraction, str(source)),
            rules.privacy,
            publishing,
            engine.name,
            key_fingerprint,
            console,
        )


def _extract_and_join(
    source: Source, workspace: Workspace, connections: int, rules: Rules, has_page: bool, console: Console
) -> tuple[Extraction, list[Path]]:
    """The join's first step runs on the small tables while movements are still being extracted."""
    small_tables: Future[SmallTables] = Future()  # done when they are complete
    stopping = Event()

    def extracting() -> Extraction:
        try:
            with console.stage("extract") as progress:
                stoppable = _stoppable(progress, stopping)
                return extract(
                    source,
                    workspace.sink,
                    connections,
                    console.say,
                    stoppable,
                    small_tables.set_result,
                    progress.expect,
                )
        except BaseException as error:
            if not small_tables.done():
                small_tables.set_exception(error)
            raise

    with ThreadPoolExecutor(1) as background:
        extraction = background.submit(extracting)
        if has_page:
            background.submit(
                import_module, "movimento_flat.report.page"
            )  # Jinja takes its time, while the join runs
        try:
            _import_what_comes_later()
            parts = workspace.join(
                rules,
                small_tables.result,
                lambda: extraction.result().tables[MOVIMENTO.name].rows,
            )
        except BaseException:
            stopping.set()
            raise
        return extraction.result(), parts


def _import_what_comes_later() -> None:
    """What the last stages need, NumPy among it, while the first one waits for the database."""
    import_module("movimento_flat.cli.delivery")


def _stoppable(progress: Callable[[int], None], stopping: Event) -> Callable[[int], None]:
    """The same progress, which also ends an extraction that nobody waits for any more."""

    def report(rows: int) -> None:
        if stopping.is_set():
            raise InterruptedError("the extraction was stopped")
        progress(rows)

    return report
