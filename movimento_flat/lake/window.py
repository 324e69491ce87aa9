"""Which months of a lake a run writes anew."""

from collections.abc import Sequence

from extract.window import Window
from movimento_flat.errors import UserError
from movimento_flat.lake.record import UNDATED
from movimento_flat.schema import MOMENT


def check_months(window: Window, columns: Sequence[str]) -> None:
    """Check that what is read can be told by months.

    Raises:
        UserError: the window does not begin and end with a month, or is of an earlier moment; or the rows have none.
    """
    if MOMENT not in columns:
        raise UserError(f"A lake is written by months, and --drop leaves out {MOMENT}.", "Leave one out.")
    for moment in filter(None, window.span):
        if moment != moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0):
            raise UserError(
                f"A lake is written by whole months, and {moment} is no first day of one.",
                "Let --since and --until be first days of months, such as 2024-02-01.",
            )
    if window.as_of:
        raise UserError("A lake has the rows of now, and --as-of asks for earlier ones.", "Leave one out.")


def covers(window: Window, month: str) -> bool:
    """Tell whether a run of this window writes a month anew; rows without a date are in a whole run alone."""
    if not any(window.span):
        return True
    return (
        month != UNDATED
        and (not window.since or month >= f"{window.since:%Y-%m}")
        and (not window.until or month < f"{window.until:%Y-%m}")
    )
