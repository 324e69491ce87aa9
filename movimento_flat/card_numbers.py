"""Finds what may be a card number in a text, and masks it.

Digits are those of any script, full-width, superscript and circled ones included. A group is digits side by side. A
text may hold a card number

1. where there are 13 digits or more, with at most one blank or hyphen between two of them, whatever they are; and
2. where neighbouring groups have 13 to 19 digits together, the last of which is their check digit (Luhn), and between
   two groups are at most three characters, none of them a letter. Characters without width are not counted: format and
   combining characters, and invisible letters.

Numbers that overlap are masked as one: the first six and the last four digits stay, an asterisk replaces each other
digit, and the characters between them are removed. The time is linear in the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator

from movimento_flat.luhn import is_luhn

#: First and last digits that PCI DSS allows to show.
FIRST, LAST = 6, 4
#: Digits of a card number (ISO/IEC 7812).
SHORTEST, LONGEST = 13, 19
#: Most characters between two groups.
MOST_BETWEEN = 3

_DIGITS = b"0123456789"
_LETTER, _NO_WIDTH, _OTHER = "a", "z", "."
#: Letters without width, or that look like a blank: fillers of Hangul.
_UNSEEN_LETTERS = "\u115f\u1160\u3164\uffa0"
_WITHOUT_UNSEEN = dict.fromkeys(map(ord, _UNSEEN_LETTERS))
_find_joined = re.compile(r"[0-9](?:[ -]?[0-9]){12,}").finditer
_find_groups = re.compile(r"[0-9]+").finditer

Span = tuple[int, int]


class _Shapes(dict[int, str]):
    """Maps a character's code to its shape in the rule: a digit's value, a blank, a hyphen, or one of the above."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if (digit := unicodedata.digit(character, None)) is not None:
            shape = str(digit)
        elif character in _UNSEEN_LETTERS or unicodedata.category(character) in ("Cf", "Mn", "Me"):
            shape = _NO_WIDTH
        elif character.isalpha():
            shape = _LETTER
        else:
            shape = character if character in " -" else _OTHER
        self[code] = shape
        return shape


_SHAPES = _Shapes()


def mask(number: bytes) -> bytes:
    """Return a card number masked, such as `411111******1111`; of ten characters or fewer only the last four show.

    A field that is no number may hold any UTF-8: whole characters are masked, not bytes.
    """
    return _masked(number.decode()).encode()


def mask_card_numbers(text: bytes) -> bytes:
    """Return a text with all that may be a card number masked; bytes that are no UTF-8 are not letters."""
    if len(text) < SHORTEST or (text.isascii() and len(text) - len(text.translate(None, _DIGITS)) < SHORTEST):
        return text
    characters = text.decode(errors="surrogateescape")
    shape = characters.translate(_SHAPES)
    pieces: list[str] = []
    done = 0
    for start, end in _united([*_joined(shape), *_valid(shape)]):
        number = "".join(
            c for c, s in zip(characters[start:end], shape[start:end], strict=True) if s.isdigit()
        )
        pieces += characters[done:start], _masked(number)
        done = end
    if not done:
        return text
    return "".join((*pieces, characters[done:])).encode(errors="surrogateescape")


def letters(text: str) -> str:
    """Return the visible letters of a text, which masking never changes."""
    return "".join(filter(str.isalpha, text)).translate(_WITHOUT_UNSEEN)


def _masked(number: str) -> str:
    first = FIRST if len(number) > FIRST + LAST else 0
    hidden = max(len(number) - first - LAST, 0) if len(number) > LAST else len(number)
    return f"{number[:first]}{'*' * hidden}{number[first + hidden :]}"


def _joined(shape: str) -> Iterator[Span]:
    """Yield the spans of rule 1."""
    return (found.span() for found in _find_joined(shape))


def _valid(shape: str) -> Iterator[Span]:
    """Yield the spans of rule 2, also those that overlap: every run of groups is tried."""
    groups = [found.span() for found in _find_groups(shape)]
    for first, (start, _) in enumerate(groups):
        digits, last_end = "", start
        for begin, end in groups[first : first + LONGEST]:
            if len(digits) + end - begin > LONGEST or not _are_near(shape, last_end, begin):
                break
            digits += shape[begin:end]
            last_end = end
            if len(digits) >= SHORTEST and is_luhn(digits.encode()):
                yield start, end


def _are_near(shape: str, end: int, begin: int) -> bool:
    """Return whether the characters between two groups allow them to be one number."""
    between = shape[end:begin]
    return _LETTER not in between and len(between) - between.count(_NO_WIDTH) <= MOST_BETWEEN


def _united(spans: list[Span]) -> list[Span]:
    """Return the spans in order, with those that overlap united."""
    united: list[Span] = []
    for start, end in sorted(spans):
        if united and start < united[-1][1]:
            united[-1] = united[-1][0], max(end, united[-1][1])
        else:
            united.append((start, end))
    return united
