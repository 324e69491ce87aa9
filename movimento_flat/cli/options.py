"""Options of the command line that several commands share, in groups. A command gets each group as one object."""

import inspect
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from extract.source import TIME_LIMIT_SECONDS, Source, forget_passwords, parse_source
from extract.tables_file import TablesFile
from extract.time_limits import TimeLimits
from extract.tls import OFF, VERIFY, Tls
from extract.window import Window
from movimento_flat.cli.container_paths import as_the_user_wrote
from movimento_flat.cli.engines import Engine
from movimento_flat.cli.engines.local import LocalEngine
from movimento_flat.cli.fictitious import DEFAULT_MOVEMENTS, DEFAULT_SEED
from movimento_flat.cli.folders import LAKE_COPIES, FolderOrUri, LakePlace
from movimento_flat.cli.help import SECTIONS, Choice, one_of
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.errors import UserError
from movimento_flat.lake.local_store import group_id
from movimento_flat.lake.stores import is_in_hdfs
from movimento_flat.privacy import CARD_MODES, DATES_MODES, FULL, PEOPLE_MODES, Privacy
from movimento_flat.publish.limits import LEAST_PERCENT, REASONS, WORKBOOK_ROWS, Limit, Limits, Strict
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import FLAT_COLUMNS, ID_COLUMNS
from mr_jobs.job_options import JobOptions

EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

#: Where Docker, Podman and Compose mount secrets. All users of the container may read them, and nobody outside.
MOUNTED_SECRETS = Path("/run/secrets")


class Moment(click.DateTime):
    """A wall-clock time of the CSV; the error for one as Brazilians write it says how to write it here."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See click."""
        with suppress(ValueError):
            day = datetime.strptime(str(value).strip().partition(" ")[0], "%d/%m/%Y").date()
            self.fail(f"'{value}' has the day first: write {day}.", param, ctx)
        return super().convert(value, param, ctx)


MOMENT = Moment()
MOMENT_FORM = "YYYY-MM-DD, 'YYYY-MM-DD HH:MM:SS' or YYYY-MM-DDTHH:MM:SS, as the CSV has it"

LOCAL, HADOOP = "local", "hadoop"

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def group(name: str, title: str, build: Callable[..., Any], *options: Decorator) -> Decorator:
    """Return a decorator that gives a command the result of `build` as its parameter `name`.

    `build` has a parameter for each option. `title` is the heading of the options in the command's help.
    """
    names = inspect.signature(build).parameters
    SECTIONS.update(dict.fromkeys(names, title))

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_group(**values: Any) -> Any:
            own = {option: values.pop(option) for option in names}
            return command(**values, **{name: build(**own)})

        decorated: Command = with_group
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


_DATABASE = "Database"

_source = click.option("--source", metavar="URL", help="mysql:// or postgresql://user@host:port/database.")
_password_file = click.option(
    "--password-file",
    type=EXISTING_FILE,
    help="Its password is the first line of this file; else MYSQL_PWD (PGPASSWORD), else a prompt.",
)
_time_zone = click.option(
    "--time-zone",
    help="Zone in which TIMESTAMP columns are written; DATETIME columns are written as they are."
    "  [default: the server's own]",
)
_tls = click.option(
    "--tls",
    type=Choice([VERIFY, OFF]),
    help="verify: by TLS, with the server's certificate and name verified; off: without TLS."
    "  [default: verify, but off to this machine's own loopback or socket]",
)
_tls_ca = click.option(
    "--tls-ca",
    type=EXISTING_FILE,
    help="Certificate (PEM) of the authority to trust.  [default: the system's]",
)
_read_timeout = click.option(
    "--read-timeout",
    default=TimeLimits().answer,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(1, 1_000_000),
    help="Give up a server that is silent for so long; it is also silent while it counts a large table.",
)
_allow_writer = click.option(
    "--allow-writer", is_flag=True, help="Read even by an account that could change the database."
)
_tables = click.option(
    "--tables",
    metavar="FILE",
    type=EXISTING_FILE,
    help="Tables file (TOML): how the database calls its tables and columns; see docs/your_own_database.md.",
)
_time_limit = click.option(
    "--time-limit",
    metavar="SECONDS",
    default=TIME_LIMIT_SECONDS,
    show_default=True,
    type=click.IntRange(1),
    help="End the reading after so long: until then sessions that alter the tables wait, and later ones for them.",
)


def _database(
    source: str | None,
    password_file: Path | None,
    tls: str | None,
    tls_ca: Path | None,
    read_timeout: float,
    tables: Path | None,
) -> Source | None:
    if tls == OFF and tls_ca:
        raise click.UsageError("--tls-ca has no effect with --tls off.")
    if source:
        if password_file:
            _warn_of_readers(password_file)
        limits = TimeLimits(answer=read_timeout)
        found = TablesFile.read(tables) if tables else TablesFile()
        database = parse_source(source, password_file)
        return replace(database, tls=Tls(tls, tls_ca), limits=limits, tables=found)
    if tables:
        raise click.UsageError("--tables says how the database of --source calls its tables.")
    forget_passwords()
    return None


def _warn_of_readers(password_file: Path) -> None:
    """Warn of a password file that others may read; it is used, since the mode of a mounted secret may be fixed."""
    mounted = password_file.resolve().is_relative_to(MOUNTED_SECRETS)
    if password_file.stat().st_mode & stat.S_IROTH and not mounted:
        said = f"Other users of this machine may read the password file {password_file}."
        text = as_the_user_wrote(f"{said}\n  -> chmod 600 {password_file}")
        Console(quiet=click.get_current_context().params["quiet"]).show(text)


def _database_to_read(
    source: str | None,
    password_file: Path | None,
    tls: str | None,
    tls_ca: Path | None,
    read_timeout: float,
    tables: Path | None,
    allow_writer: bool,
    time_zone: str | None,
    time_limit: int,
) -> Source | None:
    database = _database(source, password_file, tls, tls_ca, read_timeout, tables)
    return database and replace(
        database, allow_writer=allow_writer, time_zone=time_zone, time_limit=time_limit
    )


_connection = (_source, _password_file, _tls, _tls_ca, _read_timeout, _tables)
#: Gives `database`: the source of --source, or None without it.
database = group("database", _DATABASE, _database, *_connection)
database_to_read = group(
    "database", _DATABASE, _database_to_read, *_connection, _allow_writer, _time_zone, _time_limit
)


def _window(since: datetime | None, until: datetime | None, as_of: datetime | None) -> Window:
    if since and until and since >= until:
        raise click.UsageError("--since must be before --until.")
    return Window(since, until, as_of)


#: Gives `window`: which rows are read.
window = group(
    "window",
    "Which rows",
    _window,
    click.option("--since", type=MOMENT, metavar="TIME", help=f"Only movements from then on: {MOMENT_FORM}."),
    click.option("--until", type=MOMENT, metavar="TIME", help="Only movements before then."),
    click.option(
        "--as-of",
        type=MOMENT,
        metavar="TIME",
        help="All tables as they were then; they must be WITH SYSTEM VERSIONING (MariaDB).",
    ),
)

connections = click.option(
    "--connections",
    default=2,
    show_default=True,
    type=click.IntRange(1, 16),
    help="Readers at the same time.",
)
SECTIONS["connections"] = _DATABASE
cores = click.option("--cores", type=click.IntRange(1), help="Tasks at the same time.  [default: all cores]")
properties = click.option(
    "-D",
    "properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="Property of the join's jobs on a cluster, for example mapreduce.job.queuename=nightly; may be repeated.",
)


def _engine(engine: str, cores: int | None, hdfs_folder: str | None, properties: tuple[str, ...]) -> Engine:
    if engine == HADOOP:
        # mrjob's part of Hadoop is slow to import.
        from movimento_flat.cli.engines.hadoop import HadoopEngine, default_hdfs_folder  # noqa: PLC0415

        return HadoopEngine(hdfs_folder or default_hdfs_folder(), properties)
    return LocalEngine(cores)


#: Gives `engine`: what runs the join.
engine = group(
    "engine",
    "Where the join runs",
    _engine,
    click.option(
        "--engine",
        default=LOCAL,
        show_default=True,
        type=Choice([LOCAL, HADOOP]),
        help="Where the join runs: here, or on the cluster of the hadoop command.",
    ),
    cores,
    click.option(
        "--hdfs-folder",
        metavar="URI",
        type=FolderOrUri(),
        help="Where runs work in HDFS.  [default: movimento-flat in your home there]",
    ),
    properties,
)


def _rules(
    card: str, people: str, dates: str, drop: tuple[str, ...], with_ids: bool, key_file: Path | None
) -> JobOptions:
    try:
        return JobOptions(Privacy(card, people, frozenset(drop), with_ids, dates), key_file=key_file)
    except UserError as error:
        raise click.UsageError(f"{error.what} {error.next_step}") from error


#: Gives `job_options`: what the delivery shows of cards and people.
job_options = group(
    "job_options",
    "What shows of cards and people",
    _rules,
    click.option(
        "--card",
        type=Choice(CARD_MODES),
        default=FULL,
        show_default=True,
        help="Card numbers in full; masked, with their first six and last four digits; or as tokens.",
    ),
    click.option(
        "--people",
        type=Choice(PEOPLE_MODES),
        default=FULL,
        show_default=True,
        help="Names in full; or a token of the associate instead of the name, and no printed name.",
    ),
    click.option(
        "--dates",
        type=Choice(DATES_MODES),
        default=FULL,
        show_default=True,
        help="Moments in full; or their day or month, so that they do not lead back to a whole delivery.",
    ),
    click.option(
        "--drop",
        multiple=True,
        metavar="COLUMN",
        shell_complete=one_of(*FLAT_COLUMNS),
        help="A column to leave out of the CSV; may be repeated.",
    ),
    click.option(
        "--with-ids",
        is_flag=True,
        help=f"Write also {', '.join(ID_COLUMNS)}, after the other columns; only where nothing is hidden.",
    ),
    click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        help="Key of tokens, the same in each run; made if it is not there."
        "  [default: $XDG_DATA_HOME/movimento-flat/token_key, which is ~/.local/share/movimento-flat/token_key]",
    ),
)


def _limit(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Return a callback of click that parses each text of an option; a ValueError is a usage error."""

    def parsed(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        try:
            if parameter.multiple:
                return tuple(map(parse, value))
            return None if value is None else parse(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return parsed


def _publishing(
    excel: bool,
    excel_rows: int | None,
    parquet: bool,
    report: bool,
    lake: str | None,
    lake_group: str | None,
    max_rejected: Limit | None,
    strict: tuple[Strict, ...],
    allow_shrink: bool,
    allow_new_key: bool,
) -> Publishing:
    if lake_group is not None and not lake:
        raise click.UsageError("--lake-group is of --lake.")
    if lake and lake_group and not is_in_hdfs(lake):
        try:
            group_id(lake_group)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    if excel_rows is not None and not excel:
        raise click.UsageError("--excel-rows is of --excel.")
    limits = Limits(max_rejected, strict, allow_shrink, excel_rows or WORKBOOK_ROWS)
    return Publishing(excel, parquet, report, lake, lake_group, limits, allow_new_key)


#: Gives `publishing`: what is published, and within which limits.
publishing = group(
    "publishing",
    "What is published",
    _publishing,
    click.option(
        "--excel",
        is_flag=True,
        help="Write movimento_flat.xlsx, a workbook for Excel and LibreOffice, beside the CSV.",
    ),
    click.option(
        "--excel-rows",
        metavar="N",
        type=click.IntRange(1),
        help=f"Write a workbook of up to so many movements.  [default: {WORKBOOK_ROWS}, which are one sheet]",
    ),
    click.option(
        "--parquet",
        is_flag=True,
        help="Write a Parquet file beside the CSV.",
    ),
    click.option(
        "--report/--no-report",
        default=True,
        show_default=True,
        help="Write relatorio.html, a page in Portuguese for managers, beside the CSV.",
    ),
    click.option(
        "--lake",
        metavar="FOLDER",
        type=LakePlace(LAKE_COPIES),
        help="Write the flat table into this folder as well, here or in HDFS (hdfs:///...), as Parquet by month; with"
        " --since and --until, the months between them alone.",
    ),
    click.option(
        "--lake-group",
        metavar="NAME",
        help="Let this group read the lake; without it, only you may.",
    ),
    click.option(
        "--max-rejected",
        metavar="N|P%",
        callback=_limit(Limit.parse),
        help="Publish nothing if more movements than that, or than that share of them, are rejected.",
    ),
    click.option(
        "--strict",
        metavar="REASON[=N|P%]",
        multiple=True,
        callback=_limit(Strict.parse),
        shell_complete=one_of(*REASONS),
        help="Publish nothing if a reason of rejections or warnings is found, or more often than that;"
        " may be repeated.",
    ),
    click.option(
        "--allow-shrink",
        is_flag=True,
        help=f"Publish even if fewer than {LEAST_PERCENT} % of the previous delivery's rows are there.",
    ),
    click.option(
        "--allow-new-key",
        is_flag=True,
        help="Publish even if the previous delivery's tokens were made by another key.",
    ),
)


def _plan(
    movements: int, cards: int | None, accounts: int | None, associates: int | None, seed: int, dirty: float
) -> Plan:
    return Plan(
        movements=movements, cards=cards, accounts=accounts, associates=associates, seed=seed, dirty=dirty
    )


#: Gives `plan`: the size and content of the fictitious database.
plan = group(
    "plan",
    "Fictitious database",
    _plan,
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
)


def _console(verbose: bool, quiet: bool) -> Console:
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet are opposites.")
    return Console(quiet, verbose)


_MESSAGES = "Messages"
#: Gives `console`: where the command prints.
console = group(
    "console",
    _MESSAGES,
    _console,
    click.option("-v", "--verbose", is_flag=True, help="Say more: stages, what was read, versions."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
)
profile = click.option(
    "--profile", is_flag=True, help="Say what each phase of the join has cost: tasks, seconds, bytes."
)
SECTIONS["profile"] = _MESSAGES
as_json = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write the summary, or the error, as one JSON object to standard output.",
)
SECTIONS["as_json"] = _MESSAGES
metrics = click.option(
    "--metrics",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the run's figures to this file as Prometheus text, for everybody to read.",
)
SECTIONS["metrics"] = _MESSAGES
