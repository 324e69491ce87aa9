"""The plan of a fictitious database: how large it is, and how clean."""

from dataclasses import dataclass
from datetime import date

from movimento_flat.errors import UserError

#: A movement's card is drawn by a uniform random number to this power: the first cards get many movements.
SKEW = 4


@dataclass(frozen=True)
class Plan:
    """Rows of each table and what they are like. The same plan gives the same database.

    Attributes:
        movements: rows of movimento.
        seed: seed of the random numbers.
        dirty: share (0-1) of damaged rows: keys that are NULL or point to no row, and values that cause a warning.
        cards, accounts, associates: rows of the other tables; derived from the table before where None.
        skew: 1 draws all cards alike; with n a card of rank r has a share like r^(1/n - 1) of the movements.
        start, end: first and last day of movements.
    """

    movements: int = 100_000
    seed: int = 1
    dirty: float = 0.0
    cards: int | None = None
    accounts: int | None = None
    associates: int | None = None
    skew: int = SKEW
    start: date = date(2023, 1, 1)
    end: date = date(2025, 12, 31)

    def __post_init__(self) -> None:
        """Fill in the rows of the smaller tables.

        Raises:
            UserError: the numbers contradict each other.
        """
        self._derive("cards", self.movements, 10)
        self._derive("accounts", (self.cards or 0) * 3, 4)
        self._derive("associates", (self.accounts or 0) * 2, 3)
        rows = (self.movements, self.cards, self.accounts, self.associates)
        if min(row for row in rows if row is not None) < 0 or not 0 <= self.dirty <= 1:
            raise UserError(
                "Numbers of rows are 0 or more, and the share of dirty rows lies between 0 and 1."
            )
        if any(rows[i] and not rows[i + 1] for i in range(3)):
            raise UserError("Movements need cards, cards need accounts, and accounts need associates.")
        if self.end < self.start:
            raise UserError("The last day of movements lies before the first.")

    @property
    def rows(self) -> int:
        """Rows of all four tables together."""
        return self.movements + (self.cards or 0) + (self.accounts or 0) + (self.associates or 0)

    def _derive(self, name: str, times: int, divisor: int) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, name, -(-times // divisor))
