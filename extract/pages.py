"""Rows by the page: a range of ids, packed into lines of tagged TSV by the server itself.

PyMySQL takes 8 s to read a million rows one by one and 1 s to read them as pages (see docs/design.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from threading import Lock
from typing import Any

from pymysql.connections import Connection

from extract.columns import SourceTable
from movimento_flat.errors import UserError
from movimento_flat.money import Totals, centavos_of

#: A page is some megabytes, which the server builds in memory, and this program holds several times over. Of short
#: rows it has so many; of long ones so many as there is room for (the session's group_concat_max_len).
ROWS_PER_PAGE = 32768
PAGE_BYTES = 8 << 20


@dataclass(frozen=True)
class Page:
    """Rows of a table with first <= id <= last that meet the table's condition."""

    table: SourceTable
    first: int
    last: int

    @property
    def rows(self) -> str:
        """What follows SELECT ...: FROM and WHERE."""
        return f"{self._ids} AND {self.table.condition}"

    @property
    def _ids(self) -> str:
        table = self.table
        return f"FROM {table.by_id} WHERE {table.identity} BETWEEN {self.first} AND {self.last}"

    def up_to(self, connection: "Connection[Any]", number: int) -> "Page":
        """Its beginning of that many rows, whether or not they meet the condition; itself where it has fewer."""
        return self._ending_at(_nth_id(connection, self.table, self._ids, number))

    def of_ids(self, number: int) -> "Page":
        """Its beginning of that many ids; itself where it has fewer."""
        return self._ending_at(min(self.last, self.first + number - 1))

    def beginning(self, connection: "Connection[Any]", number: int) -> "Page":
        """Return its beginning of that many rows that meet the condition; itself where it has fewer."""
        return self._ending_at(_nth_id(connection, self.table, self.rows, number))

    def after(self, beginning: "Page") -> "Page | None":
        """What is left of it; None when nothing is."""
        return None if beginning.last == self.last else replace(self, first=beginning.last + 1)

    def _ending_at(self, last: int | None) -> "Page":
        return self if last is None else replace(self, last=last)


class PageBook:
    """Cuts tables into pages while they are read: each page to whichever connection asks next.

    A page is as many ids as it may have rows, as long as half of them are rows. Where they are not, the rows are looked
    for: a walk along the primary key. Where a condition is, the ids between the first and the last row that meet it are
    cut, whatever lies between.
    """

    def __init__(self, tables: list[SourceTable]) -> None:
        self._tables = tables
        self._rest: Page | None = None
        self._has_gaps = False
        self._error: BaseException | None = None
        self._lock = Lock()

    def read(self, connection: "Connection[Any]") -> Iterator[tuple[bytes, int]]:
        """-> (lines, rows) of the pages that fall to this connection; ids are looked for through it, too.

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
        """One connection has failed: every other one that asks for a page fails with it."""
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
    """-> (lines, rows) of a page: one pair, more where it does not fit into one value of the server, none of no rows.

    GROUP_CONCAT cuts what is too long and only warns, so the rows of each answer are compared with its count. A cut
    answer tells how many rows the next one may have.

    Raises:
        UserError: one single row is too long for the server's max_allowed_packet.
    """
    rest: Page | None = page
    fitting: int | None = None
    wire = page.table.wire
    while rest:
        part = rest.beginning(connection, fitting) if fitting else rest
        if part.first == part.last or fitting == 1:  # the first row's id alone has rows in it
            yield from _read_rows(connection, part)
        else:
            rows, text = _packed(connection, part)
            whole = text.count(wire.LINE_END)  # each row ends in the only one that it has
            if whole != rows:
                fitting = max(1, min(whole, (fitting or rows) // 2))
                del text  # before the next one comes
                continue
            if rows:
                yield wire.lines(text), rows
        rest = rest.after(part)


def _packed(connection: "Connection[Any]", page: Page) -> tuple[int, bytes]:
    """-> how many rows a page has, and as many of their lines as fit into one value."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), GROUP_CONCAT({page.table.line} SEPARATOR '') {page.rows}")
        row = cursor.fetchone()
    assert row
    return row[0], row[1] or b""


def _read_rows(connection: "Connection[Any]", page: Page) -> Iterator[tuple[bytes, int]]:
    """-> the same of a single id, each row by itself: it may be longer than a page."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {page.table.line} {page.rows}")
        lines = cursor.fetchall()
    for (line,) in lines:
        if line is None:
            raise UserError(
                f"What table {page.table.table.name} holds under id {page.last} is longer than the server may send.",
                "Raise the server's max_allowed_packet.",
            )
        yield page.table.wire.lines(line), 1


def totals(connection: "Connection[Any]", table: SourceTable) -> Totals:
    """What is to be read of the table, counted by the server at once: the check on the pages."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), SUM({table.amount}) FROM {table.rows} WHERE {table.condition}")
        row = cursor.fetchone()
    assert row
    return Totals(row[0], centavos_of(row[1] or Decimal()))


def _everything(connection: "Connection[Any]", table: SourceTable) -> Page | None:
    """-> one page of all rows that are to be read; None when there are none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT MIN({table.identity}), MAX({table.identity}) FROM {table.rows} WHERE {table.condition}"
        )
        row = cursor.fetchone()
    assert row
    return None if row[0] is None else Page(table, *row)


def _nth_id(connection: "Connection[Any]", table: SourceTable, rows: str, number: int) -> int | None:
    """-> the id of the row of that number, from 1 on; None when there are fewer."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {table.identity} {rows} ORDER BY {table.identity} LIMIT 1 OFFSET {number - 1}"
        )
        row = cursor.fetchone()
    return row[0] if row else None
