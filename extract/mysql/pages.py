"""Reads rows by the page: a range of ids, which the server itself makes lines of tagged TSV of.

PyMySQL takes 8 s to read a million rows one by one and 1 s to read them as pages (see docs/design.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from threading import Lock
from typing import Any

from pymysql.connections import Connection

from extract.mysql.columns import MySqlTable
from movimento_flat.errors import UserError
from movimento_flat.money import Totals, centavos_of

#: Most rows and bytes of a page. The server builds it in memory, and this program holds it several times over; the
#: bytes are the session's group_concat_max_len.
ROWS_PER_PAGE = 32768
PAGE_BYTES = 8 << 20


@dataclass(frozen=True)
class Page:
    """Rows of a table with first <= id <= last that meet the table's condition."""

    table: MySqlTable
    first: int
    last: int

    @property
    def rows(self) -> str:
        """FROM and WHERE of a SELECT of these rows."""
        return f"{self._ids} AND {self.table.condition}"

    @property
    def _ids(self) -> str:
        table = self.table
        return f"FROM {table.by_id} WHERE {table.identity} BETWEEN {self.first} AND {self.last}"

    def up_to(self, connection: "Connection[Any]", number: int) -> "Page":
        """Return its first `number` rows, whether or not they meet the condition; itself where it has fewer."""
        return self._ending_at(_nth_id(connection, self.table, self._ids, number))

    def of_ids(self, number: int) -> "Page":
        """Return its first `number` ids; itself where it has fewer."""
        return self._ending_at(min(self.last, self.first + number - 1))

    def beginning(self, connection: "Connection[Any]", number: int) -> "Page":
        """Return its first `number` rows that meet the condition; itself where it has fewer."""
        return self._ending_at(_nth_id(connection, self.table, self.rows, number))

    def after(self, beginning: "Page") -> "Page | None":
        """Return what follows a beginning of it; None where nothing does."""
        return None if beginning.last == self.last else replace(self, first=beginning.last + 1)

    def _ending_at(self, last: int | None) -> "Page":
        return self if last is None else replace(self, last=last)


class PageBook:
    """Cuts tables into pages while they are read, and gives each page to the connection that asks next.

    A page covers ROWS_PER_PAGE ids as long as at least half of these are rows. Where fewer are, the end of each page is
    found by walking along the primary key. With a condition, the ids from the first to the last row that meets it are
    cut, whatever lies between.
    """

    def __init__(self, tables: list[MySqlTable]) -> None:
        self._tables = tables
        self._rest: Page | None = None
        self._has_gaps = False
        self._error: BaseException | None = None
        self._lock = Lock()

    def read(self, connection: "Connection[Any]") -> Iterator[tuple[bytes, int]]:
        """Yield the lines, and their number, of each page that this connection gets; it also finds the ids of pages.

        Raises:
            UserError: as `read_page` does.
        """
        while page := self._next(connection):
            found = 0
            for lines, rows in read_page(connection, page):
                found += rows
                yield lines, rows
            self._learn(page, found)

    def fail(self, error: BaseException) -> None:
        """Let every connection that asks for a page fail with the error of one that has failed."""
        with self._lock:
            self._error = self._error or error

    def _next(self, connection: "Connection[Any]") -> Page | None:
        with self._lock:
            if self._error:
                raise self._error
            while self._tables and not self._rest:
                table, *self._tables = self._tables
                self._rest, self._has_gaps = _everything(connection, table), False
            if not self._rest:
                return None
            rest = self._rest
            page = rest.up_to(connection, ROWS_PER_PAGE) if self._has_gaps else rest.of_ids(ROWS_PER_PAGE)
            self._rest = rest.after(page)
            return page

    def _learn(self, page: Page, rows: int) -> None:
        with self._lock:
            if self._rest and self._rest.table is page.table and rows < ROWS_PER_PAGE // 2:
                self._has_gaps = True


def read_page(connection: "Connection[Any]", page: Page) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a page, and their number: none without rows, several where one value cannot hold the page.

    GROUP_CONCAT cuts what is too long and only warns, so the lines of each answer are counted. A cut answer tells how
    many rows the next one may have.

    Raises:
        UserError: a single row is too long for the server's max_allowed_packet.
    """
    rest: Page | None = page
    fitting: int | None = None
    encoding = page.table.encoding
    while rest:
        part = rest.beginning(connection, fitting) if fitting else rest
        if part.first == part.last or fitting == 1:  # only the id of the first row has rows
            yield from _read_rows(connection, part)
        else:
            rows, text = _packed(connection, part)
            whole = text.count(encoding.LINE_END)  # each row has exactly one, at its end
            if whole != rows:
                fitting = max(1, min(whole, (fitting or rows) // 2))
                del text  # free its memory before the next answer
                continue
            if rows:
                yield encoding.lines(text), rows
        rest = rest.after(part)


def _packed(connection: "Connection[Any]", page: Page) -> tuple[int, bytes]:
    """Return how many rows a page has, and as many of their lines as fit into one value."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), GROUP_CONCAT({page.table.line} SEPARATOR '') {page.rows}")
        row = cursor.fetchone()
    assert row
    return row[0], row[1] or b""


def _read_rows(connection: "Connection[Any]", page: Page) -> Iterator[tuple[bytes, int]]:
    """Yield the line of each row of a single id, which may be longer than a page."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {page.table.line} {page.rows}")
        lines = cursor.fetchall()
    for (line,) in lines:
        if line is None:
            raise UserError(
                f"What table {page.table.table.name} holds under id {page.last} is longer than the server may send.",
                "Raise the server's max_allowed_packet.",
            )
        yield page.table.encoding.lines(line), 1


def totals(connection: "Connection[Any]", table: MySqlTable) -> Totals:
    """Return what the server counts and adds up of a table in one query, to compare the pages with."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), SUM({table.amount}) FROM {table.rows} WHERE {table.condition}")
        row = cursor.fetchone()
    assert row
    return Totals(row[0], centavos_of(row[1] or Decimal()))


def _everything(connection: "Connection[Any]", table: MySqlTable) -> Page | None:
    """Return one page of all rows that are to be read; None where there are none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT MIN({table.identity}), MAX({table.identity}) FROM {table.rows} WHERE {table.condition}"
        )
        row = cursor.fetchone()
    assert row
    return None if row[0] is None else Page(table, *row)


def _nth_id(connection: "Connection[Any]", table: MySqlTable, rows: str, number: int) -> int | None:
    """Return the id of the row of that number, counted from 1; None where there are fewer."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {table.identity} {rows} ORDER BY {table.identity} LIMIT 1 OFFSET {number - 1}"
        )
        row = cursor.fetchone()
    return row[0] if row else None
