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

from extract.server_kind import FOLDER, MYSQL, POSTGRESQL, SCHEMES, Scheme, ServerKind, server_kind
from extract.tables_file import TablesFile
from extract.time_limits import TimeLimits
from extract.tls import Tls
from extract.window import Window
from movimento_flat.errors import UserError

#: Seconds for which an extraction may keep the tables from being altered.
TIME_LIMIT_SECONDS = 1800


@dataclass(frozen=True)
class Source:
    """A database to read from. Its text never shows the password.

    Attributes:
        schema: of PostgreSQL, in which the tables are.
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
    port: int = MYSQL.port
    unix_socket: str | None = None
    schema: str | None = None
    password: str = field(default="", repr=False)
    time_zone: str | None = None
    tls: Tls = field(default_factory=Tls)
    window: Window = field(default_factory=Window)
    tables: TablesFile = field(default_factory=TablesFile)
    allow_writer: bool = False
    time_limit: int = TIME_LIMIT_SECONDS
    limits: TimeLimits = TimeLimits()  # noqa: RUF009  # it is frozen
    scheme: Scheme = MYSQL

    def __str__(self) -> str:
        server = self.unix_socket or f"{self.host}:{self.port}"
        return f"{self.scheme.name}://{self.user}@{server}/{self.database}"

    @property
    def kind(self) -> ServerKind:
        """Return what reads this kind of server."""
        return server_kind(self.scheme)

    def connect(self, **options: Any) -> Any:
        """Open a connection whose session is set for extraction; `options` are the driver's.

        Raises:
            UserError: no server answers, its certificate is not valid, or it refuses the account.
        """
        return self.kind.connect(self, **options)


_FORM = "Write SOURCE=mysql://user@host:port/database, or postgresql://..."


def parse_source(url: str, password_file: Path | None = None, time_zone: str | None = None) -> Source:
    """Return the source of a URL: `mysql://user@host:port/database`, or `...@localhost/database?unix_socket=PATH`.

    The password comes from MYSQL_PWD, or PGPASSWORD, the first line of a file, or a prompt on a terminal.

    Raises:
        UserError: it is no such URL, or holds a password, which every user of the machine could see.
    """
    source = address(url)
    if not source.database:
        raise _no_address("it names no database")
    return replace(source, password=_password(password_file, source), time_zone=time_zone)


def address(url: str) -> Source:
    """Return the source of a URL as in `parse_source`, without a password; the database's name may be empty.

    Raises:
        UserError: it is no such URL, or holds a password. The message does not repeat the URL, since any part of a
            malformed one may be the password.
    """
    begin, separator, rest = url.partition("://")
    scheme = SCHEMES.get(begin)
    if not separator or not scheme:
        raise _no_address("it does not begin with mysql:// or postgresql://")
    if ":" in rest.rpartition("@")[0]:
        raise _password_refused()
    try:
        parts = urlsplit(url)
        port = parts.port or scheme.port
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
        scheme=scheme,
        **_parameters(scheme, parts.query),
    )


def _parameters(scheme: Scheme, query: str) -> dict[str, Any]:
    """Return a source's attributes that a URL's parameters name; a plus in them is a plus."""
    found: dict[str, str] = {}
    forms = [f"{name}={form}" for name, (_, form) in scheme.parameters.items()]
    for parameter in filter(None, query.split("&")):
        name, _, value = parameter.partition("=")
        if name == "password":
            raise _password_refused()
        attribute, form = scheme.parameters.get(name, ("", ""))
        if not attribute or not value or attribute in found:
            near = get_close_matches(name, scheme.parameters, cutoff=0.5)
            shown = name if name.isidentifier() or name.replace("-", "_").isidentifier() else "of that name"
            fault = "twice, or empty" if attribute else "unknown"
            raise UserError(
                f"SOURCE has a parameter {shown}, which is {fault}.",
                f"Did you mean {near[0]}={scheme.parameters[near[0]][1]}?"
                if near and not attribute
                else f"SOURCE takes {' and '.join(forms)} alone; TLS is --tls and --tls-ca.",
            )
        found[attribute] = unquote(value)
        if form == FOLDER and (not found[attribute].startswith("/") or "," in found[attribute]):
            raise UserError(
                f"{name} in SOURCE is no folder of a socket.", f"Write its whole path: {name}=/path."
            )
    return found


def _no_address(why: str) -> UserError:
    return UserError(f"SOURCE is no address of a database: {why}.", _FORM)


def _password_refused() -> UserError:
    return UserError(
        "SOURCE holds a password; a command line can be read by every user of the machine.",
        "Leave it out, and set MYSQL_PWD (PostgreSQL: PGPASSWORD), use --password-file, or type it at the prompt.",
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


def forget_passwords() -> dict[str, str]:
    """Remove MYSQL_PWD and PGPASSWORD from the environment, so that no process inherits them, and return them."""
    names = [scheme.password_variable for scheme in (MYSQL, POSTGRESQL)]
    return {name: os.environ.pop(name) for name in names if name in os.environ}


def _password(file: Path | None, source: Source) -> str:
    given = forget_passwords().get(source.scheme.password_variable)
    if file:
        return read_password(file)
    if given is not None:
        return given
    if passwords := source.scheme.passwords:
        usual, variable = passwords
        if Path(os.environ.get(variable, usual)).expanduser().exists():
            return ""  # the driver reads it
    return getpass.getpass(f"Password of {source.user}: ") if sys.stdin.isatty() else ""
