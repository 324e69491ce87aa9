"""Processes that the program starts: they end with it, whatever ends it."""

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """-> for `preexec_fn`: the signal when the thread that started the process ends, however it ends (prctl(2))."""
    parent = os.getpid()

    def arrange() -> None:
        _prctl(_PR_SET_PDEATHSIG, by)
        if os.getppid() != parent:  # it ended before
            os._exit(1)

    return arrange
