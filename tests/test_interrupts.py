"""SIGINT and SIGTERM end a command within five seconds, whatever it waits for or works at."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from extract.time_limits import TimeLimits
from movimento_flat.errors import UserError
from movimento_flat.sql_files import READER, statements
from tests import fake_server
from tests import postgres as postgres_tests
from tests.conftest import PASSWORD, ROOT, Database, hear_interrupts
from tests.fake_server import Behaviour, greeting, says, serving
from tests.postgres import PostgresServer
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO
from tests.test_extract import extracted
from tests.test_run import CSV, command

END_SECONDS = 5.0
#: Until a state is reached; the machine may be busy.
STATE_SECONDS = 120.0

SIGNALS = pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
Condition = Callable[[], object]
#: As the console script does. `python -m` ends by SIGINT itself, not with 130, where KeyboardInterrupt was raised in
#: an exec(), such as that of a dataclass which is being imported; a shell sees 130 either way.
PASSWORDS = {"MYSQL_PWD": PASSWORD, "PGPASSWORD": postgres_tests.PASSWORD}
A_PAGE = (b"GROUP_CONCAT", b"`movimento`")
COMMAND = [sys.executable, "-c", "from movimento_flat.cli.main import main; main()"]


@contextmanager
def started(*arguments: object, home: Path) -> "Iterator[subprocess.Popen[str]]":
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **PASSWORDS, "MOVIMENTO_FLAT_HOME": str(home), "TMPDIR": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def run_script(script: str, check: bool = False, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=check,
        timeout=timeout,
    )


def ends_by_one_signal(process: "subprocess.Popen[str]", by: signal.Signals, state: Condition) -> None:
    """Wait for the state, send one signal, and see how the command ends."""
    deadline = time.monotonic() + STATE_SECONDS
    while not state():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the state was not reached"
        time.sleep(0.001)
    sent = time.monotonic()
    process.send_signal(by)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - sent < END_SECONDS
    assert process.returncode == 130, said
    assert "Interrupted; what was published before is as it was." in said
    assert "Traceback" not in said


#: What a server does when it is connected to -> the state of its client.
_LOGINS: dict[str, tuple[Behaviour, tuple[str, ...]]] = {
    "greeting": (says(), ()),
    "greeting byte by byte": (fake_server.dribbles, ()),
    "logging in": (says(greeting()), ()),
    "TLS handshake": (says(greeting(with_tls=True)), ("--tls", "verify")),
}


@SIGNALS
@pytest.mark.parametrize("state", _LOGINS)
def test_while_it_logs_in(state: str, by: signal.Signals, tmp_path: Path) -> None:
    behave, options = _LOGINS[state]
    with serving(behave) as (port, connected):
        source = f"mysql://reader@127.0.0.1:{port}/db"
        arguments = ("run", "--output", tmp_path / "out", "--source", source, *options)
        with started(*arguments, home=tmp_path / "home") as process:
            ends_by_one_signal(process, by, connected.is_set)
    assert list((tmp_path / "out").iterdir()) == []


@SIGNALS
def test_while_it_connects(by: signal.Signals, tmp_path: Path) -> None:
    """The queue of a port that accepts nobody is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listening.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        source = f"mysql://reader@127.0.0.1:{port}/db"
        process = stack.enter_context(
            started("extract", "--source", source, "--to", tmp_path / "tsv", home=tmp_path)
        )
        ends_by_one_signal(process, by, lambda: is_connecting(process.pid, port))


def is_connecting(process: int, port: int) -> bool:
    """Whether a socket of the process waits for an answer (SYN_SENT, 02 in /proc/net/tcp) of that port."""
    opened = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in between
            opened.add(str(link.readlink()))
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        fields[2].endswith(f":{port:04X}") and fields[3] == "02" and f"socket:[{fields[9]}]" in opened
        for fields in sockets
    )


def is_asking(database: Database, beginning: str) -> Condition:
    """-> whether the reader's connections to a database wait for the answer to such a statement."""
    pattern = beginning.replace("'", "''")
    return lambda: database.query(
        f"SELECT 1 FROM information_schema.processlist WHERE db = '{database.name}' AND user = '{READER}'"
        f" AND info LIKE '{pattern}%'"
    )


@pytest.fixture
def slow(database: Database) -> Database:
    """Each movement takes the server a quarter of a second."""
    database.create_tables()
    rows = ", ".join(f"({number}, 1, 'x', '2024-01-01', 1)" for number in range(1, 121))
    database.execute(
        f"{INTO_ASSOCIADO} VALUES (1, 'Zoé', 'Sá', 30, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-01-01', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ZOE SA', '2021-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES {rows}",
        "ALTER TABLE movimento RENAME TO base",
        "CREATE VIEW movimento AS SELECT * FROM base WHERE SLEEP(0.25) = 0",
    )
    database.reader()
    return database


@SIGNALS
@pytest.mark.parametrize(
    "statement", ["SELECT COUNT(*), SUM(", "SELECT COUNT(*), GROUP_CONCAT("], ids=["counting", "packing"]
)
def test_while_the_server_works(slow: Database, statement: str, by: signal.Signals, tmp_path: Path) -> None:
    arguments = ("run", "--output", tmp_path / "out", "--source", slow.url())
    with started(*arguments, home=tmp_path / "home") as process:
        ends_by_one_signal(process, by, is_asking(slow, statement))
    assert list((tmp_path / "out").iterdir()) == []


@SIGNALS
@pytest.mark.parametrize("name", ["run", "extract"])
def test_in_the_middle_of_a_page(filled: Database, name: str, by: signal.Signals, tmp_path: Path) -> None:
    filled.reader()
    with fake_server.stopping_proxy(str(filled.server.socket), A_PAGE) as (port, stopped):
        place = ("--output", tmp_path / "out") if name == "run" else ("--to", tmp_path / "out")
        source = f"mysql://{READER}@127.0.0.1:{port}/{filled.name}"
        with started(name, *place, "--source", source, home=tmp_path / "home") as process:
            ends_by_one_signal(process, by, stopped.is_set)


def test_a_proxy_that_stops_in_the_middle_of_a_page_is_given_up(filled: Database, tmp_path: Path) -> None:
    limits = TimeLimits(rest=1, answer=10)
    with fake_server.stopping_proxy(str(filled.server.socket), A_PAGE) as (port, _):
        source = replace(filled.reader(), host="127.0.0.1", port=port, unix_socket=None, limits=limits)
        with pytest.raises(UserError, match="has said nothing for 1 s"):
            extracted(source, tmp_path)


@SIGNALS
@pytest.mark.parametrize("name", ["run", "extract"])
def test_in_the_middle_of_a_page_of_postgresql(
    postgres: PostgresServer, name: str, by: signal.Signals, tmp_path: Path
) -> None:
    database = postgres.new_database()
    database.execute(*statements("postgres/tables"))
    database.execute(
        "INSERT INTO movimento SELECT n, 1, 'x', '2024-01-01', 1 FROM generate_series(1, 9999) n"
    )
    server = (postgres.host, postgres.port)
    with fake_server.stopping_proxy(server, (b"string_agg", b'"movimento"')) as (port, stopped):
        place = ("--output", tmp_path / "out") if name == "run" else ("--to", tmp_path / "out")
        source = str(replace(database.reader(), port=port))
        with started(name, *place, "--source", source, home=tmp_path / "home") as process:
            ends_by_one_signal(process, by, stopped.is_set)


@SIGNALS
def test_while_it_waits_for_a_lock(database: Database, by: signal.Signals, tmp_path: Path) -> None:
    database.create_tables()
    database.reader()
    with database.server.connect(database=database.name) as other:
        other.query("LOCK TABLES movimento WRITE")
        with started("run", "--output", tmp_path, "--source", database.url(), home=tmp_path) as process:
            ends_by_one_signal(process, by, is_waiting_for_a_lock(database))


def is_waiting_for_a_lock(database: Database) -> Condition:
    return lambda: database.query(
        f"SELECT 1 FROM information_schema.processlist WHERE db = '{database.name}'"
        " AND state LIKE 'Waiting for table metadata lock'"
    )


def stops_workers(parent: int) -> bool:
    """Stop the processes that run tasks, as if these took for ever; -> whether there are any.

    They are ready for tasks when they have loaded Polars, which has threads.
    """
    are_there = False
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):  # it has ended
            of = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            is_ready = len(list((process / "task").iterdir())) > 1
            if of == parent and is_ready and b"spawn_main" in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGSTOP)
                are_there = True
    return are_there


@SIGNALS
def test_while_a_task_of_the_join_does_not_end(filled: Database, by: signal.Signals, tmp_path: Path) -> None:
    filled.reader()
    work = tmp_path / "out" / ".movimento_flat.work"

    def is_stopped() -> bool:
        return stops_workers(run.pid) and (work / "step-1").exists()

    arguments = ("run", "--output", tmp_path / "out", "--source", filled.url())
    with started(*arguments, home=tmp_path / "home") as run:
        ends_by_one_signal(run, by, is_stopped)
    assert list((tmp_path / "out").iterdir()) == []


def test_what_begins_to_wait_after_a_signal_is_ended_at_once() -> None:
    script = """
import os, signal
from movimento_flat import interrupts
interrupts.hear_signals()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    with interrupts.ended_by_interrupts(lambda: print("ended")):
        pass
"""
    result = run_script(script, check=True)
    assert result.stdout == "ended\n"


#: Begins a script in which an object that is deleted sends a signal, whose exception Python ignores.
IGNORED = """
import os, signal, time
from movimento_flat import interrupts
interrupts.hear_signals()
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_within_what_ignores_exceptions_is_not_lost() -> None:
    script = (
        IGNORED
        + """try:
    Deleted()
    while True:
        pass
except KeyboardInterrupt:
    print("interrupted")
"""
    )
    result = run_script(script, check=True)
    assert (result.stdout, result.stderr) == ("interrupted\n", "")


def test_a_signal_that_is_heard_late_does_not_interrupt_what_an_error_has_begun_to_end() -> None:
    """Such as to remove a folder; and once the program ends, it does not end by the signal of the alarm."""
    script = (
        IGNORED
        + """def wait():
    end = time.monotonic() + 5 * interrupts._AGAIN_SECONDS
    while time.monotonic() < end:
        pass
try:
    try:
        raise ValueError
    finally:
        Deleted()
        wait()
        print("removed")
except ValueError:
    wait()
    print("said")
try:
    wait()
except KeyboardInterrupt:
    print("interrupted")
Deleted()
interrupts.end_hearing()
wait()
"""
    )
    result = run_script(script, check=True)
    assert (result.stdout, result.stderr) == ("removed\nsaid\ninterrupted\n", "")


@pytest.mark.parametrize("error", ["UserError", "RuntimeError", "OSError"])
def test_the_error_of_what_a_signal_has_ended_is_an_interruption(error: str) -> None:
    """A wait ends by an error; an import of NumPy makes a RuntimeError of KeyboardInterrupt."""
    script = f"""
import os, signal, sys
from movimento_flat.cli import main
from movimento_flat.errors import UserError
def failing(**options):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        raise {error}("it broke") from None
main.cli.main = failing
main.main()
"""
    result = run_script(script)
    assert result.returncode == 130
    assert result.stderr == "movimento-flat: Interrupted; what was published before is as it was.\n"


@SIGNALS
@pytest.mark.parametrize("file", ["run/rejected.tsv", CSV, "*.xlsx", "*.parquet"])
def test_while_it_merges_audits_and_exports(
    filled: Database, file: str, by: signal.Signals, tmp_path: Path
) -> None:
    filled.reader()
    arguments = ("run", "--output", tmp_path / "out", "--source", filled.url(), "--excel", "--parquet")
    with started(*arguments, home=tmp_path / "home") as process:
        work = tmp_path / "out" / ".movimento_flat.work"
        ends_by_one_signal(process, by, lambda: list(work.glob(file)))
    assert list((tmp_path / "out").iterdir()) == []


@SIGNALS
def test_while_the_database_is_compared(slow: Database, by: signal.Signals, tmp_path: Path) -> None:
    slow.execute("CREATE OR REPLACE VIEW movimento AS SELECT * FROM base")
    result = command("run", "--output", tmp_path / "out", "--source", slow.url())
    assert result.returncode == 0, result.stderr
    slow.execute("CREATE OR REPLACE VIEW movimento AS SELECT * FROM base WHERE SLEEP(0.25) = 0")
    with started("verify", tmp_path / "out", "--source", slow.url(), home=tmp_path) as process:
        ends_by_one_signal(process, by, is_asking(slow, "SELECT COUNT(*), SUM(CAST("))


@pytest.mark.server
@SIGNALS
@pytest.mark.parametrize("state", ["data.unfinished", "movimento-flat-seed-*/movimento.tsv"])
def test_while_its_own_database_is_made_and_filled(state: str, by: signal.Signals, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with started("seed", "--movements", "2000000", home=home) as process:
        ends_by_one_signal(process, by, lambda: list(home.glob(state)))


def test_a_signal_while_polars_sets_its_own_handler_ends_a_wait() -> None:
    """Its handler lets waits go on."""
    script = """
import os, signal, threading, time
from movimento_flat import interrupts
interrupts.hear_signals()

def import_it():
    with interrupts.held_during_import():
        import polars
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)

threading.Thread(target=import_it, daemon=True).start()
try:
    threading.Lock().acquire() and threading.Event().wait()
except KeyboardInterrupt:
    print("heard")
"""
    result = run_script(script, timeout=30)
    assert result.stdout == "heard\n", result.stderr


def test_a_signal_while_polars_is_imported_is_heard_after_it() -> None:
    """Within its native code, which imports `atexit`, an exception would be a panic."""
    script = """
import signal, sys, time
from movimento_flat import interrupts
interrupts.hear_signals()

def send_signal(event, args):
    if event == "import" and args[0] == "atexit" and "_polars_runtime_32" in sys.modules:
        print("sent")
        signal.raise_signal(signal.SIGTERM)

sys.addaudithook(send_signal)
try:
    from movimento_flat.columnar import pl
    time.sleep(10)
except KeyboardInterrupt:
    print("heard")
"""
    result = run_script(script, timeout=30)
    assert (result.stdout.split()[-2:], result.stderr) == (["sent", "heard"], "")
