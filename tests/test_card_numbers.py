"""What may be a card number in a text, and what may not: a table of examples, whoever applies the rule."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.card_numbers import letters, mask, mask_card_numbers
from tests.brute_force import masked_text
from tests.spellings import SPELLINGS, SURVIVORS, numbers, numbers_in

assert len(SPELLINGS) >= 40
assert len(SURVIVORS) >= 30


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_number_in_any_spelling_is_masked(spelling: str) -> None:
    for number in numbers(50):
        text = SPELLINGS[spelling](number)
        masked = mask_card_numbers(text.encode()).decode()
        assert not numbers_in(masked, [number])
        assert "*" * 6 in masked
        assert letters(masked) == letters(text)


@pytest.mark.parametrize("text", SURVIVORS)
def test_what_only_looks_like_a_number_survives(text: str) -> None:
    assert mask_card_numbers(text.encode()).decode() == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # 13 digits or more joined by single blanks or hyphens are masked, valid or not.
        ("0000000000000", "000000***0000"),
        ("4111111111111112", "411111******1112"),
        ("1 2-3 4-5 6-7 8-9 0-1 2-3", "123456***0123"),
        ("000000000000", "000000000000"),
        ("1" * 40, f"111111{'*' * 30}1111"),
        ("CNPJ 11222333000181", "CNPJ 112223****0181"),
        ("+55 11 91234-5678", "+551191***5678"),
        ("NSU 1234567890123", "NSU 123456***0123"),
        # Otherwise 13 to 19 digits, valid, in whole groups.
        ("4222.222.222.222", "422222***2222"),
        ("4222.222.222.223", "4222.222.222.223"),
        ("6705.6779.7904.9691.426", "670567*********1426"),
        ("30.56.93.09.0259.04", "305693****5904"),
        ("0000.0000.0000.0000.0000", "000000**********0000"),
        ("4111.1111.1111.11119", "4111.1111.1111.11119"),
        ("94111.1111.1111.1111", "94111.1111.1111.1111"),
        ("parc 3 4111.1111.1111.1111 12/24", "parc 3 411111**********1224"),
        ("parc 3 4111.1111.1111.1111 12/25", "parc 3 411111******1111 12/25"),
        ("4111...1111...1111...1111", "411111******1111"),
        ("4111....1111....1111....1111", "4111....1111....1111....1111"),
        ("4111 \u200b \u200b \u200b1111.1111.1111", "411111******1111"),
        ("4111\u0301\u0301\u0301\u03011111.1111.1111", "411111******1111"),
        ("4111\u20dd\u20dd\u20dd\u20dd1111.1111.1111", "411111******1111"),
        ("4111\u3164\u3164\u3164\u31641111.1111.1111", "411111******1111"),
        ("4111 . .\u200b. 1111.1111.1111", "4111 . .\u200b. 1111.1111.1111"),
        ("4111.1111.1111x1111", "4111.1111.1111x1111"),
        ("4111.1111.1111é1111", "4111.1111.1111é1111"),
        ("4111.1111.1111·1111", "411111******1111"),
        # Two that overlap are one; two side by side are two.
        ("4111.1111.1111.1111.4111.1111", "411111**************1111"),
        ("4111.1111.1111.1111 5500/0000/0000/0004", "411111******1111 550000******0004"),
        # Dates, documents and telephone numbers are masked where all their digits happen to be valid.
        ("2024-02-29 23:59:59", "2024-02-29 23:59:59"),
        ("2024-02-29 23:59:55", "202402****5955"),
        ("01/02/2024 02/03/2024", "01/02/2024 02/03/2024"),
        ("01/02/2024 02/03/2023", "01/022024****2023"),
        ("CNPJ 11.222.333/0001-81", "CNPJ 11.222.333/0001-81"),
        ("CNPJ 11.222.333/0001-87", "CNPJ 112223****0187"),
        ("+55 (11) 91234-5678", "+55 (11) 91234-5678"),
        ("+55 (11) 91234-5676", "+551191***5676"),
        # An amount of reais is one of the groups.
        ("4111.1111.1111.1111,05", "411111******1111,05"),
        ("4111.1111.1111.1111,00", "411111********1100"),
        # Digits stay in their script.
        ("\uff14\uff11\uff11\uff11.1111.1111.1111", "\uff14\uff11\uff11\uff1111******1111"),
    ],
)
def test_the_outcome_is_fixed(text: str, masked: str) -> None:
    assert mask_card_numbers(text.encode()).decode() == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (b"4111\xa01111\xa01111\xa01111", b"411111******1111"),
        (b"\xe3o 4111111111111111 \xff", b"\xe3o 411111******1111 \xff"),
        (b"\xff\xfe" + "4111111111111111".encode("utf-16-le"), b"\xff\xfe411111******1111\0"),
        (b"\xc3\xa3\xff 12", b"\xc3\xa3\xff 12"),
    ],
)
def test_bytes_that_are_no_utf8_are_looked_at_also(text: bytes, masked: bytes) -> None:
    assert mask_card_numbers(text) == masked


_pieces = st.lists(
    st.one_of(
        st.sampled_from(numbers(20)),
        st.sampled_from(["4111", "1111", "0000", "00", "1", "\u0663", "\uff14"]),
        st.text(alphabet="0123456789", max_size=6),
        st.sampled_from(list(" -./,\t\n\u00a0\u200bxé*")),
    ),
    max_size=24,
).map("".join)


@given(_pieces)
def test_every_text_is_masked_as_brute_force_does(text: str) -> None:
    assert mask_card_numbers(text.encode()).decode() == masked_text(text)


@given(_pieces)
def test_letters_stay_and_what_was_masked_is_not_masked_otherwise(text: str) -> None:
    masked = mask_card_numbers(text.encode()).decode()
    assert letters(masked) == letters(text)
    assert not re.search(r"[0-9](?:[ -]?[0-9]){12}", masked)


@pytest.mark.parametrize(
    "piece",
    [
        b"1",
        b"1.",
        b"11 ",
        b"1111.",
        b"1" * 20 + b".",
        b"...1",
        b"1\xe2\x80\x8b",
        b"\xe2\x80\x8b",
        b"9 9.9-",
        b"1\xff",
    ],
)
def test_the_time_is_linear(piece: bytes) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        start = time.process_time()
        mask_card_numbers(text)
        return time.process_time() - start

    seconds(1000)
    assert seconds(1 << 18) < 40 * max(seconds(1 << 14), 0.01)


def test_a_number_of_any_length_is_masked() -> None:
    assert mask(b"4111 1111 1111 1111") == b"4111 1*********1111"
    assert mask_card_numbers(b"x" * 100_000 + b"4111.1111.1111.1111").endswith(b"x411111******1111")
