"""A connection to a database server whose every wait ends: by a limit of time, or by an interrupt.

Whatever goes wrong in it is a `pymysql.MySQLError`, also where PyMySQL itself raises something else.
"""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from threading import Thread, Timer
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR

from extract.time_limits import TimeLimits
from extract.tls import is_localhost
from movimento_flat import interrupts

#: Seconds after which a host that does not acknowledge packets counts as dead; it is probed every ten seconds.
_DEAD_SECONDS = 120
_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 30,
    socket.TCP_KEEPINTVL: 10,
    socket.TCP_KEEPCNT: _DEAD_SECONDS // 10,
    socket.TCP_USER_TIMEOUT: _DEAD_SECONDS * 1000,
}
#: Codes of errors that the client finds, not the server (`CR`).
_CLIENT_ERRORS = range(2000, 3000)
_HEADER_BYTES = 4
#: Bits of the first byte of a question of the plugin `dialog`, and their value where typed text is hidden.
_KIND_OF_QUESTION, _HIDDEN = 6, 4
_PROTOCOL = 10

_Address = tuple[socket.AddressFamily, Any]
if TYPE_CHECKING:  # it is generic only in its type stubs
    _Connection = Connection[Any]
else:
    _Connection = Connection


class SilenceError(pymysql.OperationalError):
    """The server has said nothing for longer than it may."""


class HandshakeError(pymysql.OperationalError):
    """The server does not complete a login, or is not MySQL or MariaDB."""


class DatabaseConnection(_Connection):
    """A connection of PyMySQL within limits of time."""

    _line: "_Line | None" = None
    #: Attributes of PyMySQL that its type stubs lack.
    protocol_version: int
    _sock: socket.socket

    def __init__(
        self, limits: TimeLimits, begin: Callable[["DatabaseConnection"], None], **options: Any
    ) -> None:
        """Connect, log in, and let `begin` set the session; `options` are PyMySQL's.

        Raises:
            pymysql.MySQLError: the connection fails, or takes too long.
        """
        self._limits = limits
        self._begin = begin
        self._has_greeted = self._is_in = self._is_late = False
        super().__init__(auth_plugin_map={"dialog": _Dialog}, **options)

    def connect(self, sock: Any = None) -> None:
        """Connect, log in, and set the session."""
        with self._errors():
            sock = self._dial()
            self._line = _Line(sock)
            clock = Timer(self._limits.login, self._give_up)
            clock.daemon = True
            clock.start()
            try:
                super().connect(sock)
                self._begin(self)
                self._is_in = True
            except BaseException:
                self._force_close()
                raise
            finally:
                clock.cancel()

    def query(self, sql: Any, unbuffered: bool = False) -> int:
        """Send a statement, and read the answer."""
        with self._errors():
            return super().query(sql, unbuffered)

    def close(self) -> None:
        """End the connection, if it has not ended already."""
        if self.open:
            super().close()

    def _dial(self) -> socket.socket:
        """Return the connected socket."""
        if self.unix_socket:
            self._secure = True
            return self._reach((socket.AF_UNIX, self.unix_socket), CR.CR_CONNECTION_ERROR)
        *others, last = self._addresses()
        for address in others:
            with suppress(pymysql.OperationalError):
                return self._tcp(address)
        return self._tcp(last)

    def _tcp(self, address: _Address) -> socket.socket:
        sock = self._reach(address, CR.CR_CONN_HOST_ERROR)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        return sock

    def _reach(self, address: _Address, code: int) -> socket.socket:
        family, endpoint = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        line = _Line(sock)
        try:
            sock.settimeout(self._limits.connect)
            sock.connect(endpoint)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                raise pymysql.OperationalError(
                    code, f"Can't connect to MySQL server on {self.unix_socket or self.host!r} ({error})"
                ) from error
            raise
        finally:
            line.close()
        return sock

    def _addresses(self) -> list[_Address]:
        """Return the host's addresses, which a thread looks up, since a resolver cannot be interrupted.

        `localhost` needs no resolver: there may be none, and no /etc/hosts.
        """
        host, port = str(self.host), int(self.port)
        if is_localhost(host):
            return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
        found: Future[list[_Address]] = Future()

        def ask() -> None:
            with suppress(InvalidStateError):  # nobody waits any more
                try:
                    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                    found.set_result([(family, endpoint) for family, _, _, _, endpoint in answers])
                except (OSError, UnicodeError) as error:  # UnicodeError: DNS has no such names
                    found.set_exception(error)

        Thread(target=ask, daemon=True).start()
        try:
            with interrupts.ended_by_interrupts(found.cancel):
                return found.result(self._limits.connect)
        except (OSError, UnicodeError) as error:
            reason = str(error) or f"its name was not resolved within {self._limits.connect:g} s"
            raise pymysql.OperationalError(
                CR.CR_CONN_HOST_ERROR, f"Can't connect to MySQL server on {host!r} ({reason})"
            ) from error

    def _give_up(self) -> None:
        self._is_late = True
        if self._line:
            self._line.hang_up()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise any error as one of PyMySQL's, with a code: a server may send any bytes."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            code = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else None
            if self._is_late:
                what = f"the login was not through after {self._limits.login:g} s"
                raise HandshakeError(CR.CR_SERVER_HANDSHAKE_ERR, what) from error
            if self._line and not self._has_greeted and (not isinstance(code, int) or code in _CLIENT_ERRORS):
                what = "what answers there does not greet as MySQL and MariaDB do"
                raise HandshakeError(CR.CR_SERVER_HANDSHAKE_ERR, what) from error
            if isinstance(code, int):
                raise
            self._force_close()
            what = f"the server's answer cannot be read: {error or type(error).__name__}"
            raise pymysql.InternalError(CR.CR_MALFORMED_PACKET, what) from error

    # The following methods override those of PyMySQL that its type stubs lack.

    def _get_server_information(self) -> None:
        super()._get_server_information()  # type: ignore[misc]
        if self.protocol_version != _PROTOCOL:
            raise HandshakeError(CR.CR_VERSION_ERROR, f"protocol {self.protocol_version}")
        self._has_greeted = True

    def _read_bytes(self, num_bytes: int) -> bytes:
        """Read so many bytes; wait for the header of a packet as long as the server may work on its answer."""
        limit = self._limits.answer if num_bytes == _HEADER_BYTES else self._limits.rest
        self._wait(limit)
        try:
            return super()._read_bytes(num_bytes)  # type: ignore[misc, no-any-return]
        except pymysql.OperationalError as error:
            if isinstance(error.__context__, TimeoutError):
                raise SilenceError(
                    CR.CR_SERVER_LOST, f"the server has said nothing for {limit:g} s"
                ) from error
            raise

    def _write_bytes(self, data: bytes) -> None:
        self._wait(self._limits.answer)
        super()._write_bytes(data)  # type: ignore[misc]

    def _wait(self, seconds: float) -> None:
        """Set how long the socket waits; the login has its own clock."""
        self._sock.settimeout(seconds if self._is_in else None)

    def _force_close(self) -> None:
        super()._force_close()  # type: ignore[misc]
        if self._line:
            self._line.close()

    __del__ = _force_close


class _Line:
    """A socket's connection, which any thread can end, also after TLS has taken over the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._duplicate = sock.dup()
        interrupts.add(self.hang_up)

    def hang_up(self) -> None:
        with suppress(OSError):  # it has ended
            self._duplicate.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        interrupts.discard(self.hang_up)
        self._duplicate.close()


class _Dialog:
    """Answers an account's PAM: with the password, once, and only to a question whose answer is hidden.

    PyMySQL's own dialog does not expect that a server may wait for the password before it asks for it.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def authenticate(self, packet: Any) -> Any:
        """Answer each question, and return the server's last packet. PyMySQL calls it."""
        question = packet.read_all()
        asked = False
        while True:
            if asked or (question and question[0] & _KIND_OF_QUESTION != _HIDDEN):
                shown = question[1:].decode(errors="replace").strip()
                raise pymysql.OperationalError(
                    CR.CR_AUTH_PLUGIN_ERR, f"the login asks for more than a password: {shown}"
                )
            asked = bool(question)
            self._connection.write_packet(self._connection.password + b"\0")
            packet = self._connection._read_packet()
            if packet.is_ok_packet():
                return packet
            question = packet.get_all_data()
