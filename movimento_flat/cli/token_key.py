"""The secret key of tokens: made once, and kept in a file that only its owner may read, so that runs make equal tokens.

Each user has one such file, whichever way the program is started. It is not in the state folder, which `make clean`
removes and a run makes again: a lost key cannot be made again.
"""

import hmac
import os
import secrets
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from movimento_flat.errors import UserError
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.publish.manifest import MANIFEST_NAME, WHOLE_FORMAT, Manifest
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.state import default_state_dir, state_dir
from mr_jobs.job_options import JobOptions

#: These names are also in hadoop-docker/cluster, which has no Python.
FOLDER_NAME, DEFAULT_NAME = "movimento-flat", "token_key"
_CHECKOUT_STATE = Path(__file__).resolve().parent.parent.parent / ".movimento-flat"
_BYTES = 32
_SHORTEST = 32
_OF_OTHERS = 0o077
#: Hex digits of a fingerprint: enough to tell keys apart, and none of the key or of a token.
_FINGERPRINT_LENGTH = 16
_FINGERPRINT_OF = b"movimento-flat: which key made these tokens"

Say = Callable[[str], None]


def with_key(job_options: JobOptions, scratch: Path, say: Say) -> JobOptions:
    """Return the options of one run with the file of its key, or without one where nothing needs a key.

    Tokens use the key that is kept, which is made if there is none. Where card numbers are masked or left out, a new
    key is made in the folder `scratch`: its fingerprints show which cards have the same number.

    Raises:
        UserError: the file cannot be read or made, other users may read it, or it holds no key; or a key lies where an
            earlier version kept it.
    """
    return replace(job_options, key_file=_key_file(job_options, scratch, say))


def with_kept_key(job_options: JobOptions, say: Say) -> JobOptions:
    """Return the options of a merge with the file of the key that made the join's tokens, if there are any.

    Raises:
        UserError: as in `with_key`, or there is no key.
    """
    if not job_options.privacy.needs_key:
        return job_options
    kept = _kept_file(job_options, say)
    if not kept.exists():
        raise UserError(f"There is no key {kept}.", "Name the --key-file of the join.")
    _check(kept)
    return replace(job_options, key_file=kept.resolve())


def key_fingerprint_of(job_options: JobOptions) -> str | None:
    """Return the fingerprint of the key of tokens, from which the key cannot be found; None without tokens."""
    if not job_options.privacy.needs_key:
        return None
    return hmac.digest(job_options.key(), _FINGERPRINT_OF, "sha256").hex()[:_FINGERPRINT_LENGTH]


def refuse_another_key(output: Path, key_fingerprint: str | None, may_be_new: bool, say: Say) -> None:
    """Refuse a key other than that of the delivery in OUTPUT; say so where that cannot be compared.

    Raises:
        UserError: the key is another one, and `may_be_new` is False.
    """
    manifest = output / RUN_NAME / MANIFEST_NAME
    if key_fingerprint is None or may_be_new or not manifest.exists():
        return
    try:
        previous = Manifest.read(manifest)
    except UserError as error:
        say(f"The key of tokens is not compared with that of the previous delivery: {error.what}")
        return
    if previous.shown.needs_key and previous.format < WHOLE_FORMAT:
        say("The previous delivery has tokens too, and does not say by which key.")
    elif (earlier := previous.privacy.key_fingerprint) not in {None, key_fingerprint}:
        raise UserError(
            f"The previous delivery in {output} has tokens by the key {earlier}, and this run would"
            f" make them by {key_fingerprint}: the same card would get another token.",
            "Name the previous key by --key-file (make: KEY_FILE), or --allow-new-key.",
        )


def _key_file(job_options: JobOptions, scratch: Path, say: Say) -> Path | None:
    if job_options.privacy.needs_key:
        kept = _kept_file(job_options, say)
        if not kept.exists():
            _make(kept)
        _check(kept)
        return kept.resolve()
    if not job_options.privacy.hides_numbers:
        return None
    _write_new(scratch / DEFAULT_NAME)
    return scratch / DEFAULT_NAME


def _kept_file(job_options: JobOptions, say: Say) -> Path:
    """Return the file in which the key is kept, or is to be made.

    Raises:
        UserError: the user has no home folder, or only an earlier version's file has a key.
    """
    if job_options.key_file:
        return job_options.key_file
    kept = _data_folder() / FOLDER_NAME / DEFAULT_NAME
    old = [file for file in _old_files() if file.exists()]
    if kept.exists():
        for file in old:
            if file.read_bytes().strip() != kept.read_bytes().strip():
                say(f"An earlier version kept another key in {file}. It is not used; {kept} is. Remove one.")
    elif old:
        moves = (
            f"mkdir -p -m 700 {shlex.quote(str(kept.parent))} && mv {shlex.quote(str(file))} {shlex.quote(str(kept))}"
            for file in old
        )
        raise UserError(
            f"The key of tokens is kept in {kept} now, and an earlier version made"
            f" {' and '.join(map(str, old))}: with a new key no token would be as before.",
            "\n  or ".join(moves),
        )
    return kept


def _data_folder() -> Path:
    """Return the user's folder for data (XDG Base Directory Specification).

    Raises:
        UserError: there is none.
    """
    chosen = Path(os.environ.get("XDG_DATA_HOME", ""))
    if chosen.is_absolute():
        return chosen
    try:
        return Path.home() / ".local" / "share"
    except RuntimeError as error:
        raise UserError(
            "This user has no home folder, in which the key of tokens would be kept.",
            "Name a file for it: --key-file (make: KEY_FILE).",
        ) from error


def _old_files() -> list[Path]:
    """Return where earlier versions kept a key: `make run` in the checkout, the command in the state folder."""
    folders = [_CHECKOUT_STATE]
    with suppress(UserError):  # without a home nothing was kept there
        folders.append(state_dir())
        folders.append(default_state_dir())
    return [folder / DEFAULT_NAME for folder in dict.fromkeys(folders)]


def _make(file: Path) -> None:
    """Make a key, complete or not at all, and only one where two runs need it at the same time."""
    try:
        make_private_folder(file.parent, exist_ok=True)
        with TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
            _write_new(Path(folder) / file.name)
            with suppress(FileExistsError):  # another run was first
                os.link(Path(folder) / file.name, file)
    except OSError as error:
        raise UserError(
            f"The key {file} cannot be made: {error.strerror}.", "Name another --key-file."
        ) from error


def _write_new(file: Path) -> None:
    """Write a new key, on the disk before anybody uses it."""
    with make_private_file(file).open("w") as opened:
        opened.write(secrets.token_hex(_BYTES) + "\n")
        opened.flush()
        os.fsync(opened.fileno())


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
