r"""The same flat table by mrjob as its manual teaches it: a row at a time, JSON between tasks, a join a step.

    python bench/textbook_join.py -r local TAGGED_TSV... > lines of CSV, without a header

1. movements meet their card      key: card        rows of later steps pass through
2. those meet their account       key: account
3. those meet their holder        key: associate
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

import mr_jobs  # noqa: E402, F401  # what mrjob needs and newer Pythons do not have

# isort: split
from mrjob.job import MRJob  # noqa: E402
from mrjob.protocol import JSONProtocol, RawValueProtocol  # noqa: E402
from mrjob.step import MRStep  # noqa: E402

from movimento_flat.schema import (  # noqa: E402
    ASSOCIADO,
    CARTAO,
    CONTA,
    FLAT_COLUMNS,
    FLAT_TABLE,
    MOVIMENTO,
    TABLES,
)
from movimento_flat.tagged_tsv import NULL, unescape  # noqa: E402

#: Columns by name. Between tasks travels `[tag, id] \t [tag, row]`; A, C and K sort before M, so SORT_VALUES brings
#: what is joined with movements before them.
Row = dict[str, Any]
Pair = tuple[Any, Any]
COLUMNS = {table.tag.decode(): table.column_names for table in TABLES}
#: By tag: each column that the flat table has, and its name there.
SHOWN = {
    table.tag.decode(): [(flat.source.name, flat.name) for flat in FLAT_TABLE if flat.table is table]
    for table in TABLES
}
A, C, K, M = (table.tag.decode() for table in (ASSOCIADO, CONTA, CARTAO, MOVIMENTO))


class TextbookJoin(MRJob):  # type: ignore[misc]  # mrjob has no type hints
    """One line of the flat table for each movement that has a card, an account and a holder."""

    INPUT_PROTOCOL = RawValueProtocol
    INTERNAL_PROTOCOL = JSONProtocol
    OUTPUT_PROTOCOL = RawValueProtocol
    SORT_VALUES = True

    def steps(self) -> list[MRStep]:
        """Return the three joins."""
        return [
            MRStep(mapper=self.rows, reducer=self.join_card),
            MRStep(mapper=self.by_account, reducer=self.join_account),
            MRStep(mapper=self.by_holder, reducer=self.join_holder),
        ]

    def rows(self, _: None, line: str) -> Iterator[Pair]:
        """Yield a line's tag and row under the id of its card, or under its own id where it has no card."""
        tag, *fields = line.split("\t")
        row = dict(zip(COLUMNS[tag], map(text, fields), strict=True))
        if tag == K:
            yield [K, row["id"]], [K, row]
        elif tag == M:
            yield [K, row["id_cartao"]], [M, row]
        else:
            yield [tag, row["id"]], [tag, row]

    def join_card(self, key: list[str], values: Iterable[list[Any]]) -> Iterator[Pair]:
        """Yield a card's movements with the card's columns; other rows as they are."""
        card: Row = {}
        for tag, row in values:
            if tag == K:
                card = row
            elif tag == M and card:
                ids = {"id_conta": card["id_conta"], "holder": card["id_associado"]}
                yield key, [M, flat(row, M) | flat(card, K) | ids]
            elif tag != M:
                yield key, [tag, row]

    def by_account(self, key: list[str], value: list[Any]) -> Iterator[Pair]:
        """Send movements to their account."""
        tag, row = value
        yield ([C, row["id_conta"]] if tag == M else key), value

    def join_account(self, key: list[str], values: Iterable[list[Any]]) -> Iterator[Pair]:
        """Yield an account's movements with the account's columns; associates as they are."""
        account: Row = {}
        for tag, row in values:
            if tag == C:
                account = row
            elif tag == M and account:
                yield key, [M, row | flat(account, C)]
            elif tag == A:
                yield key, [A, row]

    def by_holder(self, key: list[str], value: list[Any]) -> Iterator[Pair]:
        """Send movements to the holder of their card."""
        tag, row = value
        yield ([A, row["holder"]] if tag == M else key), value

    def join_holder(self, _: list[str], values: Iterable[list[Any]]) -> Iterator[Pair]:
        """Yield the lines of CSV of an associate's movements."""
        associate: Row = {}
        for tag, row in values:
            if tag == A:
                associate = flat(row, A)
            elif associate:
                yield None, csv_line(row | associate)


def text(field: str) -> str | None:
    """Return the text of a field of tagged TSV, None for NULL."""
    bare = field.encode()
    return None if bare == NULL else unescape(bare).decode()


def flat(row: Row, tag: str) -> Row:
    """Return what the flat table has of a row of the table with that tag."""
    return {name: row[source] for source, name in SHOWN[tag]}


def csv_line(row: Row) -> str:
    """Return a flat row as a line of CSV, without the line's end."""
    line = io.StringIO()
    csv.writer(line).writerow(row[column] for column in FLAT_COLUMNS)
    return line.getvalue().removesuffix("\r\n")


if __name__ == "__main__":
    TextbookJoin.run()
