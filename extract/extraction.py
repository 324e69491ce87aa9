"""The extraction: several connections read pages of one snapshot into files of tagged TSV."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from extract.server_kind import Book, Server, Snapshot
from extract.sink import Sink, SinkFolder
from extract.source import Source
from extract.window import Window
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.schema import MOVIMENTO, SMALL_TABLES

#: Folders of the sink. The small tables share one file where they fit, so that few map tasks read all three.
SMALL_TABLES_FOLDER = "small_tables"
MOVEMENTS_FOLDER = "movements"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Extraction:
    """What was extracted.

    Attributes:
        tables: totals of each table by its name.
        server: its version, and the moment of the snapshot by its clock.
        connections: how many have read.
        tables_file: text of the tables file.
        absent: columns that the database does not have, such as cartao.data_criacao; they are empty.
        too_small: columns into which a whole value does not fit, with their types.
    """

    tables: dict[str, Totals]
    server: Server
    connections: int
    window: Window = field(default_factory=Window)
    tables_file: str = ""
    absent: tuple[str, ...] = ()
    too_small: tuple[str, ...] = ()


@dataclass(frozen=True)
class SmallTables:
    """What is known as soon as associates, accounts and cards are written.

    Attributes:
        clock: the moment of the snapshot in the source's time zone.
        bytes: size of their tagged TSV.
        has_check_digits: whether a whole card number fits into the column of card numbers.
    """

    clock: str
    bytes: int
    has_check_digits: bool


@dataclass(frozen=True)
class _Written:
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "_Written") -> "_Written":
        return _Written(self.rows + other.rows, self.bytes + other.bytes)


def extract(
    source: Source,
    sink: Sink,
    connections: int,
    say: Callable[[str], None],
    progress: Progress = lambda rows: None,
    small_tables_complete: Callable[[SmallTables], None] = lambda written: None,
    expected: Callable[[int], None] = lambda movements: None,
) -> Extraction:
    """Write the four tables, as of one moment, as tagged TSV to a sink.

    Args:
        source: the database; it is only read.
        sink: where the files go.
        connections: how many read at the same time.
        say: gets sentences for the user.
        progress: gets the number of rows of each page of movements when it is written.
        small_tables_complete: called as soon as the three small tables are written.
        expected: gets the number of movements as soon as the database has counted them.

    Raises:
        UserError: the database cannot be read, or what was written is not what the database counts.
        OSError: the sink cannot be written to.
    """
    with source.kind.open_snapshot(source, connections + 1, say) as snapshot:
        counter, *readers = snapshot.connections
        absent = tuple(name for found in snapshot.tables for name in found.absent)
        if absent:
            say(f"Not in the database, so always empty: {', '.join(absent)}.")
        too_small = tuple(what for found in snapshot.tables for what in found.too_small)
        for what in too_small:
            say(f"{what}: no whole card number fits into it, so check digits are not looked at.")
        readers = readers or [counter]
        small = [found for found in snapshot.tables if found.table in SMALL_TABLES]
        movements = [found for found in snapshot.tables if found.table is MOVIMENTO]
        # The file for movements is opened while the small tables are read: in HDFS that takes half a second.
        with (
            ThreadPoolExecutor(len(snapshot.connections)) as pool,
            SinkFolder(sink, MOVEMENTS_FOLDER) as movements_folder,
        ):
            counting = pool.submit(_count, counter, snapshot, expected)
            with SinkFolder(sink, SMALL_TABLES_FOLDER) as small_folder:
                written = _write_tables(pool, readers, snapshot.book(small), small_folder)
            small_tables_complete(SmallTables(snapshot.server.clock, written.bytes, not too_small))
            written += _write_tables(pool, readers, snapshot.book(movements), movements_folder, progress)
            counted = counting.result()
    _compare(written.rows, counted)
    return Extraction(
        tables=counted,
        server=snapshot.server,
        connections=len(readers),
        window=source.window,
        tables_file=source.tables.text,
        absent=absent,
        too_small=too_small,
    )


def _count(connection: Any, snapshot: Snapshot, expected: Callable[[int], None]) -> dict[str, Totals]:
    counted = {table.table.name: snapshot.totals(connection, table) for table in snapshot.tables}
    expected(counted[MOVIMENTO.name].rows)
    return counted


def _compare(written: int, counted: dict[str, Totals]) -> None:
    expected = sum(table.rows for table in counted.values())
    if written != expected:
        raise UserError(
            f"{written} rows were read where the database counts {expected}; nothing is published.",
            "Rows whose id is NULL cannot be read: give each an id. If there are none, please report this.",
        )


def _write_tables(
    pool: ThreadPoolExecutor,
    readers: Sequence[Any],
    book: Book,
    folder: SinkFolder,
    progress: Progress = lambda rows: None,
) -> _Written:
    """Let each connection write the pages that it gets; return what they have written together."""
    writers = [pool.submit(_write_pages, reader, book, folder, progress) for reader in readers]
    return sum((writer.result() for writer in writers), _Written())


def _write_pages(connection: Any, book: Book, folder: SinkFolder, progress: Progress) -> _Written:
    written = _Written()
    try:
        for lines, rows in book.read(connection):
            folder.write(lines)
            written += _Written(rows, len(lines))
            progress(rows)
    except BaseException as error:
        book.fail(error)
        raise
    return written
