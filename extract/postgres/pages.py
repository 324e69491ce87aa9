"""Reads rows by the page: a range of a table's blocks, which the server itself makes lines of tagged TSV of.

A page comes as one value, as with MySQL: COPY sends each row as a message of its own, which costs this program's
processor five times as much (bench/postgres_pages.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from extract.postgres.columns import PostgresTable
from extract.postgres.lines import Lines, as_bytes
from extract.postgres.session import Session

#: Bytes of a table that are one page; the lines are about as long. Memory holds them several times over.
PAGE_BYTES = 8 << 20
#: Blocks of a table, or of the largest of its partitions; no row for a view.
_FIND_BLOCKS = """
    WITH RECURSIVE parts AS (
        SELECT %s::regclass::oid AS oid
        UNION ALL
        SELECT i.inhrelid FROM pg_inherits i JOIN parts ON parts.oid = i.inhparent
    )
    SELECT (max(pg_relation_size(c.oid)) / current_setting('block_size')::bigint)::bigint
    FROM parts JOIN pg_class c ON c.oid = parts.oid WHERE c.relkind IN ('r', 'm') HAVING count(*) > 0
"""
_BLOCK_BYTES = 8192


@dataclass(frozen=True)
class Page:
    """Rows of a table, of the blocks first <= block < end; all rows where there are no blocks."""

    table: PostgresTable
    first: int | None = None
    end: int | None = None

    @property
    def rows(self) -> str:
        """FROM and WHERE of a SELECT of these rows."""
        conditions = [self.table.condition, f"{self.table.identity} IS NOT NULL"]
        if self.first is not None:
            conditions.append(f"ctid >= '({self.first},0)'")
        if self.end is not None:
            conditions.append(f"ctid < '({self.end},0)'")
        return f"FROM {self.table.name} WHERE {' AND '.join(conditions)}"


class PostgresBook:
    """See `extract.server_kind.Book`."""

    def __init__(self, tables: list[PostgresTable]) -> None:
        self._tables = tables
        self._pages: Iterator[Page] = iter(())
        self._error: BaseException | None = None
        self._lock = Lock()

    def read(self, connection: Session) -> Iterator[tuple[bytes, int]]:
        """See `Book.read`."""
        while page := self._next(connection):
            if page.first is None or _is_long(connection, page):
                yield from _streamed(connection, page)
                continue
            text = as_bytes(f"string_agg({page.table.line}, '')", connection.encoding)
            rows, lines = connection.row(f"SELECT count(*), {text} {page.rows}")
            if rows:
                yield Lines.lines(lines), rows

    def fail(self, error: BaseException) -> None:
        """See `Book.fail`."""
        with self._lock:
            self._error = self._error or error

    def _next(self, connection: Session) -> Page | None:
        with self._lock:
            if self._error:
                raise self._error
            while True:
                if page := next(self._pages, None):
                    return page
                if not self._tables:
                    return None
                table, *self._tables = self._tables
                self._pages = _pages(connection, table)


def _pages(connection: Session, table: PostgresTable) -> Iterator[Page]:
    """Return the pages of a table; one for a view or a query."""
    relation = table.name if not table.name.startswith("(") else None
    found = connection.all(_FIND_BLOCKS, (relation,)) if relation else []
    if not found:
        return iter([Page(table)])
    ((blocks,),) = found
    starts = range(0, blocks + 1, PAGE_BYTES // _BLOCK_BYTES)
    # The last page has no end: a block that was added since holds no row of the snapshot, unless one has moved there.
    ends = [*starts[1:], None]
    return iter([Page(table, first, end) for first, end in zip(starts, ends, strict=True)])


def _is_long(connection: Session, page: Page) -> bool:
    """Return whether a page's texts are longer than one value should be; a length is known without reading the text."""
    if not page.table.texts:
        return False
    lengths = " + ".join(f"coalesce(octet_length({text}::text), 0)" for text in page.table.texts)
    (size,) = connection.row(f"SELECT sum({lengths})::bigint {page.rows}")
    return (size or 0) > PAGE_BYTES


def _streamed(connection: Session, page: Page) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a page, and their number: a few more bytes than PAGE_BYTES at a time, or one line."""
    held: list[bytes] = []
    size = 0
    for (line,) in connection.stream(f"SELECT {as_bytes(page.table.line, connection.encoding)} {page.rows}"):
        held.append(line)
        size += len(line)
        if size > PAGE_BYTES:
            yield Lines.lines(b"".join(held)), len(held)
            held, size = [], 0
    if held:
        yield Lines.lines(b"".join(held)), len(held)
