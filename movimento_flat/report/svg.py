"""Where the parts of a plot lie. `plots.html` draws them, `style.css` gives colours: `k0`, `k1`, ... to series."""

from collections.abc import Sequence
from typing import NamedTuple

#: Height of a plot in pixels, and what its lower axis and its upper edge take of it.
HEIGHT, FOOT, HEAD = 280, 26, 12
_STEPS = (1, 2, 5, 10)


class Box(NamedTuple):
    """A value of a series in its column; `y` and `height` are in pixels."""

    column: int
    series: int
    y: float
    height: float


def ticks(low: int, high: int, about: int = 5) -> list[int]:
    """Return round numbers from `low` or below to `high` or above, with 0 between them, about so many."""
    low, high = min(low, 0), max(high, 0)
    least = max(-(-(high - low) // about), 1)
    magnitude = 10 ** (len(str(least)) - 1)
    step = next(magnitude * factor for factor in _STEPS if magnitude * factor >= least)
    return list(range(low // step * step, -(-high // step) * step + 1, step)) if high > low else [0, 1]


def height_of(value: int, axis: Sequence[int]) -> float:
    """Return where a value lies in a plot whose lines are at these values, the lowest first: pixels from above."""
    return HEAD + (axis[-1] - value) * (HEIGHT - FOOT - HEAD) / (axis[-1] - axis[0])


def stack(values: Sequence[Sequence[int]], axis: Sequence[int]) -> list[Box]:
    """Stack each column's values, one of each series: from zero up, and from zero down what is negative."""
    boxes = []
    for place, column in enumerate(values):
        above = below = 0
        for series, value in enumerate(column):
            if value > 0:
                bottom, above = above, above + value
                top = above
            else:
                top, below = below, below + value
                bottom = below
            if value:
                y = height_of(top, axis)
                boxes.append(Box(place, series, y, height_of(bottom, axis) - y))
    return boxes
