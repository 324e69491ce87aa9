"""The quick ways for usual lines make the same rows as the way that every line can take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.luhn import check_digit
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from movimento_flat.words import MOST_DIGITS
from mr_jobs.rows import Rows
from mr_jobs.usual_movements import MovementPacker
from tests.nasty import TEXTS

_ids = st.sampled_from(
    [
        "0",
        "1",
        "9",
        "05",
        "00",
        "010",
        "1x",
        "10",
        "99",
        "100",
        "105",
        "1000000",
        "18446744073709551615",
        r"\N",
        "x",
        "",
    ]
)
_texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=8))
_numbers = st.one_of(
    st.from_regex(r"\A[0-9]{12,18}\Z").map(lambda digits: digits + check_digit(digits.encode()).decode()),
    st.sampled_from(["4111111111111112", "", r"\N", "4111 1111"]),
)
_ages = st.sampled_from(["0", "7", "42", "100", "129", "130", "131", "0130", "-1", r"\N", ""])
_amounts = st.sampled_from(
    [
        "0.00",
        "-0.00",
        "12.34",
        "-5.00",
        "1.2",
        "1.234",
        "12:34",
        "1.x4",
        "1.4x",
        "x.44",
        "-.44",
        ".44",
        "+1.00",
        "x",
        r"\N",
        "",
    ]
)


def lines_of(tag: str, *fields: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Lines of a table, right or wrong; a text's own line end would make two of one."""
    return st.tuples(*fields).map(
        lambda values: "\t".join((tag, *values)).replace("\n", " ").encode("utf-8", "replace")
    )


_small_rows = st.one_of(
    lines_of("A", _ids, _texts, _texts, _ages),
    lines_of("C", _ids, _texts, _texts, _ids),
    lines_of("K", _ids, _numbers, _texts, _texts, _ids, _ids),
)
#: Of a usual movement, and what stands there in others.
_COLUMNS = (
    (st.integers(0, 10**17).map(str), _ids),
    (st.integers(-(10**15), 10**15).map(lambda reais: f"{reais}.05"), _amounts),
    (st.from_regex(r"\A[ a-zé😀]{0,9}\Z"), _texts),
    (st.sampled_from(["2024-02-29 23:59:59", ""]), _texts),
    (st.integers(0, 10**17).map(str), _ids),
)
_usual_movements = lines_of("M", *(usual for usual, _ in _COLUMNS))
_nearly_usual_movements = st.integers(0, len(_COLUMNS) - 1).flatmap(
    lambda odd: lines_of("M", *(column[place == odd] for place, column in enumerate(_COLUMNS)))
)
_lines = st.one_of(
    _small_rows,
    _usual_movements,
    _nearly_usual_movements,
    lines_of("M", *(other for _, other in _COLUMNS)),
    st.sampled_from([b"", b"M", b"MM\t1\t0.00\tx\t\t10", b"M1\t\t0.00\tx\t\t10", b"M\t1\t0.00\tx\t\t10\t"]),
)


@given(st.one_of(_small_rows, _lines))
def test_a_plain_line_has_the_rows_of_the_line(line: bytes) -> None:
    rows = Rows()
    assert sorted(rows.of_plain_line(line)) == sorted(rows.of_line(line))


@given(st.lists(st.lists(st.one_of(_usual_movements, _lines), min_size=1), max_size=3), st.booleans())
def test_movements_of_blocks_have_the_rows_of_their_lines(blocks: list[list[bytes]], ends: bool) -> None:
    """Each block of lines, the last one with a line end or without."""
    rows, packer = Rows(), MovementPacker()
    others = [line for block in blocks for line in packer.add(b"\n".join(block) + b"\n" * ends)]
    packs = [(bucket, row) for bucket, pack in packer.flush() for row in pack.split(ROW_SEPARATOR)]
    expected = [row for block in blocks for line in block for row in rows.of_line(line)]
    assert sorted(packs + [row for line in others for row in rows.of_line(line)]) == sorted(expected)
    assert not list(packer.flush())


@given(_usual_movements)
def test_a_usual_movement_is_not_left_over(line: bytes) -> None:
    _, identity, *_, card = line.split(b"\t")
    is_usual = len(identity) <= MOST_DIGITS and 2 <= len(card) <= MOST_DIGITS
    assert MovementPacker().add(line) == ([] if is_usual else [line])


@pytest.mark.parametrize(
    "amount", ["", r"\N", "1", "1.2", "1.234", "12:34", "1.x4", "1.4x", "x.44", "-.44", "+1.00"]
)
def test_a_movement_without_an_amount_is_left_over(amount: str) -> None:
    line = f"M\t1\t{amount}\tx\t2024-02-29 23:59:59\t10".encode()
    assert MovementPacker().add(line) == [line]


@pytest.mark.parametrize("identity", ["", r"\N", "x", "1x", "x1", "05", "00", "-1", "1" * 17])
def test_a_movement_with_an_odd_id_is_left_over(identity: str) -> None:
    for ids in ((identity, "10"), ("1", identity)):
        line = "M\t{}\t1.23\tx\t2024-02-29 23:59:59\t{}".format(*ids).encode()
        assert MovementPacker().add(line) == [line]


def test_a_packer_is_full_when_it_keeps_more_than_it_may() -> None:
    line = b"M\t1\t0.01\tx\t2024-02-29 23:59:59\t10\n"
    packer = MovementPacker(room=10_000)
    lines = 0
    while not packer.is_full:
        packer.add(line)
        lines += 1
    assert 10_000 / 200 < lines < 10_000 / len(line)
    assert sum(pack.count(ROW_SEPARATOR) + 1 for _, pack in packer.flush()) == lines
    assert not packer.is_full
