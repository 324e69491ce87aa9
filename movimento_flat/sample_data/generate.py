"""Rows of the four tables, invented from a seed.

Faker makes pools of names and shops, and the rows draw from them: one by one it would take minutes a million.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import islice
from random import Random
from typing import TypeVar

from movimento_flat.sample_data.card_number import card_number
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, Column, Kind, Table

Row = tuple[object, ...]
#: A row's values, or lists of those of some rows, by what the model calls them (`Column.sample`).
Made = dict[str, object]
MadeColumns = Mapping[str, Sequence[object]]
Value = TypeVar("Value")

CHUNK = 50_000
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": r"\0"})
ADDITIONAL_HOLDERS = 0.10
UNKNOWN_AGES = 0.01
IDLE_CARDS = 0.20
REFUNDS = 0.03
EMBOSSED_LENGTH = 26
ACCOUNT_KINDS = ("corrente", "poupanca", "salario", "investimento")
#: How busy each month is, January first.
BUSY_MONTHS = (2, 2, 3, 3, 4, 3, 3, 3, 3, 3, 4, 6)
FIRST_YEAR, DAYS_OF_ISSUE = date(2012, 1, 1), 4000

#: Descriptions as terminals and web shops really send them: what breaks a careless CSV.
TROUBLESOME = (
    'Restaurante "Sabor & Arte"',
    "Padaria do Zé, filial 2",
    "Mercado\tSão João",
    "Hotel Maré\nrecepção",
    "Loja\r\nOnline",
    "C:\\vendas\\2024",
    "\\N",
    "Café ☕ da Praça 😀",
    "=SOMA(A1;A2)",
    "-10% de desconto",
    "'aspas' e \"aspas\"",
    "separador \x1e de registro",
    "",
    " espaço ",
    None,
    None,
)
TROUBLESOME_SHARE = 0.05

#: Of a column that no code here makes: different values, how often one is missing, and which characters are alike.
OTHER_VALUES, OTHER_MISSING = 1000, 0.10
_ALIKE = ("0123456789", "aeiou", "bcdfghjlmnprstv", "AEIOU", "BCDFGHJLMNPRSTV")

#: Of dirty databases.
IMPOSSIBLE_AGES = (-1, 131, 999)
REPEATED_NUMBER = "4111111111111111"
ODD_MOMENTS = ("1999-12-31 23:59:59", "2999-01-01 00:00:00")


class Generator:
    """Draws the rows of one plan. Each table is drawn from random numbers of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        from faker import Faker  # noqa: PLC0415  # a tenth of a second, which runs without a seed need not wait

        faker = Faker("pt_BR")
        faker.seed_instance(plan.seed)
        self._given = [faker.first_name() for _ in range(600)]
        self._family = [faker.last_name() for _ in range(900)]
        self._shops = [f"{faker.company()} {faker.city()}"[:120] for _ in range(1500)]
        numbers = self._random("people")
        self._people = [
            (
                numbers.choice(self._given),
                " ".join(numbers.choices(self._family, k=numbers.choice((1, 2, 2)))),
            )
            for _ in range(plan.associates or 0)
        ]
        self._owners = self._spread(plan.accounts or 0, plan.associates or 0, self._random("owners"))
        self._accounts = self._spread(plan.cards or 0, plan.accounts or 0, self._random("accounts"))

    def rows(self, table: Table) -> Iterator[list[Row]]:
        """Yield the rows of a table, up to CHUNK at a time, their values in the order of the declared columns."""
        made = {
            ASSOCIADO: lambda: _in_chunks(self._associates()),
            CONTA: lambda: _in_chunks(self._account_rows()),
            CARTAO: lambda: _in_chunks(self._cards()),
            MOVIMENTO: self._movements,
        }[table]
        others = {
            column: self._values(column, self._random(f"{table.name}.{column.name}"))
            for column in table.declared
            if not column.sample
        }
        for chunk in made():
            size = len(chunk["id"])
            columns = (
                islice(others[column], size) if column in others else chunk[column.sample]
                for column in table.declared
            )
            yield list(zip(*columns, strict=True))

    def _associates(self) -> Iterator[Made]:
        numbers = self._random("associado")
        for identity, (given, family) in enumerate(self._people, 1):
            age = None if numbers.random() < UNKNOWN_AGES else numbers.randint(18, 95)
            age = self._odd(age, numbers.choice(IMPOSSIBLE_AGES), numbers) if self.plan.dirty else age
            address = f"{_plain(given)}.{_plain(family)}{identity}@example.com".lower().replace(" ", ".")
            yield {
                "id": identity,
                "given name": given,
                "family name": family,
                "age": age,
                "address": address,
            }

    def _account_rows(self) -> Iterator[Made]:
        numbers = self._random("conta")
        for identity, owner in enumerate(self._owners, 1):
            kind = numbers.choices(ACCOUNT_KINDS, (6, 3, 2, 1))[0]
            yield {
                "id": identity,
                "kind": kind,
                "opened": self._moment(numbers),
                "owner": self._damaged(owner, len(self._people), numbers),
            }

    def _cards(self) -> Iterator[Made]:
        numbers = self._random("cartao")
        for identity, account in enumerate(self._accounts, 1):
            holder = self._owners[account - 1]
            if numbers.random() < ADDITIONAL_HOLDERS:
                holder = numbers.randint(1, len(self._people))
            number = card_number(identity, numbers)
            name = _embossed(*self._people[holder - 1])
            if self.plan.dirty:
                number = self._odd(number, number[:-1] + str((int(number[-1]) + 1) % 10), numbers)
                number = self._odd(number, REPEATED_NUMBER, numbers)
                name = self._odd(name, "TITULAR", numbers)
            yield {
                "id": identity,
                "number": number,
                "embossed name": name,
                "issued": self._moment(numbers),
                "account": self._damaged(account, len(self._owners), numbers),
                "holder": self._damaged(holder, len(self._people), numbers),
            }

    def _movements(self) -> Iterator[MadeColumns]:
        numbers = self._random("movimento")
        used = numbers.sample(range(1, len(self._accounts) + 1), k=_used_cards(len(self._accounts)))
        amounts = [_amount(numbers) for _ in range(20_000)]
        descriptions = self._descriptions()
        days = self._days()
        times = [
            f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}" for second in range(86_400)
        ]
        for start in range(0, self.plan.movements, CHUNK):
            identities = range(start + 1, min(start + CHUNK, self.plan.movements) + 1)
            size = len(identities)
            cards: list[object] = [
                used[int(len(used) * numbers.random() ** self.plan.skew)] for _ in identities
            ]
            if self.plan.dirty:
                cards = [self._damaged(card, len(self._accounts), numbers) for card in cards]
            moments = [
                f"{days[identity * len(days) // (self.plan.movements + 1)]} {time}"
                for identity, time in zip(identities, numbers.choices(times, k=size), strict=True)
            ]
            chosen_amounts, texts = numbers.choices(amounts, k=size), numbers.choices(descriptions, k=size)
            if self.plan.dirty:
                chosen_amounts = [self._odd(amount, "0.00", numbers) for amount in chosen_amounts]
                moments = [self._odd(moment, numbers.choice(ODD_MOMENTS), numbers) for moment in moments]
            yield {
                "id": identities,
                "amount": chosen_amounts,
                "description": texts,
                "moment": moments,
                "card": cards,
            }

    def _values(self, column: Column, numbers: Random) -> Iterator[object]:
        """Yield any values of a column, without an end; some are missing where they may be."""
        of_kind: dict[Kind, Callable[[Random], str]] = {Kind.MOMENT: self._moment, Kind.MONEY: _amount}
        make = of_kind.get(column.kind, partial(_like, column))
        values = [make(numbers) for _ in range(OTHER_VALUES)]
        missing = OTHER_MISSING if column.may_be_null else 0
        while True:
            yield None if numbers.random() < missing else numbers.choice(values)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self.plan.seed} {purpose}")

    def _spread(self, rows: int, targets: int, numbers: Random) -> list[int]:
        """For each row the id it points to: every target once where there are enough rows, then any."""
        return [
            identity if identity <= targets else numbers.randint(1, targets)
            for identity in range(1, rows + 1)
        ]

    def _damaged(self, identity: object, largest: int, numbers: Random) -> object:
        """Return the id as it is; or, for the dirty share, NULL or one that leads nowhere."""
        if numbers.random() >= self.plan.dirty:
            return identity
        return None if numbers.random() < 0.5 else largest + numbers.randint(1, 1000)

    def _odd(self, usual: Value, odd: Value, numbers: Random) -> Value:
        """Return the usual value; or, for the dirty share, one that deserves a warning."""
        return odd if numbers.random() < self.plan.dirty else usual

    def _descriptions(self) -> list[str | None]:
        repeated = round(len(self._shops) * TROUBLESOME_SHARE / (1 - TROUBLESOME_SHARE) / len(TROUBLESOME))
        return [*self._shops, *TROUBLESOME * max(1, repeated)]

    def _days(self) -> list[date]:
        """Each day of the plan as often as its month is busy."""
        length = (self.plan.end - self.plan.start).days + 1
        days = (self.plan.start + timedelta(day) for day in range(length))
        return [day for day in days for _ in range(BUSY_MONTHS[day.month - 1])]

    def _moment(self, numbers: Random) -> str:
        day = min(FIRST_YEAR + timedelta(numbers.randrange(DAYS_OF_ISSUE)), self.plan.start)
        return f"{day} {numbers.randint(8, 17):02d}:{numbers.randint(0, 59):02d}:{numbers.randint(0, 59):02d}"


def _in_chunks(rows: Iterator[Made]) -> Iterator[MadeColumns]:
    while chunk := list(islice(rows, CHUNK)):
        yield {name: [row[name] for row in chunk] for name in chunk[0]}


def _like(column: Column, numbers: Random) -> str:
    """Return one of an ENUM's values; else a text like the column's example, with other digits and letters."""
    if values := re.findall("'([^']*)'", column.mysql):
        return str(numbers.choice(values))
    alike = {character: group for group in _ALIKE for character in group}
    return "".join(numbers.choice(alike.get(character, character)) for character in column.example)


def _used_cards(cards: int) -> int:
    return cards - int(cards * IDLE_CARDS)


def _amount(numbers: Random) -> str:
    centavos = min(round(numbers.lognormvariate(8.3, 1.3)) + 1, 99_999_999)
    sign = "-" if numbers.random() < REFUNDS else ""
    return f"{sign}{centavos // 100}.{centavos % 100:02d}"


def _embossed(given: str, family: str) -> str:
    """Return the name in capitals without accents, middle names shortened where it is long."""
    first, *middle, last = _plain(f"{given} {family}").upper().split()
    name = " ".join((first, *middle, last))
    return name if len(name) <= EMBOSSED_LENGTH else " ".join((first, *(word[0] for word in middle), last))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def as_line(row: Row) -> str:
    """Return a row as LOAD DATA of MySQL and COPY of PostgreSQL read it."""
    return "\t".join([r"\N" if value is None else str(value).translate(_ESCAPES) for value in row]) + "\n"
