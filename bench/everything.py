"""Every benchmark in one sitting, recorded, and the pages made of them.

.venv/bin/python bench/everything.py --sizes 100000 1000000 5000000 --rounds 3
"""

import argparse
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.measure import ROOT, main, say  # noqa: E402

SIZES = (100_000, 1_000_000, 5_000_000, 20_000_000)
#: The hot card and the reduce tasks are looked at with as many movements, or with the most below.
ENOUGH = 5_000_000
CLUSTER = str(ROOT / "hadoop-docker" / "cluster")

Commands = list[list[str]]


def here(sizes: Iterable[int], rounds: int) -> Commands:
    """What needs this machine alone."""
    commands = [
        [f"bench/{name}.py", f"--movements={size}", f"--rounds={rounds}", "--record"]
        for name in ("extraction", "local")
        for size in sizes
    ]
    commands += [["bench/growth.py", "--sizes", *map(str, sizes), "--record"]]
    return [*commands, ["bench/hot_card.py", f"--movements={_enough(sizes)}", "--record"]]


def on_the_cluster(sizes: Iterable[int], rounds: int) -> Commands:
    """What needs the cluster in Docker."""
    commands = [
        [f"bench/{name}.py", f"--movements={size}", f"--rounds={rounds}", "--record"]
        for name in ("cluster_join", "cluster_run")
        for size in sizes
    ]
    return [*commands, ["bench/reducers.py", f"--movements={_enough(sizes)}", "--record"]]


def _enough(sizes: Iterable[int]) -> int:
    return max((size for size in sizes if size <= ENOUGH), default=min(sizes))


def script() -> bool:
    """Run all; -> whether all were right. One that fails hinders no other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-cluster", action="store_true", help="leave out what needs Docker")
    arguments = parser.parse_args()
    sizes = sorted(arguments.sizes)
    failed = _run_all(here(sizes, arguments.rounds))
    if not arguments.no_cluster:
        # What it has not to do with must not be slowed down by it: it starts only now.
        failed += (
            _run_all(on_the_cluster(sizes, arguments.rounds))
            if _run([CLUSTER, "up"])
            else [["cluster", "up"]]
        )
        say("The cluster still runs: make cluster-down stops it.")
    for command in failed:
        say(f"Failed: {' '.join(command)}")
    return not _run_all([["bench/page.py"]]) and not failed


def _run_all(commands: Commands) -> Commands:
    """-> those that have failed."""
    return [command for command in commands if not _run([sys.executable, *command])]


def _run(command: list[str]) -> bool:
    say(f"\n$ {' '.join(command)}")
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    main(script)
