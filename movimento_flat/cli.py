"""The command line `movimento-flat`: options in, one stage or all of them, a message and an exit status out."""

import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER, extract
from extract.sink import FolderSink
from extract.source import parse_source
from merge.output_folder import RUN_NAME, open_output
from merge.parts import CSV_NAME, DISAGREEMENTS_NAME, REJECTED_NAME
from movimento_flat import __version__
from movimento_flat.embedded import DEFAULT_MOVEMENTS, DEFAULT_SEED, embedded_database
from movimento_flat.errors import UserError
from movimento_flat.manifest import (
    EXTRACTION_NAME,
    Delivery,
    extraction_as_json,
    extraction_from_json,
    write_json,
)
from movimento_flat.money import reais
from movimento_flat.pipeline import merge_and_publish, run_locally
from movimento_flat.progress import Console
from movimento_flat.state import state_dir
from mr_jobs.local import join_locally
from seed.load import fill
from seed.plan import Plan

USER_ERROR, INTERRUPTED = 1, 130

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

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
movements_option = click.option(
    "--movements",
    default=DEFAULT_MOVEMENTS,
    show_default=True,
    type=click.IntRange(0),
    help="Fictitious movements.",
)
seed_option = click.option(
    "--seed",
    default=DEFAULT_SEED,
    show_default=True,
    help="The same seed gives the same fictitious database.",
)
dirty_option = click.option(
    "--dirty",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of fictitious rows that are damaged, to see what is rejected.",
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
@click.option(
    "--engine", default="auto", show_default=True, type=click.Choice(["auto", "local"]), help="Where it runs."
)
@_with(source_options)
@_with([movements_option, seed_option, dirty_option, cores_option])
def run(
    output: Path,
    engine: str,
    source: str | None,
    password_file: Path | None,
    time_zone: str,
    connections: int,
    movements: int,
    seed: int,
    dirty: float,
    cores: int | None,
) -> None:
    """Everything: from a database to OUTPUT/movimento_flat.csv.

    Without --source it makes a database of its own, with fictitious data, and keeps it for the next run.
    """
    console = Console()
    reason = "as asked" if engine == "local" else "no Docker engine answers"
    console.say(f"Engine: local ({reason}): mrjob's local runner on {cores or os.cpu_count()} cores.")
    if source:
        database = parse_source(source, password_file, time_zone)
        delivery = run_locally(database, output, connections, cores, console)
    else:
        with embedded_database(
            state_dir(), Plan(movements=movements, seed=seed, dirty=dirty), console
        ) as database:
            delivery = run_locally(database, output, connections, cores, console)
    console.say(_summary(delivery, output))


@cli.command("seed")
@_with([source_options[0], source_options[1]])
@_with([movements_option, seed_option, dirty_option])
def seed_command(
    source: str | None, password_file: Path | None, movements: int, seed: int, dirty: float
) -> None:
    """Fill a database with fictitious data: the one of --source, whose tables must be empty, or our own."""
    console = Console()
    plan = Plan(movements=movements, seed=seed, dirty=dirty)
    if source:
        connection = parse_source(source, password_file).connect()
        with console.stage("seed", total=plan.movements) as progress:
            fill(connection, plan, progress)
        connection.close()
    else:
        with embedded_database(state_dir(), plan, console):
            pass


@cli.command("extract")
@_with(source_options)
@click.option("--to", "folder", required=True, type=FOLDER, help="New folder for tagged TSV.")
def extract_command(
    source: str | None, password_file: Path | None, time_zone: str, connections: int, folder: Path
) -> None:
    """Stage 1: from a database to tagged TSV."""
    if not source:
        raise click.UsageError("--source is needed.")
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty.", "Name a new folder.")
    console = Console()
    database = parse_source(source, password_file, time_zone)
    with console.stage("extract") as progress:
        extraction = extract(database, FolderSink(folder), connections, console.say, progress)
    write_json(folder / EXTRACTION_NAME, extraction_as_json(extraction) | {"address": str(database)})


@cli.command()
@click.option("--from", "folder", required=True, type=EXISTING_FOLDER, help="Tagged TSV of stage 1.")
@click.option("--to", "parts", required=True, type=FOLDER, help="New folder for the join's sorted parts.")
@_with([cores_option])
def join(folder: Path, parts: Path, cores: int | None) -> None:
    """Stage 2: from tagged TSV to the join's sorted parts, by mrjob's local runner."""
    console = Console()
    small_tables = sorted((folder / SMALL_TABLES_FOLDER).glob("*.tsv"))
    movements = sorted((folder / MOVEMENTS_FOLDER).glob("*.tsv"))
    with console.stage("join", unit=" tasks") as progress:
        join_locally(small_tables, lambda: movements, parts, parts.parent, cores, progress)


@cli.command()
@click.option("--from", "parts", required=True, type=EXISTING_FOLDER, help="Sorted parts of stage 2.")
@click.option("--tsv", required=True, type=EXISTING_FOLDER, help="Tagged TSV of stage 1, for the accounts.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the CSV.")
def merge(parts: Path, tsv: Path, output: Path) -> None:
    """Stage 3: from sorted parts to OUTPUT/movimento_flat.csv, if the accounts balance."""
    console = Console()
    description = json.loads((tsv / EXTRACTION_NAME).read_text())
    extraction = extraction_from_json(description)
    with open_output(output) as folder:
        part_files = sorted(parts.glob("part-*"))
        delivery = merge_and_publish(folder, part_files, extraction, "local", description["address"], console)
    console.say(_summary(delivery, output))


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
    print(f"movimento-flat: {message}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
