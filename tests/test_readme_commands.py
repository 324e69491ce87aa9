"""Each command of README.md and its pages is run, as it stands there: here, or in another test that is named here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from movimento_flat.publish.parts import PARQUET_NAME, WORKBOOK_NAME
from movimento_flat.state import state_dir
from tests.conftest import PASSWORD, ROOT, Database
from tests.test_make_run import environment
from tests.test_readme import ENGLISH, PAIRS, find_blocks, without_comments
from tests.test_run import CSV, Result, expected_csv

__all__ = ["environment"]

#: In the order in which they are run in one checkout: its ./out is their only result.
HERE = [
    "make",
    "make doctor",
    "make doctor SOURCE=mysql://user@host:3306/database",
    "make run OUTPUT=./out SOURCE=mysql://user@host:3306/database",
    ".venv/bin/movimento-flat verify ./out",
    "make run OUTPUT=./out",
    'make run OUTPUT=./shared OPTIONS="--card token --people token"',
    ".venv/bin/python mr_jobs/join.py -r inline docs/sample/*.tsv",
    ".venv/bin/movimento-flat --help",
    "movimento-flat run --help",
    "movimento-flat completion bash",
]
#: Those that need a cluster, the network or root -> what runs them.
ELSEWHERE = {
    "make test": ".ci/run",
    "make test-cluster": ".ci/run",
    "make cluster-up": "tests/cluster/test_make.py",
    ".venv/bin/movimento-flat run --engine hadoop -D mapreduce.job.queuename=nightly"
    " -D mapreduce.job.reduces=8 ...": "tests/cluster/test_results.py",
    "make base-image": ".ci/run",
    "sudo make base-image": ".ci/run",
    "python mr_jobs/join.py -r spark --spark-master ...": "tests/test_spark.py",
    "make soak": "tests/soak/__init__.py",
    "make clean": "tests/test_token_key.py",
    "pipx install .": "tests/test_packaging.py",
    "uv tool install .": "tests/test_packaging.py",
}
_is_command = re.compile(
    r"((time|sudo) )?(make( |$)|pip |pipx |uv |python |movimento-flat |\.venv/bin/)"
).match


@pytest.fixture
def checkout(environment: Path, tmp_path: Path) -> Path:
    """What looks like a fresh clone after `make install`, and has this one's code."""
    folder = tmp_path / "movimento-flat"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in (".venv", ".movimento-flat", "out"):
            (folder / path.name).symlink_to(path)
    environment.rename(folder / ".venv")
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", folder / ".venv")
    (folder / ".venv" / "lib").symlink_to(Path(sys.prefix) / "lib")
    for extra in ("", "-parquet"):
        (folder / ".venv" / f".installed{extra}").write_text(f"{folder.resolve()}\n")
    (folder / ".movimento-flat").mkdir()
    if (programs := state_dir() / "mariadb").exists():
        (folder / ".movimento-flat" / "mariadb").symlink_to(programs)
    return folder


def commands() -> list[str]:
    """Of their blocks, and those in their sentences."""
    pages = PAIRS.keys() - {"docs/your_own_database.md"}  # tests/test_tables_file.py has those of this page
    text = "\n".join((ROOT / name).read_text("utf-8") for name in sorted(pages))
    blocks = [line for block in find_blocks(text) for line in without_comments(block).splitlines()]
    prose = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return list(filter(_is_command, blocks + spans))


def most_used() -> list[str]:
    """The options of README.md's table, each as a run with it."""
    cells = re.findall(r"^\| `((?:MOVEMENTS|ENGINE|OPTIONS|LAKE)=[^`]+)` \|", ENGLISH, re.MULTILINE)
    return [f"make run OUTPUT=./option{number} {cell}" for number, cell in enumerate(cells)]


def test_each_command_is_run_by_a_test() -> None:
    assert set(commands()) - {"make run"} == {*HERE, *ELSEWHERE}
    for place in ELSEWHERE.values():
        assert (ROOT / place).exists()
    ci = (ROOT / ".ci" / "run").read_text()
    for command, place in ELSEWHERE.items():
        assert place != ".ci/run" or command.removeprefix("sudo ") in ci


def test_they_do_what_is_said(checkout: Path, filled: Database) -> None:
    filled.reader()
    said: dict[str, Result] = {}
    for command in HERE:
        said[command] = run(command, checkout, filled)
        if "run OUTPUT=./out SOURCE" in command:
            assert (checkout / "out" / CSV).read_bytes() == expected_csv(filled)
    assert said["make"].stdout.startswith("Card movements from MySQL")
    assert "A run would work here" in said["make doctor"].stderr
    assert "as its manifest says" in said[".venv/bin/movimento-flat verify ./out"].stderr
    (shown,) = [block for block in find_blocks(ENGLISH) if block.startswith("out/movimento_flat.csv")]
    assert without_moments(said["make run OUTPUT=./out"].stderr).endswith(without_moments(shown))
    options = most_used()
    assert len(options) == 6
    for command in options:
        run(command, checkout, filled)
    for option, name in (("--excel", WORKBOOK_NAME), ("--parquet", PARQUET_NAME)):
        assert f"| `{name}` |" in ENGLISH and f"`OPTIONS={option}`" in ENGLISH
        run(f"make run OUTPUT=./files OPTIONS={option}", checkout, filled)
        assert (checkout / "files" / name).exists()
    (first, *rows) = re.findall(r"^nome_associado.*\n(?:.+\n){3}", ENGLISH, re.MULTILINE)[0].splitlines()
    delivered = (checkout / "out" / CSV).read_text("utf-8").splitlines()
    assert first == delivered[0]
    assert not set(rows) - set(delivered)
    assert (checkout / "lake" / "_lake.json").exists()
    (joined,) = [result for command, result in said.items() if "docs/sample" in command]
    assert joined.stdout.count("\tF\t") > 0
    assert "--output" in said["movimento-flat run --help"].stdout
    assert "complete -o" in said["movimento-flat completion bash"].stdout


def without_moments(text: str) -> str:
    return re.sub(r"(\d+\.\d)(?=[,)]|$| \()|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "*", text, flags=re.MULTILINE)


def run(command: str, checkout: Path, database: Database) -> Result:
    """By a shell, as a reader does it, not as a `make test` around it; the address of his database is that of ours."""
    line = command.replace("mysql://user@host:3306/database", database.url())
    ours = {"MOVIMENTO_FLAT_HOME", "MAKELEVEL", "MAKEFLAGS", "MFLAGS"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    path = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["sh", "-c", line],
        cwd=checkout,
        env=kept | {"MYSQL_PWD": PASSWORD, "ENGINE": "local", "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result
