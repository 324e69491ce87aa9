"""The program's own database with fictitious data: made at the first run, kept for the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from extract.source import Source
from movimento_flat.manifest import write_json
from movimento_flat.private_server import PrivateServer
from movimento_flat.progress import Console
from seed.load import fill
from seed.plan import Plan
from sql import reader_statements

DEFAULT_MOVEMENTS = 100_000
DEFAULT_SEED = 1
READER = "movimento_reader"


@contextmanager
def embedded_database(state: Path, plan: Plan, console: Console) -> Iterator[Source]:
    """Run the private server; -> its database for `plan`, filled if it is not yet, as the reader account sees it.

    Raises:
        UserError: no server can be had here, or another run uses it.
    """
    with PrivateServer(state, console.say) as server:
        schema = f"sicooperative_{plan.movements}_{plan.seed}_{round(plan.dirty * 1_000_000)}"
        _fill_once(server, schema, plan, state / "databases" / f"{schema}.json", console)
        password = server.reader_password()
        with server.connect() as admin, admin.cursor() as cursor:
            for statement in reader_statements(schema, password, host="localhost"):
                cursor.execute(statement)
        yield Source(READER, schema, unix_socket=str(server.socket), password=password)


def _fill_once(server: PrivateServer, schema: str, plan: Plan, filled: Path, console: Console) -> None:
    """The schema is whole when `filled` is there; what a killed run left of it is dropped."""
    if filled.exists():
        console.say(f"Database {schema}: as an earlier run filled it.")
        return
    console.say(f"Database {schema}: filled with fictitious data now.")
    with server.connect() as admin, admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{schema}`")
        cursor.execute(f"CREATE DATABASE `{schema}` CHARACTER SET utf8mb4")
    with server.connect(database=schema) as admin, console.stage("seed", total=plan.movements) as progress:
        fill(admin, plan, progress)
    filled.parent.mkdir(parents=True, exist_ok=True)
    write_json(filled, {key: str(value) for key, value in asdict(plan).items()})
