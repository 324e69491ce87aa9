"""Reads eight bytes of a text at a time, wherever they begin, so that NumPy parses many short fields without a loop."""

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.integer[Any]]

#: Bytes that must follow a text, so that a word may begin at each of its bytes.
PADDING = bytes(24)
#: Most digits of a number: those of two words.
MOST_DIGITS = 16

_U = np.uint64
#: Bytes of a word, and for each count up to that a mask of so many of its first bytes.
WORD = 8
FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(WORD + 1)], _U)
_BYTE, _16, _32, _64 = map(_U, (8, 16, 32, 64))
_TEN, _HUNDRED, _TEN_THOUSAND = map(_U, (10, 100, 10_000))
_PAIRS, _FOURS, _EIGHT = map(_U, (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0x00000000FFFFFFFF))
_ALL, _UPPER, _LOWER = map(_U, (0xFFFFFFFFFFFFFFFF, 0xF0F0F0F0F0F0F0F0, 0x0F0F0F0F0F0F0F0F))
_ZEROS, _SIXES = map(_U, (0x3030303030303030, 0x0606060606060606))


def words(text: bytes | bytearray) -> Words:
    """Return the word that begins at each position of a text with PADDING, its first byte the lowest."""
    return np.ndarray((len(text) - 8,), "<u8", text, strides=(1,))


def numbers(word: Words, starts: Places, lengths: Places) -> tuple[Words, Flags]:
    """Return the numbers in some fields, and which fields are one to MOST_DIGITS decimal digits and nothing else."""
    fits = (lengths > 0) & (lengths <= MOST_DIGITS)
    value, is_number = _up_to_eight(word[starts], np.clip(lengths, 1, 8).astype(_U))
    if (long := np.flatnonzero(fits & (lengths > 8))).size:
        more = (lengths[long] - 8).astype(_U)
        rest, are_digits = _up_to_eight(word[starts[long] + 8], more)
        is_number[long] &= are_digits
        value[long] = value[long] * _POWERS[more] + rest
    return value, is_number & fits


def _up_to_eight(word: Words, count: Words) -> tuple[Words, Flags]:
    """Return the number that the first `count` bytes of each word are, and whether they are digits."""
    shift = _64 - _BYTE * count
    word = (word << shift) | (_ZEROS & ~(_ALL << shift))  # leading zeros
    are_digits = ((word & _UPPER) == _ZEROS) & (((word + _SIXES) & _UPPER) == _ZEROS)
    word = word & _LOWER
    word = (word * _TEN + (word >> _BYTE)) & _PAIRS
    word = (word * _HUNDRED + (word >> _16)) & _FOURS
    return (word * _TEN_THOUSAND + (word >> _32)) & _EIGHT, are_digits


_POWERS = np.array([10**digits for digits in range(9)], _U)
