"""Draws plots as SVG, by matplotlib in an environment of its own: descriptions as JSON on standard input.

    {"folder": ..., "plots": [{"file": "local", "kind": "bars", "panels": [...]}, ...]}

A panel of bars has `title` and `bars` of `name`, `least`, `median`, `most`, `first`; one of lines has `title`, `x`,
`y`, `logarithmic` and `lines` of `name` and `points`. The same description gives the same bytes.
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]

mpl.use("svg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, NullFormatter  # type: ignore[import-not-found]

#: Colours of text and lines, then of bars and curves: each can be read on a white page and on a dark one.
INK = "#7a828b"
OURS, OTHERS = "#d9730d", "#5b8dc9"
CURVES = (OURS, OTHERS, "#4f9f6e", "#a56cc1")
MARKERS = "osD^"
WIDTH = 8.0
SETTINGS = {
    "svg.hashsalt": "movimento-flat",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.35,
    "legend.frameon": False,
    "savefig.transparent": True,
}


def bars(panels: list[dict[str, Any]]) -> Any:
    """Return horizontal bars of medians, with lines from the least to the most, one panel below the other."""
    heights = [len(panel["bars"]) + 1.6 for panel in panels]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(WIDTH, 0.32 * sum(heights) + 0.4), height_ratios=heights, squeeze=False
    )
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        found = panel["bars"]
        medians = [bar["median"] for bar in found]
        spread = [
            [bar["median"] - bar["least"] for bar in found],
            [bar["most"] - bar["median"] for bar in found],
        ]
        colours = [OURS if bar["first"] else OTHERS for bar in found]
        axis.barh(range(len(found)), medians, 0.7, xerr=spread, color=colours, ecolor=INK, capsize=2)
        axis.set_yticks(range(len(found)), [bar["name"] for bar in found])
        for place, bar in enumerate(found):
            axis.annotate(
                f"{bar['median']:,.1f} s",
                (bar["most"], place),
                (4, 0),
                textcoords="offset points",
                va="center",
            )
        axis.invert_yaxis()
        axis.set_title(panel["title"], loc="left")
        axis.set_xlim(0, max(bar["most"] for bar in found) * 1.15 or 1)
        axis.grid(axis="x")
        axis.set_axisbelow(True)
    return figure


def lines(panels: list[dict[str, Any]]) -> Any:
    """Return curves, one panel beside the other."""
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.6), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        for line, colour, marker in zip(panel["lines"], CURVES, MARKERS, strict=False):
            axis.plot(*zip(*line["points"], strict=True), color=colour, marker=marker, label=line["name"])
        xs = sorted({x for line in panel["lines"] for x, _ in line["points"]})
        axis.set_xscale("log")
        if panel["logarithmic"]:
            axis.set_yscale("log")
            axis.yaxis.set_minor_formatter(NullFormatter())
        else:
            axis.set_ylim(0, 1.15 * max(y for line in panel["lines"] for _, y in line["points"]))
        axis.set_xticks(xs, [_short(x) for x in xs])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_xlabel(panel["x"])
        axis.set_ylabel(panel["y"])
        axis.set_title(panel["title"], loc="left")
        axis.grid(alpha=0.35)
        if len(panel["lines"]) > 1:
            axis.legend()
    return figure


def _short(number: float) -> str:
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def main() -> None:
    """Draw every plot that standard input describes."""
    asked = json.load(sys.stdin)
    with mpl.rc_context(SETTINGS):
        for plot in asked["plots"]:
            figure = {"bars": bars, "lines": lines}[plot["kind"]](plot["panels"])
            figure.tight_layout()
            file = Path(asked["folder"]) / f"{plot['file']}.svg"
            figure.savefig(file, metadata={"Date": None, "Title": plot["title"]})
            plt.close(figure)


if __name__ == "__main__":
    main()
