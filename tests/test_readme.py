"""README.md and README.pt-BR.md say the same, and what they show is what comes."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.test_run import COMMAND

ENGLISH = (ROOT / "README.md").read_text("utf-8")
PORTUGUESE = (ROOT / "README.pt-BR.md").read_text("utf-8")

_find_blocks = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL).findall
_find_headings = re.compile(r"^(#+) ", re.MULTILINE).findall
_find_links = re.compile(r"\]\(([^)]+)\)").findall
_find_code = re.compile(r"`([^`]+)`").findall
_find_numbers = re.compile(r"\d[\d.,]*\d|\d").findall


def sections(text: str) -> list[str]:
    return re.split(r"^## ", text, flags=re.MULTILINE)


def without_comments(block: str) -> str:
    return re.sub(r"\s+# .*", "", block)


def skeleton(section: str) -> dict[str, object]:
    """What does not depend on the language."""
    blocks = _find_blocks(section)
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
    if number == 0:  # each links to the other
        for links in (english["links"], portuguese["links"]):
            assert isinstance(links, Counter)
            for name in ("README.md", "README.pt-BR.md"):
                links.pop(name, None)
    assert english == portuguese
    assert len(sections(ENGLISH)) == len(sections(PORTUGUESE))


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for link in {*_find_links(ENGLISH), *_find_links(PORTUGUESE)}:
        assert link.startswith("https://") or (ROOT / link.partition("#")[0]).exists(), link


def test_every_message_of_the_table_is_one_of_the_program() -> None:
    (section,) = [text for text in sections(ENGLISH) if text.startswith("When something goes wrong")]
    messages = re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)
    assert len(messages) > 8
    folders = ("command_line", "extract", "merge", "movimento_flat", "mr_jobs", "seed", "hadoop-docker")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    code = "\n".join(
        path.read_text("utf-8", "replace") for path in files if path.suffix not in (".pyc", ".crt")
    )
    assert not [message for message in messages if message not in code]


def test_the_output_that_is_shown_is_what_a_first_run_says(tmp_path: Path) -> None:
    (shown,) = [block for block in _find_blocks(ENGLISH) if block.startswith("out/movimento_flat.csv")]
    command = [*COMMAND, "run", "--engine", "local", "--output", "out", "--movements", "100000"]
    home = os.environ | {"MOVIMENTO_FLAT_HOME": str(tmp_path / "home")}
    result = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=True)
    said = result.stderr[result.stderr.index("out/movimento_flat.csv") :]

    def without_moments(text: str) -> str:
        return re.sub(r"(\d+\.\d)(?=,|$)|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "*", text, flags=re.MULTILINE)

    assert without_moments(said) == without_moments(shown)


def test_the_join_alone_runs_on_the_sample() -> None:
    (command,) = [block for block in _find_blocks(ENGLISH) if block.startswith(".venv")]
    python, *arguments = command.split()
    assert python == ".venv/bin/python"
    files = [str(path) for path in sorted(ROOT.glob(arguments.pop()))]
    result = subprocess.run(
        [COMMAND[0], *arguments, *files], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.count("\tF\t") > 0
