"""What the lists beside a CSV say: examples of each reason, and how much the disagreements move.

Of an example only ids are taken: what else a list's row holds is of people, or free text.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.card_numbers import mask_card_numbers
from movimento_flat.money import Totals
from movimento_flat.publish.parts import DISAGREEMENTS_NAME, REJECTED_NAME, WARNINGS_NAME
from movimento_flat.schema import TABLES

EXAMPLES = 3

_TABLES = {table.name for table in TABLES}
#: Where card numbers are hidden, the list has it masked already.
_is_id = re.compile(r"[\d*]{1,20}", re.ASCII).fullmatch


@dataclass(frozen=True)
class Example:
    """A row of a list: its source table, its id and its card's; empty where it has none that is one."""

    table: str
    identity: str
    card: str


@dataclass(frozen=True)
class Findings:
    """What a page shows of the lists.

    Attributes:
        examples: the first ones of each reason of rejections and warnings.
        disagreements: movements of the cards whose holder is not their account's owner.
        disagreeing: the first ones of these cards, by id.
    """

    examples: dict[str, tuple[Example, ...]]
    disagreements: Totals
    disagreeing: tuple[str, ...]


def read_findings(folder: Path) -> Findings:
    """Read the lists in `folder` once, a line at a time.

    Raises:
        OSError: one cannot be read.
    """
    examples: dict[str, tuple[Example, ...]] = {}
    for name in (REJECTED_NAME, WARNINGS_NAME):
        _add_examples(folder / name, examples)
    rows = centavos = 0
    disagreeing: list[str] = []
    with (folder / DISAGREEMENTS_NAME).open("rb") as lines:
        next(lines)
        for line in lines:
            card, _, _, movements, amount = line.decode().rstrip("\n").split("\t")
            rows += int(movements)
            centavos += int(amount)
            if len(disagreeing) < EXAMPLES:
                disagreeing.append(shown_id(card))
    return Findings(examples, Totals(rows, centavos), tuple(disagreeing))


def _add_examples(path: Path, examples: dict[str, tuple[Example, ...]]) -> None:
    with path.open("rb") as lines:
        next(lines)
        for line in lines:
            reason = line[: line.index(b"\t")].decode()
            found = examples.get(reason, ())
            if len(found) < EXAMPLES:
                table, identity, card = line.decode().split("\t")[1:4]
                known = table if table in _TABLES else ""
                examples[reason] = (*found, Example(known, shown_id(identity), shown_id(card)))


def shown_id(text: str) -> str:
    """An id as it may be shown: masked where it may be a card number, and empty where it is no id."""
    return mask_card_numbers(text.encode()).decode() if _is_id(text) else ""
