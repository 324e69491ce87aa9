"""What a run must not exceed to be published: rejected movements, reasons by name, and rows that have gone."""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from movimento_flat.problem_lists import Reject, Warn

REASONS = (*(reason.value for reason in Reject), *(reason.value for reason in Warn))
#: Rows of one sheet of a workbook, below its header: what a workbook has unless more are asked for.
WORKBOOK_ROWS = 1_048_575
#: A delivery of the same window has at least this share of the previous one's rows.
LEAST_PERCENT = 90

_is_limit = re.compile(r"(\d+)|(\d+(?:\.\d+)?)%", re.ASCII).fullmatch


@dataclass(frozen=True)
class Limit:
    """So many rows, or a share of the movements read; `text` is what the user wrote."""

    text: str
    rows: int = 0
    share: Fraction | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the limit that `20` or `0.5%` is.

        Raises:
            ValueError: neither a number nor a percentage.
        """
        found = _is_limit(text)
        if not found:
            raise ValueError(f"'{text}' is neither a number of rows, as 20, nor a percentage, as 0.5%.")
        rows, percent = found.groups()
        return cls(text, rows=int(rows)) if rows else cls(text, share=Fraction(percent) / 100)

    def allows(self, rows: int, movements: int) -> bool:
        """Tell whether so many rows are within the limit, of so many movements read. No float is near."""
        return rows <= (self.rows if self.share is None else self.share * movements)


@dataclass(frozen=True)
class Strict:
    """The limit of one reason."""

    reason: str
    limit: Limit

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reason and the limit of `luhn`, `luhn=20` or `luhn=0.5%`; none is allowed where there is none.

        Raises:
            ValueError: no such reason, or no limit.
        """
        reason, equals, limit = text.partition("=")
        if reason not in REASONS:
            raise ValueError(f"'{reason}' is no reason. There are {', '.join(REASONS)}.")
        return cls(reason, Limit.parse(limit if equals else "0"))


@dataclass(frozen=True)
class Limits:
    """All limits of a run.

    Attributes:
        max_rejected: of the rejected movements; None for no limit.
        strict: of reasons of rejections and warnings.
        may_shrink: whether it may have far fewer rows than the previous delivery of the same window.
        workbook_rows: that a workbook may have.
    """

    max_rejected: Limit | None = None
    strict: tuple[Strict, ...] = ()
    may_shrink: bool = False
    workbook_rows: int = WORKBOOK_ROWS

    def broken(self, movements: int, rejected: int, reasons: Counter[str]) -> list[str]:
        """Return what of a run that read so many movements is above its limit, a line for each.

        Args:
            movements: rows read.
            rejected: movements of them that have no line in the CSV.
            reasons: rows by reason of rejection or warning.
        """
        lines = []
        if self.max_rejected and not self.max_rejected.allows(rejected, movements):
            lines.append(_line("rejected", rejected, movements, self.max_rejected, "--max-rejected"))
        for strict in self.strict:
            if not strict.limit.allows(reasons[strict.reason], movements):
                option = f"--strict {strict.reason}"
                lines.append(_line(strict.reason, reasons[strict.reason], movements, strict.limit, option))
        return lines


def too_few_rows(previous: int, rows: int) -> list[str]:
    """Return a line if there are far fewer rows than in the previous delivery of the same window."""
    if 100 * rows >= LEAST_PERCENT * previous:
        return []
    return [
        f"rows: {rows:,}, where the previous delivery of the same window has {previous:,};"
        f" fewer than {LEAST_PERCENT} % of them are refused; if the drop is expected: --allow-shrink"
    ]


def _line(what: str, rows: int, movements: int, limit: Limit, option: str) -> str:
    return f"{what}: {rows:,}, with {movements:,} movements read; {option} allows {limit.text}"
