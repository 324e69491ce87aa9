"""Locks of the kernel: each ends with the processes that hold it, whatever ends them."""

import fcntl
import os
import time
from pathlib import Path

_POLL_SECONDS = 0.05


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
