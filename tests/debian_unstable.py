"""Newer servers than this machine's, from Debian unstable: unpacked into a folder, never installed, no root needed."""

import shutil
import subprocess
from pathlib import Path

FETCH_SECONDS = 600
#: A program of another Debian must not meet this machine's libraries: its own loader starts it with its own.
WRAPPER = """#!/bin/sh
exec '{loader}' --library-path '{libraries}' '{program}' "$@"
"""


def unpacked(state: Path, *packages: str) -> Path:
    """-> folder where packages and all that they need, down to the C library, lie unpacked; fetched once."""
    folder = state / "debian-unstable" / "+".join(packages)
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _fetch(packages, unfinished)
        _wrap_programs(unfinished, folder)
        unfinished.rename(folder)
    return folder


def _fetch(packages: tuple[str, ...], folder: Path) -> None:
    apt = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "sources.list").write_text(_source())
    (apt / "status").touch()  # nothing is installed, so everything is fetched
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "DPkg::Post-Invoke": "",
    }
    command = ["apt-get", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    _run([*command, "--quiet", "update"])
    _run([*command, "--quiet", "--yes", "--no-install-recommends", "--download-only", "install", *packages])
    for archive in (apt / "archives").glob("*.deb"):
        _run(["dpkg", "-x", str(archive), str(folder)])
    shutil.rmtree(apt)


def _source() -> str:
    """This machine's own mirror of Debian, for unstable instead of its release."""
    targets = _run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    )
    mirrors = [line.split()[2] for line in targets.splitlines() if line.startswith("Debian Debian ")]
    if not mirrors:
        raise FileNotFoundError("apt knows no mirror of Debian here; apt-get update tells it")
    return f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirrors[0]} unstable main\n"


def _wrap_programs(folder: Path, final: Path) -> None:
    """Put a wrapper in the place of each program; `final` is the name that the folder will have."""
    (loader,) = (final / path.relative_to(folder) for path in folder.glob("usr/lib/*/ld-linux-*.so.*"))
    for program in (*folder.glob("usr/bin/*"), *folder.glob("usr/sbin/*")):
        if program.is_symlink() or program.read_bytes()[:4] != b"\x7fELF":
            continue
        real = program.rename(program.with_name(f"{program.name}.real"))
        program.write_text(
            WRAPPER.format(loader=loader, libraries=loader.parent, program=final / real.relative_to(folder))
        )
        program.chmod(0o755)


def _run(command: list[str]) -> str:
    result = subprocess.run(command, timeout=FETCH_SECONDS, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command[0]} failed: {result.stderr}"
    return result.stdout
