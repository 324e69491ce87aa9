"""Ways to log in that are not a hashed password: by ed25519, and by what PAM asks."""

import hashlib
import socket

import pytest
from nacl.bindings import crypto_scalarmult_ed25519_base_noclamp, crypto_sign_open

from extract.source import Source
from extract.time_limits import TimeLimits
from movimento_flat.errors import UserError
from tests import fake_server
from tests.fake_server import greeting, packet, serving

PASSWORD = "s3nha é"
LIMITS = TimeLimits(login=5)
SCRAMBLE = bytes(range(1, 33))


class Login:
    """A server that switches to another way to log in, asks questions, and then lets everybody in."""

    def __init__(self, plugin: bytes, *questions: bytes) -> None:
        self.plugin, self.questions = plugin, questions
        self.answers: list[bytes] = []

    def __call__(self, client: socket.socket) -> None:
        client.sendall(greeting())
        client.recv(1 << 16)
        number = 2
        for place, question in enumerate(self.questions):
            switch = b"\xfe" + self.plugin + b"\0" if place == 0 else b""
            client.sendall(packet(number, switch + question))
            self.answers.append(client.recv(1 << 16)[4:])
            number += 2
        client.sendall(packet(number, fake_server.OK))
        while client.recv(1 << 16):
            client.sendall(packet(1, fake_server.OK))

    def of_client(self) -> None:
        with serving(self) as (port, _):
            Source("reader", "db", "127.0.0.1", port, password=PASSWORD, limits=LIMITS).connect().close()


def test_an_account_by_ed25519_logs_in() -> None:
    """Its public key is made of the password, and the answer is a signature of the server's scramble."""
    server = Login(b"client_ed25519", SCRAMBLE)
    server.of_client()
    (signature,) = server.answers
    hashed = bytearray(hashlib.sha512(PASSWORD.encode()).digest()[:32])
    hashed[0] &= 248
    hashed[31] = hashed[31] & 63 | 64
    key = crypto_scalarmult_ed25519_base_noclamp(bytes(hashed))
    assert crypto_sign_open(signature + SCRAMBLE, key) == SCRAMBLE


@pytest.mark.parametrize(
    "questions", [(b"",), (b"\4Password: ",), (b"", b"\4Password: "), (b"\5Senha: ",)], ids=str
)
def test_what_pam_asks_is_answered_by_the_password(questions: tuple[bytes, ...]) -> None:
    """MariaDB 10.11 waits for it without a question."""
    server = Login(b"dialog", *questions)
    server.of_client()
    assert server.answers == [PASSWORD.encode() + b"\0"] * len(questions)


@pytest.mark.parametrize(
    "questions",
    [
        (b"\2One-time code: ",),
        (b"\4Password: ", b"\4One-time code: "),
        (b"", b"\4Password: ", b"\3One-time code: "),
    ],
    ids=str,
)
def test_what_is_more_than_a_password_is_not_answered(questions: tuple[bytes, ...]) -> None:
    server = Login(b"dialog", *questions)
    with pytest.raises(
        UserError, match=r"(?s)asks for more than a password: One-time code.*logs in by a password"
    ):
        server.of_client()


def test_a_way_that_is_unknown_is_named() -> None:
    with pytest.raises(UserError, match=r"(?s)auth_gssapi_client.*a way to log in by password alone"):
        Login(b"auth_gssapi_client", b"x").of_client()
