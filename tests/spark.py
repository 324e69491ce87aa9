"""Spark, and a Java for it where this machine has none."""

import os
import shutil
import sys
from pathlib import Path

from bench.spark import PYSPARK
from tests.debian import once, run, unpacked

JAVA = "openjdk-17-jre-headless"


def spark_environment(state: Path) -> dict[str, str]:
    """-> environment in which mrjob finds Spark and Spark finds Java; both are fetched once into `state`."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
    packages = once(state / "pyspark", lambda unfinished: run([*pip, str(unfinished), PYSPARK]))
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    environment = {
        **os.environ,
        **python,
        "PYTHONPATH": str(packages),
        "SPARK_HOME": str(packages / "pyspark"),
    }
    if not shutil.which("java"):
        (home,) = unpacked(state, JAVA, _as_installed).glob("usr/lib/jvm/java-17-openjdk-*")
        environment["JAVA_HOME"] = str(home)
    return environment


def _as_installed(folder: Path, final: Path) -> None:
    """Links into /etc lead into the folder instead."""
    for link in folder.glob("usr/lib/jvm/**/*"):
        if link.is_symlink() and link.readlink().parts[:2] == ("/", "etc"):
            target = final / link.readlink().relative_to("/")
            link.unlink()
            link.symlink_to(target)
