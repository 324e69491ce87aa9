"""Whether this version writes the same bytes of the CSV as an earlier commit of this repository.

    .venv/bin/python -m bench.same_bytes c493a95

Both read the same databases, of 100,000 movements for each seed, clean and with damaged rows, with each of OPTIONS. Of
the first seed each of mrjob's runners that need no cluster joins the tagged TSV also. Exit status 1: a byte differs.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from bench.databases import Database, Server
from bench.environments import install
from bench.measure import ROOT, STATE, fresh, main
from movimento_flat.publish.parts import CSV_NAME, merge_parts
from movimento_flat.sample_data.plan import Plan

OPTIONS: tuple[tuple[str, ...], ...] = (
    (),
    ("--with-ids",),
    ("--card", "mask"),
    ("--card", "token", "--people", "token"),
)
RUNNERS = ("inline", "local")
WORK = STATE / "same_bytes"


def checkout(commit: str) -> Path:
    """Return a checkout of a commit with an environment of its own, made at the first call.

    Raises:
        UserError: it could not be made.
    """
    folder = STATE / f"commit-{commit}"
    if not folder.exists():
        install(["git", "clone", "--quiet", str(ROOT), str(folder)])
        install(["git", "-C", str(folder), "checkout", "--quiet", commit])
    install(["make", "--silent", "-C", str(folder), "install"])
    return folder


def delivered(tree: Path, database: Database, options: tuple[str, ...]) -> bytes:
    """Return the CSV that the program in a checkout makes of a database."""
    key = WORK / "key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text("0123456789abcdef" * 4)
    keyed = ("--key-file", str(key)) if "token" in options else ()
    output = fresh(WORK / "output")
    command = [
        ".venv/bin/movimento-flat",
        "run",
        "--engine",
        "local",
        "--quiet",
        "--no-report",
        *options,
        *keyed,
    ]
    command += ["--source", str(database.source), "--output", str(output)]
    subprocess.run(command, cwd=tree, env=database.environment | {"PATH": "/usr/bin:/bin"}, check=True)
    return (output / CSV_NAME).read_bytes()


def joined(database: Database, runner: str) -> bytes:
    """Return the CSV of the job under one of mrjob's own runners."""
    tsv, parts, merged = (fresh(WORK / name) for name in ("tsv", "parts", "merged"))
    extract = [
        ".venv/bin/movimento-flat",
        "extract",
        "--quiet",
        "--source",
        str(database.source),
        "--to",
        str(tsv),
    ]
    subprocess.run(extract, cwd=ROOT, env=database.environment, check=True)
    files = map(str, sorted(tsv.glob("*/*.tsv")))
    join = [sys.executable, "mr_jobs/join.py", "--quiet", "-r", runner, "--output-dir", str(parts), *files]
    subprocess.run(join, cwd=ROOT, check=True)
    merged.mkdir()
    merge_parts(sorted(parts.glob("part-*")), merged)
    return (merged / CSV_NAME).read_bytes()


def differences(tree: Path, seeds: int, movements: int) -> Iterator[str]:
    """Compare both versions, and return what differs."""
    with Server() as server:
        for seed, dirty in product(range(1, seeds + 1), (0.0, 0.05)):
            database = server.database(Plan(movements=movements, seed=seed, dirty=dirty))
            what = f"seed {seed}, dirty {dirty}"
            for options in OPTIONS:
                earlier, now = (delivered(where, database, options) for where in (tree, ROOT))
                print(f"{what}, {' '.join(options) or 'full'}: {len(now):,} bytes", flush=True)
                if earlier != now:
                    yield f"{what}, {' '.join(options)}"
                if seed == 1 and not options:
                    yield from (
                        f"{what}, -r {runner}" for runner in RUNNERS if joined(database, runner) != now
                    )


def script() -> bool:
    """Print what differs; return whether nothing does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("commit", help="an earlier commit of this repository")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--movements", type=int, default=100_000, help="of each database")
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    found = list(differences(checkout(arguments.commit), arguments.seeds, arguments.movements))
    print("different:", "; ".join(found) or "nothing")
    return not found


if __name__ == "__main__":
    main(script)
