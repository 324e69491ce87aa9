"""Rows by the page: a range of ids, packed into lines of tagged TSV by the server itself.

PyMySQL takes 8 s to read a million rows one by one and 1 s to read them as pages (see docs/design.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import Any

from pymysql.connections import Connection

from extract.columns import SourceTable
from movimento_flat.errors import UserError
from movimento_flat.money import Totals

#: A page is some megabytes: the server builds it in memory, and it must pass max_allowed_packet.
ROWS_PER_PAGE = 32768


@dataclass(frozen=True)
class Page:
    """Rows of a table with after < id <= last; from the first one where `after` is None."""

    table: SourceTable
    after: int | None
    last: int


class PageBook:
    """Cuts tables into pages while they are read: each page to whichever connection asks next."""

    def __init__(self, tables: list[SourceTable]) -> None:
        self._tables = tables
        self._after: int | None = None
        self._error: BaseException | None = None
        self._lock = Lock()

    def pages(self, connection: "Connection[Any]") -> Iterator[Page]:
        """The pages that fall to this connection; its ids are found through it, too."""
        while page := self._next(connection):
            yield page

    def fail(self, error: BaseException) -> None:
        """One connection has failed: every other one that asks for a page fails with it."""
        with self._lock:
            self._error = self._error or error

    def _next(self, connection: "Connection[Any]") -> Page | None:
        with self._lock:
            if self._error:
                raise self._error
            while self._tables:
                table = self._tables[0]
                last = _last_id(connection, table, self._after, ROWS_PER_PAGE)
                if last is not None:
                    page = Page(table, self._after, last)
                    self._after = last
                    return page
                self._tables = self._tables[1:]
                self._after = None
        return None


def read_page(connection: "Connection[Any]", page: Page) -> Iterator[tuple[bytes, int]]:
    """-> (lines, rows) of a page: mostly one pair, more where it does not fit into one value of the server.

    GROUP_CONCAT cuts what is too long with no more than a warning, so each answer is held against its count.

    Raises:
        UserError: one single row is too long for the server's max_allowed_packet.
    """
    table = page.table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*), GROUP_CONCAT({table.line} SEPARATOR '') FROM {table.name}"
            f" WHERE {_is_beyond(table, page.after)} AND {table.identity} <= {page.last}"
        )
        row = cursor.fetchone()
    assert row
    rows, lines = row[0], row[1] or b""
    if lines.count(b"\n") == rows and lines.endswith(b"\n"):
        yield lines, rows
        return
    middle = _last_id(connection, table, page.after, rows // 2) if rows > 1 else page.last
    if middle is None or middle == page.last:
        raise UserError(
            f"What table {table.table.name} holds under id {page.last} is longer than the server may send.",
            "Raise the server's max_allowed_packet.",
        )
    yield from read_page(connection, Page(table, page.after, middle))
    yield from read_page(connection, Page(table, middle, page.last))


def totals(connection: "Connection[Any]", table: SourceTable) -> Totals:
    """What the table holds, counted by the server over the whole table: the check on the pages."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), SUM({table.amount}) FROM {table.name}")
        row = cursor.fetchone()
    assert row
    return Totals(row[0], int((Decimal(row[1] or 0) * 100).to_integral_exact()))


def _last_id(connection: "Connection[Any]", table: SourceTable, after: int | None, rows: int) -> int | None:
    """-> the id at which a page of `rows` rows ends; None when there is no row left."""
    beyond = f"FROM {table.name} WHERE {_is_beyond(table, after)}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {table.identity} {beyond} ORDER BY {table.identity} LIMIT 1 OFFSET {rows - 1}"
        )
        row = cursor.fetchone()
        if row is None:
            cursor.execute(f"SELECT MAX({table.identity}) {beyond}")
            row = cursor.fetchone()
    return row[0] if row else None


def _is_beyond(table: SourceTable, after: int | None) -> str:
    return "TRUE" if after is None else f"{table.identity} > {after}"
