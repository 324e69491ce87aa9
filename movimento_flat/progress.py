"""What a person sees while a stage runs, and how long each one took."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


class Progress:
    """A stage's bar on the terminal."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def __call__(self, done: int) -> None:
        """So many more units are done."""
        self._bar.update(done)

    def describe(self, what: str) -> None:
        """What is going on within the stage, shown behind its bar."""
        self._bar.set_postfix_str(what)


class Console:
    """Sentences and progress bars on standard error; bars only on a terminal.

    Attributes:
        seconds: wall time of each stage that has ended, in the order of their ends.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def say(self, sentence: str) -> None:
        """A line for the user, clear of any progress bar."""
        tqdm.write(sentence, file=sys.stderr)

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = " rows") -> Iterator[Progress]:
        """Time a stage, and show how far it is of `total` units."""
        started = time.monotonic()
        bar = tqdm(
            total=total,
            desc=name,
            unit=unit,
            unit_scale=True,
            file=sys.stderr,
            disable=None,
            leave=False,
        )
        with bar:
            yield Progress(bar)
        self.seconds[name] = round(time.monotonic() - started, 3)
