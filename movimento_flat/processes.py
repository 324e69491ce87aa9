"""Processes that the program starts: they end with it, whatever ends it."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None).prctl


def die_with_parent() -> None:
    """For `preexec_fn`: SIGTERM when the thread that started the process ends, however it ends (prctl(2))."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
