"""The window: movements of a span of time, and the tables as of an earlier moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self


@dataclass(frozen=True)
class Window:
    """Wall-clock times of the CSV, each None where there is no such limit.

    Attributes:
        since: movements from here on.
        until: movements before this.
        as_of: all four tables as they were then.
    """

    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """Between which moments movements are read."""
        return self.since, self.until

    def condition(self, wall_clock: str) -> str:
        """Return the SQL condition that a moment, the SQL expression `wall_clock`, lies in the span; NULL does not."""
        limits = [
            f"{wall_clock} {comparison} {_literal(moment)}"
            for comparison, moment in ((">=", self.since), ("<", self.until))
            if moment
        ]
        return " AND ".join(limits) or "TRUE"

    def rows(self, table: str) -> str:
        """Return the operand of FROM for a table, given its quoted name."""
        return f"{table} FOR SYSTEM_TIME AS OF {_literal(self.as_of)}" if self.as_of else table

    def as_json(self) -> dict[str, str | None]:
        """Return since, until and as_of as text, by their names."""
        return {name: moment and moment.isoformat(" ") for name, moment in vars(self).items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the window of what `as_json` has returned; other keys have no effect."""
        moments = {name: content[name] for name in ("since", "until", "as_of")}
        return cls(
            **{name: None if text is None else datetime.fromisoformat(text) for name, text in moments.items()}
        )


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP'{moment.isoformat(' ')}'"
