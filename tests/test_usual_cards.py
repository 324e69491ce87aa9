# ruff: noqa: B008  # what a strategy is left to be by default changes nowhere
"""Cards that are looked at together give what each gives by itself."""

from collections import defaultdict
from itertools import product
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from movimento_flat.privacy import MASK, TOKEN, Privacy
from movimento_flat.problem_lists import FLAT, MISMATCH, REJECTED, WARNING
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from mr_jobs.buckets import Record, sortable
from mr_jobs.cards import Flattener

NOW = "2025-01-01 00:00:00"
_MOMENTS = ["2024-05-05 10:00:00", "2024-05-05 10:00:01", "2024-05-05 10:01:00", NOW, "2025-01-01 00:00:01"]

_persons = st.sampled_from(["7", "8", "18446744073709551615"])
_ANY_MOMENTS = [*_MOMENTS, "", "2024", "0000-00-00 00:00:00"]
_moments = st.sampled_from(_ANY_MOMENTS)
_given = st.sampled_from(["Ana", "José Luís", "", '"Ana, a"', "é"])
_printed = st.sampled_from(["ANA REIS", "JOSE LUIS", "", '"ANA ""R"""', '"MARIA"', "MARIA"])
_ids = st.one_of(st.integers(0, 12), st.sampled_from([10**12, 10**15, 10**16, 2**64 - 1]))
_amounts = st.sampled_from(["12.34", "-5.00", "0.00", "-0.00", "0.01", "10.00", ""])
_descriptions = st.sampled_from(["", "padaria", '"a, b"', "0.00", r"a\tb"])
_SHOPS = st.sampled_from(["padaria", "mercado", "feira"])


def _profile(
    person: st.SearchStrategy[str] = st.just("7"),
    name: st.SearchStrategy[str] = st.just("Ana"),
) -> st.SearchStrategy[str]:
    return st.builds("A{}\t{},Reis,30,".format, person, name)


def _account(
    person: st.SearchStrategy[str] = st.just("7"),
    printed: st.SearchStrategy[str] = st.just("ANA REIS"),
    card_created: st.SearchStrategy[str] = st.just(_MOMENTS[0]),
    account_created: st.SearchStrategy[str] = st.just(""),
) -> st.SearchStrategy[str]:
    return st.builds("C{}\t,4111,{},{},corrente,{}".format, person, printed, card_created, account_created)


def _movement(
    identity: st.SearchStrategy[int] = st.integers(1, 1000),
    amount: st.SearchStrategy[str] = st.just("12.34"),
    description: st.SearchStrategy[str] = _SHOPS,
    moment: st.SearchStrategy[str] = st.just("2024-06-06 00:00:00"),
) -> st.SearchStrategy[str]:
    return st.builds(
        lambda number, *columns: "\t".join((f"M{sortable(b'%d' % number).decode()}", *columns)),
        identity,
        amount,
        description,
        moment,
    )


#: Each with at most one column that is out of the ordinary, or with any columns.
_profiles = st.one_of(_profile(_persons), _profile(name=_given), st.just("A"), _profile(_persons, _given))
_accounts = st.one_of(
    _account(_persons),
    _account(printed=_printed),
    _account(card_created=_moments),
    _account(account_created=_moments),
    st.just("C"),
    _account(_persons, _printed, _moments, _moments),
)
_movements = st.one_of(
    _movement(_ids),
    _movement(amount=_amounts),
    _movement(description=_descriptions),
    _movement(moment=_moments),
    _movement(_ids, _amounts, _descriptions, _moments),
    _movement(amount=st.just(""), description=st.just(""), moment=st.just("")),
)
#: A known card has both, and more than one of a kind only where a table has no key.
_halves = st.one_of(
    st.just([]),
    st.tuples(*(st.lists(half, min_size=1, max_size=2) for half in (_profiles, _accounts))).map(
        lambda both: [*both[0], *both[1]]
    ),
)


def _card(rows: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[bytes]]:
    return st.tuples(st.integers(0, 99), rows).map(
        lambda card: [f"{card[0]:02d}{row}".encode() for row in card[1]]
    )


#: A usual card, but for one row at most.
_nearly_usual_card = st.sampled_from(
    (
        (_profiles, _account(), _movement()),
        (_profile(), _accounts, _movement()),
        (_profile(), _account(), _movement(), _movements),
        (_profile(), _account(card_created=_moments, account_created=_moments), _movement(moment=_moments)),
        (_profile(), _account(), _movement(_ids), _movement(_ids), _movement(_ids)),
        (_profile(), _account()),
    )
).flatmap(lambda rows: _card(st.tuples(*rows).map(list)))
_any_card = _card(st.tuples(_halves, st.lists(_movements, max_size=4)).map(lambda card: [*card[0], *card[1]]))
_bucket = st.lists(st.one_of(_nearly_usual_card, _any_card), min_size=1, max_size=5).map(
    lambda found: [row for rows in {rows[0][:2]: rows for rows in found if rows}.values() for row in rows]
)
_buckets = st.lists(_bucket.filter(bool), max_size=4)
_privacies = st.sampled_from([Privacy(), Privacy(people=TOKEN), Privacy(card=MASK)])


def flattened(
    buckets: list[list[bytes]], rows_in_pack: int, privacy: Privacy, room: int
) -> dict[tuple[bytes, bytes], list[bytes]]:
    """-> rows by bucket and kind; buckets with more bytes than `room` go their own way."""
    flattener = Flattener(privacy, NOW)
    found: defaultdict[tuple[bytes, bytes], list[bytes]] = defaultdict(list)
    with (
        patch("mr_jobs.buckets.BUCKETS_ROOM", room),
        patch("mr_jobs.buckets.BUCKETS_AT_ONCE", 200),
    ):
        records: list[Record] = []
        for number, rows in enumerate(buckets):
            packs = [
                ROW_SEPARATOR.join(rows[at : at + rows_in_pack]) for at in range(0, len(rows), rows_in_pack)
            ]
            records += flattener.add(b"b%d" % number, packs)
        records += flattener.flush()
    for bucket, value in records:
        kind, _, text = value.partition(b"\t")
        found[bucket, kind] += text.split(ROW_SEPARATOR)
    assert [bucket for bucket, _ in records] == sorted(bucket for bucket, _ in records)
    return found


@settings(max_examples=400)
@given(_buckets, st.integers(1, 4), _privacies)
def test_cards_together_give_what_each_gives_alone(
    buckets: list[list[bytes]], rows_in_pack: int, privacy: Privacy
) -> None:
    alone = flattened(buckets, rows_in_pack, privacy, room=0)
    assert flattened(buckets, rows_in_pack, privacy, room=1 << 20) == alone
    assert flattened(buckets, rows_in_pack, privacy, room=200) == alone


_usual_halves = ["A7\tAna,Reis,30,", f"C7\t,4111,ANA REIS,{_MOMENTS[0]},corrente,"]


def test_each_moment_is_compared_with_each() -> None:
    for created in product(_ANY_MOMENTS, repeat=2):
        halves = ["A7\tAna,Reis,30,", "C7\t,4111,ANA REIS,{},corrente,{}".format(*created)]
        rows = [
            f"{slot:02d}{row}".encode()
            for slot, moment in enumerate(_ANY_MOMENTS)
            for row in (*halves, f"Ma1\t12.34\tpadaria\t{moment}")
        ]
        assert flattened([rows], 9, Privacy(), 1 << 20) == flattened([rows], 9, Privacy(), 0)


def test_a_usual_card_and_one_of_each_kind_beside_it() -> None:
    good = [
        *_usual_halves,
        "Mb12\t2.50\tpadaria\t2024-05-05 10:02:00",
        "Ma9\t1.00\tx, y\t2024-05-06 00:00:00",
    ]
    early = [*_usual_halves, "Ma1\t1.00\tx\t2024-05-05 09:59:59"]
    other_owner = [_usual_halves[0], _usual_halves[1].replace("C7", "C8"), *good[2:]]
    rows = [f"{slot:02d}{row}".encode() for slot, card in enumerate((good, early, other_owner, ["Ma2\t1.00\t\t"]))
            for row in card]  # fmt: skip
    found = flattened([rows], 2, Privacy(), 1 << 20)
    line = b"Ana,Reis,30,%b,4111,ANA REIS,2024-05-05 10:00:00,corrente,"
    lines = [line % b"1.00,x, y,2024-05-06 00:00:00", line % b"2.50,padaria,2024-05-05 10:02:00"]
    assert found[b"b0", FLAT] == [*lines, line % b"1.00,x,2024-05-05 09:59:59", *lines]
    assert found[b"b0", WARNING] == [b"movement_before_card\tmovimento\t1\t1\t2024-05-05 09:59:59"]
    assert found[b"b0", MISMATCH] == [b"2\t7\t8\t2\t350"]
    assert found[b"b0", REJECTED] == [b"unknown_card\tmovimento\t2\t3\t1.00\t1.00,,"]


def test_many_movements_of_one_card_are_no_record_of_their_size() -> None:
    movements = [f"Md{number + 1000}\t1.00\tx\t2024-05-06 00:00:00" for number in range(20)]
    rows = [f"07{row}".encode() for row in (*_usual_halves, *movements)]
    flattener = Flattener(Privacy(), NOW)
    with (
        patch("mr_jobs.cards.MANY_ROWS", 10),
        patch("mr_jobs.cards.ROWS_AT_ONCE", 8),
        patch("mr_jobs.cards.RECORD_BYTES", 1),
    ):
        records = [*flattener.add(b"b0", [ROW_SEPARATOR.join(rows)]), *flattener.flush()]
    assert [value.count(ROW_SEPARATOR) + 1 for _, value in records] == [8, 8, 4]
    assert flattened([rows], 30, Privacy(), 1 << 20)[b"b0", FLAT] == [
        row for _, value in records for row in value.partition(b"\t")[2].split(ROW_SEPARATOR)
    ]


@pytest.mark.parametrize("amount", ["0.00", "-0.00", "0.01", "-0.01", "10.00", "00.00"])
def test_a_zero_is_told_whatever_its_sign(amount: str) -> None:
    rows = [f"07{row}".encode() for row in (*_usual_halves, f"Ma1\t{amount}\tx\t2024-05-06 00:00:00")]
    for room in (0, 1 << 20):
        found = flattened([rows], 9, Privacy(), room)
        assert ((b"b0", WARNING) in found) == (amount in ("0.00", "-0.00"))


def test_all_movements_of_a_card_are_counted_however_many_are_held_at_once() -> None:
    movements = [f"Md{number + 1000}\t1.00\tx\t2024-05-06 00:00:00" for number in range(20)]
    halves = (_usual_halves[0], _usual_halves[1].replace("C7", "C8"))
    rows = [f"07{row}".encode() for row in (*halves, *movements)]
    with patch("mr_jobs.cards.ROWS_AT_ONCE", 8):
        for many, room in ((10, 1 << 20), (100, 1 << 20), (100, 0)):
            with patch("mr_jobs.cards.MANY_ROWS", many):
                assert flattened([rows], 30, Privacy(), room)[b"b0", MISMATCH] == [b"7\t7\t8\t20\t2000"]
