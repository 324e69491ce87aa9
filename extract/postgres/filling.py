"""Fills a database with the rows of a plan, by COPY."""

from collections.abc import Callable, Iterable, Iterator

from extract.postgres.session import Session, connect
from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.sample_data.generate import Generator, Row, as_line
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import TABLES
from movimento_flat.sql_files import statements


def fill(source: Source, plan: Plan, progress: Callable[[int], None]) -> None:
    """See `extract.server_kind.ServerKind.fill`.

    Raises:
        UserError: the tables hold rows already, or the role may not make or fill them.
    """
    generator = Generator(plan)
    with connect(source) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute("BEGIN")
        _create_empty_tables(session)
        for table in TABLES:
            columns = ", ".join(column.name for column in table.declared)
            blocks = _blocks(generator.rows(table), progress)
            session.copy_in(f"COPY {table.name} ({columns}) FROM STDIN", blocks)
        session.execute("COMMIT")


def _create_empty_tables(session: Session) -> None:
    for statement in statements("postgres/tables"):
        session.execute(statement)
    for table in TABLES:
        if session.all(f"SELECT 1 FROM {table.name} LIMIT 1"):
            raise UserError(f"Table {table.name} holds rows already.", "Name an empty database.")


def _blocks(chunks: Iterable[list[Row]], progress: Callable[[int], None]) -> Iterator[bytes]:
    for rows in chunks:
        yield "".join(map(as_line, rows)).encode()
        progress(len(rows))
