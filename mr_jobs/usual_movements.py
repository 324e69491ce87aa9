r"""Movements of a block of tagged TSV at once: NumPy finds the usual ones, and makes rows of them where they lie.

A usual movement has ids of at most sixteen digits, its card's of two or more, an amount, and no byte that the codec
escapes or CSV quotes. Its row (`mr_jobs.rows`) is the line from its id to its moment, behind four other bytes that take
the place of the line's tag and of what nobody needs of the line before:

    line  ... 1 2 3 4 \n  M \t 5 6 7 \t 12.34 \t description \t moment \t 10186 \n
    row             8  6  M  c 5 6 7 \t 12.34 \t description \t moment
"""

import numpy as np

from movimento_flat.card_numbers import SHORTEST
from movimento_flat.schema import MOVIMENTO
from movimento_flat.words import Flags, Places, Words, numbers
from mr_jobs.buckets import NO_DIGIT
from mr_jobs.spans import CARDS, SpanPacker, located, write_header
from mr_jobs.usual_lines import Lines

_POINT, _MINUS, _ZERO = b".-0"
#: Bytes of a row before its id: slot, tag, and the letter that tells how many digits the id has.
_HEADER = 4
_MOMENT = b"0000-00-00 00:00:00"


def take_movements(lines: Lines, packer: SpanPacker, hides_cards: bool = False) -> None:
    """Take the usual movements from a block's lines, in whose text their rows are from now on.

    Where cards are hidden, those are left in whose texts a card number may be (`movimento_flat.card_numbers`).
    """
    found, tab = lines.of(MOVIMENTO)
    cards, are_usual = _checked(lines, tab, lines.ends[found])
    if hides_cards:
        are_usual &= _have_no_card_number(lines, tab)
    lines.take(found[are_usual])
    tab = tab[:, are_usual]
    buckets, slots = located(cards[are_usual])
    identity = tab[0] + 1
    starts = identity - _HEADER
    write_header(lines.content, starts, slots, MOVIMENTO.tag)
    lines.content[identity - 1] = tab[1] - identity + NO_DIGIT
    packer.keep(lines.text, (CARDS, buckets, starts, tab[-1]))


def _have_no_card_number(lines: Lines, tab: Places) -> Flags:
    """Whether movements have too few digits in their description for a card number, and no such text for a moment."""
    start, end = tab[3] + 1, tab[4]
    digits = lines.digits(start, end)
    is_moment: Flags = (end - start == len(_MOMENT)) & (digits == _MOMENT.count(b"0"))
    for place, mark in enumerate(_MOMENT):
        if mark != _ZERO:
            is_moment &= lines.content[start + place] == mark
    return (lines.digits(tab[2] + 1, tab[3]) < SHORTEST) & (is_moment | (digits < SHORTEST))


def _checked(lines: Lines, tab: Places, ends: Places) -> tuple[Words, Flags]:
    """Where movements have the tabs before their columns, and where they end -> their cards, and which are usual."""
    content = lines.content
    amount = tab[1] + 1 + (content[tab[1] + 1] == _MINUS)
    point = tab[2] - len(".00")
    cards, are_usual = lines.located_ids(tab[-1] + 1, ends)
    are_usual &= lines.ids(tab[0] + 1, tab[1])[1]
    are_usual &= numbers(lines.word, amount, point - amount)[1] & (content[point] == _POINT)
    for centavo in (point + 1, point + 2):
        are_usual &= content[centavo] - np.uint8(_ZERO) < 10
    return cards, are_usual
