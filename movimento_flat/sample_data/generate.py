"""Rows of the four tables, invented from a seed.

Faker makes pools of names and cities, and the rows draw from them: one by one it would take minutes a million.
An account is opened before its cards are issued, and these before they are used. What contradicts that, and what else
is odd, is in dirty databases only.
"""

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache, partial
from itertools import islice
from random import Random
from typing import TypeVar

from movimento_flat.sample_data.card_number import card_number
from movimento_flat.sample_data.establishments import Establishments
from movimento_flat.sample_data.movements import CHUNK, Movements
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, Column, Kind, Table

Row = tuple[object, ...]
#: A row's values, or lists of those of some rows, by what the model calls them (`Column.sample`).
Made = dict[str, object]
MadeColumns = Mapping[str, Sequence[object]]
Value = TypeVar("Value")

_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": r"\0"})
ADDITIONAL_HOLDERS = 0.10
UNKNOWN_AGES = 0.01
IDLE_CARDS = 0.20
CITIES = 200
EMBOSSED_LENGTH = 26
FRIDAY = 4
OFFICE_HOURS = tuple(
    f"{hour}:{minute:02d}:{11 * minute % 60:02d}" for hour in range(10, 16) for minute in range(60)
)
#: Each kind of account as often as it occurs.
ACCOUNT_KINDS = (*["corrente"] * 6, *["poupanca"] * 3, *["salario"] * 2, "investimento")
#: Ages of members, each as often as it occurs among some hundred: of ten years as many as of each of these.
AGES = tuple(
    age
    for first, people in ((18, 4), (25, 20), (35, 24), (45, 20), (55, 15), (65, 9), (75, 4), (85, 1))
    for age in range(first, min(first + 10, 95))
    for _ in range(people)
)
#: Days before the plan's first within which accounts were opened, and the last of them with time for a card.
DAYS_OF_OPENING, DAYS_UNTIL_START = 4000, 10
#: Share of the accounts that are opened in the plan's own days.
NEW_ACCOUNTS = 0.10
#: Days from an account's opening within which its first card is issued.
DAYS_UNTIL_CARD = 6

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

#: Of a column that no code here makes: different values, how often one is missing, and which characters are alike.
OTHER_VALUES, OTHER_MISSING = 1000, 0.10
_ALIKE = ("0123456789", "aeiou", "bcdfghjlmnprstv", "AEIOU", "BCDFGHJLMNPRSTV")

#: Of dirty databases.
IMPOSSIBLE_AGES = (-1, 131, 999)
REPEATED_NUMBER = "4111111111111111"
ODD_MOMENTS = ("1999-12-31 23:59:59", "2999-01-01 00:00:00")
#: How many days at most a card is older than its account.
DAYS_BEFORE_ACCOUNT = 400


class Generator:
    """Draws the rows of one plan. Each table is drawn from random numbers of its own."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        from faker import Faker  # noqa: PLC0415  # a tenth of a second, which runs without a seed need not wait

        faker = Faker("pt_BR")
        faker.seed_instance(plan.seed)
        self._given = [faker.first_name() for _ in range(600)]
        self._family = [faker.last_name() for _ in range(900)]
        cities = [faker.city() for _ in range(CITIES)]
        self._shops = Establishments(self._family, cities, self._random("establishments"))
        numbers = self._random("people")
        self._people = [
            (
                numbers.choice(self._given),
                " ".join(numbers.choices(self._family, k=numbers.choice((1, 2, 2)))),
            )
            for _ in range(plan.associates or 0)
        ]
        self._owners = self._spread(plan.accounts or 0, plan.associates or 0, self._random("owners"))
        numbers = self._random("dates")
        self._opened = sorted(self._openings(numbers))
        accounts = self._spread(plan.cards or 0, plan.accounts or 0, self._random("accounts"))
        cards = sorted(
            (self._issue(card, account, numbers), account) for card, account in enumerate(accounts)
        )
        self._issued = array("L", (issued for issued, _ in cards))
        self._accounts = array("L", (account for _, account in cards))

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
            age = None if numbers.random() < UNKNOWN_AGES else numbers.choice(AGES)
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
            kind = numbers.choice(ACCOUNT_KINDS)
            yield {
                "id": identity,
                "kind": kind,
                "opened": _office_hours(self._opened[identity - 1], numbers),
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
            issued = self._issued[identity - 1]
            if self.plan.dirty:
                number = self._odd(number, number[:-1] + str((int(number[-1]) + 1) % 10), numbers)
                number = self._odd(number, REPEATED_NUMBER, numbers)
                name = self._odd(name, "TITULAR", numbers)
                too_early = self._opened[account - 1] - numbers.randint(1, DAYS_BEFORE_ACCOUNT)
                issued = self._odd(issued, too_early, numbers)
            yield {
                "id": identity,
                "number": number,
                "embossed name": name,
                "issued": _office_hours(issued, numbers),
                "account": self._damaged(account, len(self._owners), numbers),
                "holder": self._damaged(holder, len(self._people), numbers),
            }

    def _movements(self) -> Iterator[MadeColumns]:
        numbers = self._random("damages")
        cards, issued = self._used_cards()
        first = 1
        for chunk in Movements(self.plan, self._shops, cards, issued).chunks():
            moments: list[str] = [moment for moment, _, _, _ in chunk]
            used: list[object] = [card for _, card, _, _ in chunk]
            descriptions: list[str | None] = [description for _, _, description, _ in chunk]
            amounts = [amount for _, _, _, amount in chunk]
            if self.plan.dirty:
                used = [self._damaged(card, len(self._accounts), numbers) for card in used]
                amounts = [self._odd(amount, "0.00", numbers) for amount in amounts]
                moments = [self._odd(moment, numbers.choice(ODD_MOMENTS), numbers) for moment in moments]
                descriptions = [
                    self._odd(text, numbers.choice(TROUBLESOME), numbers) for text in descriptions
                ]
            yield {
                "id": range(first, first + len(chunk)),
                "amount": amounts,
                "description": descriptions,
                "moment": moments,
                "card": used,
            }
            first += len(chunk)

    def _used_cards(self) -> tuple[list[int], list[int]]:
        """Return the cards that have movements, those before the plan's first day in any order; and their days.

        The oldest card is one of them, so there is always one that is older than a movement.
        """
        numbers = self._random("cards")
        idle = set(numbers.sample(range(2, len(self._issued) + 1), k=int(len(self._issued) * IDLE_CARDS)))
        used = [card for card in range(1, len(self._issued) + 1) if card not in idle]
        old = bisect_left(self._issued, self.plan.start.toordinal())
        old = bisect_right(used, old)
        return numbers.sample(used[:old], k=old) + used[old:], [0] * old + [
            self._issued[card - 1] for card in used[old:]
        ]

    def _openings(self, numbers: Random) -> Iterator[int]:
        """Yield for each account the day on which it was opened, a working day."""
        start, end = self.plan.start.toordinal(), self.plan.end.toordinal()
        accounts = self.plan.accounts or 0
        new = int(accounts * NEW_ACCOUNTS)
        for _ in range(new):
            yield _working_day(numbers.randint(start, end))
        for _ in range(accounts - new):
            yield _working_day(start - DAYS_UNTIL_START - int(DAYS_OF_OPENING * numbers.random()))

    def _issue(self, card: int, account: int, numbers: Random) -> int:
        """Return the day on which a card was issued: the account's first one soon, and the others at any time."""
        opened = self._opened[account - 1]
        if card < len(self._opened):
            return opened + numbers.randint(1, DAYS_UNTIL_CARD)
        return opened + 1 + int(max(1, self.plan.end.toordinal() - opened) * numbers.random())

    def _values(self, column: Column, numbers: Random) -> Iterator[object]:
        """Yield any values of a column, without an end; some are missing where they may be."""
        of_kind: dict[Kind, Callable[[Random], str]] = {Kind.MOMENT: self._moment, Kind.MONEY: _any_amount}
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

    def _moment(self, numbers: Random) -> str:
        return _office_hours(self.plan.start.toordinal() - numbers.randint(1, DAYS_OF_OPENING), numbers)


def _in_chunks(rows: Iterator[Made]) -> Iterator[MadeColumns]:
    while chunk := list(islice(rows, CHUNK)):
        yield {name: [row[name] for row in chunk] for name in chunk[0]}


def _like(column: Column, numbers: Random) -> str:
    """Return one of an ENUM's values; else a text like the column's example, with other digits and letters."""
    if values := re.findall("'([^']*)'", column.mysql):
        return str(numbers.choice(values))
    alike = {character: group for group in _ALIKE for character in group}
    return "".join(numbers.choice(alike.get(character, character)) for character in column.example)


def _any_amount(numbers: Random) -> str:
    return f"{numbers.randrange(10_000)}.{numbers.randrange(100):02d}"


def _working_day(day: int) -> int:
    """Return a day, as an ordinal number, or the Friday before it. Day 1 was a Monday."""
    return day - max(0, (day - 1) % 7 - FRIDAY)


def _office_hours(day: int, numbers: Random) -> str:
    """Return a moment of a day between ten and four."""
    return f"{_date(day)} {numbers.choice(OFFICE_HOURS)}"


@lru_cache(maxsize=10_000)
def _date(day: int) -> str:
    return str(date.fromordinal(day))


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
