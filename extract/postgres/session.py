"""Sessions of a PostgreSQL server: how one is set, how its waits end, and what its errors mean for the user."""

import json
import logging
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import islice
from threading import Thread, Timer
from typing import Any

import psycopg
from psycopg import sql

from extract.source import Source
from extract.tls import is_localhost
from movimento_flat import interrupts
from movimento_flat.errors import UserError

#: psycopg would write there what explain() says.
logging.getLogger("psycopg").setLevel(logging.CRITICAL + 1)
#: Most characters of a server's error that are shown.
_SHOWN = 500
#: A host that does not acknowledge packets for two minutes counts as dead.
_KEEPALIVE = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 12,
    "tcp_user_timeout": 120_000,
}
#: Lifts the limits by which a server ends statements and sessions, and makes texts of values the same everywhere.
#: `row_security = off` has the server refuse a table of which it would hide rows. A setting that a server does not have
#: is left out.
_SETTINGS = {
    "DateStyle": "ISO, YMD",
    "default_transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
    "lock_timeout": "5s",
    "row_security": "off",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "client_connection_check_interval": "10s",
}
_SET = "SELECT set_config(name, (%s::json) ->> name, false) FROM pg_settings WHERE name = ANY (%s)"
#: Rows and bytes that are waited for together.
SOME_ROWS, SOME_BYTES = 1000, 1 << 20
#: A byte 0, and what stands for bytes that are no UTF-8.
_find_odd = re.compile("[\0\ud800-\udfff]").search
_find_offset = re.compile(r"[+-]\d\d?:\d\d").fullmatch


class Session:
    """A connection whose every wait ends: by a limit of time, or by an interrupt.

    Attributes:
        encoding: of the database's texts, as the server calls it.
    """

    def __init__(self, source: Source, connection: "psycopg.Connection[Any]") -> None:
        self.source = source
        self.encoding = ""
        self._connection = connection
        self._line = socket.socket(fileno=socket.dup(connection.fileno()))
        self._silence = 0.0  # seconds, once it was too long
        interrupts.add(self.hang_up)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session."""
        interrupts.discard(self.hang_up)
        self._connection.close()
        self._line.close()

    def hang_up(self) -> None:
        """End the session from any thread; whoever waits for the server need not any more."""
        with suppress(OSError):  # it has ended
            self._line.shutdown(socket.SHUT_RDWR)

    def execute(self, query: str, values: object = None) -> None:
        """Run a statement.

        Raises:
            UserError: the server refuses it, or does not answer.
        """
        self.all(query, values)

    def all(self, query: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query; bytes come as they are.

        Raises:
            UserError: the server refuses it, or does not answer.
        """
        with self._waiting(), self._connection.cursor(binary=True) as cursor:
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def row(self, query: str, values: Any = None) -> tuple[Any, ...]:
        """Return the one row of a query."""
        (row,) = self.all(query, values)
        return row

    def described(self, query: str) -> list[tuple[str, int, int]]:
        """Return name, type and its modifier of the columns of a query that gives no rows."""
        with self._waiting(), self._connection.cursor(binary=True) as cursor:
            cursor.execute(query)
            result = cursor.pgresult
            assert result
            return [
                ((result.fname(at) or b"").decode(errors="replace"), result.ftype(at), result.fmod(at))
                for at in range(result.nfields)
            ]

    def stream(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; few are held at a time."""
        with self._connection.cursor(binary=True) as cursor:
            rows = cursor.stream(query, binary=True)
            while True:
                with self._waiting():  # for some rows: it starts a thread
                    some = list(_some(rows))
                if not some:
                    return
                yield from some

    def copy_in(self, statement: str, blocks: Iterator[bytes]) -> None:
        """Send blocks to a COPY ... FROM STDIN.

        Raises:
            UserError: the server refuses them, or does not answer.
        """
        with self._connection.cursor() as cursor, ExitStack() as stack:
            with self._waiting():
                copy = stack.enter_context(cursor.copy(statement))
            for block in blocks:
                with self._waiting():
                    copy.write(block)
            with self._waiting():
                stack.close()

    def _waiting(self) -> AbstractContextManager[None]:
        """End what lasts longer than a server may be silent; errors are the user's."""
        return self.limited(self.source.limits.answer)

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """End the session if what is done in it lasts longer; errors are the user's."""
        timer = Timer(seconds, self._give_up, [seconds])
        timer.daemon = True
        timer.start()
        try:
            yield
        except psycopg.Error as error:
            if self._silence:
                raise UserError(
                    f"Reading {self.source} failed: the server has said nothing for {self._silence:g} s.",
                    _SILENCE,
                ) from error
            raise explain(self.source, error, is_in_use=True) from error
        finally:
            timer.cancel()

    def _give_up(self, seconds: float) -> None:
        self._silence = seconds
        self.hang_up()


def _some(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the next rows: a thousand, or as many as have a few bytes more than SOME_BYTES."""
    size = 0
    for row in islice(rows, SOME_ROWS):
        yield row
        size += sum(len(field) for field in row if isinstance(field, bytes))
        if size > SOME_BYTES:
            return


class _Connection(psycopg.Connection[Any]):
    """A connection that asks for no cancellation when it is interrupted: that would open another one, and wait for it.

    The server looks every ten seconds whether somebody waits for its answer.
    """

    def _try_cancel(self, *, timeout: float = 5.0) -> None:
        """Do nothing; psycopg calls it."""


class BusyError(UserError):
    """Somebody else holds a table."""


def connect(source: Source, **options: Any) -> Session:
    """Open a session that is set for extraction; `options` are psycopg's.

    Raises:
        UserError: no server answers, its certificate is not valid, or it refuses the account.
    """
    _refuse_odd_texts(source)
    _forget_settings()
    parameters = {
        "host": source.unix_socket or source.host,
        # localhost needs no resolver: there may be none.
        **({"hostaddr": "127.0.0.1"} if not source.unix_socket and is_localhost(source.host) else {}),
        "port": source.port,
        "user": source.user,
        "dbname": source.database,
        "application_name": "movimento-flat",
        "client_encoding": "UTF8",
        "gssencmode": "disable",  # the certificate is looked at
        "connect_timeout": max(2, int(source.limits.connect)),
        **({"password": source.password} if source.password else {}),  # else libpq looks for one
        **_tls(source),
        **({} if source.unix_socket else _KEEPALIVE),
        **options,
    }
    try:
        session = Session(source, _interruptible(lambda: _Connection.connect(**parameters, autocommit=True)))
    except psycopg.Error as error:
        raise explain(source, error) from error
    try:
        with session.limited(source.limits.login):
            _set(session, source)
    except BaseException:
        session.close()
        raise
    return session


def _interruptible(open_connection: "Callable[[], psycopg.Connection[Any]]") -> "psycopg.Connection[Any]":
    """Open a connection in a thread, since libpq's wait for a login cannot be interrupted."""
    opened: Future[psycopg.Connection[Any]] = Future()

    def run() -> None:
        try:
            connection = open_connection()
        except BaseException as error:
            with suppress(InvalidStateError):  # nobody waits any more
                opened.set_exception(error)
            return
        try:
            opened.set_result(connection)
        except InvalidStateError:
            connection.close()

    Thread(target=run, daemon=True).start()
    with interrupts.ended_by_interrupts(opened.cancel):
        try:
            return opened.result()
        except CancelledError as error:
            raise psycopg.OperationalError("interrupted") from error


def _tls(source: Source) -> dict[str, str]:
    """Return libpq's parameters; the certificate and its name are verified unless the server is on this machine.

    Raises:
        UserError: there is no authority to trust.
    """
    if not source.tls.context(
        source.host, source.unix_socket
    ):  # which says what is wrong with the authority's file
        return {"sslmode": "disable"}
    authority = source.tls.authority or ssl.get_default_verify_paths().cafile
    if not authority:
        raise UserError(
            "This machine has no file of authorities to trust.",
            "Name the authority that signed the server's certificate: --tls-ca FILE.",
        )
    return {"sslmode": "verify-full", "sslrootcert": str(authority)}


def _refuse_odd_texts(source: Source) -> None:
    """Raises:
    UserError: libpq could not send a text, or would cut it.
    """
    for what, text in (("password", source.password), ("user", source.user), ("database", source.database)):
        if _find_odd(text):
            raise UserError(
                f"The {what} is no text in UTF-8 without a byte 0.",
                "Check it in SOURCE, PGPASSWORD or the password file.",
            )


def _forget_settings() -> None:
    """Remove libpq's variables, such as PGHOSTADDR, but for that of the file of passwords: SOURCE says where it is."""
    for name in [name for name in os.environ if name.startswith("PG") and name != "PGPASSFILE"]:
        del os.environ[name]


def _set(session: Session, source: Source) -> None:
    session.encoding = str(session.row("SELECT current_setting('server_encoding')")[0])
    settings = dict(_SETTINGS)
    if source.schema:
        settings["search_path"] = sql.Identifier(source.schema).as_string()
    if offset := _find_offset(source.time_zone or ""):  # as a name, -03:00 would lie east of Greenwich
        session.execute(f"SET TIME ZONE INTERVAL '{offset[0]}' HOUR TO MINUTE")
    elif source.time_zone:
        settings["TimeZone"] = _zone(session, source.time_zone)
    session.execute(_SET, (json.dumps(settings), list(settings)))


def _zone(session: Session, name: str) -> str:
    """Return a time zone that the server knows by this name. It takes other words too, as UTC-3, three hours east.

    Raises:
        UserError: it knows none.
    """
    if name.startswith("<") or session.all("SELECT 1 FROM pg_timezone_names WHERE name = %s", (name,)):
        return name
    raise UserError(f"The server knows no time zone {name}.", _ZONE)


_ZONE = "Check --time-zone: a name that the server knows (pg_timezone_names), or a distance such as -03:00."
_ANY_NEXT_STEP = "The database was only read. Run the command again when the cause is gone."
_SILENCE = (
    "See whether the server hangs (pg_stat_activity). If it only takes that long for a large table,"
    " give it more time: --read-timeout SECONDS."
)
_BROKEN = "The connection broke while it was in use. Run the command again."
_BUSY = "55P03"
_GRANT = (
    "Let the role read: GRANT USAGE ON SCHEMA {schema} TO {user};"
    " GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {user};"
)
_PASSWORD = "Check the user in SOURCE and the password (PGPASSWORD, .pgpass, --password-file or the prompt)."  # noqa: S105
_ROWS = "Read by a role that sees all rows: ALTER ROLE {user} BYPASSRLS."
#: By SQLSTATE (PostgreSQL, appendix A), or by its first two characters.
_NEXT_STEPS = {
    "28000": "Check the user in SOURCE, and pg_hba.conf on the server; --tls verify if the role needs TLS.",
    "28P01": _PASSWORD,
    "3D000": "Check the database's name at the end of SOURCE.",
    "42501": _GRANT,
    "53300": "Wait until others have ended, ask with fewer --connections, or raise the limit there.",
    _BUSY: "Somebody else holds a table, such as a long ALTER TABLE: see pg_stat_activity, and run it again.",
    "57P03": "The server is starting or stopping: run the command again when it is up.",
    **dict.fromkeys(("22007", "22023"), _ZONE),
    **dict.fromkeys(
        ("22021", "22P05"),
        "A text of the database has bytes that are none of its encoding: find the row, and write it again.",
    ),
    "22": "A view, or a query of the tables file, cannot make this of a value: correct it, or the value.",
    "08": _BROKEN,
    "57": "The server, or its administrator, has ended the session. Run the command again.",
}
#: By what libpq says where no session has begun.
_WITHOUT_A_SESSION = (
    (
        "certificate",
        "Name the authority that signed it: --tls-ca FILE. Write the host as the certificate names it.",
    ),
    ("does not support SSL", "Give the server a certificate; --tls off reads without TLS."),
    ("SSL", "--tls off reads without TLS: then anybody on the way can read the data, and change them."),
    ("password", _PASSWORD),
    ("does not exist", "Check the database's name at the end of SOURCE, and the user."),
    ("pg_hba.conf", "Let the server take this role from here (pg_hba.conf); --tls verify if it wants TLS."),
    ("too many", "Wait until others have ended, ask with fewer --connections, or raise the limit there."),
    ("remaining connection slots", "Wait until others have ended, or ask with fewer --connections."),
    ("timeout", "Check host and port in SOURCE, and that the server can be reached from here."),
    ("", "Check host and port in SOURCE, and that the server runs and can be reached from here."),
)


def explain(source: Source, error: psycopg.Error, is_in_use: bool = False) -> UserError:
    """Return what an error of psycopg means for the user: of a session that is in use, or of one that is to begin.

    What a row holds is not shown: it stands in the details, or behind a colon, or in any text of a function.
    """
    state = error.sqlstate or ""
    said = error.diag.message_primary or str(error)
    if state.startswith("P0"):
        said = "a function of the database raised an error"
    elif state[:2] in ("22", "23"):
        said = said.partition(":")[0]
    text = " ".join(said.split())[:_SHOWN].rstrip(".")
    if error.diag.source_function == "check_enable_rls":
        step = _ROWS
    elif state:
        step = _NEXT_STEPS.get(state) or _NEXT_STEPS.get(state[:2], _ANY_NEXT_STEP)
    elif is_in_use:
        step = _BROKEN
    else:
        step = next(step for word, step in _WITHOUT_A_SESSION if word in text)
    step = step.format(schema=source.schema or "public", user=source.user)
    kind = BusyError if state == _BUSY else UserError
    return kind(f"Reading {source} failed: {text}" + (f" (SQLSTATE {state})." if state else "."), step)


def quoted(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'
