"""Whether this version writes the same bytes of the CSV as an earlier commit of this repository.

    .venv/bin/python -m bench.same_bytes c493a95

Both read the same databases, of 100,000 movements for each seed, clean and with damaged rows, with each of OPTIONS.
Each of mrjob's runners joins the tagged TSV also; Hadoop's in a container of `--image`, which `make
cluster-up` builds. Exit status 1: a byte differs.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from bench.databases import Database, Server
from bench.environments import install
from bench.measure import ROOT, STATE, fresh, main, movimento_flat
from bench.spark import spark_packages
from movimento_flat.publish.parts import CSV_NAME, merge_parts
from movimento_flat.sample_data.plan import Plan
from mr_jobs.job_options import JobOptions

OPTIONS: tuple[tuple[str, ...], ...] = (
    (),
    ("--with-ids",),
    ("--card", "mask"),
    ("--card", "token", "--people", "token"),
)
RUNNERS = ("inline", "local", "spark", "hadoop")
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


def extracted(database: Database) -> Path:
    """Return a folder with the database's tagged TSV."""
    tsv = fresh(WORK / "tsv")
    extract = movimento_flat("extract", "--quiet", "--source", str(database.source), "--to", str(tsv))
    subprocess.run(extract, env=database.environment, check=True)
    return tsv


def joined(tsv: Path, options: tuple[str, ...], runner: str, image: str) -> bytes:
    """Return the CSV of the job under one of mrjob's own runners; Hadoop's is that in a container."""
    parts, part, merged = (fresh(WORK / name) for name in ("parts", "part", "merged"))
    python, place, environment = [sys.executable], ROOT, dict(os.environ)
    more = ["--key-file", str(WORK / "key")] if "--card" in options else []
    output = str(parts)
    if runner == "hadoop":
        configuration = fresh(WORK / "configuration")
        configuration.mkdir()
        for name in ("core", "hdfs", "mapred", "yarn"):
            (configuration / f"{name}-site.xml").write_text("<configuration/>")
        python = ["docker", "run", "--rm", f"--volume={WORK}:{WORK}", f"--volume={ROOT}:{ROOT}:ro"]
        python += ["--entrypoint=/opt/movimento-flat/bin/python", f"--workdir={WORK}"]
        python += [f"--env=HADOOP_CONF_DIR={configuration}", image]
        more += ["-D", "mapreduce.framework.name=local", "-D", "mapreduce.job.reduces=2"]
        more += [f"--hadoop-tmp-dir=file://{fresh(WORK / 'hadoop')}"]
        output = f"file://{parts}"
    elif runner == "spark":
        packages = spark_packages()
        environment |= {"PYTHONPATH": str(packages), "SPARK_HOME": str(packages / "pyspark")}
        environment |= {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
        more += ["--spark-master", "local[2]"]
    files = map(str, sorted(tsv.glob("*/*.tsv")))
    job = [str(ROOT / "mr_jobs" / "join.py"), "--quiet", "-r", runner, *more, *options]
    command = [*python, *job, "--output-dir", output, *files]
    subprocess.run(command, cwd=place, env=environment, check=True)
    # Spark does not sort keys.
    sort = ["sort", "--stable", "--field-separator=\t", "--key=1,1", f"--output={part}"]
    subprocess.run(
        [*sort, *map(str, sorted(parts.glob("part-*")))], env=environment | {"LC_ALL": "C"}, check=True
    )
    merged.mkdir()
    parser = argparse.ArgumentParser()
    JobOptions.add_options(parser.add_argument)
    privacy = JobOptions.of(parser.parse_args([*options])).privacy
    merge_parts([part], merged, privacy.columns)
    return (merged / CSV_NAME).read_bytes()


def differences(tree: Path, seeds: int, movements: int, image: str) -> Iterator[str]:
    """Compare both versions, and this one under each runner; return what differs."""
    runners = [runner for runner in RUNNERS if image or runner != "hadoop"]
    with Server() as server:
        for seed, dirty in product(range(1, seeds + 1), (0.0, 0.05)):
            database = server.database(Plan(movements=movements, seed=seed, dirty=dirty))
            tsv = extracted(database)
            for options in OPTIONS:
                what = f"seed {seed}, dirty {dirty}, {' '.join(options) or 'full'}"
                earlier, now = (delivered(where, database, options) for where in (tree, ROOT))
                others = [name for name in runners if joined(tsv, options, name, image) != now]
                found = [f"{what}, {name}" for name in (["earlier"] if earlier != now else []) + others]
                print(f"{what}: {len(now):,} bytes; {', '.join(others) or 'all the same'}", flush=True)
                yield from found


def script() -> bool:
    """Print what differs; return whether nothing does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("commit", help="an earlier commit of this repository")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--movements", type=int, default=100_000, help="of each database")
    parser.add_argument(
        "--image", default="", help="of the cluster in Docker; without it no Hadoop takes part"
    )
    arguments = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    found = list(
        differences(checkout(arguments.commit), arguments.seeds, arguments.movements, arguments.image)
    )
    print("different:", "; ".join(found) or "nothing")
    return not found


if __name__ == "__main__":
    main(script)
