"""What `make docs` writes is as the model has it."""

import pytest

from docs.generate import ROOT, documents, with_blocks

DOCUMENTS = documents()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_documents_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text("utf-8") == DOCUMENTS[path], "run make docs"


def test_a_block_is_replaced_between_its_lines_and_nothing_else_is() -> None:
    text = "by hand\n  -- made by make docs: a, b\n  old\n  -- end of a\n-- made by make docs: ab\n-- end of ab\n"
    assert with_blocks(text, {"a": "new\n\n  rows"}) == text.replace("  old\n", "  new\n\n    rows\n")
    with pytest.raises(ValueError, match="no block c"):
        with_blocks(text, {"c": ""})
