"""The program's own database with fictitious data, made at the first run and kept for the next.

It lies on a private server of this machine, or on the one that the Docker cluster brings, whose address and
secrets are in the environment of its client container.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any, Protocol

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from extract import mysql
from extract.source import Source, address, read_password
from extract.tls import OFF, Tls
from movimento_flat import sample_data
from movimento_flat.cli.progress import Console
from movimento_flat.sample_data.load import fill
from movimento_flat.sample_data.plan import Plan
from movimento_flat.sample_data.private_server import PrivateServer, data_folder
from movimento_flat.sql_files import READER, reader_statements, statements
from movimento_flat.state import state_dir

DEFAULT_MOVEMENTS = 100_000
DEFAULT_SEED = 1

#: Variables with the URL of the cluster's server and its administrator, and the folder of both accounts' passwords.
SERVER_VARIABLE = "MOVIMENTO_FLAT_SERVER"
SECRETS_VARIABLE = "MOVIMENTO_FLAT_SECRETS"

#: The databases that have been filled are registered on their server, so that no file here can contradict it.
_MAKE_REGISTER = (
    "CREATE DATABASE IF NOT EXISTS movimento_flat CHARACTER SET utf8mb4",
    "CREATE TABLE IF NOT EXISTS movimento_flat.filled"
    " (name VARCHAR(64) PRIMARY KEY COMMENT 'a database whose filling has ended', plan TEXT)",
)


_PREFIX = "sicooperative_"

#: Connects as the administrator, to a database or to none.
Connect = Callable[[str | None], "Connection[Any]"]


class Server(Protocol):
    """A server on which this program may make databases."""

    def connect(self, database: str | None = None) -> "Connection[Any]":
        """Connect as the administrator."""

    def reader(self, database: str) -> Source:
        """Return a database as the reader account sees it."""


@contextmanager
def fictitious_database(plan: Plan, console: Console) -> Iterator[Source]:
    """Give the database of `plan`, filled if it is not yet, as the reader account sees it.

    Raises:
        UserError: no server can be had here, or another run uses it.
    """
    with _server(console) as server:
        name = database_name(plan)
        fill_once(server.connect, name, plan, console)
        source = server.reader(name)
        with server.connect() as admin, admin.cursor() as cursor:
            host = "localhost" if source.unix_socket else "%"
            for statement in reader_statements(name, source.password, source.user, host):
                cursor.execute(statement)
        yield source


def is_fictitious(address: str) -> bool:
    """Tell whether a database with this address is one of those that this program makes."""
    return re.search(rf"/{_PREFIX}[0-9]+(_[0-9]+){{5}}$", address) is not None


def database_name(plan: Plan) -> str:
    """Return the name of a plan's database."""
    rows = (plan.movements, plan.cards, plan.accounts, plan.associates)
    return _PREFIX + "_".join([*map(str, rows), str(plan.seed), str(round(plan.dirty * 1_000_000))])


def forget_all(console: Console) -> None:
    """Drop every database with fictitious data.

    Raises:
        UserError: no server can be had here, or a run uses it.
    """
    with _server(console) as server, server.connect() as admin, admin.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        names = [name for (name,) in cursor.fetchall() if name.startswith(_PREFIX)]
        _make_register(cursor)
        for name in names:
            cursor.execute("DELETE FROM movimento_flat.filled WHERE name = %s", (name,))
            cursor.execute(f"DROP DATABASE `{name}`")
        admin.commit()
    console.say(f"Removed: {', '.join(names) or 'nothing'}.")


def kept_here(state: Path) -> dict[str, int]:
    """Return the databases with fictitious data that lie on this machine, with their bytes; no server is asked."""
    return {
        folder.name: sum(file.stat().st_size for file in folder.iterdir())
        for folder in sorted(data_folder(state).glob(f"{_PREFIX}*"))
        if os.access(folder, os.R_OK | os.X_OK)
    }


@contextmanager
def _server(console: Console) -> Iterator[Server]:
    if url := os.environ.get(SERVER_VARIABLE):
        yield _ClusterServer(url, Path(os.environ[SECRETS_VARIABLE]))
        return
    with PrivateServer(state_dir(), console.say) as server:
        yield _OwnServer(server)


@dataclass(frozen=True)
class _OwnServer:
    server: PrivateServer

    def connect(self, database: str | None = None) -> "Connection[Any]":
        return self.server.connect(database)

    def reader(self, database: str) -> Source:
        password = self.server.reader_password()
        return Source(READER, database, unix_socket=str(self.server.socket), password=password)


@dataclass(frozen=True)
class _ClusterServer:
    url: str
    secrets: Path

    def connect(self, database: str | None = None) -> "Connection[Any]":
        admin = replace(self._address, database=database or "", password=self._password("admin"))
        return mysql.connect(admin, local_infile=True)

    def reader(self, database: str) -> Source:
        return replace(self._address, user=READER, database=database, password=self._password("reader"))

    @property
    def _address(self) -> Source:
        """Return the server's address, without TLS: server and client share a network of their own."""
        return replace(address(self.url), tls=Tls(OFF))

    def _password(self, account: str) -> str:
        return read_password(self.secrets / f"{account}_password")


def _make_register(cursor: "Cursor") -> None:
    """Make the table of filled databases if it is not there."""
    for statement in _MAKE_REGISTER:
        cursor.execute(statement)


def is_filled(connect: Connect, name: str, plan: Plan) -> bool:
    """Return whether an earlier run has filled a database to its end, by this plan, model and code."""
    with connect(None) as admin, admin.cursor() as cursor:
        _make_register(cursor)
        known = "SELECT 1 FROM movimento_flat.filled WHERE name = %s AND plan = %s"
        return bool(cursor.execute(known, (name, _content(plan))))


def _content(plan: Plan) -> str:
    """Return all that a database's rows follow from: its plan, its tables and the code that makes them."""
    code = b"".join(file.read_bytes() for file in sorted(Path(sample_data.__file__).parent.glob("*.py")))
    made_by = {"tables": statements("mysql/tables"), "code": sha256(code).hexdigest()}
    return dumps(asdict(plan) | made_by, default=str)


def fill_once(connect: Connect, name: str, plan: Plan, console: Console) -> None:
    """Fill a database if no earlier run has, and register it then; drop what else there is of it.

    Raises:
        UserError: the rows could not be loaded.
    """
    if is_filled(connect, name, plan):
        console.say(f"Database {name}: as an earlier run filled it.")
        return
    console.say(f"Database {name}: filled with fictitious data now.")
    with connect(None) as admin, admin.cursor() as cursor:
        cursor.execute("DELETE FROM movimento_flat.filled WHERE name = %s", (name,))
        cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    with connect(name) as admin, console.stage("seed", total=plan.rows) as progress:
        fill(admin, plan, progress)
        with admin.cursor() as cursor:
            cursor.execute("INSERT INTO movimento_flat.filled VALUES (%s, %s)", (name, _content(plan)))
        admin.commit()
