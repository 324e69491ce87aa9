"""The cluster gives the right bytes, whatever the number of tasks and wherever the database is."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from movimento_flat import __version__
from movimento_flat.publish.parts import CSV_NAME, REJECTED_NAME, merge_parts
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import get_programs
from movimento_flat.schema import FLAT_COLUMNS, ID_COLUMNS
from movimento_flat.sql_files import READER, expected_rows, reader_statements, statements
from movimento_flat.state import state_dir
from movimento_flat.workers import Workers
from mr_jobs.local_runner import join_locally
from tests.brute_force import as_csv
from tests.cluster.conftest import DATA, DATABASE, Data
from tests.cluster.docker import PROJECT, RUNS, Cluster, client_containers, docker, logs, wait_for
from tests.conftest import PASSWORD, ROOT, Server, filled_database
from tests.hostile import PROFILE_LINES
from tests.mysql9 import MySQL9, free_port
from tests.rows import associado, movimento
from tests.soak import LONG
from tests.test_foreign_tsv import MOVEMENT

RUN = "movimento_flat.run"


def test_the_csv_is_what_a_plain_join_in_the_database_gives(cluster: Cluster, data: Data) -> None:
    assert data.csv == as_csv(FLAT_COLUMNS, cluster.query(DATABASE, expected_rows()))
    rejected = (data.output / RUN / REJECTED_NAME).read_text("utf-8").splitlines()[1:]
    reasons = [(row.split("\t")[0], row.split("\t")[2]) for row in rejected]
    assert sorted(reasons) == sorted(cluster.query(DATABASE, statements("rejected")[0]))
    assert sorted(path.name for path in data.output.iterdir()) == [
        "datapackage.json",
        CSV_NAME,
        RUN,
        "relatorio.html",
    ]


def test_the_files_are_the_callers_and_nobody_elses(data: Data) -> None:
    for path in (path for path in data.output.rglob("*") if path.is_file()):
        assert path.stat().st_uid == os.geteuid()
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_run_names_engine_applications_and_web_addresses(data: Data) -> None:
    assert "Step 1 of 2: in the JVM of `hadoop jar`" in data.said
    assert "Step 2 of 2: application_" in data.said
    assert "http://127.0.0.1:" in data.said
    manifest = json.loads((data.output / RUN / "manifest.json").read_text())
    assert manifest["engine"] == "hadoop"
    assert manifest["source"]["connections"] == 2


def test_no_secret_is_in_what_docker_and_the_run_show(cluster: Cluster, data: Data) -> None:
    secrets = [path.read_text().strip() for path in cluster.secrets.iterdir()]
    assert len(secrets) == 2
    names = docker(
        "ps", "--all", "--filter", f"label=com.docker.compose.project={PROJECT}", "--quiet"
    ).split()
    shown = docker("inspect", *names) + docker("history", "--no-trunc", PROJECT) + data.said
    shown += "".join(logs(name) for name in names)
    assert not any(secret in shown for secret in secrets)
    for path in cluster.secrets.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_ports_are_published_on_the_loopback_only(cluster: Cluster) -> None:
    names = docker("ps", "--filter", f"label=com.docker.compose.project={PROJECT}", "--format", "{{.Ports}}")
    assert "127.0.0.1:" in names
    assert "0.0.0.0:" not in names
    assert ":::" not in names


@pytest.mark.parametrize("reducers", [1, 5] if LONG else [5])
def test_another_run_uses_cluster_and_database_again_and_any_number_of_reducers_gives_the_same_bytes(
    cluster: Cluster, data: Data, tmp_path: Path, reducers: int
) -> None:
    """The first one had two reducers, as mapred-site.xml says."""
    containers = docker("ps", "--filter", f"label=com.docker.compose.project={PROJECT}", "--quiet")
    result = cluster.run(tmp_path, *DATA, "-D", f"mapreduce.job.reduces={reducers}")
    assert result.returncode == 0, result.stderr
    assert "as an earlier run filled it" in result.stderr
    assert docker("ps", "--filter", f"label=com.docker.compose.project={PROJECT}", "--quiet") == containers
    assert (tmp_path / CSV_NAME).read_bytes() == data.csv


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the local engine: the same plan gives the same rows in the private database of this machine."""
    return tmp_path_factory.mktemp("state")


def run_here(state: Path, output: Path, *options: str) -> bytes:
    """The CSV of the local engine."""
    subprocess.run(
        [sys.executable, "-m", "movimento_flat.cli.main", "run", "--output", str(output), *DATA, *options],
        env={**os.environ, "MOVIMENTO_FLAT_HOME": str(state)},
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return (output / CSV_NAME).read_bytes()


def test_the_same_bytes_come_from_the_local_engine(data: Data, state: Path, tmp_path: Path) -> None:
    assert run_here(state, tmp_path) == data.csv


def test_the_same_bytes_come_from_the_local_engine_with_ids_too(
    cluster: Cluster, data: Data, state: Path, tmp_path: Path
) -> None:
    result = cluster.run(tmp_path / "cluster", *DATA, "--with-ids")
    assert result.returncode == 0, result.stderr
    csv = (tmp_path / "cluster" / CSV_NAME).read_bytes()
    rows = cluster.query(DATABASE, expected_rows(with_ids=True))
    assert csv == as_csv((*FLAT_COLUMNS, *ID_COLUMNS), rows)
    assert csv == run_here(state, tmp_path / "here", "--with-ids")
    assert data.csv == as_csv(FLAT_COLUMNS, [row[: len(FLAT_COLUMNS)] for row in rows])


def test_the_plain_script_is_right_on_the_cluster_by_itself(cluster: Cluster, tmp_path: Path) -> None:
    """`python mr_jobs/join.py -r hadoop`, with mrjob's own runner: movements pass through step 1."""
    sample = ROOT / "docs" / "sample"
    folder = tmp_path / "sample"
    folder.mkdir()
    for file in sample.glob("*.tsv"):
        (folder / file.name).write_bytes(file.read_bytes())
    script = (
        "cd \"$(python3 -c 'import mr_jobs; print(mr_jobs.__path__[0])')/..\""
        " && python3 mr_jobs/join.py -r hadoop --quiet /output/movements.tsv /output/small_tables.tsv"
    )
    result = cluster.script(
        "client", "sh", "-c", f"PATH=/opt/movimento-flat/bin:$PATH; {script}", OUTPUT=str(folder)
    )
    assert result.returncode == 0, result.stderr
    assert sorted(result.stdout.splitlines()) == inline_records()


def inline_records() -> list[str]:
    """Of the sample, by the inline runner, in the order of bytes."""
    sample = (ROOT / "docs" / "sample").glob("*.tsv")
    command = [sys.executable, "mr_jobs/join.py", "-r", "inline", "--quiet", *map(str, sample)]
    inline = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(inline.stdout.splitlines())


JOIN_FOREIGN = """
hadoop fs -rm -r -f -skipTrash foreign && hadoop fs -mkdir foreign && hadoop fs -put /output/tsv foreign/tsv
movimento-flat join --from hdfs:///user/movimento/foreign/tsv --to hdfs:///user/movimento/foreign/parts
hadoop fs -get foreign/parts /output/parts && hadoop fs -rm -r -skipTrash foreign
"""


def test_lines_of_foreign_tsv_end_on_the_cluster_where_they_end_on_one_machine(
    cluster: Cluster, tmp_path: Path
) -> None:
    """By default Hadoop would end one at a carriage return, take that of CR LF away, and a byte order mark."""
    small, movements = tmp_path / "tsv" / "small_tables", tmp_path / "tsv" / "movements"
    small.mkdir(parents=True)
    movements.mkdir()
    with_return, with_crlf = movimento(id="5", des_transacao="a?b").line(), movimento(id="6").line()
    odd = with_return.replace(b"?", b"\r") + with_crlf.replace(b"\n", b"\r\n")
    holder = associado(id="77", sobrenome="Maria?Souza").line().replace(b"?", b"\r").replace(b"\n", b"\r\n")
    (small / "a.tsv").write_bytes(b"\xef\xbb\xbf" + PROFILE_LINES + holder)
    (movements / "a.tsv").write_bytes(b"\xef\xbb\xbf" + MOVEMENT + odd)
    result = cluster.script("client", "sh", "-euc", JOIN_FOREIGN, OUTPUT=str(tmp_path))
    assert result.returncode == 0, result.stderr
    here = tmp_path / "here"
    here.mkdir()
    with Workers() as workers:
        parts = join_locally([small / "a.tsv"], lambda: [movements / "a.tsv"], here / "parts", here, workers)
    merged = []
    for kind, files in (("local", parts), ("cluster", sorted((tmp_path / "parts").glob("part-*")))):
        (tmp_path / kind).mkdir()
        merge_parts(files, tmp_path / kind)
        names = (CSV_NAME, REJECTED_NAME, "warnings.tsv")
        merged.append({name: (tmp_path / kind / name).read_bytes() for name in names})
    assert merged[0] == merged[1]
    assert b'"a\rb"' in merged[1][CSV_NAME]
    assert merged[1][REJECTED_NAME].count(b"malformed") == 1


#: Debian's own Python has neither Polars nor mrjob; both are shipped where nothing says that the nodes have all.
STOCK_PYTHON = """
cat >/tmp/mrjob.conf <<END
runners:
  hadoop:
    check_input_paths: false
    hadoop_bin: /opt/hadoop/bin/hadoop
    hadoop_streaming_jar: /opt/hadoop/hadoop-streaming.jar
    python_bin: /usr/bin/python3
END
export MRJOB_CONF=/tmp/mrjob.conf
! /usr/bin/python3 -c 'import polars' 2>/dev/null
hadoop fs -rm -r -f -skipTrash stock && hadoop fs -mkdir -p stock/tsv/small_tables stock/tsv/movements
for name in small_tables movements; do hadoop fs -put /output/$name.tsv stock/tsv/$name/; done
movimento-flat join --from hdfs:///user/movimento/stock/tsv --to hdfs:///user/movimento/stock/parts
rm -rf /output/parts
hadoop fs -get stock/parts /output/parts && hadoop fs -rm -r -skipTrash stock
hadoop fs -ls -C movimento-flat/packages
"""


def test_nodes_with_nothing_but_debians_python_get_polars_with_the_first_job_and_keep_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    """SUITE=bookworm in the environment tries it with Debian 12, whose Python is 3.11."""
    for sample in (ROOT / "docs" / "sample").glob("*.tsv"):
        (tmp_path / sample.name).write_bytes(sample.read_bytes())
    for _ in range(2):
        result = cluster.script("client", "sh", "-euc", STOCK_PYTHON, OUTPUT=str(tmp_path))
        assert result.returncode == 0, result.stderr
        assert "movimento-flat/packages/polars-" in result.stdout
        parts = sorted((tmp_path / "parts").glob("part-*"))
        assert sorted(line for part in parts for line in part.read_text().splitlines()) == inline_records()
    cluster.hadoop("hadoop", "fs", "-rm", "-r", "-skipTrash", f"{RUNS}/packages")
    copies = [
        docker("exec", cluster.container(node), "find", "/hadoop/local", "-name", "polars-*.zip").splitlines()
        for node in ("nodemanager1", "nodemanager2")
    ]
    assert sorted(map(len, copies)) in ([0, 1], [1, 1])


OLDER_HADOOP = ("--build-arg", "HADOOP_VERSION=3.3.5")
#: By Hadoop's streaming on one machine and without HDFS: what it needs of a Hadoop is its own jars.
LOCAL_JOB = """
mkdir /tmp/etc /tmp/work && cd /tmp/work
for name in core hdfs mapred yarn; do echo "<configuration/>" >/tmp/etc/$name-site.xml; done
export HADOOP_CONF_DIR=/tmp/etc PATH="/opt/movimento-flat/bin:$PATH"
hadoop version 2>/dev/null | head -n 1
job=$(python3 -c 'import mr_jobs.join; print(mr_jobs.join.__file__)')
python3 "$job" -r hadoop --quiet --hadoop-tmp-dir file:///tmp/work/tmp -D mapreduce.framework.name=local \\
    -D mapreduce.job.reduces=2 /sample/movements.tsv /sample/small_tables.tsv
"""
#: With the image's archive of classes, which the job of make-class-archive does not have yet.
NODEMANAGER = """
hadoop nodemanager >/tmp/log 2>&1 &
until grep -q 'mapreduce_shuffle listening' /tmp/log; do
    kill -0 $! || { tail -n 20 /tmp/log >&2; exit 1; }
    sleep 0.2
done
"""


@pytest.mark.parametrize(("version", "arguments"), [("3.4", ()), *([("3.3", OLDER_HADOOP)] if LONG else [])])
def test_either_hadoop_has_a_nodemanager_that_starts_and_streaming_that_gives_the_same_records(
    version: str, arguments: tuple[str, ...]
) -> None:
    """That the image of 3.3 can be built shows that its YARN runs a job: make-class-archive does that."""
    image = f"{PROJECT}:hadoop-{version}"
    docker(
        *("build", "--file", str(ROOT / "hadoop-docker" / "Dockerfile"), "--target", "movimento-flat"),
        *("--tag", image, *arguments, str(ROOT)),
    )
    try:
        mount = f"{ROOT / 'docs' / 'sample'}:/sample:ro"
        docker("run", "--rm", "--init", "--user", "hadoop", image, "timeout", "99", "sh", "-euc", NODEMANAGER)
        said = docker("run", "--rm", "--user", "hadoop", "--volume", mount, image, "sh", "-euc", LOCAL_JOB)
    finally:
        docker("image", "rm", image)
    first, *records = said.splitlines()
    assert first.startswith(f"Hadoop {version}.")
    assert sorted(records) == inline_records()


def test_a_jar_that_is_not_the_listed_one_ends_the_build(tmp_path: Path) -> None:
    """All but the comparison comes from the cache."""
    folder = tmp_path / "hadoop-docker"
    shutil.copytree(ROOT / "hadoop-docker", folder)
    (checksums,) = (folder / "checksums").glob("3.4.*")
    listed = checksums.read_text()
    checksums.write_text(listed.replace("  lib/hadoop-common-", "0  lib/hadoop-common-"))
    build = ["docker", "build", "--file", str(folder / "Dockerfile"), "--target", "jars", str(tmp_path)]
    result = subprocess.run(build, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "  lib/hadoop-common-" in result.stdout + result.stderr
    assert "  lib/hadoop-hdfs-" not in result.stdout + result.stderr


def test_the_image_says_what_it_is(cluster: Cluster) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", PROJECT))
    labels = {name.rpartition("image.")[2]: value for name, value in labels.items()}
    assert labels["title"] == project["name"]
    assert labels["description"] == project["description"]
    assert labels["licenses"] == project["license"]
    assert labels["version"] == __version__


def test_the_doctor_finds_the_cluster(cluster: Cluster) -> None:
    result = cluster.script("client", "movimento-flat", "doctor", "--output", "/state")
    assert result.returncode == 0, result.stderr
    assert re.search(r"^ok +ENGINE=hadoop +the cluster of ", result.stderr, re.MULTILINE), result.stderr


def test_an_authoritys_file_is_named_as_the_user_wrote_it(cluster: Cluster, tmp_path: Path) -> None:
    authority = tmp_path / "no authority.pem"
    authority.write_text("nothing")
    source = f"mysql://{READER}@db.invalid/sicooperative"
    result = cluster.run(tmp_path / "out", SOURCE=source, MYSQL_PWD="x", TLS_CA=str(authority))
    assert result.returncode == 1
    assert f"The authority's file {authority} cannot be used" in result.stderr


def test_empty_tables_give_a_header_only(cluster: Cluster, tmp_path: Path) -> None:
    result = cluster.run(tmp_path, "--movements", "0")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / CSV_NAME).read_text() == ",".join(FLAT_COLUMNS) + "\n"


@contextmanager
def loopback_server(kind: str, folder: Path) -> Iterator[Server]:
    """A server that listens on this machine's loopback only."""
    if kind == "MySQL 9":
        with MySQL9(folder, state_dir()) as mysql:
            yield mysql
    else:
        with PrivateServer(folder, print, get_programs(state_dir(), print), port=free_port()) as mariadb:
            yield mariadb


@pytest.mark.parametrize("kind", ["MariaDB", "MySQL 9"] if LONG else ["MySQL 9"])
def test_a_source_on_this_machines_loopback_is_read_by_the_container(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, kind: str
) -> None:
    """As the least-privilege reader; MySQL by caching_sha2_password without TLS."""
    with loopback_server(kind, tmp_path_factory.mktemp("server")) as server:
        own = filled_database(server, movements=5000)
        own.execute(*reader_statements(own.name, PASSWORD))
        url = f"mysql://{READER}@127.0.0.1:{server.port}/{own.name}"
        with cluster.running(tmp_path, SOURCE=url, MYSQL_PWD=PASSWORD) as running:
            names = wait_for(client_containers, running.process)
            assert PASSWORD not in docker("inspect", *names)
            status, said = running.end()
        assert status == 0, said
        assert PASSWORD not in said
        assert "Reading by one connection" not in said
        assert (tmp_path / CSV_NAME).read_bytes() == as_csv(FLAT_COLUMNS, own.expected())
