"""Shows a person what a stage is doing, and measures how long each one takes."""

import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any, TextIO

import click

from movimento_flat.foreign_text import harmless
from movimento_flat.imports import import_for_good
from mr_jobs.phases import Phase, Reached

#: A stage that ends sooner shows no bar.
PATIENCE_SECONDS = 1.0
REPAINT_SECONDS = 0.2


class Progress:
    """How far a stage is; several threads may report to it.

    Attributes:
        done, total: units; the total is None while it is not known.
        what: what the stage is doing, shown after its bar.
        look: called by the painting thread before it paints, for figures that have to be read first.
    """

    def __init__(self, total: int | None = None) -> None:
        self.done = 0
        self.total = total
        self.what = ""
        self.look: Callable[[], None] = lambda: None
        self._lock = Lock()

    def __call__(self, done: int) -> None:
        """Add so many units that are done."""
        with self._lock:
            self.done += done

    def reach(self, done: int) -> None:
        """Set how many units are done in all; fewer than before have no effect."""
        with self._lock:
            self.done = max(self.done, done)

    def expect(self, total: int) -> None:
        """Set the total, as soon as it is known."""
        self.total = total

    def show_join(self, reached: Reached, movements: int | None) -> None:
        """Show how far the join is; the number of movements is None until its step 2 begins."""
        self.what = str(reached)
        if movements is not None:
            self.expect(movements)
            self.reach(reached.rows(movements))


def is_screen(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether the stream is a terminal that can repaint its lines."""
    return stream.isatty() and environment.get("TERM") != "dumb"


def has_colours(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether the stream is such a terminal and NO_COLOR (no-color.org) does not forbid colours."""
    return is_screen(stream, environment) and not environment.get("NO_COLOR")


def paint(text: str, **style: Any) -> str:
    """Return a text in a style of click's where standard error has colours, else as it is."""
    return click.style(text, **style) if has_colours(sys.stderr, os.environ) else text


def broken(text: str, width: int | None) -> list[str]:
    """Return a text, harmless for a terminal, in lines of at most `width` columns; as one line without a width."""
    text = harmless(text)
    if width is None:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


class Console:
    """Prints sentences and progress bars to standard error; bars only on a terminal.

    Args:
        quiet: print no sentence and no bar; errors are printed elsewhere.
        verbose: also print details.

    Attributes:
        seconds: wall time of each stage that has ended, in the order of their ends; some go on at the same time.
        phases: those of the join that have ended.
        quiet, verbose: see above.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self._started = time.monotonic()
        self.seconds: dict[str, float] = {}
        self.phases: list[Phase] = []
        self.quiet = quiet
        self.verbose = verbose
        self._has_bars = not quiet and is_screen(sys.stderr, os.environ)
        if self._has_bars:
            import_for_good("tqdm")  # here, since no thread but the main one may import

    @property
    def elapsed(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._started

    def say_left_out(self, what: str, counts: Mapping[str, int], fate: str) -> None:
        """Print how many values of each column a format cannot hold, and what they became."""
        for column, count in counts.items():
            self.say(f"{what}: {count:,} values of {column} are none that {fate}.")

    def say(self, sentence: str) -> None:
        """Print a sentence for the user, wrapped to the terminal."""
        self.show("\n".join(broken(sentence, self.width)))

    def show(self, text: str) -> None:
        """Print lines for the user as they are, above any progress bar."""
        if self.quiet:
            return
        if self._has_bars:
            from tqdm import tqdm  # noqa: PLC0415  # see __init__

            tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)

    def detail(self, sentence: str) -> None:
        """Print a sentence for a user who asked for details."""
        if self.verbose:
            self.say(sentence)

    @property
    def width(self) -> int | None:
        """Columns of the terminal; None without one, where lines may have any length."""
        if not is_screen(sys.stderr, os.environ):
            return None
        return os.get_terminal_size(sys.stderr.fileno()).columns or None

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = " rows") -> Iterator[Progress]:
        """Measure the seconds of a stage, and show its progress towards `total` units."""
        started = time.monotonic()
        progress = Progress(total)
        with self._bar(name, progress, unit):
            yield progress
        self.seconds[name] = round(time.monotonic() - started, 3)
        done = f": {progress.done:,}{unit}" if progress.done else ""
        self.detail(f"Stage {name} took {self.seconds[name]:.1f} s{done}.")

    @contextmanager
    def _bar(self, name: str, progress: Progress, unit: str) -> Iterator[None]:
        """Paint the bar in a thread, so that its clock runs on and the stage need not wait for it."""
        if not self._has_bars:
            yield
            return
        ended = Event()
        painter = Thread(target=_paint_bar, args=(name, progress, unit, ended), daemon=True)
        painter.start()
        try:
            yield
        finally:
            ended.set()
            painter.join()


def _paint_bar(name: str, progress: Progress, unit: str, ended: Event) -> None:
    from tqdm import tqdm  # noqa: PLC0415  # see Console.__init__

    started = time.time()
    if ended.wait(PATIENCE_SECONDS):
        return
    bar = tqdm(
        desc=name,
        total=progress.total,
        unit=unit,
        unit_scale=True,
        smoothing=0,  # the rate since the beginning, since units arrive many at a time
        file=sys.stderr,
        leave=False,
        dynamic_ncols=True,
        delay=1e-9,  # not painted before it is known what is done
        mininterval=0,
        miniters=0,
    )
    bar.start_t = bar.last_print_t = started
    with bar:
        while True:
            progress.look()
            bar.total = progress.total
            bar.set_postfix_str(progress.what, refresh=False)
            bar.update(progress.done - bar.n)
            if ended.wait(REPAINT_SECONDS):
                return
