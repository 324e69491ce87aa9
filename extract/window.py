"""Which rows are read: movements of a span of time, and the tables as they were at an earlier moment."""

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
        """SQL condition on a movement, whose date and time is the SQL expression `wall_clock`; NULL lies in no span."""
        limits = [
            f"{wall_clock} {comparison} {_literal(moment)}"
            for comparison, moment in ((">=", self.since), ("<", self.until))
            if moment
        ]
        return " AND ".join(limits) or "TRUE"

    def rows(self, table: str) -> str:
        """What SQL's FROM gets for a table, given its name quoted."""
        return f"{table} FOR SYSTEM_TIME AS OF {_literal(self.as_of)}" if self.as_of else table

    def as_json(self) -> dict[str, str | None]:
        """-> since, until and as_of as text."""
        return {name: moment and moment.isoformat(" ") for name, moment in vars(self).items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The inverse of `as_json`; other keys are left alone."""
        moments = {name: content[name] for name in ("since", "until", "as_of")}
        return cls(
            **{name: None if text is None else datetime.fromisoformat(text) for name, text in moments.items()}
        )


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP'{moment.isoformat(' ')}'"
