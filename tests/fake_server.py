"""Servers that are none, or stop: what a database's port may do to its client."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pymysql.constants import CLIENT

Behaviour = Callable[[socket.socket], None]

#: Of MariaDB 10.11 with mysql_native_password, all capabilities that a login needs.
_CAPABILITIES = (
    CLIENT.PROTOCOL_41
    | CLIENT.SECURE_CONNECTION
    | CLIENT.PLUGIN_AUTH
    | CLIENT.CONNECT_WITH_DB
    | CLIENT.TRANSACTIONS
)
OK = b"\0\0\0\2\0\0\0"


def packet(number: int, payload: bytes) -> bytes:
    return struct.pack("<I", len(payload))[:3] + bytes([number]) + payload


def greeting(with_tls: bool = False) -> bytes:
    flags = _CAPABILITIES | (CLIENT.SSL if with_tls else 0)
    return packet(
        0,
        b"\x0a5.5.5-10.11.0-MariaDB\0"
        + struct.pack("<I", 7)
        + b"12345678\0"
        + struct.pack("<HBHHB", flags & 0xFFFF, 45, 2, flags >> 16, 21)
        + bytes(10)
        + b"123456789012\0"
        + b"mysql_native_password\0",
    )


def error(number: int, code: int, text: str) -> bytes:
    return packet(number, b"\xff" + struct.pack("<H", code) + b"#HY000" + text.encode())


def says(*words: bytes) -> Behaviour:
    """Say that, and wait until the client has gone."""

    def behave(client: socket.socket) -> None:
        client.sendall(b"".join(words))
        wait_for_the_end(client)

    return behave


def says_and_hangs_up(words: bytes) -> Behaviour:
    return lambda client: client.sendall(words)


def dribbles(client: socket.socket) -> None:
    """A greeting that never ends, byte by byte."""
    for byte in packet(0, bytes(60_000)):
        client.sendall(bytes([byte]))
        time.sleep(0.05)


def lets_in_and_freezes_in_mid_answer(client: socket.socket) -> None:
    """Answer the session's settings, and then only the beginning of what is asked for."""
    client.sendall(greeting())
    client.recv(1 << 16)
    client.sendall(packet(2, OK))
    while request := client.recv(1 << 16):
        if b"SELECT" in request:
            client.sendall(packet(1, bytes(5000))[:100])
            return wait_for_the_end(client)
        client.sendall(packet(1, OK))
    return None


def wait_for_the_end(client: socket.socket) -> None:
    while client.recv(1 << 16):
        pass


@contextmanager
def serving(behave: Behaviour) -> Iterator[tuple[int, threading.Event]]:
    """-> a port of 127.0.0.1, and what is set when somebody has connected."""
    connected = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve(client: socket.socket) -> None:
            with client, suppress(OSError):
                behave(client)

        def accept() -> None:
            with suppress(OSError):  # it is closed
                while True:
                    client, _ = listening.accept()
                    connected.set()
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1], connected
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def stopping_proxy(
    server: str | tuple[str, int], asked: tuple[bytes, ...], answered: int = 1000
) -> Iterator[tuple[int, threading.Event]]:
    """A proxy to a server's address that stops once a request has held what is asked, in the next longer answer.

    -> its port on 127.0.0.1, and what is set when it has stopped.
    """
    stopped = threading.Event()

    def forward(client: socket.socket) -> None:
        family = socket.AF_UNIX if isinstance(server, str) else socket.AF_INET
        with socket.socket(family) as ours:
            ours.connect(server)
            has_asked = threading.Event()

            def requests() -> None:
                while request := client.recv(1 << 16):
                    if all(part in request for part in asked):
                        has_asked.set()
                    ours.sendall(request)

            def forward_requests() -> None:
                with suppress(OSError):
                    requests()
                with suppress(OSError):
                    ours.shutdown(socket.SHUT_RDWR)

            threading.Thread(target=forward_requests, daemon=True).start()
            while answer := ours.recv(1 << 16):
                if has_asked.is_set() and len(answer) > answered:
                    client.sendall(answer[:answered])
                    stopped.set()
                    while ours.recv(1 << 16):
                        pass
                    return
                client.sendall(answer)

    with serving(forward) as (port, _):
        yield port, stopped
