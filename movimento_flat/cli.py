"""The command line `movimento-flat`: options in, one stage or all of them, a message and an exit status out."""

import errno
import json
import os
import signal
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER, extract
from extract.hdfs_sink import HdfsSink
from extract.sink import FolderSink, Sink
from extract.source import Source
from extract.window import Window
from merge.output_folder import RUN_NAME, open_output
from merge.parts import CSV_NAME, DISAGREEMENTS_NAME, REJECTED_NAME, WARNINGS_NAME
from movimento_flat import __version__, options, pipeline
from movimento_flat.engines import Engine
from movimento_flat.engines.hadoop import join_with_progress
from movimento_flat.engines.local import tsv_files
from movimento_flat.errors import UserError
from movimento_flat.fictitious import fictitious_database
from movimento_flat.hadoop import Hadoop
from movimento_flat.manifest import (
    EXTRACTION_NAME,
    Delivery,
    as_json,
    extraction_as_json,
    extraction_from_json,
)
from movimento_flat.money import reais
from movimento_flat.pipeline import Publishing
from movimento_flat.privacy import FULL, MASK, TOKEN, Privacy
from movimento_flat.progress import Console
from movimento_flat.token_key import with_key
from movimento_flat.verify_command import verify_delivery
from mr_jobs.local import join_locally
from mr_jobs.rules import Rules
from seed.load import fill
from seed.plan import Plan

USER_ERROR, INTERRUPTED = 1, 130

CONTAINER_OUTPUT = "/output"


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
@options.engine
@options.database_to_read
@options.window
@options.connections
@options.rules
@options.publishing
@options.plan
def run(
    output: Path,
    engine: Engine,
    database: Source | None,
    window: Window,
    connections: int,
    rules: Rules,
    publishing: Publishing,
    plan: Plan,
) -> None:
    """Everything: from a database to OUTPUT/movimento_flat.csv.

    Without --source it makes a database of its own, with fictitious data, and keeps it for the next run.
    """
    console = Console()
    if database:
        source = replace(database, window=window)
        delivery = pipeline.run(source, output, engine, connections, rules, publishing, console)
    else:
        # How many rows it has was asked for: fewer than before are no loss.
        publishing = replace(publishing, limits=replace(publishing.limits, may_shrink=True))
        with fictitious_database(plan, console) as own:
            source = replace(own, window=window)
            delivery = pipeline.run(source, output, engine, connections, rules, publishing, console)
    console.say(_as_the_user_wrote(_summary(delivery, output)))


@cli.command("seed")
@options.database
@options.plan
def seed_command(database: Source | None, plan: Plan) -> None:
    """Fill a database with fictitious data: the one of --source, whose tables must be empty, or our own."""
    console = Console()
    if database:
        connection = database.connect(local_infile=True)
        with console.stage("seed", total=plan.movements) as progress:
            fill(connection, plan, progress)
        connection.close()
    else:
        with fictitious_database(plan, console):
            pass


@cli.command("extract")
@options.database_to_read
@options.window
@options.connections
@click.option("--to", "folder", required=True, help="New folder for tagged TSV, or its URI in HDFS.")
def extract_command(database: Source | None, window: Window, connections: int, folder: str) -> None:
    """Stage 1: from a database to tagged TSV."""
    if not database:
        raise click.UsageError("--source is needed.")
    console = Console()
    sink = _new_sink(folder)
    with console.stage("extract") as progress:
        extraction = extract(replace(database, window=window), sink, connections, console.say, progress)
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
@options.rules
@click.option("--now", help="Clock of the source when it was read: movements after it lie in the future.")
@options.cores
@options.properties
def join(
    folder: str, parts: str, rules: Rules, now: str | None, cores: int | None, properties: tuple[str, ...]
) -> None:
    """Stage 2: from tagged TSV to the join's sorted parts.

    Where the tagged TSV lies in HDFS the cluster joins it, else mrjob's local runner.
    """
    console = Console()
    small_tables, movements = f"{folder}/{SMALL_TABLES_FOLDER}", f"{folder}/{MOVEMENTS_FOLDER}"
    with TemporaryDirectory(prefix="movimento-flat-") as name:
        scratch = Path(name)
        rules = with_key(replace(rules, now=now), scratch)
        if _is_uri(folder):
            work = f"{parts.rstrip('/')}.work"
            hadoop = Hadoop.find()
            join_with_progress(
                hadoop, small_tables, lambda: movements, parts, work, scratch, rules, properties, console
            )
            hadoop.fs("-rm", "-r", "-f", "-skipTrash", work)
            return
        if not Path(folder).is_dir():
            raise click.UsageError(f"{folder} is not a folder.")
        with console.stage("join", unit=" tasks") as progress:
            files, movement_files = tsv_files(Path(small_tables)), tsv_files(Path(movements))
            join_locally(
                files, lambda: movement_files, Path(parts), Path(parts).parent, rules, cores, progress
            )


@cli.command()
@click.option("--from", "parts", required=True, type=options.EXISTING_FOLDER, help="Sorted parts of stage 2.")
@click.option(
    "--tsv", required=True, type=options.EXISTING_FOLDER, help="Tagged TSV of stage 1, for the accounts."
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the CSV.")
@options.rules
@options.publishing
def merge(parts: Path, tsv: Path, output: Path, rules: Rules, publishing: Publishing) -> None:
    """Stage 3: from sorted parts to OUTPUT/movimento_flat.csv, if the accounts balance.

    --card, --people and --drop are those of stage 2.
    """
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
        delivery = pipeline.merge_and_publish(
            folder, part_files, extraction, rules.privacy, publishing, "local", address, console
        )
    console.say(_as_the_user_wrote(_summary(delivery, output)))


@cli.command()
@click.argument("output", type=options.EXISTING_FOLDER)
@options.database
def verify(output: Path, database: Source | None) -> None:
    """Whether OUTPUT still is what its manifest says; with --source also, whether the database holds the same.

    The database counts, adds up and hashes its rows in plain SQL; it is only read.
    """
    console = Console()
    console.say(_as_the_user_wrote(verify_delivery(output, database, console)))


def _summary(delivery: Delivery, output: Path) -> str:
    audit, rejected = delivery.audit, delivery.merged.rejected
    reasons, warnings = _counts(rejected.reasons), delivery.merged.warnings
    seconds = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in delivery.seconds.items())
    return "\n".join(
        [
            f"{output / CSV_NAME}",
            f"  rows           {audit.totals.rows:,} ({audit.bytes / 1e6:,.1f} MB), {reais(audit.totals.centavos)}",
            f"  rejected       {rejected.movements.rows:,}"
            + (f" ({reasons}): {REJECTED_NAME}" if reasons else ""),
            f"  disagreements  {delivery.merged.disagreements:,} cards whose holder is not the account's owner"
            f": {DISAGREEMENTS_NAME}",
            *([f"  warnings       {_counts(warnings)}: {WARNINGS_NAME}"] if warnings else []),
            f"  seconds        {seconds}",
            f"  The accounts balance with the database as of {delivery.extraction.taken_at} UTC."
            f" Details: {output / RUN_NAME}/",
            f"  {_what_shows(delivery.privacy)} Only its owner may read it (mode 0600).",
        ]
    )


def _counts(reasons: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))


def _what_shows(privacy: Privacy) -> str:
    cards = {FULL: "whole card numbers", MASK: "masked card numbers", TOKEN: "tokens of card numbers"}
    people = {FULL: "names", TOKEN: "tokens of people"}
    return f"The file holds {cards[privacy.card]} and {people[privacy.people]}."


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
