"""Databases to measure with: the project's private MariaDB, filled once and kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.content import Content, content
from bench.measure import HOME, STATE, Timing, fresh, movimento_flat, run, say
from bench.session import Results, alternate
from extract.server_kind import MYSQL, Scheme
from extract.source import Source
from movimento_flat.cli import fictitious
from movimento_flat.cli.progress import Console
from movimento_flat.money import Totals
from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sample_data.plan import SKEW, Plan
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import get_programs
from movimento_flat.sql_files import READER, reader_statements
from tests.mysql9 import free_port

HOST = "127.0.0.1"
OUTPUT = STATE / "output"
#: Bytes of memory of a server while it is filled. Cards come in no order, so each row of their index is a page of the
#: disk where that index does not fit.
FILLING = 4 << 30


@dataclass(frozen=True)
class Database:
    """A filled database, and its reader account.

    Attributes:
        process: id of its server's process.
        movements: what its movements add up to; none is dirty, so the flat table must hold the same.
        scheme: of its server.
    """

    name: str
    port: int
    password: str
    process: int
    movements: Totals
    scheme: Scheme = MYSQL

    def flatten(self, output: Path, *options: str) -> Timing:
        """Measure one run of this project: from the database to `output`/movimento_flat.csv, by the local engine."""
        command = movimento_flat("run", "--engine", "local", "--source", str(self.source), *options)
        return run([*command, "--output", str(fresh(output))], self.environment, self.process)

    def all_in(self, found: Content) -> bool:
        """Return whether a CSV holds every movement; say so where it does not."""
        whole = (found.rows, found.centavos) == (self.movements.rows, self.movements.centavos)
        if not whole:
            say(f"The CSV of {self.name} has {found}; the database has {self.movements}.")
        return whole

    @property
    def source(self) -> Source:
        """Its address for the project's own functions."""
        return Source(READER, self.name, HOST, self.port, password=self.password, scheme=self.scheme)

    @property
    def jdbc(self) -> str:
        """Its address for JDBC."""
        options = "?permitMysqlScheme" if self.scheme is MYSQL else ""
        return f"jdbc:{self.scheme.name}://{HOST}:{self.port}/{self.name}{options}"

    @property
    def environment(self) -> dict[str, str]:
        """The password, where a command line cannot show it."""
        return {self.scheme.password_variable: self.password}


class Server(PrivateServer):
    """The private server, reached by TCP as JDBC needs it; its databases are kept between calls."""

    def __init__(self) -> None:
        self._free_port = free_port()
        super().__init__(STATE / "server", say, get_programs(HOME, say), self._free_port)

    def database(self, plan: Plan) -> Database:
        """Return the plan's database, filled at the first call.

        All movements are read once, so that what fits is in the server's memory.
        """
        name = fictitious.database_name(plan) + (f"_skew{plan.skew}" if plan.skew != SKEW else "")
        with self.connect() as admin, admin.cursor() as cursor:
            if not fictitious.is_filled(self.connect, name, plan):
                cursor.execute("SELECT @@GLOBAL.innodb_buffer_pool_size")
                (before,) = cursor.fetchone()
                cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {FILLING}")
                fictitious.fill_once(self.connect, name, plan, Console())
                cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {before}")
            # No names are resolved: the reader comes from an address.
            for statement in reader_statements(name, self.reader_password(), READER, HOST):
                cursor.execute(statement)
            cursor.execute(
                f"SELECT COUNT(*), CAST(COALESCE(SUM(vlr_transacao), 0) * 100 AS SIGNED) FROM {name}.movimento"
            )
            movements = Totals(*cursor.fetchone())
        return Database(name, self._free_port, self.reader_password(), self._process.pid, movements)

    def versions(self) -> dict[str, str]:
        """Return the server's version."""
        with self.connect() as admin, admin.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            return {"MariaDB": str(cursor.fetchone()[0])}


def flatten_all(plans: Mapping[str, Plan], rounds: int) -> tuple[Results, dict[str, str], bool]:
    """Measure this project with the database of each plan, and print what each CSV holds.

    Returns:
        The timings; the server's version; whether no CSV lacks a movement.
    """
    with Server() as server:
        databases = {name: server.database(plan) for name, plan in plans.items()}
        results = alternate(
            {name: partial(database.flatten, _output(name)) for name, database in databases.items()}, rounds
        )
        versions = server.versions()
    right = True
    for name, database in databases.items():
        found = content([_output(name) / CSV_NAME])
        print(f"{name}: {found}")
        right = database.all_in(found) and right
    return results, versions, right


def _output(name: str) -> Path:
    return OUTPUT / name.replace(" ", "_")
