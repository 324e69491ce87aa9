"""The command line `movimento-flat`: options in, one stage or all of them, a message and an exit status out."""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER, extract
from extract.hdfs_sink import HdfsSink
from extract.sink import FolderSink, Sink
from extract.source import parse_source
from merge.output_folder import RUN_NAME, open_output
from merge.parts import CSV_NAME, DISAGREEMENTS_NAME, REJECTED_NAME
from movimento_flat import __version__, pipeline
from movimento_flat.engines import Engine
from movimento_flat.engines.hadoop import HadoopEngine, default_hdfs_folder, join_with_progress
from movimento_flat.engines.local import LocalEngine, tsv_files
from movimento_flat.errors import UserError
from movimento_flat.fictitious import DEFAULT_MOVEMENTS, DEFAULT_SEED, fictitious_database
from movimento_flat.hadoop import Hadoop
from movimento_flat.manifest import (
    EXTRACTION_NAME,
    Delivery,
    as_json,
    extraction_as_json,
    extraction_from_json,
)
from movimento_flat.money import reais
from movimento_flat.progress import Console
from mr_jobs.local import join_locally
from seed.load import fill
from seed.plan import Plan

USER_ERROR, INTERRUPTED = 1, 130

EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

CONTAINER_OUTPUT = "/output"
LOCAL, HADOOP = "local", "hadoop"

source_options = [
    click.option("--source", metavar="URL", help="mysql://user@host:port/database of the four tables."),
    click.option(
        "--password-file",
        type=EXISTING_FILE,
        help="Its password is the first line of this file; else MYSQL_PWD, else a prompt.",
    ),
    click.option(
        "--time-zone",
        default="-03:00",
        show_default=True,
        help="Zone in which TIMESTAMP columns are written; DATETIME columns are written as they are.",
    ),
    click.option(
        "--connections", default=2, show_default=True, type=click.IntRange(1, 16), help="Readers at once."
    ),
]
cores_option = click.option("--cores", type=click.IntRange(1), help="Tasks at once.  [default: all cores]")
plan_options = [
    click.option(
        "--movements",
        default=DEFAULT_MOVEMENTS,
        show_default=True,
        type=click.IntRange(0),
        help="Fictitious movements.",
    ),
    *(
        click.option(f"--{table}", type=click.IntRange(0), help=f"Fictitious {table}.  [default: {share}]")
        for table, share in (
            ("cards", "1 for 10 movements"),
            ("accounts", "3 for 4 cards"),
            ("associates", "2 for 3 accounts"),
        )
    ),
    click.option(
        "--seed",
        default=DEFAULT_SEED,
        show_default=True,
        help="The same seed gives the same fictitious database.",
    ),
    click.option(
        "--dirty",
        default=0.0,
        show_default=True,
        type=click.FloatRange(0, 1),
        help="Share of fictitious rows that are damaged, to see what is rejected.",
    ),
]
engine_option = click.option(
    "--engine",
    default=LOCAL,
    show_default=True,
    type=click.Choice([LOCAL, HADOOP]),
    help="Where the join runs: here, or on the cluster of the hadoop command.",
)
hdfs_folder_option = click.option(
    "--hdfs-folder",
    metavar="URI",
    help="Where runs work in HDFS.  [default: movimento-flat in your home there]",
)
property_option = click.option(
    "-D",
    "properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="Property of the join's jobs on a cluster, for example mapreduce.job.queuename=nightly; may be repeated.",
)

Command = TypeVar("Command", bound=Callable[..., Any])


def _with(options: list[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def cli() -> None:
    """Card movements from MySQL, joined by Hadoop MapReduce, as one CSV.

    \b
    movimento-flat run --output ./out
    movimento-flat run --output ./out --source mysql://reader@db.example:3306/sicooperative

    Exit status: 0 done, 1 something to mend (nothing was published), 2 wrong options, 130 interrupted.
    """


@cli.command()
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), help="Folder for the CSV; made if need be."
)
@_with([engine_option])
@_with(source_options)
@_with([cores_option, hdfs_folder_option, property_option])
@_with(plan_options)
def run(
    output: Path,
    engine: str,
    source: str | None,
    password_file: Path | None,
    time_zone: str,
    connections: int,
    cores: int | None,
    hdfs_folder: str | None,
    properties: tuple[str, ...],
    **plan: Any,
) -> None:
    """Everything: from a database to OUTPUT/movimento_flat.csv.

    Without --source it makes a database of its own, with fictitious data, and keeps it for the next run.
    """
    console = Console()
    chosen: Engine = LocalEngine(cores)
    if engine == HADOOP:
        chosen = HadoopEngine(hdfs_folder or default_hdfs_folder(), properties)
    if source:
        database = parse_source(source, password_file, time_zone)
        delivery = pipeline.run(database, output, chosen, connections, console)
    else:
        with fictitious_database(Plan(**plan), console) as database:
            delivery = pipeline.run(database, output, chosen, connections, console)
    console.say(_as_the_user_wrote(_summary(delivery, output)))


@cli.command("seed")
@_with([source_options[0], source_options[1]])
@_with(plan_options)
def seed_command(source: str | None, password_file: Path | None, **plan_parameters: Any) -> None:
    """Fill a database with fictitious data: the one of --source, whose tables must be empty, or our own."""
    console = Console()
    plan = Plan(**plan_parameters)
    if source:
        connection = parse_source(source, password_file).connect(local_infile=True)
        with console.stage("seed", total=plan.movements) as progress:
            fill(connection, plan, progress)
        connection.close()
    else:
        with fictitious_database(plan, console):
            pass


@cli.command("extract")
@_with(source_options)
@click.option("--to", "folder", required=True, help="New folder for tagged TSV, or its URI in HDFS.")
def extract_command(
    source: str | None, password_file: Path | None, time_zone: str, connections: int, folder: str
) -> None:
    """Stage 1: from a database to tagged TSV."""
    if not source:
        raise click.UsageError("--source is needed.")
    console = Console()
    database = parse_source(source, password_file, time_zone)
    sink = _new_sink(folder)
    with console.stage("extract") as progress:
        extraction = extract(database, sink, connections, console.say, progress)
    with sink.file(EXTRACTION_NAME) as file:
        file.write(as_json(extraction_as_json(extraction) | {"address": str(database)}))


def _new_sink(folder: str) -> Sink:
    if _is_uri(folder):
        hadoop = Hadoop.find()
        hadoop.fs("-mkdir", folder)
        hadoop.fs("-mkdir", *(f"{folder}/{name}" for name in (SMALL_TABLES_FOLDER, MOVEMENTS_FOLDER)))
        return HdfsSink(hadoop, folder)
    if Path(folder).exists() and any(Path(folder).iterdir()):
        raise UserError(f"{folder} is not empty.", "Name a new folder.")
    return FolderSink(Path(folder))


def _is_uri(folder: str) -> bool:
    return "://" in folder


@cli.command()
@click.option("--from", "folder", required=True, help="Tagged TSV of stage 1: a folder, or its URI in HDFS.")
@click.option("--to", "parts", required=True, help="New folder, or URI in HDFS, for the join's sorted parts.")
@_with([cores_option, property_option])
def join(folder: str, parts: str, cores: int | None, properties: tuple[str, ...]) -> None:
    """Stage 2: from tagged TSV to the join's sorted parts.

    Where the tagged TSV lies in HDFS the cluster joins it, else mrjob's local runner.
    """
    console = Console()
    small_tables, movements = f"{folder}/{SMALL_TABLES_FOLDER}", f"{folder}/{MOVEMENTS_FOLDER}"
    if _is_uri(folder):
        with TemporaryDirectory(prefix="movimento-flat-") as scripts:
            work = f"{parts.rstrip('/')}.work"
            hadoop = Hadoop.find()
            join_with_progress(
                hadoop, small_tables, lambda: movements, parts, work, Path(scripts), properties, console
            )
            hadoop.fs("-rm", "-r", "-f", "-skipTrash", work)
        return
    if not Path(folder).is_dir():
        raise click.UsageError(f"{folder} is not a folder.")
    with console.stage("join", unit=" tasks") as progress:
        files, movement_files = tsv_files(Path(small_tables)), tsv_files(Path(movements))
        join_locally(files, lambda: movement_files, Path(parts), Path(parts).parent, cores, progress)


@cli.command()
@click.option("--from", "parts", required=True, type=EXISTING_FOLDER, help="Sorted parts of stage 2.")
@click.option("--tsv", required=True, type=EXISTING_FOLDER, help="Tagged TSV of stage 1, for the accounts.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the CSV.")
def merge(parts: Path, tsv: Path, output: Path) -> None:
    """Stage 3: from sorted parts to OUTPUT/movimento_flat.csv, if the accounts balance."""
    console = Console()
    try:
        description = json.loads((tsv / EXTRACTION_NAME).read_text())
        extraction, address = extraction_from_json(description), description["address"]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{tsv / EXTRACTION_NAME} is damaged: {error}.", "Extract again into a new folder."
        ) from error
    with open_output(output) as folder:
        part_files = sorted(parts.glob("part-*"))
        delivery = pipeline.merge_and_publish(folder, part_files, extraction, "local", address, console)
    console.say(_as_the_user_wrote(_summary(delivery, output)))


def _summary(delivery: Delivery, output: Path) -> str:
    audit, rejected = delivery.audit, delivery.merged.rejected
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(rejected.reasons.items()))
    seconds = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in delivery.seconds.items())
    return "\n".join(
        [
            f"{output / CSV_NAME}",
            f"  rows           {audit.totals.rows:,} ({audit.bytes / 1e6:,.1f} MB), {reais(audit.totals.centavos)}",
            f"  rejected       {rejected.movements.rows:,}"
            + (f" ({reasons}): {REJECTED_NAME}" if reasons else ""),
            f"  disagreements  {delivery.merged.disagreements:,} cards whose holder is not the account's owner"
            f": {DISAGREEMENTS_NAME}",
            f"  seconds        {seconds}",
            f"  The accounts balance with the database as of {delivery.extraction.taken_at} UTC."
            f" Details: {output / RUN_NAME}/",
            "  The file holds whole card numbers; only its owner may read it (mode 0600).",
        ]
    )


def main() -> None:
    """The console script: the one place where an error becomes a message and an exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("Interrupted; what was published before is as it was.", INTERRUPTED)
    except UserError as error:
        _fail(str(error), USER_ERROR)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        next_step = "Free some space" if error.errno == errno.ENOSPC else "Mend that"
        _fail(
            f"A file could not be read or written: {error.strerror or error}{place}.\n"
            f"  -> {next_step} and run it again; what was published before is as it was.",
            USER_ERROR,
        )


def _fail(message: str, status: int) -> None:
    print(f"movimento-flat: {_as_the_user_wrote(message)}", file=sys.stderr)
    sys.exit(status)


def _as_the_user_wrote(message: str) -> str:
    """In the cluster's client container OUTPUT is another path than the one that the user knows."""
    return message.replace(CONTAINER_OUTPUT, os.environ.get("MOVIMENTO_FLAT_OUTPUT_SHOWN", CONTAINER_OUTPUT))


if __name__ == "__main__":
    main()
