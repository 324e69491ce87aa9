"""requirements/ pins all that pyproject.toml asks for, with hashes, and says nothing of where it came from."""

import re
import tomllib
from itertools import product
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: Each lock, and the group of optional dependencies that it has beside the project's own.
LOCKS = {"runtime": "", "postgres": "postgres", "test": "test", "lock": "lock", "audit": "audit"}
#: Those that pyproject.toml names.
PYTHONS = [
    name.rpartition(" ")[2]
    for name in PROJECT["project"]["classifiers"]
    if name.startswith("Programming Language :: Python :: 3.")
]
ENVIRONMENTS = [
    {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": platform}
    for python, platform in product(PYTHONS, ("linux", "darwin"))
]

lock = pytest.mark.parametrize("name", LOCKS)


def entries(name: str) -> list[str]:
    """What a lock's file says, a package an entry."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def pinned(name: str, environment: dict[str, str]) -> dict[str, str]:
    """Package -> version, as pip takes them from a lock on such a machine."""
    requirements = [Requirement(entry.partition(" --hash")[0]) for entry in entries(name)]
    pins: dict[str, str] = {}
    for found in requirements:
        if found.marker is None or found.marker.evaluate(environment):
            (specifier,) = found.specifier
            assert specifier.operator == "==" and found.name not in pins
            pins[canonicalize_name(found.name)] = specifier.version
    return pins


def asked_for(group: str) -> list[Requirement]:
    """What pyproject.toml asks for: to build the project, to run it, and of one group."""
    project: dict[str, Any] = PROJECT["project"]
    optional = project["optional-dependencies"][group] if group else []
    return [
        Requirement(text)
        for text in (*PROJECT["build-system"]["requires"], *project["dependencies"], *optional)
    ]


def test_there_is_a_lock_for_each_group() -> None:
    assert {*PROJECT["project"]["optional-dependencies"]} == {*LOCKS.values()} - {""}
    assert {file.stem for file in (ROOT / "requirements").iterdir()} == {*LOCKS}


@lock
@pytest.mark.parametrize(
    "environment", ENVIRONMENTS, ids=lambda e: f"{e['sys_platform']}-{e['python_version']}"
)
def test_a_lock_has_each_requirement_in_a_version_that_pyproject_allows(
    name: str, environment: dict[str, str]
) -> None:
    pins = pinned(name, environment)
    for requirement in asked_for(LOCKS[name]):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = pins.get(canonicalize_name(requirement.name))
            assert version and requirement.specifier.contains(version), f"{requirement}: make lock"


@lock
def test_each_lock_has_the_versions_that_the_program_runs_with(name: str) -> None:
    for environment in ENVIRONMENTS:
        assert pinned("runtime", environment).items() <= pinned(name, environment).items()


@lock
def test_each_package_has_hashes_and_no_address(name: str) -> None:
    for entry in entries(name):
        requirement, *hashes = re.split(r" +--hash=", entry)
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64} *", each) for each in hashes), requirement
    assert "://" not in (ROOT / "requirements" / f"{name}.txt").read_text()
