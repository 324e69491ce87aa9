"""PySpark to measure against: its own virtual environment, a JDBC driver, and the command that runs it."""

import shutil
from pathlib import Path

from bench.environments import install, python_with
from bench.measure import ROOT, STATE
from extract.server_kind import MYSQL, POSTGRESQL
from movimento_flat.errors import UserError

PYSPARK = "pyspark==4.0.1"
JDBC_DRIVER = "org.mariadb.jdbc:mariadb-java-client:3.5.3"
POSTGRES_JDBC_DRIVER = "org.postgresql:postgresql:42.7.4"
JDBC_DRIVERS = {MYSQL.name: JDBC_DRIVER, POSTGRESQL.name: POSTGRES_JDBC_DRIVER}
COPY_ARTIFACT = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
JOIN = ROOT / "bench" / "spark_join.py"
#: What that imports of the project: it runs in PySpark's environment, and needs its standard library only.
MODEL = ROOT / "movimento_flat"


def spark_python() -> Path:
    """Return the Python of PySpark's virtual environment (400 MB).

    Raises:
        UserError: this machine has no Java, or PySpark could not be installed.
    """
    if not shutil.which("java"):
        raise UserError("PySpark needs Java, and this machine has none.", "Install a JRE, 17 or later.")
    return python_with("spark", [PYSPARK])


def spark_packages() -> Path:
    """Return that environment's site-packages: pure Python and jars, so that a container may mount them."""
    return next((spark_python().parent.parent / "lib").glob("python*/site-packages"))


def jdbc_driver(artifact: str = JDBC_DRIVER) -> Path:
    """Return the jar of a JDBC driver, fetched at the first call.

    Raises:
        UserError: it could not be fetched.
    """
    _, name, version = artifact.split(":")
    jar = STATE / "jdbc" / f"{name}-{version}.jar"
    if not jar.exists():
        if not shutil.which("mvn"):
            raise UserError(
                f"Maven fetches {jar.name}, and is not here.", f"Put {artifact} into {jar.parent}."
            )
        install(
            ["mvn", "-q", "-B", COPY_ARTIFACT, f"-Dartifact={artifact}", f"-DoutputDirectory={jar.parent}"]
        )
    return jar
