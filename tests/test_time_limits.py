"""Ports that are no database, or one that stops: one message within a time, and one signal ends every wait."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from extract.mysql.session import explain
from extract.source import Source
from extract.time_limits import TimeLimits
from extract.tls import VERIFY, Tls
from movimento_flat.errors import UserError
from tests import fake_server
from tests.conftest import Database
from tests.fake_server import Behaviour, dribbles, greeting, packet, says, says_and_hangs_up, serving

SHORT = TimeLimits(connect=1, login=1.5, answer=1, rest=0.5)
#: What may pass from a limit to the message.
SLACK = 2.0

NO_SERVER = "does not greet as MySQL and MariaDB do"
LATE = "the login was not through after 1.5 s"

PORTS: dict[str, tuple[Behaviour, str]] = {
    "mute": (says(), LATE),
    "a byte now and then": (dribbles, LATE),
    "HTTP": (says_and_hangs_up(b"HTTP/1.1 400 Bad Request\r\n\r\n"), NO_SERVER),
    "SSH": (says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), NO_SERVER),
    "SMTP": (says(b"220 mail.example ESMTP\r\n"), NO_SERVER),
    "nothing but an end": (says_and_hangs_up(b""), NO_SERVER),
    "an empty greeting": (says(packet(0, b"")), NO_SERVER),
    "a cut greeting": (says_and_hangs_up(greeting()[:30]), NO_SERVER),
    "a short greeting": (says(packet(0, b"\x0a5.5.5\0\1")), NO_SERVER),
    "protocol 9": (says(packet(0, b"\x09" + greeting()[5:])), NO_SERVER),
    "a greeting that freezes": (says(greeting()[:30]), LATE),
    "a greeting, and nothing more": (says(greeting(), b""), LATE),
}


def failure(source: Source) -> str:
    began = time.monotonic()
    with pytest.raises(UserError) as error:
        source.connect()
    assert time.monotonic() - began < SHORT.login + SLACK
    said = str(error.value)
    assert len(said.splitlines()) == 2
    return said


@pytest.mark.parametrize("tls", [Tls(), Tls(VERIFY)], ids=["plain", "verify"])
@pytest.mark.parametrize("port", PORTS)
def test_a_port_that_is_no_database_is_one_message_within_the_limit(port: str, tls: Tls) -> None:
    behave, expected = PORTS[port]
    with serving(behave) as (number, _):
        said = failure(Source("reader", "db", "127.0.0.1", number, tls=tls, limits=SHORT))
    if tls.mode and port == "a greeting, and nothing more":
        expected = "the server speaks no TLS"
    assert expected in said


def test_a_tls_handshake_that_stops_is_within_the_login(tmp_path: Path) -> None:
    with serving(says(greeting(with_tls=True))) as (number, _):
        assert LATE in failure(Source("reader", "db", "127.0.0.1", number, tls=Tls(VERIFY), limits=SHORT))


def test_a_server_that_freezes_within_an_answer_is_given_up() -> None:
    with serving(fake_server.lets_in_and_freezes_in_mid_answer) as (number, _):
        source = Source("reader", "db", "127.0.0.1", number, limits=SHORT)
        connection = source.connect()
        began = time.monotonic()
        with pytest.raises(pymysql.OperationalError) as error:
            connection.query("SELECT 1")
        assert SHORT.rest <= time.monotonic() - began < SHORT.rest + SLACK
        assert not connection.open
        connection.close()
    said = explain(source, error.value)
    assert "has said nothing for 0.5 s" in said.what
    assert "--read-timeout" in said.next_step


def test_a_server_that_works_at_its_answer_is_waited_for_up_to_the_limit(database: Database) -> None:
    source = replace(database.reader(), limits=replace(SHORT, answer=2))
    with source.connect() as connection:
        connection.query("SELECT SLEEP(1)")
        with pytest.raises(pymysql.OperationalError, match="has said nothing for 2 s"):
            connection.query("SELECT SLEEP(20)")


@pytest.mark.parametrize(
    "answer",
    [b"", b"\xfb", b"\x01", b"\x05\xfe", b"\xff", b"\x00\xfd", b"\xfb/etc/passwd", bytes(3), b"\xfc\xff"],
)
def test_an_answer_of_any_bytes_is_an_error_of_the_database(answer: bytes) -> None:
    def behave(client: socket.socket) -> None:
        client.sendall(greeting())
        client.recv(1 << 16)
        client.sendall(packet(2, fake_server.OK))
        while request := client.recv(1 << 16):
            client.sendall(packet(1, answer if b"SELECT" in request else fake_server.OK))

    with serving(behave) as (number, _):
        source = Source("reader", "db", "127.0.0.1", number, limits=SHORT)
        with source.connect() as connection:
            with pytest.raises(pymysql.MySQLError) as error:
                connection.query("SELECT 1")
            assert len(str(explain(source, error.value)).splitlines()) == 2


def test_a_name_that_no_resolver_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def silent(*_: object, **__: object) -> list[object]:
        ended.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    assert "not resolved within 1 s" in failure(Source("reader", "db", "db.example", limits=SHORT))
    ended.set()


def test_localhost_needs_no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", none)
    for name in ("localhost", "LOCALHOST", "localhost."):
        with serving(says_and_hangs_up(fake_server.error(0, 1040, "Too many connections"))) as (number, _):
            assert "Too many connections" in failure(Source("reader", "db", name, number, limits=SHORT))


def test_a_host_that_is_gone_is_noticed_though_nothing_is_sent() -> None:
    with (
        serving(fake_server.lets_in_and_freezes_in_mid_answer) as (number, _),
        Source("reader", "db", "127.0.0.1", number).connect() as connection,
    ):
        sock = connection._sock
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 120_000


@contextmanager
def other_default(database: Database, variable: str, value: object) -> Iterator[None]:
    (before,) = database.query(f"SELECT @@GLOBAL.{variable}")[0]
    database.execute(f"SET GLOBAL {variable} = {value!r}")
    try:
        yield
    finally:
        database.execute(f"SET GLOBAL {variable} = {before!r}")


@pytest.mark.parametrize(
    ("variable", "default", "expected"),
    [
        ("tx_isolation", "READ-COMMITTED", "REPEATABLE-READ"),
        ("net_write_timeout", 1, 600),
        ("wait_timeout", 5, 28800),
    ],
)
def test_the_session_has_settings_of_its_own_whatever_the_servers_defaults(
    database: Database, variable: str, default: object, expected: object
) -> None:
    with (
        other_default(database, variable, default),
        database.reader().connect() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"SELECT @@SESSION.{variable}")
        assert cursor.fetchone() == (expected,)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1298, "--time-zone"),
        (1356, "SHOW CREATE VIEW"),
        (1449, "an account that is gone"),
        (1698, "unix_socket"),
        (1040, "--connections"),
        (1129, "FLUSH HOSTS"),
        (1290, "option"),
        (1205, "SHOW PROCESSLIST"),
        (1142, "GRANT SELECT, LOCK TABLES ON `sicooperative`.* TO 'reader'"),
    ],
)
def test_a_servers_error_has_its_next_step(code: int, said: str) -> None:
    error = explain(Source("reader", "sicooperative"), pymysql.OperationalError(code, "no"))
    assert said in error.next_step
    assert "check the password" not in error.next_step.lower()


def test_an_error_of_a_server_is_harmless_for_a_terminal() -> None:
    nasty = "\x1b]0;title\x07\x1b[31mred\x9b2J \u202egnp.exe\n  -> rm -rf / " + "x" * 5000
    with serving(says_and_hangs_up(fake_server.error(0, 1105, nasty))) as (number, _):
        said = failure(Source("reader", "db", "127.0.0.1", number, limits=SHORT))
    assert r"\x1b]0;title\x07\x1b[31mred\x9b2J \u202egnp.exe -> rm" in said
    assert not any(character in said for character in "\x1b\x07\x9b\u202e")
    assert len(said) < 900
