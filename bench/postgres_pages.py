"""How long one connection reads the movements of a PostgreSQL database by pages, as the program does, and by COPY.

    .venv/bin/python -m bench.postgres_pages postgresql://reader@127.0.0.1/bank

Both write the same lines nowhere; three times each, in turn.
"""

import argparse
import time
from collections.abc import Callable, Iterator

import psycopg

from bench.measure import main, say
from extract.postgres.columns import inspect
from extract.postgres.pages import PostgresBook
from extract.postgres.session import connect
from extract.source import Source, parse_source
from movimento_flat.schema import MOVIMENTO

ROUNDS = 3


def by_pages(source: Source) -> Iterator[int]:
    """Yield the bytes of each page."""
    with connect(source) as session:
        tables = [table for table in inspect(session) if table.table is MOVIMENTO]
        yield from (len(lines) for lines, _ in PostgresBook(tables).read(session))


def by_copy(source: Source) -> Iterator[int]:
    """Yield the bytes of each row's message."""
    columns = ", ".join(MOVIMENTO.column_names)
    with psycopg.connect(
        host=source.host, port=source.port, user=source.user, dbname=source.database, password=source.password
    ) as connection:
        query = f"COPY (SELECT '{MOVIMENTO.tag.decode()}', {columns} FROM {MOVIMENTO.name}) TO STDOUT"
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            yield from map(len, copy)


def script() -> bool:
    """Print the times; return True."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", help="URL of the database; PGPASSWORD is its password")
    source = parse_source(parser.parse_args().source)
    ways: dict[str, Callable[[Source], Iterator[int]]] = {"pages": by_pages, "COPY": by_copy}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started, used = time.monotonic(), time.process_time()
            size = sum(way(source))
            seconds, used = time.monotonic() - started, time.process_time() - used
            say(f"{name}: {seconds:.2f} s, {used:.2f} s of this processor, {size:,} bytes")
    return True


if __name__ == "__main__":
    main(script)
