"""Databases to measure with: the project's private MariaDB, filled once and kept."""

import socket
from dataclasses import dataclass
from pathlib import Path

from bench.content import Content
from bench.measure import HOME, STATE, Timing, fresh, ours, run, say
from extract.source import Source
from movimento_flat.cli.progress import Console
from movimento_flat.money import Totals
from movimento_flat.sample_data.load import fill
from movimento_flat.sample_data.plan import SKEW, Plan
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import get_programs
from movimento_flat.sql_files import READER, reader_statements

HOST = "127.0.0.1"
#: Bytes of memory of a server that is filled. Cards come in no order, so each row of their index is a page of the disk
#: where that index does not fit.
FILLING = 4 << 30


@dataclass(frozen=True)
class Database:
    """A filled database, and its reader account.

    Attributes:
        process: of its server.
        movements: what its movements add up to; none is dirty, so the flat table must hold the same.
    """

    name: str
    port: int
    password: str
    process: int
    movements: Totals

    def flatten(self, output: Path) -> Timing:
        """One run of ours: database -> `output`/movimento_flat.csv, by the local engine."""
        command = ours(
            "run", "--engine", "local", "--source", str(self.source), "--output", str(fresh(output))
        )
        return run(command, self.environment, self.process)

    def all_in(self, found: Content) -> bool:
        """Whether a CSV holds every movement; says so where it does not."""
        whole = (found.rows, found.centavos) == (self.movements.rows, self.movements.centavos)
        if not whole:
            say(f"The CSV of {self.name} has {found}; the database has {self.movements}.")
        return whole

    @property
    def source(self) -> Source:
        """Its address for the project's own functions."""
        return Source(READER, self.name, HOST, self.port, password=self.password)

    @property
    def environment(self) -> dict[str, str]:
        """The password, where a command line cannot show it."""
        return {"MYSQL_PWD": self.password}


class Server(PrivateServer):
    """The private server, reached by TCP as JDBC needs it; its databases are kept between calls."""

    def __init__(self) -> None:
        self._free_port = _free_port()
        super().__init__(STATE / "server", say, get_programs(HOME, say), self._free_port)

    def database(self, plan: Plan) -> Database:
        """The plan's database, filled at the first call, and read once: what fits is in the server's memory."""
        name = database_name(plan)
        whole = STATE / "server" / f"{name}.whole"
        with self.connect() as admin, admin.cursor() as cursor:
            if not whole.exists():
                cursor.execute(f"DROP DATABASE IF EXISTS {name}")
                cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
                admin.select_db(name)
                cursor.execute("SELECT @@GLOBAL.innodb_buffer_pool_size")
                (usual,) = cursor.fetchone()
                cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {FILLING}")
                with Console().stage(f"fill {name}", total=plan.movements) as progress:
                    fill(admin, plan, progress)
                cursor.execute(f"SET GLOBAL innodb_buffer_pool_size = {usual}")
                whole.touch()
            # No names are resolved: the reader comes from an address.
            for statement in reader_statements(name, self.reader_password(), READER, HOST):
                cursor.execute(statement)
            cursor.execute(
                f"SELECT COUNT(*), CAST(COALESCE(SUM(vlr_transacao), 0) * 100 AS SIGNED) FROM {name}.movimento"
            )
            movements = Totals(*cursor.fetchone())
        return Database(name, self._free_port, self.reader_password(), self._process.pid, movements)

    def versions(self) -> dict[str, str]:
        """The server's version."""
        with self.connect() as admin, admin.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            return {"MariaDB": str(cursor.fetchone()[0])}


def database_name(plan: Plan) -> str:
    """Of the database of a plan."""
    return f"bench_{plan.movements}_{plan.cards}_{plan.seed}" + (
        f"_skew{plan.skew}" if plan.skew != SKEW else ""
    )


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
