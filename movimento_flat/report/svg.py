"""Where the parts of a plot lie. `plots.html` draws them, `style.css` gives colours: `k0`, `k1`, ... to series."""

from collections.abc import Sequence
from dataclasses import dataclass

#: Height of a plot in pixels, and what its lower axis and its upper edge take of it.
HEIGHT, FOOT, HEAD = 280, 26, 12
_LABELS = 6
_STEPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Line:
    """A line across the plot: its height, its value and the text beside it."""

    y: float
    value: int
    text: str


@dataclass(frozen=True)
class Box:
    """A value in its column; `x` and `width` are percentages, `y` and `height` pixels."""

    series: int
    x: float
    width: float
    y: float
    height: float
    hint: str


@dataclass(frozen=True)
class Label:
    """The name of a column below it, with the classes of its text; `x` is a percentage."""

    x: float
    text: str
    classes: str


@dataclass(frozen=True)
class Columns:
    """Columns of stacked values; `gaps` are the percentages where a dashed line stands."""

    lines: Sequence[Line]
    boxes: Sequence[Box]
    labels: Sequence[Label]
    gaps: Sequence[float]


def ticks(low: int, high: int, about: int = 5) -> list[int]:
    """Return round numbers from `low` or below to `high` or above, with 0 between them, about so many."""
    low, high = min(low, 0), max(high, 0)
    least = max(-(-(high - low) // about), 1)
    magnitude = 10 ** (len(str(least)) - 1)
    step = next(magnitude * factor for factor in _STEPS if magnitude * factor >= least)
    return list(range(low // step * step, -(-high // step) * step + 1, step)) if high > low else [0, 1]


def stacked_columns(
    labels: Sequence[str],
    values: Sequence[Sequence[int]],
    hints: Sequence[Sequence[str]],
    axis: Sequence[tuple[int, str]],
    gaps: Sequence[int] = (),
) -> Columns:
    """Stack the values of each column, a colour for each series; what is negative lies below zero.

    Args:
        labels: of each column; a few are shown.
        values: of each column, those of each series.
        hints: the text of each value.
        axis: (value, text) of each line, the lowest first.
        gaps: columns before which some are missing.
    """
    low, high = axis[0][0], axis[-1][0]
    scale = (HEIGHT - FOOT - HEAD) / (high - low)
    width = 100 / max(len(labels), 1)

    def y(value: int) -> float:
        return HEAD + (high - value) * scale

    boxes = []
    for place, (column, texts) in enumerate(zip(values, hints, strict=True)):
        above = below = 0
        for series, (value, text) in enumerate(zip(column, texts, strict=True)):
            if not value:
                continue
            base = above if value > 0 else below
            top, bottom = y(max(base, base + value)), y(min(base, base + value))
            if value > 0:
                above += value
            else:
                below += value
            boxes.append(Box(series, (place + 0.1) * width, 0.8 * width, top, bottom - top, text))
    step = -(-len(labels) // _LABELS) or 1
    return Columns(
        [Line(y(value), value, text) for value, text in axis],
        boxes,
        [
            Label((place + 0.5) * width, labels[place], _classes(place, step, len(labels)))
            for place in range(0, len(labels), step)
        ],
        [place * width for place in gaps],
    )


def _classes(place: int, step: int, count: int) -> str:
    """Keep a label at an edge within the plot; of the others a narrow page shows every second one."""
    names = []
    if place // step % 2:
        names.append("more")
    if step > 1 and place == 0:
        names.append("first")
    elif step > 1 and place > count - step:
        names.append("last")
    return " ".join(names)
