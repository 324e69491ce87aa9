"""One signal ends everything: what other threads wait for is ended with it, and the main thread gets KeyboardInterrupt.

Python tells the main thread alone of a signal. A thread that waits for a server would keep the program until that
server answers, so whoever waits in a thread says here how the wait is ended.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

End = Callable[[], object]

_ends: set[End] = set()
_has_come = False
_AGAIN_SECONDS = 0.01


def has_come() -> bool:
    """Return whether a signal has come: then an error is that of a wait which was ended."""
    return _has_come


def hear_signals() -> None:
    """Let SIGINT and SIGTERM interrupt the program from now on."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _interrupt)
    sys.unraisablehook = _interrupt_again


def add(end: End) -> None:
    """Call `end` when a signal comes, and at once where one has come; it must not raise, nor take a lock.

    It is called within the signal's handler, between any two steps of the main thread.
    """
    _ends.add(end)
    if _has_come:
        end()


def discard(end: End) -> None:
    """Do not call `end` any more."""
    _ends.discard(end)


@contextmanager
def ended_by_interrupts(end: End) -> Iterator[None]:
    """Call `end` where a signal comes within the block; see `add`."""
    add(end)
    try:
        yield
    finally:
        discard(end)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _has_come  # noqa: PLW0603  # signals are the process's
    _has_come = True
    for end in tuple(_ends):
        end()
    raise KeyboardInterrupt


def _interrupt_again(ignored: "sys.UnraisableHookArgs") -> None:
    """Interrupt a little later where a signal has hit a callback or `__del__`, whose exceptions Python ignores."""
    if ignored.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(ignored)
