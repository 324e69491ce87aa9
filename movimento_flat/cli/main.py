"""The command line `movimento-flat`: runs one stage or all, and ends with a message and an exit status."""

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from click.shell_completion import get_completion_class

from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER, extract
from extract.findings import PROBLEM
from extract.hdfs_sink import HdfsSink
from extract.proposal import propose
from extract.sink import FolderSink, Sink
from extract.source import Source
from extract.window import Window
from movimento_flat import __version__
from movimento_flat.cli import options, pipeline, summary
from movimento_flat.cli.container_paths import as_the_user_wrote
from movimento_flat.cli.doctor import as_text, examine, verdict, works
from movimento_flat.cli.engines import Engine
from movimento_flat.cli.engines.local import join_here
from movimento_flat.cli.fictitious import fictitious_database, forget_all
from movimento_flat.cli.folders import FolderOrUri, LakePlace, LocalFolder, is_uri
from movimento_flat.cli.help import EXIT_STATUS, Choice, Group
from movimento_flat.cli.metrics import write_metrics
from movimento_flat.cli.progress import Console, paint
from movimento_flat.cli.publishing import Publishing
from movimento_flat.cli.streams import open_closed_streams
from movimento_flat.cli.summary import Summary
from movimento_flat.cli.token_key import key_fingerprint_of, refuse_another_key, with_kept_key, with_key
from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop
from movimento_flat.interrupts import end_hearing, has_come, hear_signals
from movimento_flat.lake.local_store import is_lake
from movimento_flat.lake.stores import is_in_hdfs
from movimento_flat.lake.window import check_months
from movimento_flat.publish.manifest import EXTRACTION_NAME, SourceEntry, json_bytes
from movimento_flat.publish.output_folder import open_output
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import MOVIMENTO
from movimento_flat.workers import Workers
from mr_jobs.job_options import JobOptions

PROGRAM = "movimento-flat"
USER_ERROR, INTERRUPTED = 1, 130
INTERRUPTION = UserError("Interrupted; what was published before is as it was.")

SHELLS = ("bash", "zsh", "fish")
COMPLETE_VARIABLE = "_MOVIMENTO_FLAT_COMPLETE"

OUTPUT = LocalFolder()


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_STATUS,
)
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Card movements from MySQL or PostgreSQL, joined by Hadoop MapReduce, as one CSV.

    \b
    movimento-flat run --output ./out
    movimento-flat run --output ./out --source mysql://reader@db.example:3306/sicooperative
    movimento-flat verify ./out
    movimento-flat doctor
    """


@cli.command()
@click.option("--output", required=True, type=OUTPUT, help="Folder for the CSV; made if need be.")
@options.engine
@options.database_to_read
@options.window
@options.connections
@options.job_options
@options.publishing
@options.plan
@options.console
@options.profile
@options.metrics
@options.as_json
def run(
    output: Path,
    engine: Engine,
    database: Source | None,
    window: Window,
    connections: int,
    job_options: JobOptions,
    publishing: Publishing,
    plan: Plan,
    console: Console,
    profile: bool,
    metrics: Path | None,
    as_json: bool,
) -> None:
    """Run all stages: from a database to OUTPUT/movimento_flat.csv.

    Without --source it makes a database of its own, with fictitious data, and keeps it for the next run.

    \b
    movimento-flat run --output ./out --movements 1000000
    movimento-flat run --output ./out --source mysql://reader@db.example/sicooperative --tls-ca ca.pem
    movimento-flat run --output ./out --source ... --card mask --since 2024-01-01 --max-rejected 0.1%
    movimento-flat run --output ./out --quiet --json
    """
    if not database:
        # The user chose its number of rows: fewer than before are no loss.
        publishing = replace(publishing, limits=replace(publishing.limits, may_shrink=True))
        if window == Window():
            publishing.refuse_rows(plan.movements)
    source = _source(database, plan, window, console)
    if publishing.lake:
        check_months(window, job_options.privacy.columns)
    delivered = pipeline.run(source, output, engine, connections, job_options, publishing, console)
    if metrics:
        write_metrics(metrics, delivered.manifest)
    phases = console.phases if profile else ()
    _conclude(
        summary.of_delivery(delivered, _shown(output), console.elapsed, console.verbose, phases),
        console,
        as_json,
    )


@contextmanager
def _source(database: Source | None, plan: Plan, window: Window, console: Console) -> Iterator[Source]:
    """Give the database to read: the user's, or the program's own, which is filled if it is not yet."""
    with nullcontext(database) if database else fictitious_database(plan, console) as source:
        yield replace(source, window=window)


@cli.command("seed")
@options.database
@options.plan
@click.option("--forget", is_flag=True, help="Remove our own databases with fictitious data, all of them.")
@options.console
def seed_command(database: Source | None, plan: Plan, forget: bool, console: Console) -> None:
    """Fill a database with fictitious data: the one of --source, whose tables must be empty, or our own.

    \b
    movimento-flat seed --movements 1000000 --seed 7
    movimento-flat seed --source mysql://admin@127.0.0.1/trial --dirty 0.02
    movimento-flat seed --forget
    """
    if forget:
        if database:
            raise click.UsageError("--forget is for our own databases, not for that of --source.")
        forget_all(console)
    elif database:
        with console.stage("seed", total=plan.rows) as progress:
            database.kind.fill(database, plan, progress)
        console.say(f"{database}: filled with {plan.movements:,} fictitious movements.")
    else:
        with fictitious_database(plan, console):
            pass


@cli.command("extract")
@options.database_to_read
@options.window
@options.connections
@click.option(
    "--to", "folder", required=True, type=FolderOrUri(), help="New folder for tagged TSV, or its URI in HDFS."
)
@options.console
def extract_command(
    database: Source | None, window: Window, connections: int, folder: str, console: Console
) -> None:
    """Stage 1: from a database to tagged TSV.

    \b
    movimento-flat extract --source mysql://reader@db.example/sicooperative --to ./tsv
    movimento-flat extract --source mysql://reader@db.example/sicooperative --to hdfs:///tmp/tsv
    """
    if not database:
        raise click.UsageError("--source is needed.")
    sink = _new_sink(folder)
    with console.stage("extract") as progress:
        extraction = extract(
            replace(database, window=window),
            sink,
            connections,
            console.say,
            progress,
            expected=progress.expect,
        )
    with sink.file(EXTRACTION_NAME) as file:
        file.write(json_bytes(asdict(SourceEntry.of(extraction, str(database)))))
    rows = extraction.tables[MOVIMENTO.name].rows
    console.say(
        f"{folder}: {rows:,} movements and their cards, accounts and associates; next: movimento-flat join"
    )


def _new_sink(folder: str) -> Sink:
    if is_uri(folder):
        hadoop = Hadoop.find()
        hadoop.fs("-mkdir", folder)
        hadoop.fs("-mkdir", *(f"{folder}/{name}" for name in (SMALL_TABLES_FOLDER, MOVEMENTS_FOLDER)))
        return HdfsSink(hadoop, folder)
    if Path(folder).exists() and any(Path(folder).iterdir()):
        raise UserError(f"{folder} is not empty.", "Name a new folder.")
    return FolderSink(Path(folder))


@cli.command()
@click.option(
    "--from",
    "folder",
    required=True,
    type=FolderOrUri(),
    help="Tagged TSV of stage 1: a folder, or its URI in HDFS.",
)
@click.option(
    "--to",
    "parts",
    required=True,
    type=FolderOrUri(),
    help="New folder for the join's sorted parts; a URI in HDFS where --from is one.",
)
@options.job_options
@click.option("--now", help="Clock of the source when it was read: movements after it lie in the future.")
@options.cores
@options.properties
@options.console
@options.profile
def join(
    folder: str,
    parts: str,
    job_options: JobOptions,
    now: str | None,
    cores: int | None,
    properties: tuple[str, ...],
    console: Console,
    profile: bool,
) -> None:
    """Stage 2: from tagged TSV to the join's sorted parts.

    Where the tagged TSV lies in HDFS the cluster joins it, else this machine.

    \b
    movimento-flat join --from ./tsv --to ./parts
    movimento-flat join --from hdfs:///tmp/tsv --to hdfs:///tmp/parts -D mapreduce.job.reduces=8
    """
    if is_uri(folder) != is_uri(parts):
        raise click.UsageError("--from and --to are both folders of this machine, or both in HDFS.")
    if not is_uri(folder):
        if not Path(folder).is_dir():
            raise click.UsageError(f"{folder} is not a folder.")
        if Path(parts).exists():
            raise UserError(f"{parts} is there already.", "Name a new folder.")
        Path(parts).parent.mkdir(parents=True, exist_ok=True)
    # What is written between the steps is about as large as the parts, so it goes to the same disk.
    with TemporaryDirectory(
        prefix="movimento-flat-", dir=None if is_uri(parts) else Path(parts).parent
    ) as name:
        scratch = Path(name)
        job_options = with_key(replace(job_options, now=now), scratch, console.say)
        if is_uri(folder):
            _join_on_cluster(folder, parts, job_options, scratch, properties, console)
        else:
            with Workers(cores) as workers:
                join_here(Path(folder), job_options, lambda: None, Path(parts), scratch, workers, console)
    console.say(f"{parts}: joined and sorted by card; next: movimento-flat merge")
    for phase in console.phases if profile else ():
        console.show(f"{phase.name} {phase.step}: {phase}")


def _join_on_cluster(
    folder: str,
    parts: str,
    job_options: JobOptions,
    scratch: Path,
    properties: tuple[str, ...],
    console: Console,
) -> None:
    from movimento_flat.cli.engines.hadoop import default_hdfs_folder, join_with_progress  # noqa: PLC0415  # mrjob's part of Hadoop is slow to import

    work = f"{parts.rstrip('/')}.work"
    hadoop = Hadoop.find()
    small_tables, movements = f"{folder}/{SMALL_TABLES_FOLDER}", f"{folder}/{MOVEMENTS_FOLDER}"
    join_with_progress(
        hadoop,
        small_tables,
        hadoop.size(small_tables),
        movements,
        lambda: None,
        parts,
        work,
        scratch,
        f"{default_hdfs_folder()}/packages",
        job_options,
        properties,
        console,
    )
    hadoop.fs("-rm", "-r", "-f", "-skipTrash", work)


@cli.command()
@click.option("--from", "parts", required=True, type=options.EXISTING_FOLDER, help="Sorted parts of stage 2.")
@click.option(
    "--tsv", required=True, type=options.EXISTING_FOLDER, help="Tagged TSV of stage 1, for the accounts."
)
@click.option("--output", required=True, type=OUTPUT, help="Folder for the CSV.")
@options.job_options
@options.publishing
@options.console
@options.as_json
def merge(
    parts: Path,
    tsv: Path,
    output: Path,
    job_options: JobOptions,
    publishing: Publishing,
    console: Console,
    as_json: bool,
) -> None:
    """Stage 3: from sorted parts to OUTPUT/movimento_flat.csv, if the accounts balance.

    --card, --people, --dates, --drop, --with-ids and --key-file are those of stage 2.

    \b
    movimento-flat merge --from ./parts --tsv ./tsv --output ./out
    """
    from movimento_flat.cli.delivery import merge_and_publish  # noqa: PLC0415  # Polars is slow to import

    source = SourceEntry.read(tsv / EXTRACTION_NAME)
    if publishing.lake:
        check_months(source.window, job_options.privacy.columns)
    key_fingerprint = key_fingerprint_of(with_kept_key(job_options, console.say))
    with (
        open_output(output) as folder,
        pipeline.lake_of(publishing, folder.work, console) as lake,
        Workers() as workers,
    ):
        refuse_another_key(folder.path, key_fingerprint, publishing.allow_new_key, console.say)
        part_files = sorted(parts.glob("part-*"))
        delivered = merge_and_publish(
            folder,
            part_files,
            source,
            job_options.privacy,
            publishing,
            "local",
            key_fingerprint,
            workers,
            console,
            lake,
        )
    _conclude(
        summary.of_delivery(delivered, _shown(output), console.elapsed, console.verbose), console, as_json
    )


@cli.command()
@click.argument("output", type=LakePlace(exists=True))
@options.database
@options.console
@options.as_json
def verify(output: str, database: Source | None, console: Console, as_json: bool) -> None:
    """Compare OUTPUT with its manifest, or a lake with its record; by --source OUTPUT also with the database.

    The database counts, adds up and hashes its rows in plain SQL; it is only read.

    \b
    movimento-flat verify ./out
    movimento-flat verify ./out --source mysql://reader@db.example/sicooperative --json
    movimento-flat verify ./lake
    movimento-flat verify hdfs:///user/me/lake
    """
    from movimento_flat.cli.verify_command import verify_delivery, verify_lake  # noqa: PLC0415  # Polars is slow to import

    if is_in_hdfs(output) or is_lake(Path(output)):
        if database:
            raise click.UsageError("A lake is compared with its record; --source is for an OUTPUT folder.")
        return _conclude(verify_lake(output, console), console, as_json)
    return _conclude(verify_delivery(Path(output), database, console), console, as_json)


@cli.command(epilog="Exit status: 0 make run would work, 1 it would not, 2 wrong options, 130 interrupted.")
@click.option("--output", default="out", show_default=True, type=OUTPUT, help="Folder for the CSV.")
@options.database_to_read
@options.console
@options.as_json
def doctor(output: Path, database: Source | None, console: Console, as_json: bool) -> int:
    """Say whether a run would work here, and what to do where it would not; nothing is installed or written.

    It checks each engine, memory and disk; and with --source the database: TLS, account, tables, columns, and whether
    the tables can be locked while snapshots begin.

    \b
    movimento-flat doctor
    movimento-flat doctor --output ./out --source mysql://reader@db.example/sicooperative
    """
    findings = examine(output, database)
    if as_json:
        print(json.dumps({"works": works(findings), "findings": [asdict(finding) for finding in findings]}))
        return 0 if works(findings) else USER_ERROR
    console.show(as_text(findings, console.width, paint))
    console.say(verdict(findings))
    if works(findings):
        return 0
    if console.quiet:
        problems = [finding for finding in findings if finding.level == PROBLEM]
        print(as_text(problems, console.width, paint), file=sys.stderr)
    return USER_ERROR


@cli.command()
@options.database
@options.console
def tables(database: Source | None, console: Console) -> None:
    """Print a tables file for a database that calls the four tables otherwise, to read and to correct.

    Each line says why it is proposed. Nothing is mapped by itself: save it, and use it by --tables.

    \b
    movimento-flat tables --source mysql://reader@db.example/bank > tables.toml
    """
    if not database:
        raise click.UsageError("--source names the database.")
    print(propose(database), end="")


@cli.command()
@click.argument("shell", type=Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that lets SHELL complete commands, options and values.

    \b
    bash:  eval "$(movimento-flat completion bash)"     in ~/.bashrc
    zsh:   eval "$(movimento-flat completion zsh)"      in ~/.zshrc
    fish:  movimento-flat completion fish > ~/.config/fish/completions/movimento-flat.fish
    """
    kind = get_completion_class(shell)
    assert kind
    click.echo(kind(cli, {}, PROGRAM, COMPLETE_VARIABLE).source())


def _conclude(done: Summary, console: Console, as_json: bool) -> None:
    """Print the summary: for a person, or as JSON for a machine.

    Raises:
        UserError: it could not be written to standard output.
    """
    if not as_json:
        console.show(done.as_text(console.width, paint))
        return
    try:
        print(done.as_json(), flush=True)
    except OSError as error:
        sys.stdout = None  # else Python would try to write it again at exit
        raise UserError(
            f"The summary could not be written to standard output: {error.strerror}.",
            "The command has done its work; only the summary is missing.",
        ) from error


def _shown(path: Path) -> Path:
    return Path(as_the_user_wrote(str(path)))


def main() -> None:
    """Run the command; the only function that turns an error into a message and an exit status."""
    open_closed_streams()
    os.umask(0o077)  # what the program writes is for its user alone
    try:
        hear_signals()
        sys.exit(cli.main(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, standalone_mode=False))
    except click.ClickException as error:
        said = StringIO()
        error.show(said)
        print(as_the_user_wrote(said.getvalue()), end="", file=sys.stderr)
        _tell_machine(UserError(error.format_message(), "See --help."), error.exit_code)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail(INTERRUPTION, INTERRUPTED)
    except UserError as error:
        _fail(error, USER_ERROR)
    except OSError as error:
        file = f" {error.filename}" if error.filename else ""
        next_step = "Free some space" if error.errno == errno.ENOSPC else "Fix that"
        _fail(
            UserError(
                f"A file could not be read or written: {error.strerror or error}{file}.",
                f"{next_step} and run it again; what was published before is as it was.",
            ),
            USER_ERROR,
        )
    except Exception:  # an interrupted import may raise anything
        if not has_come():
            raise
        _fail(INTERRUPTION, INTERRUPTED)
    finally:
        end_hearing()


def _fail(error: UserError, status: int) -> None:
    """Print a message and end. An error after a signal is a consequence of it, so it is not shown."""
    if has_come() and status == USER_ERROR:
        error, status = INTERRUPTION, INTERRUPTED
    print(f"{paint(f'{PROGRAM}:', fg='red', bold=True)} {as_the_user_wrote(str(error))}", file=sys.stderr)
    _tell_machine(error, status)
    sys.exit(status)


def _tell_machine(error: UserError, status: int) -> None:
    """Say an error as one JSON object to standard output, where --json asks for one."""
    if "--json" in sys.argv[1:] and sys.stdout:
        facts = {"error": error.what, "next": error.next_step, "status": status}
        with suppress(OSError):  # the message is on standard error
            print(as_the_user_wrote(json.dumps(facts)), flush=True)


if __name__ == "__main__":
    main()
