"""The wheel is the whole program: it runs where there is no checkout, on each Python, with the locked packages.

It is built from the source distribution, which is the whole checkout.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import pytest

from movimento_flat import __version__
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import Programs
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.sql_files import READER, reader_statements
from movimento_flat.state import state_dir
from tests.brute_force import as_csv
from tests.conftest import PASSWORD, ROOT, Database, filled_database
from tests.mysql9 import free_port
from tests.other_debian import in_machine, machine
from tests.soak import LONG
from tests.test_run import CSV

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
#: Package -> its folder. `sql/` has no Python, and is installed as data.
PACKAGES = {
    name: name.replace("movimento_flat.sql", "sql").replace(".", "/")
    for name in PROJECT["tool"]["setuptools"]["packages"]
}
LOCKS = ROOT / "requirements"
RUNTIME = LOCKS / "runtime.txt"
BUILD_SDIST = "import setuptools.build_meta as backend; backend.build_sdist('dist')"
#: Debian's release and one of its Pythons; `make soak` tries all.
PYTHONS = [("trixie", "python3.13")]
if LONG:
    PYTHONS += [("bookworm", "python3.11"), ("unstable", "python3.14"), ("unstable", "python3.15")]
#: What is for the checkout alone.
NOT_SHIPPED = {"bench", "tests"}
SAMPLE = sorted((ROOT / "docs" / "sample").glob("*.tsv"))


def output_of(*command: str | Path, folder: Path, **environment: str) -> str:
    result = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def in_git() -> set[str]:
    """Return the names of the files that git has or would take."""
    listed = output_of("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder=ROOT)
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


def pip() -> list[str]:
    """That of this environment, else the one that bootstrap/venv has fetched."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    (wheel,) = (state_dir() / "pip" / "usr" / "share" / "python-wheels").glob("pip-*.whl")
    return [sys.executable, f"{wheel}/pip"]


def debian(suite: str, *packages: str) -> Path:
    """-> a machine in a folder."""
    if os.geteuid():
        pytest.skip("only root can make a machine in a folder (chroot)")
    return machine(state_dir(), suite, *packages)


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of what git has or would take, and of one authority that a build of the image has left."""
    clone = tmp_path_factory.mktemp("clone")
    for name in in_git():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, clone / name)
    (clone / "hadoop-docker" / "ca-certificates" / "of-this-machine.crt").touch()
    output_of(sys.executable, "-c", BUILD_SDIST, folder=clone)
    (built,) = (clone / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dist = tmp_path_factory.mktemp("dist")
    output_of(*pip(), "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", dist, sdist, folder=dist)
    (built,) = dist.iterdir()
    return built


@pytest.fixture(scope="module")
def small(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A small database that is reached over TCP, too."""
    with PrivateServer(tmp_path_factory.mktemp("server"), print, programs, free_port()) as server:
        database = filled_database(server, 2000)
        database.execute(*reader_statements(database.name, PASSWORD, host="127.0.0.1"))
        yield database


def test_each_package_of_the_checkout_is_shipped() -> None:
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("[!.]*/**/__init__.py")}
    of_python = {name for name, folder in PACKAGES.items() if not folder.startswith("sql")}
    assert {name for name in found if name.split(".")[0] not in NOT_SHIPPED} == of_python


def test_the_changelog_begins_with_the_version() -> None:
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## [")]
    assert headings[0] == "## [Unreleased]"
    assert headings[1].startswith(f"## [{__version__}] - ")


@pytest.mark.machine
def test_the_source_distribution_is_the_checkout(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        files = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    made = {name for name in files if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg", "MANIFEST.in"}
    assert files - made == in_git() - {"MANIFEST.in"}


@pytest.mark.machine
def test_the_wheel_holds_all_that_a_run_needs(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == {
        f"{name.replace('.', '/')}/{path.name}"
        for name, folder in PACKAGES.items()
        for path in (ROOT / folder).iterdir()
        if path.suffix in (".class", ".css", ".html", ".py", ".sql", ".typed")
    }
    assert {name.split("/")[0] for name in shipped} == {"extract", "movimento_flat", "mr_jobs"}
    assert f"Version: {__version__}\n" in metadata
    assert "License-Expression: MIT\n" in metadata
    assert any(name.endswith("/LICENSE") for name in names)
    assert {name for name in names if name.endswith("/py.typed")} == {
        f"{package}/py.typed" for package in ("extract", "movimento_flat", "mr_jobs")
    }


@pytest.mark.machine
def test_the_wheel_runs_in_a_bare_environment_without_a_checkout(
    wheel: Path, small: Database, tmp_path: Path
) -> None:
    bare = tmp_path / "a venv"
    output_of(sys.executable, "-m", "venv", "--without-pip", bare, folder=tmp_path)
    install: list[str | Path] = [*pip(), "--python", bare / "bin" / "python", "install", "--quiet"]
    output_of(*install, "--require-hashes", "--requirement", RUNTIME, folder=tmp_path)
    output_of(*install, "--no-deps", "--no-index", wheel, folder=tmp_path)
    small.reader()
    program = bare / "bin" / "movimento-flat"
    assert output_of(program, "--version", folder=tmp_path).split()[-1] == __version__
    output_of(
        *(program, "run", "--output", "out", "--source", small.url()), folder=tmp_path, MYSQL_PWD=PASSWORD
    )
    assert (tmp_path / "out" / CSV).read_bytes() == as_csv(FLAT_COLUMNS, small.expected())
    job: tuple[str | Path, ...] = ("-r", "inline", "--no-conf", *SAMPLE)
    joined = output_of(bare / "bin" / "python", "-m", "mr_jobs.join", *job, folder=tmp_path)
    assert joined == output_of(sys.executable, ROOT / "mr_jobs" / "join.py", *job, folder=ROOT)
    assert joined.count("\n") > len(SAMPLE)


@pytest.mark.machine
@pytest.mark.parametrize(("suite", "python"), PYTHONS)
def test_the_wheel_runs_on_the_python_of_another_debian(
    suite: str, python: str, wheel: Path, small: Database, tmp_path: Path
) -> None:
    tree = debian(suite, python, f"{python}-venv")
    for file in (wheel, RUNTIME, *SAMPLE):
        shutil.copy(file, tmp_path)
    in_machine(
        tree,
        tmp_path,
        f"{python} -m venv venv && venv/bin/pip install --quiet --require-hashes -r runtime.txt"
        f" && venv/bin/pip install --quiet --no-deps --no-index {wheel.name}",
    )
    source = f"mysql://{READER}@127.0.0.1:{small.server.port}/{small.name}"
    in_machine(
        tree, tmp_path, f"venv/bin/movimento-flat run --output out --source {source}", MYSQL_PWD=PASSWORD
    )
    assert (tmp_path / "out" / CSV).read_bytes() == as_csv(FLAT_COLUMNS, small.expected())
    joined = in_machine(tree, tmp_path, "venv/bin/python -m mr_jobs.join -r inline --no-conf *.tsv")
    expected = output_of(
        sys.executable, ROOT / "mr_jobs" / "join.py", "-r", "inline", "--no-conf", *SAMPLE, folder=ROOT
    )
    assert joined == expected


#: Tool -> what installs the wheel as a program of its own, with the newest packages that it allows.
TOOLS = {
    "pipx": "pipx install --quiet {wheel}",
    "uv": "python3 -m venv venv && venv/bin/pip install --quiet --require-hashes -r lock.txt"
    " && venv/bin/uv tool install --quiet --python /usr/bin/python3 {wheel}",
}


@pytest.mark.machine
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_for_programs_installs_the_wheel_from_nothing(
    tool: str, wheel: Path, small: Database, tmp_path: Path
) -> None:
    tree = debian("trixie", "python3", "python3-venv", "pipx")
    for file in (wheel, LOCKS / "lock.txt"):
        shutil.copy(file, tmp_path)
    home = {"HOME": "/mnt", "MYSQL_PWD": PASSWORD}
    in_machine(tree, tmp_path, TOOLS[tool].format(wheel=f"./{wheel.name}"), **home)
    source = f"mysql://{READER}@127.0.0.1:{small.server.port}/{small.name}"
    in_machine(tree, tmp_path, f".local/bin/movimento-flat run --output out --source {source}", **home)
    assert (tmp_path / "out" / CSV).read_bytes() == as_csv(FLAT_COLUMNS, small.expected())
