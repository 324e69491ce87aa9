"""The documents in both languages say the same, and what the READMEs show is what comes."""

import re
from collections import Counter
from pathlib import Path

import pytest

from docs.picture import MADE_BY, sha256_of_code
from tests.conftest import ROOT

#: Each document in English and in Portuguese.
PAIRS = {
    "README.md": "README.pt-BR.md",
    "docs/delivery.md": "docs/entrega.md",
    "docs/engines.md": "docs/motores.md",
    "docs/sharing.md": "docs/compartilhar.md",
    "docs/troubleshooting.md": "docs/problemas.md",
    "docs/why.md": "docs/por_que.md",
    "docs/your_own_database.md": "docs/seu_banco_de_dados.md",
}
MOST_WORDS = 1200
ENGLISH, PORTUGUESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.pt-BR.md"))
#: What a page links to in its own language.
TRANSLATED = {Path(portuguese).name: Path(english).name for english, portuguese in PAIRS.items()}

find_blocks = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL).findall
_find_headings = re.compile(r"^(#+) ", re.MULTILINE).findall
_find_links = re.compile(r"\]\(([^)]+)\)").findall
_find_code = re.compile(r"`([^`]+)`").findall
_find_numbers = re.compile(r"\d[\d.,]*\d|\d").findall


def test_the_picture_is_of_the_page_as_it_is_made_today() -> None:
    message = "make it again: .venv/bin/python -m docs.picture ./out/relatorio.html"
    assert MADE_BY.read_text().strip() == sha256_of_code(), message


def sections(text: str) -> list[str]:
    return re.split(r"^## ", text, flags=re.MULTILINE)


def without_comments(block: str) -> str:
    return re.sub(r"\s+# .*", "", block)


def _in_english(link: str) -> str:
    """A link to a Portuguese document as one to the English one; that from each to the other is the same."""
    path, mark, anchor = link.partition("#")
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{TRANSLATED.get(name, name)}{mark}{anchor}"


def skeleton(section: str) -> dict[str, object]:
    """What does not depend on the language. What `make docs` writes is compared with the model elsewhere."""
    section = re.sub(r"^<!-- made by make docs.*?<!-- end of", "", section, flags=re.MULTILINE | re.DOTALL)
    blocks = find_blocks(section)
    prose = re.sub(r"^```\w*\n.*?^```$", "", section, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"`[^`]+`", lambda code: re.sub(r"\s+", " ", code[0]), prose)
    words = re.sub(r"`[^`]+`|\]\([^)]+\)", "", prose)
    return {
        "headings": _find_headings(section),
        "blocks": list(map(without_comments, blocks)),
        "links": Counter(map(_in_english, _find_links(prose))),
        "code": Counter(_find_code(prose)),
        "rows of tables": len(re.findall(r"^\|", prose, re.MULTILINE)),
        "items": len(re.findall(r"^- ", prose, re.MULTILINE)),
        "bold": prose.count("**"),
        "numbers": Counter(re.sub("[.,]", "", number) for number in _find_numbers(words)),
    }


@pytest.mark.parametrize("name", PAIRS)
def test_both_languages_say_the_same(name: str) -> None:
    english, portuguese = (sections((ROOT / path).read_text("utf-8")) for path in (name, PAIRS[name]))
    assert len(english) == len(portuguese)
    for ours, theirs in zip(english, portuguese, strict=True):
        assert skeleton(ours) == skeleton(theirs)


@pytest.mark.parametrize("text", [ENGLISH, PORTUGUESE], ids=["English", "Portuguese"])
def test_a_readme_is_short(text: str) -> None:
    assert len(text.split()) <= MOST_WORDS


def test_its_figure_of_speed_is_that_of_the_records() -> None:
    (section,) = (text for text in sections(ENGLISH) if text.startswith("How fast it is"))
    page = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
    (percent,) = re.findall(r"(\d\d)% of PySpark's time", section)
    assert f"| 0.{percent} |" in page


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for path in (ROOT / name for pair in PAIRS.items() for name in pair):
        for link in _find_links(path.read_text("utf-8")):
            target = path.parent / link.partition("#")[0]
            assert link.startswith(("https://", "#")) or target.exists(), f"{path}: {link}"


def test_every_message_of_the_table_is_one_of_the_program() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    messages = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    assert len(messages) > 8
    folders = ("extract", "movimento_flat", "mr_jobs", "hadoop-docker")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    # Python may be writing others, which have another name until they are whole.
    code = "\n".join(
        path.read_text("utf-8", "replace")
        for path in files
        if path.parent.name != "__pycache__" and path.suffix != ".crt"
    )
    assert not [message for message in messages if message not in code]
