"""Programs of this machine's Debian: unpacked into a folder, never installed, no root needed."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

FETCH_SECONDS = 600


def unpacked(state: Path, package: str, set_up: Callable[[Path, Path], None]) -> Path:
    """-> folder where a package and what of its own packages this machine lacks lie unpacked; fetched once.

    Args:
        state: folder for such folders.
        package: its name.
        set_up: does what the packages' scripts would do, in a folder that will have the other name.
    """
    folder = state / package

    def make(unfinished: Path) -> None:
        _fetch(package, unfinished)
        set_up(unfinished, folder)

    return once(folder, make)


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """-> the folder; where it is not there, `make` makes it under another name, so that half of it is none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be making it
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(folder)
    return folder


def run(command: list[str]) -> str:
    """Run a command that fetches or unpacks; -> its standard output."""
    result = subprocess.run(command, timeout=FETCH_SECONDS, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command[0]} failed: {result.stderr}"
    return result.stdout


def _fetch(package: str, folder: Path) -> None:
    for name in ("archives", "lists"):
        (folder / "apt" / name / "partial").mkdir(parents=True)
    apt = [
        "apt-get",
        *("-o", f"Dir::Cache={folder}/apt"),
        *("-o", f"Dir::State::lists={folder}/apt/lists"),
        *("-o", "Debug::NoLocking=true"),
        *("-o", "APT::Sandbox::User="),
        "--quiet",
    ]
    run([*apt, "update"])
    run([*apt, "--yes", "--no-install-recommends", "--download-only", "install", package])
    for archive in (folder / "apt" / "archives").glob("*.deb"):
        run(["dpkg", "-x", str(archive), str(folder)])
    shutil.rmtree(folder / "apt")
