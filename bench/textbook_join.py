r"""The same flat table by mrjob as its manual teaches it: a row at a time, JSON between tasks, a join a step.

    python bench/textbook_join.py -r local TAGGED_TSV... > lines of CSV, without a header

1. movements meet their card      key: card        what is for later steps passes through
2. those meet their account       key: account
3. those meet their holder        key: associate
"""

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mrjob.job import MRJob
from mrjob.protocol import JSONProtocol, RawValueProtocol
from mrjob.step import MRStep

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, FLAT_COLUMNS, MOVIMENTO, TABLES  # noqa: E402
from movimento_flat.tagged_tsv import NULL, unescape  # noqa: E402

#: Columns by name. Between tasks travels `[tag, id] \t [tag, row]`; A, C and K sort before M, so SORT_VALUES brings
#: what is joined with movements before them.
Row = dict[str, Any]
Pair = tuple[Any, Any]
COLUMNS = {table.tag.decode(): table.column_names for table in TABLES}
A, C, K, M = (table.tag.decode() for table in (ASSOCIADO, CONTA, CARTAO, MOVIMENTO))


class TextbookJoin(MRJob):  # type: ignore[misc]  # mrjob has no type hints
    """One line of the flat table for each movement that has a card, an account and a holder."""

    INPUT_PROTOCOL = RawValueProtocol
    INTERNAL_PROTOCOL = JSONProtocol
    OUTPUT_PROTOCOL = RawValueProtocol
    SORT_VALUES = True

    def steps(self) -> list[MRStep]:
        """The three joins."""
        return [
            MRStep(mapper=self.rows, reducer=self.join_card),
            MRStep(mapper=self.by_account, reducer=self.join_account),
            MRStep(mapper=self.by_holder, reducer=self.join_holder),
        ]

    def rows(self, _: None, line: str) -> Iterator[Pair]:
        """A line of tagged TSV -> a card's id, a tag and a row: cards and movements; for others their own id."""
        tag, *fields = line.split("\t")
        row = dict(zip(COLUMNS[tag], map(text, fields), strict=True))
        if tag == K:
            yield [K, row["id"]], [K, row]
        elif tag == M:
            yield [K, row["id_cartao"]], [M, row]
        else:
            yield [tag, row["id"]], [tag, row]

    def join_card(self, key: list[str], values: Iterable[list[Any]]) -> Iterator[Pair]:
        """A card, then its movements -> movements with the card's columns; other rows as they are."""
        card: Row = {}
        for tag, row in values:
            if tag == K:
                card = row
            elif tag == M and card:
                yield key, [M, flat(row, "movimento") | flat(card, "cartao")]
            elif tag != M:
                yield key, [tag, row]

    def by_account(self, key: list[str], value: list[Any]) -> Iterator[Pair]:
        """Movements go to their account."""
        tag, row = value
        yield ([C, row["id_conta"]] if tag == M else key), value

    def join_account(self, key: list[str], values: Iterable[list[Any]]) -> Iterator[Pair]:
        """An account, then its movements -> movements with the account's columns; associates as they are."""
        account: Row = {}
        for tag, row in values:
            if tag == C:
                account = row
            elif tag == M and account:
                yield key, [M, row | flat(account, "conta")]
            elif tag == A:
                yield key, [A, row]

    def by_holder(self, key: list[str], value: list[Any]) -> Iterator[Pair]:
        """Movements go to the holder of their card."""
        tag, row = value
        yield ([A, row["holder"]] if tag == M else key), value

    def join_holder(self, _: list[str], values: Iterable[list[Any]]) -> Iterator[Pair]:
        """An associate, then its movements -> lines of CSV."""
        associate: Row = {}
        for tag, row in values:
            if tag == A:
                associate = flat(row, "associado")
            elif associate:
                yield None, csv_line(row | associate)


def text(field: str) -> str | None:
    """A field of tagged TSV -> its text, None for NULL."""
    bare = field.encode()
    return None if bare == NULL else unescape(bare).decode()


def flat(row: Row, table: str) -> Row:
    """A row of a table -> what the flat table, or a later step, needs of it."""
    if table == "movimento":
        return {
            "vlr_transacao_movimento": row["vlr_transacao"],
            "des_transacao_movimento": row["des_transacao"],
            "data_movimento": row["data_movimento"],
        }
    if table == "cartao":
        return {
            "numero_cartao": row["num_cartao"],
            "nome_impresso_cartao": row["nom_impresso"],
            "data_criacao_cartao": row["data_criacao"],
            "id_conta": row["id_conta"],
            "holder": row["id_associado"],
        }
    if table == "conta":
        return {"tipo_conta": row["tipo"], "data_criacao_conta": row["data_criacao"]}
    return {
        "nome_associado": row["nome"],
        "sobrenome_associado": row["sobrenome"],
        "idade_associado": row["idade"],
    }


def csv_line(row: Row) -> str:
    """A flat row -> its line, without the line's end."""
    line = io.StringIO()
    csv.writer(line).writerow(row[column] for column in FLAT_COLUMNS)
    return line.getvalue().removesuffix("\r\n")


if __name__ == "__main__":
    TextbookJoin.run()
