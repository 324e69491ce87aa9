"""Virtual environments of other programs, each made at the first call and kept."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.measure import STATE, say
from movimento_flat.errors import UserError


def python_with(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of an environment with these packages of PyPI.

    Raises:
        UserError: they could not be installed.
    """
    environment = STATE / name
    python = environment / "bin" / "python"
    if not (environment / "whole").exists():
        say(f"Installing {', '.join(packages)} into {environment}, once.")
        install([sys.executable, "-m", "venv", "--clear", str(environment)])
        install([str(python), "-m", "pip", "install", "--quiet", *packages])
        (environment / "whole").touch()
    return python


def install(command: Sequence[str]) -> None:
    """Run a command that fetches something.

    Raises:
        UserError: it failed.
    """
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(f"{' '.join(command)} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
