"""Options of the command line, in groups: what several commands share, each group given to them as one object."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from extract.source import Source, parse_source
from movimento_flat.engines import Engine
from movimento_flat.engines.hadoop import HadoopEngine, default_hdfs_folder
from movimento_flat.engines.local import LocalEngine
from movimento_flat.fictitious import DEFAULT_MOVEMENTS, DEFAULT_SEED
from movimento_flat.privacy import CARDS, FULL, PEOPLE, Privacy
from mr_jobs.rules import Rules
from seed.plan import Plan

EXISTING_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

LOCAL, HADOOP = "local", "hadoop"

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def group(name: str, build: Callable[..., Any], *options: Decorator) -> Decorator:
    """A decorator of a command: it gets what `build` makes of these options as its parameter `name`.

    `build` has a parameter for each option.
    """
    names = inspect.signature(build).parameters

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


_source = click.option("--source", metavar="URL", help="mysql://user@host:port/database of the four tables.")
_password_file = click.option(
    "--password-file",
    type=EXISTING_FILE,
    help="Its password is the first line of this file; else MYSQL_PWD, else a prompt.",
)
_time_zone = click.option(
    "--time-zone",
    default="-03:00",
    show_default=True,
    help="Zone in which TIMESTAMP columns are written; DATETIME columns are written as they are.",
)


def _database_to_read(source: str | None, password_file: Path | None, time_zone: str) -> Source | None:
    return parse_source(source, password_file, time_zone) if source else None


def _database_to_fill(source: str | None, password_file: Path | None) -> Source | None:
    return parse_source(source, password_file) if source else None


#: -> database: the one of --source, or None without it.
database_to_read = group("database", _database_to_read, _source, _password_file, _time_zone)
database_to_fill = group("database", _database_to_fill, _source, _password_file)

connections = click.option(
    "--connections", default=2, show_default=True, type=click.IntRange(1, 16), help="Readers at once."
)
cores = click.option("--cores", type=click.IntRange(1), help="Tasks at once.  [default: all cores]")
properties = click.option(
    "-D",
    "properties",
    multiple=True,
    metavar="KEY=VALUE",
    help="Property of the join's jobs on a cluster, for example mapreduce.job.queuename=nightly; may be repeated.",
)


def _engine(engine: str, cores: int | None, hdfs_folder: str | None, properties: tuple[str, ...]) -> Engine:
    if engine == HADOOP:
        return HadoopEngine(hdfs_folder or default_hdfs_folder(), properties)
    return LocalEngine(cores)


#: -> engine: on which the join runs.
engine = group(
    "engine",
    _engine,
    click.option(
        "--engine",
        default=LOCAL,
        show_default=True,
        type=click.Choice([LOCAL, HADOOP]),
        help="Where the join runs: here, or on the cluster of the hadoop command.",
    ),
    cores,
    click.option(
        "--hdfs-folder",
        metavar="URI",
        help="Where runs work in HDFS.  [default: movimento-flat in your home there]",
    ),
    properties,
)


def _rules(card: str, people: str, drop: tuple[str, ...], key_file: Path | None) -> Rules:
    return Rules(Privacy(card, people, frozenset(drop)), key_file=key_file)


#: -> rules: what the delivery shows of cards and people.
rules = group(
    "rules",
    _rules,
    click.option(
        "--card",
        type=click.Choice(CARDS),
        default=FULL,
        show_default=True,
        help="Card numbers in full; masked, with their first six and last four digits; or as tokens.",
    ),
    click.option(
        "--people",
        type=click.Choice(PEOPLE),
        default=FULL,
        show_default=True,
        help="Names in full; or a token of the associate in place of the name, and no printed name.",
    ),
    click.option(
        "--drop", multiple=True, metavar="COLUMN", help="A column to leave out of the CSV; may be repeated."
    ),
    click.option(
        "--key-file",
        type=click.Path(path_type=Path),
        help="Key of tokens, the same in each run; made if it is not there.  [default: token_key in the state folder]",
    ),
)


def _plan(
    movements: int, cards: int | None, accounts: int | None, associates: int | None, seed: int, dirty: float
) -> Plan:
    return Plan(
        movements=movements, cards=cards, accounts=accounts, associates=associates, seed=seed, dirty=dirty
    )


#: -> plan: of the fictitious database.
plan = group(
    "plan",
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
