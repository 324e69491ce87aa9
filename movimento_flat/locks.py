"""Locks of the kernel: each ends with the processes that hold it, whatever ends them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.private_files import make_private_file

_POLL_SECONDS = 0.05
#: File in a work folder with the id of the process that holds the folder.
_HOLDER_NAME = "pid"


def open_locked(path: Path, flags: int = os.O_RDWR | os.O_CREAT, wait_seconds: float = 0) -> int:
    """Return a descriptor of a file or folder that nobody else has locked; closing it ends the lock.

    A process that inherits the descriptor holds the lock as well.

    Raises:
        BlockingIOError: another process has held the lock for `wait_seconds`.
        OSError: the path cannot be opened, or its file system has no locks.
    """
    descriptor = os.open(path, flags, 0o600)
    deadline = time.monotonic() + wait_seconds
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_POLL_SECONDS)
    except BaseException:
        os.close(descriptor)
        raise


@contextmanager
def hold_folder(path: Path, what: str, work: Path) -> Iterator[None]:
    """Hold a folder that one run alone may publish to.

    Args:
        path: the folder.
        what: it is, as a message calls it.
        work: its work folder, in which the run that holds it has named itself; it need not be there.

    Raises:
        UserError: another run holds it, or its file system has no locks.
    """
    try:
        descriptor = open_locked(path, os.O_RDONLY | os.O_DIRECTORY)
    except BlockingIOError as error:
        try:
            process = f"process {(work / _HOLDER_NAME).read_text().strip()}"
        except OSError:
            process = "another process"
        raise UserError(
            f"{what} {path} is in use by a run of {process}.", "Wait for it to end, or name another folder."
        ) from error
    except OSError as error:
        raise UserError(
            f"{what} {path} cannot be locked: {error.strerror}. Two runs could publish there at the same time.",
            "Name a folder on another file system.",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def name_holder(work: Path) -> Path:
    """Write this process's id into the work folder of a folder that it holds, and return the new file."""
    holder = make_private_file(work / _HOLDER_NAME)
    holder.write_text(f"{os.getpid()}\n")
    return holder
