"""Where the program keeps what it needs again: the private database server and its data."""

import os
from pathlib import Path


def state_dir() -> Path:
    """$MOVIMENTO_FLAT_HOME, else a folder in the user's state folder (XDG Base Directory Specification)."""
    if chosen := os.environ.get("MOVIMENTO_FLAT_HOME"):
        return Path(chosen).resolve()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "movimento-flat"
