"""README.md and README.pt-BR.md say the same, and what they show is what comes."""

import html
import re
from collections import Counter

import pytest

from tests.conftest import ROOT

ENGLISH = (ROOT / "README.md").read_text("utf-8")
PORTUGUESE = (ROOT / "README.pt-BR.md").read_text("utf-8")

find_blocks = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL).findall
_find_headings = re.compile(r"^(#+) ", re.MULTILINE).findall
_find_links = re.compile(r"\]\(([^)]+)\)").findall
_find_code = re.compile(r"`([^`]+)`").findall
_find_numbers = re.compile(r"\d[\d.,]*\d|\d").findall


def sections(text: str) -> list[str]:
    return re.split(r"^## ", text, flags=re.MULTILINE)


def without_comments(block: str) -> str:
    return re.sub(r"\s+# .*", "", block)


def skeleton(section: str) -> dict[str, object]:
    """What does not depend on the language. What `make docs` writes is compared with the model elsewhere."""
    section = re.sub(r"^<!-- made by make docs.*?<!-- end of", "", section, flags=re.MULTILINE | re.DOTALL)
    blocks = find_blocks(section)
    prose = re.sub(r"^```\n.*?^```$", "", section, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"`[^`]+`", lambda code: re.sub(r"\s+", " ", code[0]), prose)
    words = re.sub(r"`[^`]+`|\]\([^)]+\)", "", prose)
    return {
        "headings": _find_headings(section),
        "blocks": list(map(without_comments, blocks)),
        "links": Counter(_find_links(prose)),
        "code": Counter(_find_code(prose)),
        "rows of tables": len(re.findall(r"^\|", prose, re.MULTILINE)),
        "items": len(re.findall(r"^- ", prose, re.MULTILINE)),
        "bold": prose.count("**"),
        "numbers": Counter(re.sub("[.,]", "", number) for number in _find_numbers(words)),
    }


@pytest.mark.parametrize("number", range(len(sections(ENGLISH))))
def test_both_languages_say_the_same(number: int) -> None:
    english, portuguese = (skeleton(sections(text)[number]) for text in (ENGLISH, PORTUGUESE))
    if number == 0:  # each links to the other, and to pages in its own language
        for links in (english["links"], portuguese["links"]):
            assert isinstance(links, Counter)
            for name in ("README.md", "README.pt-BR.md"):
                links.pop(name, None)
            links["docs/your_own_database.md"] += links.pop("docs/seu_banco_de_dados.md", 0)
    assert english == portuguese
    assert len(sections(ENGLISH)) == len(sections(PORTUGUESE))


def test_its_figures_of_speed_are_those_of_the_records() -> None:
    (section,) = (text for text in sections(ENGLISH) if text.startswith("How fast it is"))
    compared = section[: section.index("Memory is that of")]
    page = (ROOT / "docs" / "benchmark.md").read_text("utf-8")
    measured = {
        cell.strip() for line in page.splitlines() if line.startswith("|") for cell in line.split("|")
    }
    figures = re.findall(r"(\d[\d.,]*) (?:s|MB)\b|\| (0\.\d\d) \|$", compared, re.MULTILINE)
    assert len(figures) >= 4 * 3
    assert {seconds_or_bytes or ratio for seconds_or_bytes, ratio in figures} <= measured


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for link in {*_find_links(ENGLISH), *_find_links(PORTUGUESE)}:
        assert link.startswith("https://") or (ROOT / link.partition("#")[0]).exists(), link


def test_every_message_of_the_table_is_one_of_the_program() -> None:
    (section,) = [text for text in sections(ENGLISH) if text.startswith("When something goes wrong")]
    messages = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    assert len(messages) > 8
    folders = ("movimento_flat.cli", "extract", "merge", "movimento_flat", "mr_jobs", "seed", "hadoop-docker")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    # Python may be writing others, which have another name until they are whole.
    code = "\n".join(
        path.read_text("utf-8", "replace")
        for path in files
        if path.parent.name != "__pycache__" and path.suffix != ".crt"
    )
    assert not [message for message in messages if message not in code]


def test_the_picture_shows_what_a_run_says_and_loads_nothing() -> None:
    picture = (ROOT / "docs" / "terminal.svg").read_text("utf-8")
    drawn = "\n".join(html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture))
    drawn = drawn.replace("\N{NO-BREAK SPACE}", " ")
    (shown,) = [block for block in find_blocks(ENGLISH) if block.startswith("out/movimento_flat.csv")]
    for label in re.findall(r"^  \w+", shown, re.MULTILINE):
        assert label in drawn
    assert re.search(r"join: .*\d%.* rows/s, step 2 of 2", drawn)
    assert re.findall(r"(?:href|src|@import|url\()[^#]", picture) == []
    assert re.findall(r"/(?:home|root|tmp|work|Users)/", picture) == []
