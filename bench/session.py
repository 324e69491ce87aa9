"""One session: contestants run in turn, a table of what they needed, and the record of it in docs/benchmark/."""

import argparse
import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.measure import ROOT, Timing, say
from movimento_flat import __version__

MB = 1_000_000
RECORDS = ROOT / "docs" / "benchmark"
#: Attribute of a Timing, and its name in a record.
FIGURES = {
    "seconds": "seconds",
    "cpu_seconds": "cpu_seconds",
    "server_cpu_seconds": "server_cpu_seconds",
    "peak": "peak_bytes",
    "together": "together_bytes",
    "written": "written_bytes",
    "shuffled": "shuffled_bytes",
    "largest": "largest_process",
    "stages": "stage_seconds",
}

Contestants = Mapping[str, Callable[[], Timing]]
Results = dict[str, list[Timing]]


def options(description: str | None, rounds: int = 3) -> argparse.ArgumentParser:
    """Return a parser of the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=1, help="of the fictitious data")
    parser.add_argument(
        "--record", action="store_true", help="write docs/benchmark/*.json, for bench/page.py"
    )
    return parser


def options_of_one_size(
    description: str | None, movements: int = 1_000_000, rounds: int = 3, optional: Collection[str] = ()
) -> argparse.ArgumentParser:
    """Return the same with `--movements`, and with `--without` where contestants are optional."""
    parser = options(description, rounds)
    parser.add_argument("--movements", type=int, default=movements)
    if optional:
        parser.add_argument(
            "--without",
            action="append",
            default=[],
            choices=optional,
            metavar="CONTESTANT",
            help=f"leave out a contestant; may be repeated:\n{'; '.join(optional)}",
        )
    return parser


def alternate(contestants: Contestants, rounds: int, warm_up: bool = False) -> Results:
    """Run every contestant once a round, and return their timings.

    Every second round has the opposite order, so that a slow minute of the machine hits all alike. With `warm_up` each
    one runs once before, without being timed.
    """
    if warm_up:
        say("Each once, not timed.")
        for contestant in contestants.values():
            contestant()
    results: Results = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            timing = contestants[name]()
            results[name].append(timing)
            say(f"round {number + 1}  {name}: {timing.seconds:.1f} s")
    return results


def table(results: Results) -> str:
    """Return a line for each contestant: seconds, their median, the ratio to the first contestant's, and the rest."""
    baseline = median(timing.seconds for timing in next(iter(results.values())))
    rounds = [f"round {number + 1}" for number in range(len(next(iter(results.values()))))]
    used = ["CPU s", "server CPU s", "peak MB", "all MB", "disk MB", "shuffle MB", "largest process"]
    rows = [["", *rounds, "median s", "ratio", *used]]
    for name, timings in results.items():
        seconds = [timing.seconds for timing in timings]
        row = [name, *(f"{figure:.1f}" for figure in (*seconds, median(seconds)))]
        row += [f"{baseline / median(seconds):.2f}"]
        row += [_seconds(timings, "cpu_seconds"), _seconds(timings, "server_cpu_seconds")]
        row += [_megabytes(timings, name) for name in ("peak", "together", "written", "shuffled")]
        rows.append([*row, max(timings, key=lambda timing: timing.peak).largest])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _seconds(timings: Iterable[Timing], figure: str) -> str:
    found = [getattr(timing, figure) for timing in timings]
    return "" if None in found else f"{median(found):.1f}"


def _megabytes(timings: Iterable[Timing], figure: str) -> str:
    found = [getattr(timing, figure) for timing in timings]
    return "" if None in found else f"{max(found) / MB:.0f}"


def show(results: Results, movements: int | None = None) -> None:
    """Print the table, and above it what it is a table of."""
    size = f"{movements:,} movements; " if movements else ""
    print(f"\n{size}ratio: seconds of {next(iter(results))} to those of the line.\n")
    print(table(results), end="\n\n")


def all_equal(found: Mapping[str, object]) -> bool:
    """Print what each contestant has written; return whether it is all the same, and say where it is not."""
    for name, written in found.items():
        print(f"{name}: {written}")
    same = len(set(found.values())) == 1
    if not same:
        say("The results differ.")
    return same


def record(benchmark: str, results: Results, versions: Mapping[str, str], **facts: object) -> None:
    """Write a session to docs/benchmark/BENCHMARK_MOVEMENTS.json.

    Args:
        benchmark: what was measured; `bench/page.py` shows sessions of the same benchmark together.
        results: every run.
        versions: of the programs that took part.
        facts: what else the page needs, such as `movements`.
    """
    contestants = [
        {
            "name": contestant,
            "runs": [
                {shown: _rounded(getattr(timing, figure)) for figure, shown in FIGURES.items()}
                for timing in timings
            ],
        }
        for contestant, timings in results.items()
    ]
    description = {
        "benchmark": benchmark,
        **facts,
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "machine": machine(),
        "versions": {"movimento-flat": __version__, "Python": platform.python_version(), **versions},
        "contestants": contestants,
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    size = f"_{facts['movements']}" if "movements" in facts else ""
    file = RECORDS / f"{benchmark}{size}.json"
    file.write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"Recorded in {file.relative_to(ROOT)}.")


def machine() -> dict[str, object]:
    """Return what the session runs on."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    release = platform.freedesktop_os_release()
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": pages,
        "kernel": platform.release(),
        "system": release.get("PRETTY_NAME", platform.system()),
    }


def said_version(command: list[str], pattern: str = r"\d+(\.\d+)+\S*") -> str:
    """Return the version that a command prints, on either stream."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(pattern, result.stdout + result.stderr)
    return found[0].strip('",') if found else "unknown"


def pinned(*requirements: str) -> dict[str, str]:
    """Return the versions of `name==version` (PyPI) and `group:name:version` (Maven), by name."""
    parts = (re.split(r"==|:", requirement)[-2:] for requirement in requirements)
    return {name: version for name, version in parts}  # noqa: C416  # lists are no pairs for mypy


def _commit() -> str:
    """Return the commit that is measured; with a plus sign where the code is not exactly that."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", ".", ":!docs"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() + ("+" if changed.stdout else "") if not found.returncode else "unknown"


def _rounded(figure: object) -> object:
    return round(figure, 2) if isinstance(figure, float) else figure
