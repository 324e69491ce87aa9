"""docs/recipes/lake/airflow_dag.py, imported by Apache Airflow; it is fetched for `make soak` alone."""

import os
import subprocess
import sys
from pathlib import Path

from movimento_flat.state import state_dir
from tests.conftest import ROOT
from tests.debian import once, run
from tests.soak import LONG

AIRFLOW = "apache-airflow==3.1.3"
DAG = ROOT / "docs" / "recipes" / "lake" / "airflow_dag.py"
SHOW = f"""
import runpy
dag = runpy.run_path({str(DAG)!r})["dag"]
print([task.task_id for task in dag.topological_sort()])
"""


if LONG:

    def test_airflow_imports_the_dag(tmp_path: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
        packages = once(state_dir() / "airflow", lambda unfinished: run([*pip, str(unfinished), AIRFLOW]))
        result = subprocess.run(
            [sys.executable, "-c", SHOW],
            env={**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(packages)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "['doctor', 'month', 'verify']"
