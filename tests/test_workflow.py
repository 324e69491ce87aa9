"""What runs elsewhere names what is there: the workflow's and the hooks' commands are targets of the Makefile."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
#: make TARGET NAME=VALUE...
_is_make = re.compile(r"make (?:--no-print-directory )?([a-z-]+)(?: [A-Z]+=\S+)*").fullmatch

workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def jobs(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text())
    assert content["permissions"] == {"contents": "read"}
    found: dict[str, Any] = content["jobs"]
    return found


@workflow
def test_each_command_is_a_target_or_the_script_of_ci(path: Path) -> None:
    steps = [step for job in jobs(path).values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    for command in commands:
        made = _is_make(command)
        assert (made and made[1] in TARGETS) or command.split()[-1] == ".ci/run", command
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


@workflow
def test_actions_are_github_s_own_and_pinned_to_a_major_version(path: Path) -> None:
    for job in jobs(path).values():
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])


def test_the_matrix_has_the_pythons_that_pyproject_names() -> None:
    named = re.findall(r"Programming Language :: Python :: (\d+\.\d+)", (ROOT / "pyproject.toml").read_text())
    matrix = jobs(ROOT / ".github" / "workflows" / "ci.yml")["test"]["strategy"]["matrix"]
    assert matrix["python"] == named


def test_the_hooks_of_pre_commit_are_local_and_call_a_target() -> None:
    content = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    for repository in content["repos"]:
        assert repository["repo"] == "local"
        for hook in repository["hooks"]:
            made = _is_make(hook["entry"])
            assert made and made[1] in TARGETS


def test_contributing_has_a_line_for_each_folder() -> None:
    listed = subprocess.run(
        ["git", "ls-tree", "-d", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    folders = {name for name in listed.stdout.split() if not name.startswith(".")}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^\| `([\w-]+)/` \|", text, re.MULTILINE)) == folders


def test_make_alone_lists_every_target_that_is_for_people() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+)", listed, re.MULTILINE)) == TARGETS - {"install-test"}
