"""What the program asks of a kind of database server: MySQL's (with MariaDB), or PostgreSQL's.

Each kind is a package beside this module, and nothing outside of it knows its SQL or its driver.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from extract.columns import SourceTable, TheirTable
from extract.findings import Finding
from extract.tables_file import TableSource
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.schema import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from extract.source import Source
    from movimento_flat.sample_data.plan import Plan


@dataclass(frozen=True)
class Scheme:
    """What an address of a kind of server may have.

    Attributes:
        name: it begins with this, as `mysql://`.
        package: that reads such servers; it is imported where one is read.
        port: the usual one.
        parameters: that may stand after a question mark; by name, the attribute of a `Source`, and what to write.
        password_variable: variable of the environment with the password.
        passwords: file in which the server's own programs look for passwords, and the variable that names another;
            None where there is none.
    """

    name: str
    package: str
    port: int
    parameters: Mapping[str, tuple[str, str]]
    password_variable: str
    passwords: tuple[str, str] | None = None


#: A parameter's value that is the whole path of a socket's folder.
FOLDER = "FOLDER"
MYSQL = Scheme("mysql", "extract.mysql", 3306, {"unix_socket": ("unix_socket", "PATH")}, "MYSQL_PWD")
POSTGRESQL = Scheme(
    "postgresql",
    "extract.postgres",
    5432,
    {"schema": ("schema", "NAME"), "host": ("unix_socket", FOLDER)},
    "PGPASSWORD",
    ("~/.pgpass", "PGPASSFILE"),
)
SCHEMES = {"mysql": MYSQL, "mariadb": MYSQL, "postgresql": POSTGRESQL, "postgres": POSTGRESQL}


@dataclass(frozen=True)
class Server:
    """What a server says of itself.

    Attributes:
        version: its version.
        utc: its clock in UTC.
        clock: the same moment in the session's time zone.
        time_zone: the session's, as a session can be set to it.
        system_time_zone: where that is SYSTEM, what the system calls its zone; else empty.
    """

    version: str
    utc: str
    clock: str
    time_zone: str
    system_time_zone: str = ""

    @property
    def zone(self) -> str:
        """Return the session's time zone as people call it."""
        return self.system_time_zone or self.time_zone


class Book(Protocol):
    """Cuts tables into pages while they are read, and gives each page to the connection that asks next."""

    def read(self, connection: Any) -> Iterator[tuple[bytes, int]]:
        """Yield lines of tagged TSV, and their number, of the pages that a connection gets.

        Raises:
            UserError: a row cannot be read.
        """

    def fail(self, error: BaseException) -> None:
        """Let every connection that asks for a page fail with the error of one that has failed."""


class Snapshot(Protocol):
    """Connections that see the same committed state."""

    @property
    def connections(self) -> Sequence[Any]:
        """Return the connections."""

    @property
    def tables(self) -> Sequence[SourceTable]:
        """Return the four tables, as they are read."""

    @property
    def server(self) -> Server:
        """Return the server's version, and the snapshot's moment by its clock."""

    def book(self, tables: Sequence[SourceTable]) -> Book:
        """Return a book of some of the tables."""

    def totals(self, connection: Any, table: SourceTable) -> Totals:
        """Return what the server counts and adds up of a table in one query, to compare the pages with."""


class Comparison(Protocol):
    """A session, and SQL of its kind, for `verify --source`."""

    def rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, a few at a time."""

    def relation(self, source: TableSource) -> str:
        """Return an operand of FROM that has a table's rows with our names, itself called as our table."""

    def join(self, query: str) -> str:
        """Return the query of expected.sql, with the changes that this kind of server needs."""

    def wall_clock(self, moment: str) -> str:
        """Return the SQL expression of a moment as the CSV shows it, but for fractions of a second."""

    def centavos(self, amount: str) -> str:
        """Return the SQL expression of an amount in centavos; NULL where it is no finite number."""

    def field(self, kind: Kind, value: str) -> str:
        """Return the SQL expression of a value's text as the CSV has it; NULL is an empty one."""

    def masked(self, text: str) -> str:
        """Return the SQL expression of a masked text: see `movimento_flat.privacy.mask`."""

    def coarse(self, moment: str, length: int, rest: str) -> str:
        """Return the SQL expression of a moment's text of which the first characters show, with the rest behind them.

        What does not begin like a date is empty.
        """

    def may_be_masked(self, text: str) -> str:
        """Return the SQL expression of whether a text has as many digits, asterisks and bytes beyond ASCII as a card
        number has.
        """

    def hash(self, fields: Sequence[str]) -> str:
        """Return the SQL expression of the first 64 bits of the SHA-256 of fields, with 0x1f between them."""


class ServerKind(Protocol):
    """A kind of server. Whatever its driver raises, these functions raise as a UserError."""

    def connect(self, source: "Source", **options: Any) -> Any:
        """Open a connection whose session is set for extraction; `options` are the driver's."""

    def open_snapshot(
        self, source: "Source", connections: int, say: Callable[[str], None]
    ) -> AbstractContextManager[Snapshot]:
        """Open `connections` that see one state of the four tables, fewer where that is not possible: `say` is told."""

    def examine(self, source: "Source") -> Iterator[Finding]:
        """Check a database in the order of a run, up to the first check that ends it."""

    def comparison(self, source: "Source", as_of: "datetime | None") -> AbstractContextManager[Comparison]:
        """Open a session, as of one moment, that a delivery is compared with.

        Args:
            source: its time zone is that of the delivery.
            as_of: the earlier moment that the delivery is of, if it is of one.
        """

    def tables_there(self, source: "Source") -> Mapping[str, TheirTable]:
        """Return the tables and views that the account may read, by their names."""

    def fill(self, source: "Source", plan: "Plan", progress: Callable[[int], None]) -> None:
        """Create the four tables where they are missing, and load the plan's rows into them."""


def server_kind(scheme: Scheme) -> ServerKind:
    """Return what reads servers of a scheme.

    Raises:
        UserError: its driver is not installed.
    """
    try:
        return cast("ServerKind", import_module(scheme.package))
    except ModuleNotFoundError as error:
        if error.name not in ("psycopg", "psycopg_binary"):
            raise
        raise UserError(
            "To read PostgreSQL its driver is needed, which is not installed here.",
            'Install it: pip install "movimento-flat[postgres]".',
        ) from error
