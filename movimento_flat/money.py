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
    """Return an amount such as `-12.34` in centavos; 0 for a field that is no amount, such as NULL."""
    return int(amount.replace(b".", b"")) if is_amount(amount) else 0


def centavos_of(amount: Decimal) -> int:
    """Return a sum of amounts in centavos, exact at any length: Decimal's arithmetic would round to 28 digits."""
    return int(f"{amount:.2f}".replace(".", ""))


def reais(amount: int) -> str:
    """Return centavos as text, such as `R$ -1,234.56` for -123456."""
    sign = "-" if amount < 0 else ""
    return f"R$ {sign}{abs(amount) // 100:,}.{abs(amount) % 100:02d}"
