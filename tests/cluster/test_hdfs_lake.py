"""--lake hdfs:///...: what a reader on the cluster finds, and at every moment."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cluster import SPARK_SETTINGS
from movimento_flat.schema import AMOUNT
from movimento_flat.sql_files import expected_rows
from movimento_flat.state import state_dir
from tests.cluster.docker import PROJECT, PYTHON, Cluster, docker
from tests.conftest import ROOT
from tests.soak import LONG
from tests.spark import spark_environment

HOME = "/user/movimento"
LAKE = f"hdfs://{HOME}/lake"
MOVEMENTS = 3_000
DATABASE = f"sicooperative_{MOVEMENTS}_300_225_150_11_0"
DATA = ("--movements", str(MOVEMENTS), "--seed", "11", "--no-report")
FEBRUARY = ("--since", "2024-02-01", "--until", "2024-03-01")
KILLS = 30 if LONG else 2
SPARK = f"""
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
movements = spark.read.parquet("{LAKE}")
of_month = movements.where("ano_mes = '2024-02'").selectExpr("count(*)", "sum({AMOUNT})")
print("found", *movements.selectExpr("count(*)", "sum({AMOUNT})").first(), *of_month.first(), spark.sparkContext.master)
"""


@pytest.fixture(autouse=True)
def no_lakes(cluster: Cluster) -> Iterator[None]:
    """Each test begins without a lake, and leaves none."""
    lakes = ("hadoop", "fs", "-rm", "-r", "-f", "-skipTrash", f"{HOME}/lake", f"{HOME}/killed")
    cluster.hadoop(*lakes)
    yield
    cluster.hadoop(*lakes)


def record(cluster: Cluster) -> dict[str, str]:
    """-> the SHA-256 of each month's file, by the lake's record."""
    months = json.loads(cluster.hadoop("hadoop", "fs", "-cat", f"{LAKE}/_lake.json"))["months"]
    return {month: entry["files"]["movimentos.parquet"]["sha256"] for month, entry in months.items()}


def modified(cluster: Cluster) -> dict[str, str]:
    """-> when each month's file was written, as HDFS has it."""
    listed = cluster.hadoop("hadoop", "fs", "-stat", "%n %y", f"{HOME}/lake/ano_mes=*")
    files = cluster.hadoop("hadoop", "fs", "-stat", "%y", f"{HOME}/lake/ano_mes=*/*.parquet")
    return dict(zip((line.split()[0] for line in listed.splitlines()), files.splitlines(), strict=True))


@pytest.fixture(scope="module")
def spark_jars(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Spark's jars in HDFS, for everybody to read: a node unpacks them for its first application alone."""
    archive = tmp_path_factory.mktemp("spark") / "jars.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for jar in (Path(spark_environment(state_dir())["PYTHONPATH"]) / "pyspark" / "jars").glob("*.jar"):
            file.write(jar, jar.name)
    docker("cp", str(archive), f"{cluster.container('namenode')}:/tmp/jars.zip")
    cluster.hadoop("hadoop", "fs", "-put", "-f", "/tmp/jars.zip", "/tmp/spark-jars.zip")
    cluster.hadoop("hadoop", "fs", "-chmod", "a+r", "/tmp/spark-jars.zip")
    return "hdfs:///tmp/spark-jars.zip"


def by_spark(jars: str) -> list[str]:
    """-> rows and sum of the lake, and of a month, and where Spark ran, by PySpark on the cluster's YARN."""
    packages = spark_environment(state_dir())["PYTHONPATH"]
    settings = {**SPARK_SETTINGS, "spark.yarn.archive": jars}
    conf = " ".join(f"--conf {name}={value}" for name, value in settings.items())
    return docker(
        *("run", "--rm", "--init", "--network", f"{PROJECT}_default", "--security-opt", "label=disable"),
        *(
            "--label",
            f"movimento-flat.client={PROJECT}",
            "--workdir",
            "/tmp",
            "--volume",
            f"{packages}:/spark:ro",
        ),
        *("--env", "PYTHONPATH=/spark"),
        *("--env", f"PYSPARK_SUBMIT_ARGS=--master yarn --deploy-mode client {conf} pyspark-shell"),
        *(PROJECT, "client", "python3", "-c", SPARK),
    ).split()


def test_a_lake_in_hdfs_is_one_table_for_spark_and_a_month_again_changes_one_file(
    cluster: Cluster, spark_jars: str, tmp_path: Path
) -> None:
    result = cluster.run(tmp_path, *DATA, LAKE=LAKE)
    assert result.returncode == 0, result.stderr
    assert len(record(cluster)) > 24
    query = f"SELECT count(*), sum(CAST({AMOUNT} AS DECIMAL(30, 2))) FROM ({expected_rows()}) AS flat"
    february = f"{query} WHERE data_movimento >= '2024-02-01' AND data_movimento < '2024-03-01'"
    of_all, of_month = (cluster.query(DATABASE, statement)[0] for statement in (query, february))
    if LONG:
        assert by_spark(spark_jars)[-5:] == [*map(str, (*of_all, *of_month)), "yarn"]

    before, written = record(cluster), modified(cluster)
    cluster.query(
        DATABASE, "UPDATE movimento SET des_transacao = 'new' WHERE data_movimento LIKE '2024-02-%'"
    )
    result = cluster.run(tmp_path, *DATA, *FEBRUARY, LAKE=LAKE)
    assert result.returncode == 0, result.stderr
    after = record(cluster)
    assert {month for month in before | after if before.get(month) != after.get(month)} == {"2024-02"}
    now = modified(cluster)
    assert {name for name in now if now[name] != written[name]} == {"ano_mes=2024-02"}
    assert by_spark(spark_jars)[-5:] == [*map(str, (*of_all, *of_month)), "yarn"]

    assert cluster.script("client", "movimento-flat", "verify", LAKE).returncode == 0
    damaged = f"{HOME}/lake/ano_mes=2024-02/movimentos.parquet"
    cluster.hadoop("hadoop", "fs", "-cp", "-f", damaged.replace("2024-02", "2024-03"), damaged)
    cluster.hadoop("hadoop", "fs", "-chown", "movimento", damaged)
    result = cluster.script("client", "movimento-flat", "verify", LAKE)
    assert result.returncode == 1
    assert "ano_mes=2024-02/movimentos.parquet is not as it was published" in result.stderr

    result = cluster.run(tmp_path, *DATA, "--card", "mask", LAKE=LAKE)
    assert result.returncode == 1
    assert "was made otherwise" in result.stderr
    assert "Step 1" not in result.stderr
    assert record(cluster) == after


def test_a_run_killed_at_any_moment_shows_each_month_as_it_was_or_as_it_is(
    cluster: Cluster, tmp_path: Path
) -> None:
    """While runs are killed, every read of every month finds a whole file of the version before or of the new one."""
    shutil.copy(ROOT / "tests" / "cluster" / "lake_readers.py", tmp_path)
    command = ("client", PYTHON, "/output/lake_readers.py", str(KILLS))
    result = cluster.script(*command, OUTPUT=str(tmp_path))
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["reads"] > 100
    assert found["wrong"] == []
    assert all(len(versions) == 1 for _, versions in found["states"])
    assert sum(status != 0 for status, _ in found["states"]) >= KILLS // 2
    assert "HDFS gives the lake free a minute later" in result.stdout


def test_other_places_are_refused_before_the_cluster_starts(cluster: Cluster, tmp_path: Path) -> None:
    result = cluster.run(tmp_path, LAKE="s3://bucket/lake")
    assert result.returncode == 1
    assert "aws s3 sync --delete ./lake s3://bucket/lake" in result.stderr


def test_the_class_is_that_of_its_source(cluster: Cluster, tmp_path: Path) -> None:
    if not shutil.which("javac"):
        pytest.skip("no javac")
    docker("cp", f"{cluster.container('namenode')}:/opt/hadoop/lib/.", str(tmp_path / "lib"))
    lake = ROOT / "movimento_flat" / "lake"
    command = [
        "javac",
        "--release",
        "8",
        "-g:none",
        "-nowarn",
        "-d",
        str(tmp_path),
        "-cp",
        f"{tmp_path}/lib/*",
    ]
    subprocess.run([*command, str(lake / "HdfsLake.java")], check=True)
    codes = [
        subprocess.run(
            ["javap", "-p", "-c", folder / "HdfsLake.class"], capture_output=True, text=True, check=True
        )
        for folder in (lake, tmp_path)
    ]
    assert codes[0].stdout.partition("{")[2] == codes[1].stdout.partition("{")[2]
