"""What the lists beside the CSV say in sum: a page for managers names none of their rows."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from movimento_flat.money import Totals, centavos
from movimento_flat.publish.parts import MISMATCHES_NAME, REJECTED_NAME
from movimento_flat.schema import MOVIMENTO


class Findings(NamedTuple):
    """How many additional cards have movements, what they moved, and rejected movements by reason."""

    additional: int
    moved: Totals
    rejected: dict[str, Totals]


def findings_in(lists: Path) -> Findings:
    """Read both lists once, a line at a time.

    Raises:
        OSError: one cannot be read.
    """
    additional, moved, rejected = 0, Totals(), defaultdict[str, Totals](Totals)
    for *_, movements, amount in _rows(lists / MISMATCHES_NAME):
        additional += movements != b"0"
        moved += Totals(int(movements), int(amount))
    for reason, table, _, _, amount, _ in _rows(lists / REJECTED_NAME):
        if table == MOVIMENTO.name.encode():
            rejected[reason.decode()] += Totals(1, centavos(amount))
    return Findings(additional, moved, rejected)


def _rows(path: Path) -> Iterator[list[bytes]]:
    with path.open("rb") as lines:
        next(lines)
        for line in lines:
            yield line.rstrip(b"\n").split(b"\t")
