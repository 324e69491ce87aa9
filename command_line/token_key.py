"""The secret key of tokens: made once, kept in a file of its owner alone, so that tokens of two runs are the same."""

import os
import secrets
from dataclasses import replace
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.state import state_dir
from mr_jobs.rules import Rules

#: Also in hadoop-docker/cluster, which has no Python.
DEFAULT_NAME = "token_key"
_BYTES = 32
_SHORTEST = 32
_OF_OTHERS = 0o077


def with_key(rules: Rules, scratch: Path) -> Rules:
    """The rules of one run: with the file of the key, or none where nothing is hidden by one.

    Tokens take the key that is kept, which is made if it is not there. Card numbers that are masked, or left out, take
    a new one each time, in the folder `scratch`: by it cards with the same number find each other, without it.

    Raises:
        UserError: the file cannot be read or made, other users may read it, or it holds no key.
    """
    return replace(rules, key_file=_key_file(rules, scratch))


def _key_file(rules: Rules, scratch: Path) -> Path | None:
    if rules.privacy.needs_key:
        kept = rules.key_file or state_dir() / DEFAULT_NAME
        if not kept.exists():
            _make(kept)
        _check(kept)
        return kept.resolve()
    if not rules.privacy.hides_numbers:
        return None
    _make(scratch / DEFAULT_NAME)
    return scratch / DEFAULT_NAME


def _make(file: Path) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_hex(_BYTES) + "\n")
    except OSError as error:
        raise UserError(
            f"The key {file} cannot be made: {error.strerror}.", "Name another --key-file."
        ) from error


def _check(file: Path) -> None:
    try:
        mode, content = file.stat().st_mode, file.read_bytes().strip()
    except OSError as error:
        raise UserError(f"The key {file} cannot be read: {error.strerror}.") from error
    if mode & _OF_OTHERS:
        raise UserError(f"Other users of this machine may read the key {file}.", f"chmod 600 {file}")
    if len(content) < _SHORTEST or not content.isalnum() or not content.isascii():
        raise UserError(
            f"{file} holds no key: {_SHORTEST} letters and digits or more.",
            "Name the right --key-file, or one that is not there yet: it is made.",
        )
