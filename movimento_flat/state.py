"""The folder in which the program keeps what it reuses: the private database server and its data."""

import os
from pathlib import Path

from movimento_flat.errors import UserError


def state_dir() -> Path:
    """Return $MOVIMENTO_FLAT_HOME, else a folder in the user's state folder (XDG Base Directory Specification).

    Raises:
        UserError: the user has no home.
    """
    if chosen := os.environ.get("MOVIMENTO_FLAT_HOME"):
        return Path(chosen).resolve()
    return default_state_dir()


def default_state_dir() -> Path:
    """Return the folder in the user's state folder, whatever $MOVIMENTO_FLAT_HOME says.

    Raises:
        UserError: the user has no home.
    """
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "movimento-flat"
    try:
        return Path.home() / ".local" / "state" / "movimento-flat"
    except RuntimeError as error:
        raise UserError(
            "This user has no home folder: neither HOME nor the system's list of users names one.",
            "Name a folder for what the program keeps: MOVIMENTO_FLAT_HOME=/path.",
        ) from error
