"""The quick way for usual lines makes the same rows as the way that every line can take."""

from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.luhn import check_digit
from mr_jobs.rows import Rows
from tests.nasty import TEXTS

_ids = st.sampled_from(
    ["0", "1", "9", "05", "00", "10", "99", "100", "105", "1000000", "18446744073709551615", r"\N", "x", ""]
)
_texts = st.one_of(st.sampled_from(TEXTS), st.text(max_size=8))
_numbers = st.one_of(
    st.from_regex(r"\A[0-9]{12,18}\Z").map(lambda digits: digits + check_digit(digits.encode()).decode()),
    st.sampled_from(["4111111111111112", "", r"\N", "4111 1111"]),
)
_ages = st.sampled_from(["0", "7", "42", "100", "129", "130", "131", "0130", "-1", r"\N", ""])
_amounts = st.sampled_from(["0.00", "-0.00", "12.34", "-5.00", "1.2", "1.234", "x", r"\N", ""])


def lines_of(tag: str, *fields: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Lines of a table, right or wrong; a text's own line end would make two of one."""
    return st.tuples(*fields).map(
        lambda values: "\t".join((tag, *values)).replace("\n", " ").encode("utf-8", "replace")
    )


@given(
    st.one_of(
        lines_of("A", _ids, _texts, _texts, _ages),
        lines_of("C", _ids, _texts, _texts, _ids),
        lines_of("K", _ids, _numbers, _texts, _texts, _ids, _ids),
        lines_of("M", _ids, _amounts, _texts, _texts, _ids),
    )
)
def test_a_block_of_one_line_has_the_rows_of_the_line(line: bytes) -> None:
    rows = Rows()
    assert sorted(rows.of_block(line + b"\n")) == sorted(rows.of_line(line))
