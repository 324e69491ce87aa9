"""The private server: its data folder, its process, its secrets."""

import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql
from pymysql.connections import Connection

from movimento_flat.errors import UserError
from movimento_flat.locks import open_locked
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.processes import die_with_parent
from movimento_flat.sample_data.private_server.programs import Programs, get_programs

START_SECONDS = STOP_SECONDS = 120
POLL_SECONDS = 0.05
LINES_OF_LOG = 8
#: Most characters of the run folder's path: a socket's path may have 107 bytes.
LONGEST_RUN_FOLDER = 90

#: Options for a laptop. The data are fictitious, so the last transactions may be lost.
SETTINGS = [
    "--local-infile=1",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=256M",
    "--innodb-flush-log-at-trx-commit=2",
    "--max-allowed-packet=64M",
    "--performance-schema=OFF",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--skip-ssl",  # nobody listens on a socket, and making a certificate takes MariaDB 11.4 many seconds
]


def data_folder(state: Path) -> Path:
    """Return where the server's databases lie, each in a folder of its name."""
    return state / "data"


class PrivateServer:
    """A MariaDB server that runs during the `with` block, behind a Unix socket that only this user may open.

    It ends with this process, even after SIGKILL. Its data stay in `state` for the next time.

    Attributes:
        socket: the Unix socket, in a private folder with a short name (its path may have 107 bytes).
        port: on 127.0.0.1, for clients that cannot use a socket; normally None.
        settings: more options of the server, which override SETTINGS.
    """

    def __init__(
        self,
        state: Path,
        say: Callable[[str], None],
        programs: Programs | None = None,
        port: int | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        self._state = state
        self._data = data_folder(state)
        self._say = say
        self._programs = programs
        self.port = port
        self.settings = settings

    def __enter__(self) -> Self:
        make_private_folder(self._state, exist_ok=True)
        self._lock = _lock_for_this_run(self._state / "lock")
        programs = self._programs or get_programs(self._state, self._say)
        server_lock = _lock_for_a_server(self._state / "server.lock")
        self._run_folder = _run_folder(self._state)
        self.socket = self._run_folder / "socket"
        if not self._data.exists():
            _initialise(programs, self._data)
        self._process = self._start(programs, server_lock)
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

    def connect(self, database: str | None = None, **options: Any) -> "Connection[Any]":
        """Connect as the administrator."""
        return pymysql.connect(
            user="root",
            unix_socket=str(self.socket),
            database=database,
            charset="utf8mb4",
            local_infile=True,
            autocommit=True,
            **options,
        )

    def reader_password(self) -> str:
        """Return the reader account's password, which is made at random the first time, in a file of mode 0600."""
        file = self._state / "reader_password"
        with suppress(FileExistsError):
            make_private_file(file).write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _start(self, programs: Programs, server_lock: int) -> subprocess.Popen[bytes]:
        command = [str(programs.server), "--no-defaults", *programs.base_option(), *_user_option(), *SETTINGS]
        command += [
            f"--datadir={self._data}",
            f"--socket={self.socket}",
            f"--pid-file={self._run_folder}/pid",
        ]
        command += [f"--tmpdir={self._run_folder}", "--lc-messages=en_US"]
        command += ["--bind-address=127.0.0.1", f"--port={self.port}"] if self.port else ["--skip-networking"]
        command += self.settings
        with (self._run_folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(server_lock,),
                # While it starts it ignores SIGTERM. It repairs its data at the next start.
                preexec_fn=die_with_parent(by=signal.SIGKILL),  # noqa: PLW1509  # it only calls prctl
            )
        os.close(server_lock)
        return process

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                self.connect().close()
                return
            except pymysql.OperationalError:
                if self._process.poll() is not None:
                    break
                time.sleep(POLL_SECONDS)
        log = (self._run_folder / "log").read_text(errors="replace").splitlines()
        errors = [line for line in log if "[ERROR]" in line] or log
        raise UserError(
            f"The private MariaDB server does not start. It says:\n{_indented(errors)}",
            f"Fix what it names, or remove {self._state} and run it again.",
        )

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._run_folder, ignore_errors=True)
        os.close(self._lock)


def _run_folder(state: Path) -> Path:
    """Make the private folder of the socket, with the same name at each run, so that killed runs leave only one."""
    folder = state / "run"
    if len(str(folder)) > LONGEST_RUN_FOLDER:
        digest = hashlib.sha256(str(state).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"movimento-flat-{digest}"
    shutil.rmtree(folder, ignore_errors=True)
    return make_private_folder(folder)


def _lock_for_this_run(file: Path) -> int:
    try:
        return open_locked(file)
    except BlockingIOError as error:
        raise UserError(
            f"The private MariaDB server in {file.parent} is in use by another run.",
            "Wait for it to end, or set MOVIMENTO_FLAT_HOME to another folder.",
        ) from error


def _lock_for_a_server(file: Path) -> int:
    """Take a lock that the server inherits: while one that outlived its run is still stopping, this waits for it."""
    try:
        return open_locked(file, wait_seconds=STOP_SECONDS)
    except BlockingIOError as error:
        raise UserError(f"An earlier server in {file.parent} does not stop.", "End its process.") from error


def _initialise(programs: Programs, data: Path) -> None:
    """Make the data folder under another name first, so that a kill leaves no incomplete one.

    Raises:
        UserError: it could not be made.
    """
    unfinished = data.with_name("data.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    make_private_folder(unfinished)
    with tempfile.TemporaryDirectory(prefix="movimento-flat-") as folder:
        # The installer is a shell script that does not quote a path with spaces: it sees none.
        link = Path(folder) / "data"
        link.symlink_to(unfinished)
        if programs.base:
            base = Path(folder) / "base"
            base.symlink_to(programs.base)
            programs = replace(programs, base=base)
        command = [str(programs.installer), "--no-defaults", *programs.base_option(), *_user_option()]
        # --force: this machine's name need not be known to any name service; nobody connects by it.
        command += [
            f"--datadir={link}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--force",
        ]
        # A server that starts removes the temporary tables of all others that use the same folder for them.
        environment = programs.environment() | {"TMPDIR": folder}
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    if result.returncode:
        said = (result.stdout + result.stderr).strip().splitlines()
        raise UserError(f"MariaDB's data folder could not be made:\n{_indented(said)}")
    unfinished.rename(data)


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines[-LINES_OF_LOG:])


def _user_option() -> list[str]:
    """Return the option without which MariaDB refuses to run as root."""
    return ["--user=root"] if os.geteuid() == 0 else []
