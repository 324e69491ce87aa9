r"""Rows of the small tables of a block of tagged TSV at once, of those that are usual and of which all shows.

A usual row has ids of at most sixteen digits, those of two or more by which a bucket knows it, an age up to 130, a
valid card number of at most sixteen digits, no NULL, and no byte that the codec escapes or CSV quotes. As with
movements, its rows (`mr_jobs.rows`) are parts of the line, behind what takes the place of other bytes; a card's three
rows lie in three copies of the text.

    line              A \t 123 \t Ana \t Reis \t 30 ,\n          commas for tabs, and before line ends
    row             2 3 A  123 ,  Ana ,  Reis ,  30 ,

    line     \n C \t 1 2 3 \t corrente \t 2020-02-02 02:02:02 \t 77 ,\n
    row             2 3 C  ,  corrente ,  2020-02-02 02:02:02 ,  77
"""

import numpy as np

from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA
from movimento_flat.words import MOST_DIGITS, WORD, Bytes, Flags, Places, Words, numbers, words
from mr_jobs.buckets import NUMBER_BUCKETS, SLOTS, SPREAD, SPREAD_SHIFT
from mr_jobs.spans import ACCOUNTS, HOLDERS, NUMBERS, SpanPacker, located, write_header
from mr_jobs.usual_lines import Lines

_OLDEST = 130
#: Bytes of a row before what is in the line: slot and tag.
_HEADER = 3
_TWO_DIGITS = range(100)
#: What two digits of a card number add to its sum: the left one counts twice (`movimento_flat.luhn`).
_WORTH = np.array([two % 10 + sum(divmod(two // 10 * 2, 10)) for two in _TWO_DIGITS], np.uint8)

#: Of one kind of bucket the numbers of the rows' buckets, where they begin and where they end.
_Kept = tuple[int, Places, Places, Places]


def take_small_tables(lines: Lines, packer: SpanPacker) -> None:
    """Take the usual rows of the small tables from a block's lines, whose text stays as it is."""
    text = lines.text.replace(b"\t", b",").replace(b"\n", b",\n")
    content = np.frombuffer(text, np.uint8)
    packer.keep(text, _associates(lines, content), _accounts(lines, content), _cards(lines, content, packer))


def _associates(lines: Lines, content: Bytes) -> _Kept:
    found, tab = lines.of(ASSOCIADO)
    ends = lines.ends[found]
    identity, are_usual = lines.located_ids(tab[0] + 1, tab[1])
    digits = ends - tab[3] - 1
    age, are_ages = numbers(lines.word, tab[3] + 1, digits)
    are_usual &= are_ages & ((digits < 3) | ((digits == 3) & (age >= 100) & (age <= _OLDEST)))
    found = found[are_usual]
    lines.take(found)
    buckets, slots = located(identity[are_usual])
    starts = tab[0, are_usual] + 1 - _HEADER + found
    write_header(content, starts, slots, ASSOCIADO.tag)
    return HOLDERS, buckets, starts, ends[are_usual] + 1 + found


def _accounts(lines: Lines, content: Bytes) -> _Kept:
    found, tab = lines.of(CONTA)
    ends = lines.ends[found]
    identity, are_usual = lines.located_ids(tab[0] + 1, tab[1])
    are_usual &= lines.ids(tab[3] + 1, ends)[1]
    found = found[are_usual]
    lines.take(found)
    buckets, slots = located(identity[are_usual])
    starts = tab[1, are_usual] - _HEADER + found
    write_header(content, starts, slots, CONTA.tag)
    return ACCOUNTS, buckets, starts, ends[are_usual] + found


def _cards(lines: Lines, content: Bytes, packer: SpanPacker) -> _Kept:
    """-> rows for the accounts, in the content; those for holders and numbers are kept in texts of their own."""
    found, tab = lines.of(CARTAO)
    ends = lines.ends[found]
    number, are_usual = numbers(lines.word, tab[1] + 1, tab[2] - tab[1] - 1)
    are_usual &= _are_luhn(number) & lines.ids(tab[0] + 1, tab[1])[1]
    account, are_located = lines.located_ids(tab[4] + 1, tab[5])
    holder, too = lines.located_ids(tab[5] + 1, ends)
    # So that an id has room behind the number.
    are_usual &= are_located & too & (ends - tab[2] > MOST_DIGITS)
    found = found[are_usual]
    lines.take(found)
    tab = tab[:, are_usual]
    starts = tab[0] + 1 - _HEADER

    text = lines.text.copy()
    buckets, slots = located(holder[are_usual])
    write_header(np.frombuffer(text, np.uint8), starts, slots, CARTAO.tag)
    packer.keep(text, (HOLDERS, buckets, starts, tab[1]))

    text = lines.text.copy()
    packer.keep(text, _numbers(lines, text, tab, number[are_usual]))

    buckets, slots = located(account[are_usual])
    write_header(content, starts + found, slots, CARTAO.tag)
    return ACCOUNTS, buckets, starts + found, tab[4] + found


def _numbers(lines: Lines, text: bytearray, tab: Places, number: Words) -> _Kept:
    """Where cards have the tabs before their columns -> rows for their numbers, in a copy of the text."""
    place = (number * np.uint64(SPREAD) >> np.uint64(SPREAD_SHIFT)).astype(np.int64)
    slots, buckets = np.divmod(place, NUMBER_BUCKETS)
    write_header(np.frombuffer(text, np.uint8), tab[1] + 1 - _HEADER, slots % SLOTS, CARTAO.tag)
    identity, behind_number = tab[0] + 1, tab[2] + 1
    copy = words(text)
    for offset in range(0, MOST_DIGITS, WORD):
        copy[behind_number + offset] = lines.word[identity + offset]
    return NUMBERS, buckets, tab[1] + 1 - _HEADER, behind_number + tab[1] - identity


def _are_luhn(number: Words) -> Flags:
    """Which card numbers end in their check digit."""
    total = np.zeros(len(number), np.uint8)
    for _ in range(MOST_DIGITS // 2):
        number, two = np.divmod(number, np.uint64(len(_TWO_DIGITS)))
        total += _WORTH[two]
    are_luhn: Flags = total % 10 == 0
    return are_luhn
