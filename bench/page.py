"""Makes docs/benchmark.md, docs/growth.md and their plots from the records in docs/benchmark/*.json.

.venv/bin/python -m bench.page
"""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import targets
from bench.capacity_estimate import MISSING, constants
from bench.environments import python_with
from bench.measure import ROOT, main, say
from bench.records import Contestant, Session, Sessions, read
from bench.session import MB, RECORDS
from movimento_flat.errors import UserError

DOCS = ROOT / "docs"
TEMPLATE = ROOT / "bench" / "growth.template.md"
PLOTTER = ROOT / "bench" / "plot.py"
MATPLOTLIB = "matplotlib==3.11.2"

#: By benchmark: heading, and what it is about.
COMPARISONS = {
    "local": (
        "Database to CSV, one machine",
        "The whole of it, from a database that runs to one CSV (`bench/local.py`).",
    ),
    "cluster_run": (
        "Database to CSV, on a cluster",
        "The same on a warm cluster in Docker, two nodes on this machine (`bench/cluster_run.py`).",
    ),
    "cluster_join": (
        "The join alone, on a cluster",
        "From tagged TSV in HDFS to parts in HDFS (`bench/cluster_join.py`). The identity sort is one streaming job "
        "that only sorts the movements.",
    ),
    "extraction": (
        "The extraction alone",
        "From the database to files of this machine (`bench/extraction.py`).",
    ),
}
#: By heading: figure, and its unit; of seconds the median is shown, of bytes the most.
COLUMNS = {
    "CPU s": ("cpu_seconds", 1),
    "server CPU s": ("server_cpu_seconds", 1),
    "largest process MB": ("peak_bytes", MB),
    "all processes MB": ("together_bytes", MB),
    "disk MB": ("written_bytes", MB),
    "shuffled MB": ("shuffled_bytes", MB),
}


def benchmark_page(sessions: Sessions) -> str:
    """Return docs/benchmark.md."""
    parts = [
        "# Benchmark",
        "*Made by `bench/page.py` from the records in [benchmark/](benchmark): no figure here is typed by hand. How it "
        "is measured, what the contestants are, and which command gives which figure is in [bench/README.md]"
        "(../bench/README.md); how time and memory grow is in [growth.md](growth.md).*",
        "Seconds are medians of the rounds, with the least and the most; *ratio* is this project's median to the "
        "line's: below 1 this project is faster. Only figures of one table may be compared. An empty field could not "
        "be measured, or has no meaning there.",
        "## Targets",
        targets.table(sessions),
    ]
    for benchmark, (heading, text) in COMPARISONS.items():
        if found := sessions.of(benchmark):
            parts += [f"## {heading}", text, _image(benchmark, heading)]
            for session in found:
                parts += [
                    f"### {session.movements:,} movements",
                    comparison(session),
                    _circumstances(session),
                ]
    return "\n\n".join(parts) + "\n"


def growth_page(sessions: Sessions) -> str:
    """Return docs/growth.md, from its template."""
    memory = {spread: targets.memory_growth(sessions, spread) for spread in ("flat", "skewed")}
    growth, reducers = sessions.one("growth"), sessions.of("reducers")
    return TEMPLATE.read_text("utf-8").format(
        **constants(sessions),
        **{f"memory_{spread}": f"{found:.2f}" if found else MISSING for spread, found in memory.items()},
        growth_plot=_image("growth", "Seconds and memory against movements") if growth else MISSING,
        growth_table=_sized([growth], "spread, movements") if growth else MISSING,
        hot_card_table=_sized(sessions.of("hot_card"), "movements"),
        reducers_plot=_image("reducers", "Seconds and memory against reduce tasks") if reducers else MISSING,
        reducers_table=_sized(reducers, "reduce tasks"),
    )


def comparison(session: Session) -> str:
    """Return a session as a table."""
    used = [name for name in COLUMNS if any(_used(one, name) for one in session.contestants)]
    header = ["", "s", "least-most", "ratio", *used]
    rows = []
    for one in session.contestants:
        ratio = session.ratio(one.name)
        figures = [_used(one, name) for name in used]
        seconds = f"{min(one.seconds):,.1f}-{max(one.seconds):,.1f}"
        rows.append([one.name, f"{one.median('seconds'):,.1f}", seconds, f"{ratio:.2f}", *figures])
    return _markdown(header, rows)


def _used(one: Contestant, column: str) -> str:
    """Return a contestant's figure for a column; empty where it was not measured."""
    figure, unit = COLUMNS[column]
    found = one.median(figure) if unit == 1 else one.most(figure)
    if found is None:
        return ""
    return f"{found:,.1f}" if unit == 1 else f"{found / unit:,.0f}"


def _sized(sessions: Iterable[Session], what: str) -> str:
    """Return our own runs as tables, whose first column is `what`."""
    tables = []
    for session in sessions:
        used = [name for name in COLUMNS if all(_used(one, name) for one in session.contestants)]
        rows = [
            [_size(one.name), f"{one.median('seconds'):,.1f}", *(_used(one, name) for name in used)]
            for one in session.contestants
        ]
        title = f"{session.movements:,} movements:\n\n" if session.movements else ""
        tables.append(title + _markdown([what, "s", *used], rows) + "\n\n" + _circumstances(session))
    return "\n\n".join(tables) or MISSING


def _size(name: str) -> str:
    """Return `flat, 1,000,000` for `flat 1000000`, and other names as they are."""
    spread, _, size = name.rpartition(" ")
    return f"{spread}, {int(size):,}" if spread and size.isdigit() else name.replace("_", " ")


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _circumstances(session: Session) -> str:
    """Return when a session was, on which machine, and with which versions."""
    machine = session.facts["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in session.facts["versions"].items())
    return (
        f"{session.facts['date']}, commit `{session.facts['commit']}`; {machine['processor']}, "
        f"{machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB, Linux {machine['kernel']}, "
        f"{machine['system']}. {versions}."
    )


def _image(file: str, text: str) -> str:
    return f"![{text}](benchmark/{file}.svg)"


def plots(sessions: Sessions) -> list[dict[str, Any]]:
    """Return descriptions for bench/plot.py."""
    found = []
    for benchmark, (heading, _) in COMPARISONS.items():
        panels = [
            {
                "title": f"{session.movements:,} movements, seconds",
                "bars": [_bar(session, one) for one in session.contestants],
            }
            for session in sessions.of(benchmark)
        ]
        if panels:
            found.append({"file": benchmark, "kind": "bars", "title": heading, "panels": panels})
    if growth := sessions.one("growth"):
        curves: dict[str, list[tuple[int, Contestant]]] = {}
        for one in growth.contestants:
            spread, _, size = one.name.rpartition(" ")
            curves.setdefault(spread, []).append((int(size), one))
        found.append(_curves("growth", "movements", curves))
    if reducers := sessions.of("reducers"):
        numbers = {
            f"{session.movements:,} movements": sorted((int(one.name), one) for one in session.contestants)
            for session in reducers
        }
        found.append(_curves("reducers", "reduce tasks", numbers))
    return found


def _bar(session: Session, one: Contestant) -> dict[str, Any]:
    seconds = {"least": min(one.seconds), "median": one.median("seconds"), "most": max(one.seconds)}
    return {"name": one.name, **seconds, "first": one is session.contestants[0]}


def _curves(file: str, x: str, curves: dict[str, list[tuple[int, Contestant]]]) -> dict[str, Any]:
    """Return the description of two panels, seconds and memory."""

    def panel(title: str, figure: str, unit: float, logarithmic: bool) -> dict[str, Any]:
        lines = [
            {"name": name, "points": [(size, (one.most(figure) or 0) / unit) for size, one in points]}
            for name, points in curves.items()
        ]
        return {"title": title, "x": x, "y": "", "logarithmic": logarithmic, "lines": lines}

    panels = [
        panel("seconds", "seconds", 1, file == "growth"),
        panel("largest process, MB", "peak_bytes", MB, False),
    ]
    return {"file": file, "kind": "lines", "title": f"Seconds and memory against {x}", "panels": panels}


def draw(sessions: Sessions, folder: Path) -> None:
    """Write the plots into a folder.

    Raises:
        UserError: they could not be drawn.
    """
    asked = json.dumps({"folder": str(folder), "plots": plots(sessions)})
    command = [str(python_with("plots", [MATPLOTLIB])), str(PLOTTER)]
    result = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    if result.returncode:
        raise UserError(f"The plots could not be drawn:\n{result.stderr[-2000:]}")


def script() -> bool:
    """Write both pages and all plots.

    Raises:
        UserError: there is no record, or the plots could not be drawn.
    """
    sessions = read(RECORDS.glob("*.json"))
    if not sessions.all:
        raise UserError(
            f"There is no record in {RECORDS.relative_to(ROOT)}.",
            "Run `make bench`, or a benchmark with --record.",
        )
    draw(sessions, RECORDS)
    (DOCS / "benchmark.md").write_text(benchmark_page(sessions), encoding="utf-8")
    (DOCS / "growth.md").write_text(growth_page(sessions), encoding="utf-8")
    say("docs/benchmark.md and docs/growth.md are written.")
    return True


if __name__ == "__main__":
    main(script)
