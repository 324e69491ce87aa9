"""Ends the reading after a time limit, and names the sessions that wait for the tables.

A session that reads a table keeps others from altering, renaming or dropping it. Such a session waits, and later ones
wait for it, also those that only read. So a reading without an end would stop all other work.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Event, Thread
from time import monotonic
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from extract.mysql.session import connect
from extract.source import Source
from movimento_flat.errors import UserError

#: Between two pings, which keep proxies and firewalls from closing an idle connection.
PING_SECONDS = 30
#: Between two attempts to end the sessions, once the limit is over.
RETRY_SECONDS = 1
_NAMED = 5
_WAITS = "Waiting for % lock"

#: Without the privilege PROCESS an account sees only its own sessions.
_FIND_WAITING = """
    SELECT id, user, host, db, time, info FROM information_schema.processlist
    WHERE state LIKE %s AND id <> CONNECTION_ID() ORDER BY time DESC, id
"""


class TimeLimit:
    """A time limit for what connections read: when it is over, the server ends them."""

    def __init__(
        self, source: Source, guard: "Connection[Any]", connections: "list[Connection[Any]]"
    ) -> None:
        self._source = source
        self._guard = guard
        self._sessions = [_session(connection) for connection in connections]
        self._end = monotonic() + source.time_limit
        self._no_more = Event()
        self._exceeded: UserError | None = None
        self._thread = Thread(target=self._watch, name="time limit", daemon=True)

    def start(self) -> None:
        """Start the clock."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the clock, after sessions that are just being ended."""
        self._no_more.set()
        self._thread.join()

    def exceeded(self) -> UserError | None:
        """Return the error for the user if the limit was over; else None."""
        return self._exceeded

    def _watch(self) -> None:
        guard: Connection[Any] | None = self._guard
        while (left := self._end - monotonic()) > 0:
            if self._no_more.wait(min(left, PING_SECONDS)):
                return
            try:
                if guard:
                    guard.ping(reconnect=False)
            except pymysql.MySQLError:
                guard = None
        while not self._end_sessions(guard):
            guard = None
            if self._no_more.wait(RETRY_SECONDS):
                return

    def _end_sessions(self, guard: "Connection[Any] | None") -> bool:
        """End the sessions, by a new connection without the guard; return whether the server could be reached."""
        try:
            with nullcontext(guard) if guard else connect(self._source) as connection:
                self._exceeded = UserError(
                    f"Reading {self._source} was ended after {self._source.time_limit} seconds (--time-limit), during"
                    f" which nobody could alter or rename its tables.{waiting(connection)}",
                    "--time-limit SECONDS gives it more time.",
                )
                for session in self._sessions:
                    _end(connection, session)
        except (pymysql.MySQLError, UserError):
            return False
        return True


@contextmanager
def time_limit(
    source: Source, guard: "Connection[Any]", connections: "list[Connection[Any]]"
) -> Iterator[TimeLimit]:
    """End `connections` when the source's time limit is over, by `guard`, which the block must not use."""
    limit = TimeLimit(source, guard, connections)
    limit.start()
    try:
        yield limit
    finally:
        limit.stop()


def waiting(connection: "Connection[Any]") -> str:
    """Return a sentence about the sessions that wait for a lock, as far as the account sees them; it may be empty.

    It has only the first word of their statements: the rest may hold personal data.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FIND_WAITING, (_WAITS,))
        sessions = cursor.fetchall()
    named = [
        f"session {number} ({user}@{host}, database {database}) for {seconds} s with {_first_word(statement)}"
        for number, user, host, database, seconds, statement in sessions[:_NAMED]
    ]
    if more := len(sessions) - len(named):
        named.append(f"{more} more")
    return f" Waiting for locks: {'; '.join(named)}." if named else ""


def _session(connection: "Connection[Any]") -> int:
    """Return the connection's id at the server. The greeting's is cut to 32 bits, and may be a proxy's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        row = cursor.fetchone()
    assert row
    return int(row[0])


def _end(connection: "Connection[Any]", session: int) -> None:
    try:
        connection.query(f"KILL {session}")
    except pymysql.MySQLError as error:
        if error.args[0] != ER.NO_SUCH_THREAD:
            raise


def _first_word(statement: str | None) -> str:
    found = re.match(r"\s*(\w+)", statement or "")
    return found[1].upper() if found else "a statement"
