"""Plots as inline SVG. Widths are percentages and heights pixels: a plot is as wide as its page, its text is as it is.

Colours come from the page's style by class: `k0`, `k1`, ... for series, `heat` for the heat map.
"""

from collections.abc import Sequence
from html import escape

#: Height of a plot, and what its lower axis takes of it.
HEIGHT, _FOOT, _HEAD = 280, 26, 12
_LABELS = 6
_CELL, _DAY_WIDTH = 26, 68
_STEPS = (1, 2, 5, 10)


def ticks(low: int, high: int, about: int = 5) -> list[int]:
    """-> round numbers from `low` or below to `high` or above, with 0 between them, about so many."""
    low, high = min(low, 0), max(high, 0)
    least = max(-(-(high - low) // about), 1)
    magnitude = 10 ** (len(str(least)) - 1)
    step = next(magnitude * factor for factor in _STEPS if magnitude * factor >= least)
    return list(range(low // step * step, -(-high // step) * step + 1, step)) if high > low else [0, 1]


def bar(part: int, largest: int, series: int = 0) -> str:
    """A horizontal bar, as long as its part of the largest; what is below 0 has none. Its number stands beside it."""
    width = 100 * max(part, 0) / largest if largest > 0 else 0
    return (
        '<svg class="bar" width="100%" height="14" aria-hidden="true">'
        f'<rect class="k{series}" width="{width:.2f}%" height="14" rx="2"/></svg>'
    )


def stacked_columns(
    title: str,
    labels: Sequence[str],
    values: Sequence[Sequence[int]],
    hints: Sequence[Sequence[str]],
    axis: Sequence[tuple[int, str]],
    gaps: Sequence[int] = (),
) -> str:
    """Columns of stacked values, one colour a series; below zero what is negative.

    Args:
        title: what a reader who does not see the plot is told.
        labels: of each column; a few are shown.
        values: of each column, those of each series.
        hints: the text of each value.
        axis: (value, text) of each line, the lowest first.
        gaps: columns before which some are missing; a dashed line says so.
    """
    low, high = axis[0][0], axis[-1][0]
    scale = (HEIGHT - _FOOT - _HEAD) / (high - low)

    def y(value: int) -> float:
        return _HEAD + (high - value) * scale

    lines = [
        f'<line class="{"zero" if not value else "grid"}" x1="0" x2="100%" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        for value, _ in axis
    ]
    axis_texts = [f'<text x="62" y="{y(value) + 4:.1f}">{escape(text)}</text>' for value, text in axis]
    width = 100 / max(len(labels), 1)
    lines += [
        f'<line class="gap" x1="{place * width:.3f}%" x2="{place * width:.3f}%" y1="{_HEAD}" y2="{HEIGHT - _FOOT}"/>'
        for place in gaps
    ]
    columns = []
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
            columns.append(
                f'<rect class="k{series}" x="{(place + 0.1) * width:.3f}%" width="{0.8 * width:.3f}%"'
                f' y="{top:.1f}" height="{bottom - top:.1f}"><title>{escape(text)}</title></rect>'
            )
    step = -(-len(labels) // _LABELS) or 1
    foot = [
        f'<text x="{(place + 0.5) * width:.2f}%" y="{HEIGHT - 6}"{_anchor(place, step, len(labels))}>'
        f"{escape(labels[place])}</text>"
        for place in range(0, len(labels), step)
    ]
    return _plot(title, 68, HEIGHT, axis_texts, lines + columns + foot)


def _anchor(place: int, step: int, count: int) -> str:
    """A label at an edge must not leave the plot; of the others a narrow page shows every second one."""
    names = []
    if place // step % 2:
        names.append("more")
    if step > 1 and place == 0:
        names.append("first")
    elif step > 1 and place > count - step:
        names.append("last")
    return f' class="{" ".join(names)}"' if names else ""


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Sequence[Sequence[int]],
    hints: Sequence[Sequence[str]],
) -> str:
    """A cell for each value, the fuller the larger: `rows` are named at the left, some of `columns` below.

    Args:
        title: what a reader who does not see the plot is told.
        rows, columns: their names.
        values, hints: by row and column.
    """
    largest = max((value for row in values for value in row), default=0) or 1
    width = 100 / len(columns)
    height = _CELL * len(rows) + 22
    names = [
        f'<text x="{_DAY_WIDTH - 8}" y="{place * _CELL + _CELL / 2 + 4:.0f}">{escape(name)}</text>'
        for place, name in enumerate(rows)
    ]
    cells = [
        f'<rect class="heat" x="{column * width:.3f}%" y="{place * _CELL}" width="{width:.3f}%" height="{_CELL}"'
        f' fill-opacity="{value / largest:.3f}">'
        f"<title>{escape(f'{name}, {columns[column]}: {hint}')}</title></rect>"
        for place, (name, row, texts) in enumerate(zip(rows, values, hints, strict=True))
        for column, (value, hint) in enumerate(zip(row, texts, strict=True))
    ]
    foot = [
        f'<text class="first" x="{column * width:.2f}%" y="{height - 6}">{escape(columns[column])}</text>'
        for column in range(0, len(columns), 3)
    ]
    return _plot(title, _DAY_WIDTH, height, names, cells + foot)


def _plot(title: str, axis_width: int, height: int, axis: Sequence[str], area: Sequence[str]) -> str:
    return (
        f'<div class="plot"><svg class="axis" width="{axis_width}" height="{height}" aria-hidden="true">'
        f"{''.join(axis)}</svg>"
        f'<svg class="area" width="100%" height="{height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(area)}</svg></div>"
    )
