"""Where the four tables are: the address of a database, and connections to it for reading."""

import getpass
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR, ER

from extract.tls import Tls, tls_trouble
from extract.window import Window
from movimento_flat.errors import UserError

DEFAULT_PORT = 3306
CONNECT_SECONDS = 10
#: How long an extraction may keep the tables from being altered.
TIME_LIMIT_SECONDS = 1800

#: Of ER, but not in its type stubs: MUST_CHANGE_PASSWORD and MUST_CHANGE_PASSWORD_LOGIN.
_EXPIRED_PASSWORD = (1820, 1862)
#: So that quotes, backslashes and zero dates mean the same on every server. It comes first: where it is strict, a
#: server refuses values beyond its maxima, which else it lowers to them.
_NO_MODES = "SET SESSION sql_mode = ''"
#: A page of rows comes as one GROUP_CONCAT; what still does not fit is noticed and divided (`extract.pages`).
#: A connection waits while its rows are written elsewhere, and while others read. What a server ends or cuts by its
#: defaults, for the sake of others, is asked for whole; in the comments, what only MariaDB or only MySQL has.
_SESSION = """
    SET SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1,
        /*M! SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0,
        SESSION idle_readonly_transaction_timeout = 0, */
        /*!50708 SESSION max_execution_time = 0, */
        SESSION time_zone = %s, SESSION group_concat_max_len = 4294967295, SESSION lock_wait_timeout = 5,
        SESSION wait_timeout = 28800, SESSION net_write_timeout = 600
"""


@dataclass(frozen=True)
class Source:
    """A database to read from. The password never shows in its text.

    Attributes:
        window: which of its rows are read.
        allow_writer: whether an account that could change the database may read it.
        time_limit: seconds that an extraction may take.
    """

    user: str
    database: str
    host: str = "localhost"
    port: int = DEFAULT_PORT
    unix_socket: str | None = None
    password: str = field(default="", repr=False)
    time_zone: str = "-03:00"
    tls: Tls = field(default_factory=Tls)
    window: Window = field(default_factory=Window)
    allow_writer: bool = False
    time_limit: int = TIME_LIMIT_SECONDS

    def __str__(self) -> str:
        place = self.unix_socket or f"{self.host}:{self.port}"
        return f"mysql://{self.user}@{place}/{self.database}"

    def connect(self, **options: Any) -> "Connection[Any]":
        """Open a connection whose session is set for extraction; `options` are PyMySQL's.

        Raises:
            UserError: no server there, its certificate does not hold, or it does not let this account in.
        """
        context = self.tls.context(self.host, self.unix_socket)
        try:
            connection = pymysql.connect(
                user=self.user,
                password=self.password.encode(errors="surrogateescape"),  # PyMySQL takes text for Latin-1
                host=self.host,
                port=self.port,
                unix_socket=self.unix_socket,
                database=self.database,
                charset="utf8mb4",
                connect_timeout=CONNECT_SECONDS,
                autocommit=True,
                ssl=context,
                ssl_disabled=context is None,  # else PyMySQL would take TLS with any certificate
                **options,
            )
            with connection.cursor() as cursor:
                cursor.execute(_NO_MODES)
                cursor.execute(_SESSION, (self.time_zone,))
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        except pymysql.MySQLError as error:
            raise self.explain(error) from error
        except UnicodeError as error:  # the host's name is none that DNS could have
            raise self.explain(pymysql.OperationalError(CR.CR_CONN_HOST_ERROR, str(error))) from error
        return connection

    def explain(self, error: pymysql.MySQLError) -> UserError:
        """-> what a server's error means for the user."""
        if trouble := tls_trouble(error):
            what, next_step = trouble
            return UserError(f"Reading {self} failed: {what}.", next_step)
        code = error.args[0] if error.args else 0
        text = error.args[-1] if error.args else error
        return UserError(
            f"Reading {self} failed: {text} (error {code}).", _NEXT_STEPS.get(code, _ANY_NEXT_STEP)
        )


#: ER_SECURE_TRANSPORT_REQUIRED of MySQL, which PyMySQL does not name; MariaDB says that the access is denied.
_TLS_IS_WANTED = 3159
_FORM = "Write SOURCE=mysql://user@host:port/database."
_ANY_NEXT_STEP = "The database was only read. Run the command again when the cause is gone."
_NEXT_STEPS = {
    CR.CR_CONN_HOST_ERROR: "Check host and port in SOURCE, and that the server runs and can be reached from here.",
    CR.CR_CONNECTION_ERROR: "Check the socket's path in SOURCE, and that the server runs.",
    CR.CR_SERVER_LOST: "The connection broke while it was in use. Run the command again.",
    CR.CR_SERVER_GONE_ERROR: "The connection broke while it was in use. Run the command again.",
    ER.ACCESS_DENIED_ERROR: "Check the user in SOURCE and the password (MYSQL_PWD, --password-file or the prompt);"
    " --tls verify if the account needs TLS.",
    ER.DBACCESS_DENIED_ERROR: "Let the account read: GRANT SELECT, LOCK TABLES ON <database>.* TO <user>.",
    ER.TABLEACCESS_DENIED_ERROR: "Let the account read: GRANT SELECT, LOCK TABLES ON <database>.* TO <user>.",
    **dict.fromkeys(
        _EXPIRED_PASSWORD,
        "The account's password has expired: its owner, or an administrator, sets a new one.",
    ),
    _TLS_IS_WANTED: "The server takes nobody without TLS: --tls verify, and --tls-ca FILE for an authority of its own.",
    ER.BAD_DB_ERROR: "Check the database's name at the end of SOURCE.",
}


def parse_source(url: str, password_file: Path | None = None, time_zone: str = "-03:00") -> Source:
    """`mysql://user@host:port/database`, or `...@localhost/database?unix_socket=PATH` -> its source.

    The password comes from MYSQL_PWD, the first line of a file, or a prompt on a terminal.

    Raises:
        UserError: no such URL, or it holds a password, which every user of the machine could see.
    """
    source = address(url)
    if not source.database:
        raise UserError(f"SOURCE '{url}' is no address of a database.", _FORM)
    return replace(source, password=_password(password_file, source.user), time_zone=time_zone)


def address(url: str) -> Source:
    """A URL as of `parse_source` -> its source without a password; the database may be empty.

    Raises:
        UserError: no such URL, or it holds a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise UserError(f"SOURCE is no address: {error}.", _FORM) from error
    if parts.password is not None:
        raise UserError(
            "SOURCE holds a password; a command line can be read by every user of the machine.",
            "Leave it out, and set MYSQL_PWD, use --password-file, or type it at the prompt.",
        )
    if parts.scheme not in ("mysql", "mariadb") or not parts.username or not parts.hostname:
        raise UserError(f"SOURCE '{url}' is no address of a database.", _FORM)
    return Source(
        user=unquote(parts.username),
        host=parts.hostname,
        port=port,
        database=unquote(parts.path.strip("/")),
        unix_socket=parse_qs(parts.query).get("unix_socket", [None])[0],
    )


def read_password(file: Path) -> str:
    """The first line of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape").partition("\n")[0]
    except OSError as error:
        raise UserError(f"The password file {file} cannot be read: {error.strerror}.") from error


def forget_password() -> str | None:
    """-> MYSQL_PWD, which what this program starts does not inherit from now on."""
    return os.environ.pop("MYSQL_PWD", None)


def _password(file: Path | None, user: str) -> str:
    given = forget_password()
    if file:
        return read_password(file)
    if given is not None:
        return given
    return getpass.getpass(f"Password of {user}: ") if sys.stdin.isatty() else ""
