"""Lets one signal end everything: the waits of other threads, and the main thread, by KeyboardInterrupt.

Python informs only the main thread of a signal. Another thread that waits for a server would keep the program running
until that answers. So code that waits in a thread registers here a function that ends the wait.
"""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

End = Callable[[], object]

_ends: set[End] = set()
_has_come = False
_is_held = False
_AGAIN_SECONDS = 0.01


def has_come() -> bool:
    """Return whether a signal has come: an error after it comes from a wait that it ended."""
    return _has_come


def hear_signals() -> None:
    """Let SIGINT and SIGTERM interrupt the program from now on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, _interrupt_unless_ending)
    signal.signal(signal.SIGURG, lambda number, frame: None)  # it only ends the main thread's wait
    sys.unraisablehook = _interrupt_again


@contextmanager
def held_during_import() -> Iterator[None]:
    """Hold signals while Polars is imported, which one would end by a panic; they are heard when the block is left.

    Polars sets a handler of its own for SIGINT, after which waits would go on: from then on they end again.
    """
    global _is_held  # noqa: PLW0603  # signals are the process's
    _is_held = True
    try:
        yield
    finally:
        _is_held = False
        signal.siginterrupt(signal.SIGINT, True)
        if signal.getsignal(signal.SIGURG) not in (signal.SIG_DFL, signal.SIG_IGN):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGURG)


def end_hearing() -> None:
    """Let no signal that came late interrupt the end of the program."""
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def add(end: End) -> None:
    """Call `end` when a signal comes, or now if one has come; it must not raise, nor take a lock.

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
    """Call `end` if a signal comes within the block; see `add`."""
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
    if not _is_held:
        raise KeyboardInterrupt
    _interrupt_later()


def _interrupt_unless_ending(number: int, frame: FrameType | None) -> None:
    """Interrupt, but not what is done because of an exception, such as to remove a folder: then ask again."""
    if sys.exc_info()[0] is None:
        _interrupt(number, frame)
    else:
        _interrupt_later()


def _interrupt_again(ignored: "sys.UnraisableHookArgs") -> None:
    """Interrupt later if a signal came during a callback or `__del__`, whose exceptions Python ignores.

    Polars reports such an exception, too, of a signal that comes while it makes an error, and raises another one. The
    program then is ending already.
    """
    if ignored.exc_type is KeyboardInterrupt:
        _interrupt_later()
    else:
        sys.__unraisablehook__(ignored)


def _interrupt_later() -> None:
    signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
