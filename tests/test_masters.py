"""Buckets of associates and accounts that are looked at together give what each gives row by row."""

from collections import Counter
from itertools import groupby
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.problem_lists import WARNING, Warn
from movimento_flat.schema import ASSOCIADO, CONTA
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from mr_jobs.buckets import Located
from mr_jobs.masters import Halver, duplicate_numbers, half_profiles

_slots = st.sampled_from(["00", "01", "07", "99"])
_ids = st.sampled_from(["0", "7", "10", "123456", "1" * 16, "1" * 17, "18446744073709551615"])
_columns = st.sampled_from(["", ",Ana,Reis", ',"a, b",é'])
_links = st.sampled_from(["1", "10", r"\N"])

_associates = st.builds("{}A{}{},".format, _slots, _ids, _columns)
_accounts = st.builds("{}C{},{}".format, _slots, _columns, _links)
_held_cards = st.builds("{}K{}".format, _slots, _ids)
_account_cards = st.builds("{}K{}{}".format, _slots, _ids, _columns)
_keys = st.sampled_from(["`", "a1", "b10", "-"])


def _buckets_of(
    tag: bytes, masters: st.SearchStrategy[str], cards: st.SearchStrategy[str]
) -> st.SearchStrategy[dict[bytes, list[bytes]]]:
    rows = st.lists(st.one_of(masters, cards).map(str.encode), min_size=1, max_size=6)
    return st.dictionaries(_keys.map(lambda key: tag + key.encode()), rows, max_size=3)


def _packs(rows: list[bytes], rows_of_a_pack: int) -> list[bytes]:
    return [
        ROW_SEPARATOR.join(rows[start : start + rows_of_a_pack])
        for start in range(0, len(rows), rows_of_a_pack)
    ]


@given(
    st.one_of(
        _buckets_of(ASSOCIADO.tag, _associates, _held_cards),
        _buckets_of(CONTA.tag, _accounts, _account_cards),
    ),
    st.integers(1, 4),
    st.sampled_from([10, 1000]),
    st.sampled_from([20, 1000]),
)
def test_masters_together_give_what_each_gives_alone(
    kept: dict[bytes, list[bytes]], rows_of_a_pack: int, room: int, at_once: int
) -> None:
    found: list[Located] = []
    with (
        patch("mr_jobs.buckets.BUCKETS_ROOM", room),
        patch("mr_jobs.buckets.BUCKETS_AT_ONCE", at_once),
    ):
        halver = Halver()
        for key, rows in kept.items():
            found += halver.add(key, _packs(rows, rows_of_a_pack))
        found += halver.flush()
    expected = [half for key, rows in kept.items() for half in half_profiles(key[:1], rows)]
    assert Counter(found) == Counter(expected)
    assert not list(halver.flush())


def test_a_card_between_two_masters_has_none() -> None:
    for key, masters in (
        (b"A`", [b"07A7,Ana,", b"09A9,Eva,"]),
        (b"C`", [b"07C,corrente,1", b"09C,salario,2"]),
    ):
        halver = Halver()
        found = [*halver.add(key, [*masters, b"06K10", b"08K11", b"10K12"]), *halver.flush()]
        assert sorted(found) == [(b"`", slot + key[:1]) for slot in (b"10", b"11", b"12")]


def test_associates_and_accounts_are_told_apart() -> None:
    halver = Halver()
    found = [
        *halver.add(b"A`", [b"07A7,Ana,Reis,", b"07K10"]),
        *halver.add(b"C`", [b"07C,corrente,1", b"07K10,4111"]),
        *halver.flush(),
    ]
    assert sorted(found) == [(b"`", b"10A7\tAna,Reis,"), (b"`", b"10C1\t,4111,corrente")]


@given(
    st.lists(st.tuples(st.sampled_from(["1", "2", "1,2"]), st.sampled_from(["5", "6", "7"])), max_size=6),
    st.sampled_from([10, 1000]),
)
def test_a_number_that_two_cards_have_is_a_warning_for_both(cards: list[tuple[str, str]], room: int) -> None:
    packs = [f"00K{number}\t{card}".encode() for number, card in cards]
    by_number = groupby(sorted(set(cards)), key=lambda pair: pair[0])
    expected = [[card for _, card in same] for _, same in by_number]
    with patch("mr_jobs.buckets.BUCKETS_ROOM", room):
        warnings = [row for _, row in duplicate_numbers(packs)]
    assert all(row[2:3] == WARNING and Warn.DUPLICATE.value.encode() in row for row in warnings)
    found = Counter(row.split(b"\t")[2].decode() for row in warnings)
    assert found == Counter(card for same in expected if len(same) > 1 for card in same)
