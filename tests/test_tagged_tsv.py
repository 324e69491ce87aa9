"""The codec of tagged TSV: every text survives, and nothing else looks like NULL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.schema import MOVIMENTO
from movimento_flat.tagged_tsv import ESCAPES, NULL, ROW_SEPARATOR, escape, line, unescape

nasty_text = st.text(alphabet=st.sampled_from('\\\t\n\r\0\x1e",Nntr0sé😀 a')).map(str.encode)


def test_empty_text_is_an_empty_field() -> None:
    assert escape(b"") == b""
    assert unescape(b"") == b""


@given(st.one_of(st.binary(), nasty_text))
def test_every_text_survives(text: bytes) -> None:
    assert unescape(escape(text)) == text


@given(st.one_of(st.binary(), nasty_text))
def test_a_field_holds_no_separator_and_is_never_null(text: bytes) -> None:
    field = escape(text)
    assert not any(bare in field for bare in (b"\t", b"\n", b"\r", b"\0", ROW_SEPARATOR))
    assert field != NULL


@given(nasty_text, nasty_text)
def test_many_fields_are_unescaped_at_once(left: bytes, right: bytes) -> None:
    assert unescape(escape(left) + b"\t" + escape(right)) == left + b"\t" + right


@pytest.mark.parametrize("field", [b"\\", b"\\x", b"a\\"])
def test_an_unknown_escape_is_an_error(field: bytes) -> None:
    with pytest.raises(ValueError, match="unknown escape"):
        unescape(field)


def test_a_line_has_its_tag_and_its_nulls() -> None:
    values = (b"7", b"-1.50", None, b"2024-01-31 10:00:00", b"12")
    assert line(MOVIMENTO, values) == b"M\t7\t-1.50\t\\N\t2024-01-31 10:00:00\t12"


def test_the_backslash_is_escaped_first() -> None:
    assert next(iter(ESCAPES)) == b"\\"
