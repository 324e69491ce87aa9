"""A PostgreSQL server for tests: Debian's, on a free port of 127.0.0.1, never as root, ended by its process id."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from platform import freedesktop_os_release
from types import TracebackType
from typing import Any, Self

import psycopg

from extract.server_kind import POSTGRESQL
from extract.source import Source
from movimento_flat.sql_files import READER, expected_rows
from tests import other_debian
from tests.debian import unpacked
from tests.mysql9 import free_port

#: What this machine's Debian has.
VERSION = {"bookworm": "15", "trixie": "17"}.get(freedesktop_os_release().get("VERSION_CODENAME", ""), "18")
INSTALLED = Path("/usr/lib/postgresql")
PASSWORD = "not a secret: 'tests'"
START_SECONDS = 120
_numbers = count(1)


@dataclass
class PostgresServer:
    """It runs as long as the `with` block.

    Attributes:
        state: folder for the program where this machine has none.
        settings: lines of postgresql.conf.
        version: of the server.
        suite: release of Debian that has it, where this machine's does not.
    """

    state: Path
    settings: Sequence[str] = ()
    version: str = VERSION
    suite: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="postgres-")))

    def __enter__(self) -> Self:
        # As root the server is started as another user, who must be able to come here.
        as_user = _ordinary_user()
        programs = self._programs()
        run: dict[str, Any] = {**as_user, "cwd": self.folder, "env": self._environment}
        if as_user:
            shutil.chown(self.folder, as_user["user"], as_user["group"])
        data = self.folder / "data"
        initdb = [str(programs / "initdb"), f"--pgdata={data}", "--username=postgres", "--auth=trust"]
        initdb += ["--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, **run)
        (data / "pg_hba.conf").write_text(
            "local all postgres trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        )
        self.port = free_port()
        settings = [
            f"listen_addresses={self.host}",
            f"port={self.port}",
            f"unix_socket_directories={self.folder}",
            "fsync=off",
            "max_connections=100",
            *self.settings,
        ]
        options = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **run,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def process(self) -> int:
        """Return the id of its first process."""
        return self._process.pid

    def admin(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """Return a connection of the superuser."""
        return psycopg.connect(
            host=self.host, port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def new_database(self, options: str = "") -> "PostgresDatabase":
        """Make a database with a name of its own, and the reader's role, once."""
        database = PostgresDatabase(self, f"test_{os.getpid()}_{next(_numbers)}")
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {database.name} {options}")
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,)).fetchone():
                admin.execute(
                    f"CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD.replace(chr(39), chr(39) * 2)}'"
                )
        return database

    def _programs(self) -> Path:
        of_version = Path("usr/lib/postgresql", self.version, "bin")
        if self.suite:
            self.folder.chmod(0o755)
            self._environment = dict(os.environ)
            package = f"postgresql-{self.version}"
            return other_debian.unpacked(self.folder, package, suite=self.suite) / of_version
        installed = INSTALLED / self.version / "bin"
        if installed.is_dir():
            self._environment = dict(os.environ)
            return installed
        tree = unpacked(self.state, f"postgresql-{self.version}", lambda unfinished, folder: None)
        if os.geteuid() == 0:
            here = self.folder / "programs"
            shutil.copytree(tree, here, symlinks=True)
            self.folder.chmod(0o755)
            tree = here
        libraries = sorted({str(file.parent) for file in tree.glob("usr/lib/**/lib*.so*")})
        self._environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}
        return tree / of_version

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.admin().close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGINT)  # it ends all sessions
        self._process.wait()
        shutil.rmtree(self.folder)


@dataclass(frozen=True)
class PostgresDatabase:
    """A database of the server."""

    server: PostgresServer
    name: str

    def execute(self, *statements: str) -> None:
        """Run statements as the superuser, and let the reader read all tables."""
        with self.server.admin(self.name) as admin:
            for statement in statements:
                admin.execute(statement)
            admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.server.admin(self.name) as admin:
            return admin.execute(statement).fetchall()

    def expected(self, with_ids: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows that the CSV must have, by sql/expected.sql."""
        return self.query(expected_rows(with_ids).replace(" AS CHAR)", " AS text)"))

    def reader(self) -> Source:
        """The database as the least-privilege role sees it."""
        return Source(
            READER, self.name, self.server.host, self.server.port, password=PASSWORD, scheme=POSTGRESQL
        )

    def admin(self) -> Source:
        """The database as the superuser sees it."""
        return replace(self.reader(), user="postgres", password="", allow_writer=True)

    def url(self) -> str:
        """Its address for a command line."""
        return str(self.reader())


def _ordinary_user() -> dict[str, Any]:
    """Return for Popen the user who runs the server: this one, but for root nobody."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
