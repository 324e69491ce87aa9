"""Amounts as whole centavos. No amount is ever a float."""

import re
from dataclasses import dataclass
from decimal import Decimal

is_amount = re.compile(rb"-?\d+\.\d\d").fullmatch


@dataclass(frozen=True)
class Totals:
    """What a table or a file holds: its rows, and the sum of their amounts in centavos."""

    rows: int = 0
    centavos: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(self.rows + other.rows, self.centavos + other.centavos)


def centavos(amount: bytes) -> int:
    """`-12.34` -> -1234. What is no amount (NULL, or a malformed row's) counts nothing."""
    return int(amount.replace(b".", b"")) if is_amount(amount) else 0


def centavos_of(amount: Decimal) -> int:
    """A sum of amounts, of any length: Decimal's own arithmetic would round it to 28 digits."""
    return int(f"{amount:.2f}".replace(".", ""))


def reais(amount: int) -> str:
    """Centavos -> text: -123456 -> `R$ -1,234.56`."""
    sign = "-" if amount < 0 else ""
    return f"R$ {sign}{abs(amount) // 100:,}.{abs(amount) % 100:02d}"
