"""What a person sees while a stage runs, and how long each one took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


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
    def stage(
        self, name: str, total: int | None = None, unit: str = " rows"
    ) -> Iterator[Callable[[int], None]]:
        """Time a stage; -> a function that is told of each so many units done."""
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

        def advance(done: int) -> None:
            bar.update(done)

        with bar:
            yield advance
        self.seconds[name] = round(time.monotonic() - started, 3)
