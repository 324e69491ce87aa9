"""The source: the address of a database with the four tables, and connections to it for reading."""

import codecs
import getpass
import os
import sys
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.constants import CR, ER

from extract.connection import DatabaseConnection, HandshakeError, SilenceError, TimeLimits
from extract.pages import PAGE_BYTES
from extract.tables_file import TablesFile
from extract.tls import Tls, tls_trouble
from extract.window import Window
from movimento_flat.errors import UserError

DEFAULT_PORT = 3306
#: Seconds for which an extraction may keep the tables from being altered.
TIME_LIMIT_SECONDS = 1800
#: The one parameter that an address may have.
SOCKET_PARAMETER = "unix_socket"
#: Most characters of a server's error that are shown.
_SHOWN = 500

#: MUST_CHANGE_PASSWORD and MUST_CHANGE_PASSWORD_LOGIN, which the type stubs of ER lack.
_EXPIRED_PASSWORD = (1820, 1862)
#: ER_TOO_MANY_USER_CONNECTIONS, and MariaDB's ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
_TOO_MANY_OF_USER, _NOT_BY_PASSWORD = 1203, 1698
#: Makes quotes, backslashes and zero dates mean the same on every server. It comes first: in a strict mode a server
#: refuses values beyond its maxima instead of lowering them.
_NO_MODES = "SET SESSION sql_mode = ''"
#: Lifts the limits by which a server cuts or ends statements. A page of rows comes as one GROUP_CONCAT; one that does
#: not fit is noticed and divided (`extract.pages`). A connection waits while its rows are written, and while others
#: read. In comments stands what only MariaDB or only MySQL has.
_SESSION = f"""
    SET SESSION sql_select_limit = 18446744073709551615, SESSION sql_big_selects = 1,
        /*M! SESSION max_statement_time = 0, SESSION idle_transaction_timeout = 0,
        SESSION idle_readonly_transaction_timeout = 0, */
        /*!50708 SESSION max_execution_time = 0, */
        SESSION group_concat_max_len = {PAGE_BYTES}, SESSION lock_wait_timeout = 5,
        SESSION wait_timeout = 28800, SESSION net_write_timeout = 600
"""


@dataclass(frozen=True)
class Source:
    """A database to read from. Its text never shows the password.

    Attributes:
        time_zone: zone in which TIMESTAMP columns are read; None for the server's own.
        window: which of its rows are read.
        tables: where the rows of the four tables come from.
        allow_writer: whether an account that could change the database may read it.
        time_limit: seconds that an extraction may take.
        limits: how long the server may take to answer.
    """

    user: str
    database: str
    host: str = "localhost"
    port: int = DEFAULT_PORT
    unix_socket: str | None = None
    password: str = field(default="", repr=False)
    time_zone: str | None = None
    tls: Tls = field(default_factory=Tls)
    window: Window = field(default_factory=Window)
    tables: TablesFile = field(default_factory=TablesFile)
    allow_writer: bool = False
    time_limit: int = TIME_LIMIT_SECONDS
    limits: TimeLimits = TimeLimits()  # noqa: RUF009  # it is frozen

    def __str__(self) -> str:
        server = self.unix_socket or f"{self.host}:{self.port}"
        return f"mysql://{self.user}@{server}/{self.database}"

    def connect(self, **options: Any) -> DatabaseConnection:
        """Open a connection whose session is set for extraction; `options` are PyMySQL's.

        Raises:
            UserError: no server answers, its certificate is not valid, or it refuses the account.
        """
        context = self.tls.context(self.host, self.unix_socket)
        try:
            return DatabaseConnection(
                self.limits,
                self._set_session,
                user=self.user,
                password=self.password.encode(errors="surrogateescape"),  # PyMySQL takes text for Latin-1
                host=self.host,
                port=self.port,
                unix_socket=self.unix_socket,
                database=self.database,
                charset="utf8mb4",
                autocommit=True,
                ssl=context,
                ssl_disabled=context is None,  # else PyMySQL would take TLS with any certificate
                **options,
            )
        except pymysql.MySQLError as error:
            raise self.explain(error) from error

    def _set_session(self, connection: DatabaseConnection) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_NO_MODES)
            cursor.execute(_SESSION)
            if self.time_zone:
                cursor.execute("SET SESSION time_zone = %s", (self.time_zone,))
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def explain(self, error: pymysql.MySQLError) -> UserError:
        """Return what an error of a `DatabaseConnection` means for the user."""
        if trouble := tls_trouble(error):
            what, next_step = trouble
            return UserError(f"Reading {self} failed: {what}.", next_step)
        if isinstance(error, SilenceError | HandshakeError):
            next_step = _SILENCE if isinstance(error, SilenceError) else _NO_SERVER
            return UserError(f"Reading {self} failed: {error.args[-1]}.", next_step)
        code, text = error.args[0], " ".join(str(error.args[-1]).split())[:_SHOWN].rstrip(".")
        step = _NEXT_STEPS.get(code, _ANY_NEXT_STEP).format(database=self.database, user=self.user)
        return UserError(f"Reading {self} failed: {text} (error {code}).", step)


#: ER_SECURE_TRANSPORT_REQUIRED of MySQL, which PyMySQL does not name; MariaDB says that the access is denied.
_TLS_IS_WANTED = 3159
_FORM = "Write SOURCE=mysql://user@host:port/database."
_ANY_NEXT_STEP = "The database was only read. Run the command again when the cause is gone."
_SILENCE = (
    "See whether the server hangs (SHOW PROCESSLIST). If it only takes that long for a large table,"
    " give it more time: --read-timeout SECONDS."
)
_NO_SERVER = (
    "Check host and port in SOURCE: a MySQL or MariaDB server must answer there (its usual port is 3306)."
    " If one does, see whether it hangs, or a proxy between."
)
_GRANT = "Let the account read: GRANT SELECT, LOCK TABLES ON `{database}`.* TO '{user}'."
_NEXT_STEPS = {
    CR.CR_CONN_HOST_ERROR: "Check host and port in SOURCE, and that the server runs and can be reached from here.",
    CR.CR_CONNECTION_ERROR: "Check the socket's path in SOURCE, and that the server runs.",
    CR.CR_SERVER_LOST: "The connection broke while it was in use. Run the command again.",
    CR.CR_SERVER_GONE_ERROR: "The connection broke while it was in use. Run the command again.",
    CR.CR_AUTH_PLUGIN_CANNOT_LOAD: "Give the account a way to log in by password alone, such as"
    " mysql_native_password, caching_sha2_password, ed25519 or pam.",
    CR.CR_AUTH_PLUGIN_ERR: "Take an account that logs in by a password alone.",
    ER.ACCESS_DENIED_ERROR: "Check the user in SOURCE and the password (MYSQL_PWD, --password-file or the prompt);"
    " --tls verify if the account needs TLS.",
    ER.DBACCESS_DENIED_ERROR: _GRANT,
    ER.TABLEACCESS_DENIED_ERROR: _GRANT,
    **dict.fromkeys(
        _EXPIRED_PASSWORD,
        "The account's password has expired: its owner, or an administrator, sets a new one.",
    ),
    _TLS_IS_WANTED: "The server takes nobody without TLS: --tls verify, and --tls-ca FILE for an authority of its own.",
    ER.BAD_DB_ERROR: "Check the database's name at the end of SOURCE.",
    ER.CON_COUNT_ERROR: "Wait until others have ended, ask with fewer --connections, or raise max_connections there.",
    _TOO_MANY_OF_USER: "Ask with fewer --connections, or raise the account's MAX_USER_CONNECTIONS.",
    ER.HOST_IS_BLOCKED: "Too many attempts from this machine failed: an administrator of the server runs FLUSH HOSTS.",
    ER.HOST_NOT_PRIVILEGED: "Make the account for this machine: CREATE USER '{user}'@'HOST' ...",
    ER.OPTION_PREVENTS_STATEMENT: "The server forbids it by an option of its own: ask its administrator, or read"
    " from another server, such as a replica.",
    ER.UNKNOWN_TIME_ZONE: "Write --time-zone as a distance, such as -03:00; a zone's name needs the server's zone"
    " tables (mysql_tzinfo_to_sql).",
    ER.LOCK_WAIT_TIMEOUT: "Somebody else holds a table, such as a long ALTER TABLE or transaction: see SHOW"
    " PROCESSLIST, and run the command again when it has ended.",
    ER.VIEW_INVALID: "A view names a table or column that is gone, or that its definer may not read: see SHOW CREATE"
    " VIEW, and make the view again.",
    ER.NO_SUCH_USER: "A view belongs to an account that is gone: make it again (CREATE OR REPLACE VIEW ...), or make"
    " that account.",
    _NOT_BY_PASSWORD: "The server lets this account in by the name of the system's user alone (unix_socket or"
    " auth_socket): run as that user, or take an account with a password.",
}


def parse_source(url: str, password_file: Path | None = None, time_zone: str | None = None) -> Source:
    """Return the source of a URL: `mysql://user@host:port/database`, or `...@localhost/database?unix_socket=PATH`.

    The password comes from MYSQL_PWD, the first line of a file, or a prompt on a terminal.

    Raises:
        UserError: it is no such URL, or holds a password, which every user of the machine could see.
    """
    source = address(url)
    if not source.database:
        raise _no_address("it names no database")
    return replace(source, password=_password(password_file, source.user), time_zone=time_zone)


def address(url: str) -> Source:
    """Return the source of a URL as in `parse_source`, without a password; the database's name may be empty.

    Raises:
        UserError: it is no such URL, or holds a password. The message does not repeat the URL, since any part of a
            malformed one may be the password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("mysql", "mariadb"):
        raise _no_address("it does not begin with mysql://")
    if ":" in rest.rpartition("@")[0]:
        raise _password_refused()
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORT
    except ValueError as error:
        raise _no_address("its host or port is none") from error
    for found, missing in ((parts.hostname, "host"), (parts.username, "user before an @")):
        if not found:
            raise _no_address(f"it names no {missing}")
    if parts.fragment or url.endswith("#"):
        raise _no_address("it has a #, which is written %23")
    return Source(
        user=unquote(parts.username or ""),
        host=parts.hostname or "",
        port=port,
        database=unquote(parts.path.strip("/")),
        unix_socket=_unix_socket(parts.query),
    )


def _unix_socket(query: str) -> str | None:
    """Return the path that a URL's query names, None without one; a plus in it is a plus."""
    found = None
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        if name == "password":
            raise _password_refused()
        if name != SOCKET_PARAMETER or not value or found:
            near = get_close_matches(name, [SOCKET_PARAMETER], cutoff=0.5)
            shown = name if name.isidentifier() or name.replace("-", "_").isidentifier() else "of that name"
            fault = "twice, or empty" if name == SOCKET_PARAMETER else "unknown"
            raise UserError(
                f"SOURCE has a parameter {shown}, which is {fault}.",
                f"Did you mean {near[0]}=PATH?"
                if near and name != SOCKET_PARAMETER
                else f"SOURCE takes {SOCKET_PARAMETER}=PATH alone; TLS is --tls and --tls-ca.",
            )
        found = unquote(value)
    return found


def _no_address(why: str) -> UserError:
    return UserError(f"SOURCE is no address of a database: {why}.", _FORM)


def _password_refused() -> UserError:
    return UserError(
        "SOURCE holds a password; a command line can be read by every user of the machine.",
        "Leave it out, and set MYSQL_PWD, use --password-file, or type it at the prompt.",
    )


def read_password(file: Path) -> str:
    """Return the first line of a file in UTF-8, which may begin with a byte order mark and end with CR LF.

    Raises:
        UserError: it cannot be read, or is UTF-16.
    """
    try:
        line = file.read_bytes().partition(b"\n")[0]
    except OSError as error:
        raise UserError(f"The password file {file} cannot be read: {error.strerror}.") from error
    if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"The password file {file} is UTF-16.", "Save it as UTF-8.")
    password = line.removeprefix(codecs.BOM_UTF8).removesuffix(b"\r")
    return password.decode(errors="surrogateescape")


def forget_password() -> str | None:
    """Remove MYSQL_PWD from the environment, so that no process inherits it, and return it."""
    return os.environ.pop("MYSQL_PWD", None)


def _password(file: Path | None, user: str) -> str:
    given = forget_password()
    if file:
        return read_password(file)
    if given is not None:
        return given
    return getpass.getpass(f"Password of {user}: ") if sys.stdin.isatty() else ""
