"""The same job by mrjob's Spark runner."""

import os
import subprocess
from pathlib import Path

import pytest

from movimento_flat.privacy import Privacy
from movimento_flat.publish.parts import CSV_NAME, merge_parts
from movimento_flat.state import state_dir
from mr_jobs.job_options import JobOptions
from tests.conftest import ROOT
from tests.spark import spark_environment
from tests.test_join import SAMPLE, run_inline


@pytest.mark.machine
def test_spark_gives_the_same_csv(tmp_path: Path) -> None:
    """On a master and two workers of its own; with one option, which mrjob's harness would take for its own."""
    environment = spark_environment(state_dir())
    command = [environment["PYSPARK_PYTHON"], str(ROOT / "mr_jobs" / "join.py"), "-r", "spark", "--no-conf"]
    command += [
        "--spark-master",
        "local-cluster[2,1,1024]",
        "--with-ids",
        "--output-dir",
        str(tmp_path / "parts"),
        *map(str, SAMPLE),
    ]
    result = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-3000:]
    # Spark does not sort keys: the docstring of the job says how parts become what the merge reads.
    sort = ["sort", "--stable", "--field-separator=\t", "--key=1,1", f"--output={tmp_path / 'part'}"]
    parts = sorted((tmp_path / "parts").glob("part-*"))
    subprocess.run([*sort, *map(str, parts)], env={**os.environ, "LC_ALL": "C"}, check=True)
    assert csv_of([(tmp_path / "part").read_bytes()], tmp_path / "spark") == csv_of(
        run_inline([path.read_bytes() for path in SAMPLE], JobOptions(Privacy(ids=True))), tmp_path / "inline"
    )


def csv_of(parts: list[bytes], folder: Path) -> bytes:
    folder.mkdir()
    files = [folder / f"part-{number}" for number in range(len(parts))]
    for file, part in zip(files, parts, strict=True):
        file.write_bytes(part)
    merge_parts(files, folder)
    return (folder / CSV_NAME).read_bytes()
