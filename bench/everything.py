"""Every benchmark one after the other, recorded, and the pages made of the records.

.venv/bin/python -m bench.everything --sizes 100000 1000000 5000000 --rounds 3
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable

from bench.measure import ROOT, main, say

SIZES = (100_000, 1_000_000, 5_000_000, 20_000_000)
#: The hot card and the reduce tasks are measured with the largest size up to this one.
ENOUGH = 5_000_000
CLUSTER = str(ROOT / "hadoop-docker" / "cluster")

#: Modules with their arguments.
Commands = list[list[str]]


def here(sizes: Iterable[int], rounds: int) -> Commands:
    """Return the benchmarks that need this machine alone."""
    commands = [
        [f"bench.{name}", f"--movements={size}", f"--rounds={rounds}", "--record"]
        for name in ("extraction", "local")
        for size in sizes
    ]
    commands += [["bench.growth", "--sizes", *map(str, sizes), "--record"]]
    return [*commands, ["bench.hot_card", f"--movements={_enough(sizes)}", "--record"]]


def on_the_cluster(sizes: Iterable[int], rounds: int) -> Commands:
    """Return the benchmarks that need the cluster in Docker."""
    commands = [
        [f"bench.{name}", f"--movements={size}", f"--rounds={rounds}", "--record"]
        for name in ("cluster_join", "cluster_run")
        for size in sizes
    ]
    return [*commands, ["bench.reducers", f"--movements={_enough(sizes)}", "--record"]]


def _enough(sizes: Iterable[int]) -> int:
    return max((size for size in sizes if size <= ENOUGH), default=min(sizes))


def script() -> bool:
    """Run all, also after one has failed; return whether all were right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-cluster", action="store_true", help="leave out what needs Docker")
    arguments = parser.parse_args()
    sizes = sorted(arguments.sizes)
    failed = _run_all(here(sizes, arguments.rounds))
    if not arguments.no_cluster:
        # It starts only now, so that it does not slow down what does not need it.
        failed += (
            _run_all(on_the_cluster(sizes, arguments.rounds))
            if _run([CLUSTER, "up"])
            else [["cluster", "up"]]
        )
        say("The cluster still runs: make cluster-down stops it.")
    for command in failed:
        say(f"Failed: {' '.join(command)}")
    return not _run_all([["bench.page"]]) and not failed


def _run_all(commands: Commands) -> Commands:
    """Return those that have failed."""
    return [command for command in commands if not _run([sys.executable, "-m", *command])]


def _run(command: list[str]) -> bool:
    say(f"\n$ {' '.join(command)}")
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    main(script)
