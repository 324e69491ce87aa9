"""The join once more, in plain Python with the csv module, to compare with."""

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from movimento_flat.schema import FLAT_TABLE, FLAT_WITH_IDS, TABLES
from movimento_flat.tagged_tsv import unescape
from tests.rows import SourceRow, Value

Row = tuple[Value, ...]


@dataclass
class Tables:
    """Rows of the four tables; ids are decimal text."""

    associado: list[SourceRow] = field(default_factory=list)
    conta: list[SourceRow] = field(default_factory=list)
    cartao: list[SourceRow] = field(default_factory=list)
    movimento: list[SourceRow] = field(default_factory=list)

    @classmethod
    def parse(cls, tagged_tsv: bytes) -> "Tables":
        """Tagged TSV of clean rows -> the tables."""
        tables = cls()
        for text in tagged_tsv.decode().splitlines():
            tag, *fields = text.split("\t")
            table = next(table for table in TABLES if table.tag == tag.encode())
            values = (None if field == r"\N" else unescape(field.encode()).decode() for field in fields)
            getattr(tables, table.name).append(SourceRow(table, values))
        return tables

    def lines(self) -> list[bytes]:
        """Every row as a line of tagged TSV."""
        return [row.line() for table in TABLES for row in getattr(self, table.name)]


def flat_rows(tables: Tables, with_ids: bool = False) -> tuple[list[Row], list[tuple[str, str]]]:
    """-> (rows of the flat table in order, (reason, movement's id) of each rejected movement)."""
    associates, accounts, cards = map(_by_id, (tables.associado, tables.conta, tables.cartao))
    flat, rejected = [], []
    for movement in tables.movimento:
        found = cards.get(movement.id_cartao, set())
        holders = {holder for card in found for holder in associates.get(card.id_associado, {None})}
        # What two rows of an id point to may differ, and an account's id where no ids are asked for.
        contracts = {
            (
                card.replace(id_conta=None, id_associado=None),
                account if with_ids else account.replace(id=None),
            )
            if account else None
            for card in found
            for account in accounts.get(card.id_conta, {None})
        }  # fmt: skip
        reason = (
            "movement_without_card" if movement.id_cartao is None
            else "unknown_card" if not found
            else "card_without_account" if contracts == {None}
            else "card_without_holder" if holders == {None}
            else "ambiguous_card"
        )  # fmt: skip
        (holder, *other_holders), (contract, *other_contracts) = holders or {None}, contracts or {None}
        if holder and contract and not other_holders and not other_contracts:
            card, account = contract
            rows = {row.table.name: row for row in (holder, movement, card, account)}
            columns = FLAT_WITH_IDS if with_ids else FLAT_TABLE
            values = tuple(getattr(rows[column.table.name], column.source.name) for column in columns)
            flat.append(((int(movement.id_cartao or 0), int(movement.id or 0)), values))
        else:
            rejected.append((reason, movement.id or ""))
    return [row for _, row in sorted(flat, key=lambda pair: pair[0])], sorted(rejected)


def _by_id(rows: list[SourceRow]) -> dict[Value, set[SourceRow]]:
    """-> all different rows of each id."""
    return {identity: {row for row in rows if row.id == identity} for identity in {row.id for row in rows}}


def warnings(tables: Tables, now: str) -> list[tuple[str, str, str, str]]:
    """-> (reason, table, id, card's id) of everything that looks wrong, sorted."""
    associates = {row.id: row for row in tables.associado}
    accounts = {row.id: row for row in tables.conta}
    found: list[tuple[str, str, Value, Value]] = []
    for associate in tables.associado:
        if associate.idade is not None and int(associate.idade) not in range(131):
            found.append(("age_out_of_range", "associado", associate.id, ""))
    numbers = [card.num_cartao for card in tables.cartao]
    for card in tables.cartao:
        if card.num_cartao is not None and not _passes_luhn(card.num_cartao):
            found.append(("luhn", "cartao", card.id, card.id))
        if card.num_cartao is not None and numbers.count(card.num_cartao) > 1:
            found.append(("duplicate_card_number", "cartao", card.id, card.id))
        account, holder = accounts.get(card.id_conta), associates.get(card.id_associado)
        if not account or not holder:
            continue
        names = {*_words(holder.nome), *_words(holder.sobrenome)}
        if card.nom_impresso and not set(_words(card.nom_impresso)) & names:
            found.append(("printed_name_unlike_holder", "cartao", card.id, card.id))
        if card.data_criacao and card.data_criacao < (account.data_criacao or ""):
            found.append(("card_before_account", "cartao", card.id, card.id))
        for movement in tables.movimento:
            if movement.id_cartao != card.id:
                continue
            amount, moment = movement.vlr_transacao, movement.data_movimento
            if amount is not None and Decimal(amount) == 0:
                found.append(("zero_amount", "movimento", movement.id, card.id))
            for reason, wrong in (
                ("movement_before_card", moment and moment < (card.data_criacao or "")),
                ("movement_before_account", moment and moment < (account.data_criacao or "")),
                ("movement_in_future", moment and moment > now),
            ):
                if wrong:
                    found.append((reason, "movimento", movement.id, card.id))
    return sorted((reason, table, identity or "", card or "") for reason, table, identity, card in found)


def _passes_luhn(number: str) -> bool:
    """As the rule is usually told, digit by digit."""
    if not re.fullmatch("[0-9]+", number):
        return False
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value // 10 + value % 10
    return total % 10 == 0


def _words(name: Value) -> list[str]:
    letters = "".join(
        character
        for character in unicodedata.normalize("NFKD", name or "")
        if character.isalpha() or character in " -."
    )
    return [word for word in re.split("[ .-]", letters.upper()) if len(word) > 1]


def masked_text(text: str) -> str:
    """A text with card numbers masked, as `movimento_flat.card_numbers` says it, by trying every part of the text.

    Here nothing but ASCII, accents, a zero-width space and digits of two scripts.
    """
    digits = [place for place, character in enumerate(text) if character.isdigit()]
    is_hidden = [False] * len(text)
    spans = []
    for first, start in enumerate(digits):
        for end in digits[first + 12 :]:
            part = text[start : end + 1]
            number = "".join(str(int(c)) for c in part if c.isdigit())
            joined = all(len(gap) < 2 and gap in " -" for gap in re.split(r"\d", part)[1:-1])
            gaps = [gap.replace("\u200b", "") for gap in re.split(r"\d", part)[1:-1]]
            near = all(len(gap) <= 3 and not any(map(str.isalpha, gap)) for gap in gaps)
            whole = not text[start - 1 : start].isdigit() and not text[end + 1 : end + 2].isdigit()
            if joined or (near and whole and len(number) <= 19 and _passes_luhn(number)):
                spans.append((start, end + 1))
    for start, end in spans:
        is_hidden[start:end] = [True] * (end - start)
    # Where one ends and the next begins without overlap, they are two.
    cuts = {start for start, _ in spans if not any(other < start < end for other, end in spans)}
    masked, at = "", 0
    while at < len(text):
        if not is_hidden[at]:
            masked, at = masked + text[at], at + 1
            continue
        end = at + 1
        while end < len(text) and is_hidden[end] and end not in cuts:
            end += 1
        number = "".join(c for c in text[at:end] if c.isdigit())
        masked, at = f"{masked}{number[:6]}{'*' * (len(number) - 10)}{number[-4:]}", end
    return masked


def as_csv(header: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Rows as RFC 4180 with line feeds, by Python's csv module."""
    text = io.StringIO()
    for row in (header, *rows):
        # With this line terminator the module quotes fields that hold a CR or an LF.
        line = io.StringIO()
        csv.writer(line, lineterminator="\r\n").writerow(row)
        text.write(line.getvalue()[:-2] + "\n")
    return text.getvalue().encode()
