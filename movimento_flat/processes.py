"""Settings of processes that the program starts: they end with it, and reuse freed memory."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess

_PR_SET_PDEATHSIG = 1
#: Parameters of mallopt(3), and their values; the second one is the largest that glibc allows.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES, _LARGEST_KEPT_BLOCK = 256 << 20, 32 << 20

_libc = ctypes.CDLL(None)


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Return what `preexec_fn` is to call, so that a process which this one starts ends with it; see below."""
    return partial(end_with_parent, os.getpid(), by)


def end_with_parent(parent: int, by: signal.Signals) -> None:
    """Have this process sent a signal when the thread that started it ends, however it ends (prctl(2))."""
    _libc.prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def keep_freed_memory() -> None:
    """Reuse freed blocks of some megabytes instead of returning them to the system, as glibc does by default.

    The system clears every page that it gives out: that took a fifth of the time to audit 800 MB.
    """
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        _libc.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BLOCK)


def start_workers(count: int, prepare: Callable[[], None]) -> tuple[ProcessPoolExecutor, list[BaseProcess]]:
    """Start and return a pool and all its processes; they end with this one.

    They are spawned, since Polars must not be forked.

    Args:
        count: of processes.
        prepare: what each of them does first.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, _prepare_worker, initargs=(os.getpid(), prepare))
    resource_tracker.ensure_running()  # first, since its start unblocks signals
    # A terminal sends an interrupt to all of them. The processes inherit that it is blocked.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(count):
            pool.submit(os.getpid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pool, [child for child in multiprocessing.active_children() if child not in others]


def _prepare_worker(parent: int, prepare: Callable[[], None]) -> None:
    end_with_parent(parent, signal.SIGKILL)
    prepare()
