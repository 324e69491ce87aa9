"""A MySQL 9 server for tests: on a free port of 127.0.0.1, ended by its process id."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql
from pymysql.connections import Connection

from tests.other_debian import unpacked

PACKAGE = "mysql-server-core"
START_SECONDS = STOP_SECONDS = 120


class MySQL9:
    """It runs as long as the `with` block; its data lie in `folder`, whose path is to be short, and are removed.

    Without TLS, as it is unless `settings` say something else, a password goes to it by caching_sha2_password's
    exchange of keys.

    Attributes:
        host, port: where accounts of any host reach it.
        socket: where the administrator does, without a password.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, state: Path, settings: Sequence[str] = ()) -> None:
        self.socket = folder / "socket"
        self._folder = folder
        self._state = state
        self._settings = settings

    def __enter__(self) -> Self:
        tree = unpacked(self._state, PACKAGE)
        self.port = free_port()
        command = [
            str(tree / "usr/sbin/mysqld"),
            "--no-defaults",
            *(["--user=root"] if os.geteuid() == 0 else []),
            f"--basedir={tree}/usr",
            f"--lc-messages-dir={tree}/usr/share/mysql",
            f"--character-sets-dir={tree}/usr/share/mysql/charsets",
            f"--datadir={self._folder}/data",
        ]
        subprocess.run([*command, "--initialize-insecure"], check=True, capture_output=True)
        command += [
            f"--bind-address={self.host}",
            f"--port={self.port}",
            f"--socket={self.socket}",
            f"--pid-file={self._folder}/pid",
            f"--tmpdir={self._folder}",
            "--mysqlx=OFF",
            "--secure-file-priv=NULL",
            "--tls-version=",
            "--local-infile=1",
            "--skip-name-resolve",
            *self._settings,
        ]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
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

    def connect(self, database: str | None = None) -> "Connection[Any]":
        """Connect as the administrator."""
        return pymysql.connect(
            user="root",
            unix_socket=str(self.socket),
            database=database,
            charset="utf8mb4",
            local_infile=True,
            autocommit=True,
        )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self.connect().close()
            except pymysql.OperationalError:
                ended = self._process.poll() is not None
                assert not ended and time.monotonic() < deadline, (self._folder / "log").read_text()
                time.sleep(0.1)

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder / "data")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
