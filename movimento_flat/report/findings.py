"""What the list of holder/owner mismatches says in sum: a page for managers names none of its cards."""

from pathlib import Path

from movimento_flat.money import Totals


def moved_by_mismatches(path: Path) -> Totals:
    """Read the list once, a line at a time, and return the movements of its cards and the sum of their amounts.

    Raises:
        OSError: it cannot be read.
    """
    rows = centavos = 0
    with path.open("rb") as lines:
        next(lines)
        for line in lines:
            *_, movements, amount = line.rstrip(b"\n").split(b"\t")
            rows += int(movements)
            centavos += int(amount)
    return Totals(rows, centavos)
