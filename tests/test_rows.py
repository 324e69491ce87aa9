"""The quick ways for usual lines make the same rows as the way that every line can take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.luhn import check_digit
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from movimento_flat.words import MOST_DIGITS
from mr_jobs.buckets import ROWS_PER_PACK, Located
from mr_jobs.rows import Rows
from mr_jobs.spans import SpanPacker
from mr_jobs.usual_lines import Lines
from mr_jobs.usual_movements import take_movements
from mr_jobs.usual_tables import take_small_tables
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


def _valid_numbers(lengths: range) -> st.SearchStrategy[str]:
    """Card numbers, of one more digit than one of these lengths."""
    digits = st.from_regex(rf"\A[0-9]{{{lengths[0]},{lengths[-1]}}}\Z")
    return digits.map(lambda payload: payload + check_digit(payload.encode()).decode())


_numbers = st.one_of(
    _valid_numbers(range(1, 19)),
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


#: Of a usual row of each small table, and what stands there in others.
_NAMES = st.from_regex(r"\A[ a-zé😀]{0,9}\Z")
_KNOWN = st.integers(10, 10**16 - 1).map(str)
_SMALL_COLUMNS = (
    ("A", ((_KNOWN, _ids), (_NAMES, _texts), (_NAMES, _texts), (st.integers(0, 130).map(str), _ages))),
    ("C", ((_KNOWN, _ids), (_NAMES, _texts), (_NAMES, _texts), (st.integers(0, 10**16 - 1).map(str), _ids))),
    (
        "K",
        (
            (st.integers(0, 10**16 - 1).map(str), _ids),
            (_valid_numbers(range(1, 16)), _numbers),
            (_NAMES, _texts),
            (st.just("2024-02-29 23:59:59"), _texts),
            (_KNOWN, _ids),
            (_KNOWN, _ids),
        ),
    ),
)
_usual_small_rows = st.one_of(
    *(lines_of(tag, *(usual for usual, _ in columns)) for tag, columns in _SMALL_COLUMNS)
)
_nearly_usual_small_rows = st.one_of(
    *(
        lines_of(tag, *(column[place == odd] for place, column in enumerate(columns)))
        for tag, columns in _SMALL_COLUMNS
        for odd in range(len(columns))
    )
)


def taken_and_left(blocks: list[bytes]) -> list[Located]:
    """Blocks of lines -> the rows of those that are taken at once, and of the others line by line."""
    rows, packer = Rows(), SpanPacker()
    others: list[bytes] = []
    for block in blocks:
        lines = Lines(block)
        take_small_tables(lines, packer)
        take_movements(lines, packer)
        others += lines.left()
    packs = [(bucket, row) for bucket, pack in packer.flush() for row in pack.split(ROW_SEPARATOR)]
    assert not list(packer.flush())
    return sorted(packs + [row for line in others for row in rows.of_line(line)])


def left_of(block: bytes) -> list[bytes]:
    """A block of lines -> those that are not taken at once."""
    lines = Lines(block)
    take_small_tables(lines, SpanPacker())
    take_movements(lines, SpanPacker())
    return list(lines.left())


@given(_lines)
def test_a_plain_line_has_the_rows_of_the_line(line: bytes) -> None:
    rows = Rows()
    assert sorted(rows.of_plain_line(line)) == sorted(rows.of_line(line))


@given(
    st.lists(
        st.lists(
            st.one_of(_usual_movements, _usual_small_rows, _nearly_usual_small_rows, _lines), min_size=1
        ),
        max_size=3,
    ),
    st.booleans(),
)
def test_lines_of_blocks_have_the_rows_of_each_line(blocks: list[list[bytes]], ends: bool) -> None:
    """Each block of lines, the last one with a line end or without."""
    rows = Rows()
    expected = [row for block in blocks for line in block for row in rows.of_line(line)]
    assert taken_and_left([b"\n".join(block) + b"\n" * ends for block in blocks]) == sorted(expected)


@given(_usual_movements)
def test_a_usual_movement_is_not_left_over(line: bytes) -> None:
    _, identity, *_, card = line.split(b"\t")
    is_usual = len(identity) <= MOST_DIGITS and 2 <= len(card) <= MOST_DIGITS
    assert left_of(line) == ([] if is_usual else [line])


@given(_usual_small_rows)
def test_a_usual_row_of_a_small_table_is_not_left_over(line: bytes) -> None:
    assert left_of(line) == []


@pytest.mark.parametrize(
    "amount", ["", r"\N", "1", "1.2", "1.234", "12:34", "1.x4", "1.4x", "x.44", "-.44", "+1.00"]
)
def test_a_movement_without_an_amount_is_left_over(amount: str) -> None:
    line = f"M\t1\t{amount}\tx\t2024-02-29 23:59:59\t10".encode()
    assert left_of(line) == [line]


_ODD_IDS = ["", r"\N", "x", "1x", "x1", "05", "00", "-1", "1" * 17]


@pytest.mark.parametrize("identity", _ODD_IDS)
def test_a_movement_with_an_odd_id_is_left_over(identity: str) -> None:
    for ids in ((identity, "10"), ("1", identity)):
        line = "M\t{}\t1.23\tx\t2024-02-29 23:59:59\t{}".format(*ids).encode()
        assert left_of(line) == [line]


@pytest.mark.parametrize("identity", _ODD_IDS)
def test_a_row_of_a_small_table_with_an_odd_id_is_left_over(identity: str) -> None:
    for row in (
        "A\t{}\tAna\tReis\t30",
        "C\t{}\tcorrente\t2020-02-02 02:02:02\t10",
        "C\t10\tcorrente\t2020-02-02 02:02:02\t{}",
        "K\t{}\t4111111111111111\tANA REIS\t2020-02-02 02:02:02\t10\t10",
        "K\t10\t4111111111111111\tANA REIS\t2020-02-02 02:02:02\t{}\t10",
        "K\t10\t4111111111111111\tANA REIS\t2020-02-02 02:02:02\t10\t{}",
    ):
        line = row.format(identity).encode()
        assert left_of(line) == [line]


@pytest.mark.parametrize("age", ["", r"\N", "-1", "131", "200", "099", "1000", "3x"])
def test_an_associate_of_an_odd_age_is_left_over(age: str) -> None:
    line = f"A\t10\tAna\tReis\t{age}".encode()
    assert left_of(line) == [line]


@pytest.mark.parametrize("number", ["", r"\N", "4111111111111112", "4111 1111", "x", "0" * 17])
def test_a_card_with_an_odd_number_is_left_over(number: str) -> None:
    line = f"K\t10\t{number}\tANA REIS\t2020-02-02 02:02:02\t10\t10".encode()
    assert left_of(line) == [line]


def test_a_packer_is_full_when_it_keeps_more_than_it_may() -> None:
    packer = SpanPacker(room=10_000)
    line = b"M\t1\t0.01\tx\t2024-02-29 23:59:59\t10\n"
    lines = 0
    while not packer.is_full:
        take_movements(Lines(line), packer)
        lines += 1
    assert 10_000 / 200 < lines < 10_000 / len(line)
    assert sum(pack.count(ROW_SEPARATOR) + 1 for _, pack in packer.flush()) == lines
    assert not packer.is_full


@pytest.mark.parametrize("rows", [ROWS_PER_PACK - 1, ROWS_PER_PACK, 2 * ROWS_PER_PACK + 1])
def test_a_pack_has_no_more_rows_than_it_may(rows: int) -> None:
    packer = SpanPacker()
    take_movements(Lines(b"M\t1\t0.01\tx\t2024-02-29 23:59:59\t10\n" * rows), packer)
    sizes = [pack.count(ROW_SEPARATOR) + 1 for _, pack in packer.flush()]
    assert sum(sizes) == rows
    assert max(sizes) <= ROWS_PER_PACK


def test_a_long_id_of_a_card_with_little_behind_its_number_leaves_the_next_line_alone() -> None:
    line = b"K\t1234567890123456\t4111111111111111\t\t\t10\t10"
    rows = Rows()
    expected = sorted([*rows.of_line(line), *rows.of_line(line)])
    assert taken_and_left([b"%b\n%b\n" % (line, line)]) == expected
