"""A run that hides card numbers leaves none on the cluster: not in HDFS, on a node's disk, in a log, in OUTPUT."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from pymysql.connections import Connection

from movimento_flat.publish.parts import CSV_NAME
from movimento_flat.sql_files import READER, reader_statements
from tests.cluster.docker import PROJECT, RUNS, Cluster, docker, logs, wait_for
from tests.cluster.test_access import run_without_removal
from tests.cluster.test_results import loopback_server
from tests.conftest import PASSWORD, Database, Server, filled_database
from tests.soak import LONG
from tests.spellings import plant, whole_numbers

#: Card numbers that no other run on this cluster has seen, and no part of a longer one.
NUMBER = "(^|[^0-9])9876[0-9]{12}([^0-9]|$)"


def containers() -> list[str]:
    names = docker(
        "ps", "--filter", f"label=com.docker.compose.project={PROJECT}", "--format", "{{.Names}}"
    ).split()
    return [name for name in names if "database" not in name]


def files_with(*pattern: str) -> list[str]:
    """-> files on the nodes' disks (HDFS's blocks, shuffled records, logs, staged files) in which it stands."""
    # A file may go while it is looked for (2), or there is none with it (1).
    command = 'grep -rlas "$@" /hadoop /tmp /var/log || [ $? -le 2 ]'
    found = [
        (name, docker("exec", "--user", "root", name, "sh", "-c", command, "sh", *pattern))
        for name in containers()
    ]
    return [f"{name}:{file}" for name, files in found for file in files.splitlines()]


def wait_until_gone(*pattern: str) -> None:
    """HDFS frees a removed file's blocks, and a node its finished tasks' folders, a little later."""
    left: list[str] = []

    def gone() -> bool:
        left[:] = files_with(*pattern)
        return not left

    with suppress(AssertionError):
        wait_for(gone)
    assert not left


@pytest.mark.parametrize("options", [["--card", "mask"], ["--card", "token", "--people", "token"]])
def test_no_card_number_and_no_key_stays_on_the_cluster(
    cluster: Cluster, options: list[str], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    with loopback_server("MariaDB", tmp_path_factory.mktemp("server")) as server:
        own = filled_database(server, movements=5000)
        own.execute(
            *reader_statements(own.name, PASSWORD),
            "UPDATE cartao SET num_cartao = CONCAT('9876', LPAD(id * 7919, 12, '0'))",
            "UPDATE movimento JOIN cartao ON cartao.id = id_cartao SET des_transacao = CONCAT('cartão ', num_cartao)"
            " WHERE movimento.id % 10 = 0",
        )
        url = f"mysql://{READER}@127.0.0.1:{server.port}/{own.name}"
        with cluster.running(tmp_path, *options, SOURCE=url, MYSQL_PWD=PASSWORD) as running:
            # While it runs they are there: the search finds what it looks for.
            running.wait_for_line("Step 2 of 2")
            assert files_with("-E", NUMBER)
            status, said = running.end()
        assert status == 0, said
    wait_until_gone("-E", NUMBER)
    left = [file.read_text("utf-8", "replace") for file in tmp_path.rglob("*") if file.is_file()]
    left += [said, *(logs(name) for name in containers())]
    assert not [text for text in left if re.search(NUMBER, text)]
    csv = (tmp_path / CSV_NAME).read_text("utf-8")
    assert re.search(r",987600\*{6}\d{4}," if "mask" in options else r",t[0-9a-f]{32},", csv)
    for key in cluster.home.rglob("token_key"):
        assert key.stat().st_mode & 0o777 == 0o600
        wait_until_gone("-F", "-e", key.read_text().strip())


@dataclass(frozen=True)
class ClustersServer:
    """The cluster's database server, as the tests' databases need one."""

    cluster: Cluster

    def connect(self, database: str | None = None) -> "Connection[Any]":
        return self.cluster.admin(database)


@pytest.fixture(scope="module")
def planted(cluster: Cluster) -> Iterator[tuple[str, list[str]]]:
    """A database with card numbers in every spelling and text column -> its name and the numbers."""
    with cluster.admin() as admin:
        admin.query("CREATE OR REPLACE DATABASE spellings CHARACTER SET utf8mb4")
    numbers = plant(Database(cast(Server, ClustersServer(cluster)), "spellings"))
    yield "spellings", numbers
    with cluster.admin() as admin:
        admin.query("DROP DATABASE spellings")


#: Where a run's tagged TSV lies in HDFS: what the database has sent, as it was, until the run ends.
INPUT = ("/small_tables/", "/movements/")
#: What HDFS has, as its superuser sees it; and what else lies on a node: shuffled records, logs, scripts.
COPY_HDFS = "rm -rf /tmp/seen && mkdir /tmp/seen && hadoop fs -get /user /history /tmp /var /tmp/seen/"
NODE_FOLDERS = ("/hadoop/local", "/hadoop/logs", "/hadoop/tmp", "/tmp")


@pytest.mark.parametrize(
    "options",
    [
        ("--card", "mask"),
        ("--card", "token", "--people", "token"),
        *([("--card", "token")] if LONG else []),
    ],
    ids=" ".join,
)
def test_no_number_in_any_spelling_is_whole_anywhere_but_in_the_runs_own_input(
    cluster: Cluster, planted: tuple[str, list[str]], options: tuple[str, ...], tmp_path: Path
) -> None:
    """Nothing is removed: between the steps, in staging, in the job's history, in logs, on nodes, in OUTPUT."""
    database, numbers = planted
    build = cluster.run(tmp_path / "build", "--movements", "0", "--parquet")
    assert build.returncode == 0, build.stderr
    source = (
        "--source",
        f"mysql://movimento_admin@database:3306/{database}",
        "--allow-writer",
        "--tls",
        "off",
    )
    password = ("--password-file", "/run/secrets/admin_password")
    keep = ("-D", "mapreduce.task.files.preserve.filepattern=.*", "--verbose")
    run = tmp_path / "run"
    run.mkdir()
    try:
        run_without_removal(cluster, run, *source, *password, *keep, *options, "--excel", "--parquet")
        seen = tmp_path / "seen"
        cluster.hadoop("sh", "-euc", COPY_HDFS)
        docker("cp", f"{cluster.container('namenode')}:/tmp/seen", str(seen))
        cluster.hadoop("rm", "-rf", "/tmp/seen")
        for name in containers():
            (seen / name).mkdir()
            (seen / name / "log").write_text(logs(name))
            for number, folder in enumerate(NODE_FOLDERS if "datanode" not in name else ()):
                with suppress(AssertionError):  # there is none
                    docker("cp", f"{name}:{folder}", str(seen / name / str(number)))
    finally:
        cluster.hadoop(
            "hadoop", "fs", "-rm", "-r", "-f", "-skipTrash", f"{RUNS}/*", "/user/movimento/.staging/*"
        )
    files = [str(file) for file in seen.rglob("*") if file.is_file()]
    for part in (
        "/work/",
        "/parts/part-",
        "/.staging/job_",
        ".jhist",
        "_conf.xml",
        "/logs/yarn/",
        "nodemanager",
    ):
        assert any(part in file.replace("/var/log/yarn", "/logs/yarn") for file in files), part
    found = whole_numbers(seen, numbers)
    in_input = {number for file in found if any(part in file for part in INPUT) for number in found[file]}
    assert in_input == set(numbers)  # the search finds what it looks for
    # Ids are keys of the join, whatever they look like: a movement's and its card's are in the shuffle of step 2.
    ids = numbers[-2:]
    for file in found:
        if "/output/attempt_" in file:
            found[file] = [number for number in found[file] if number not in ids]
    assert {
        file: found[file] for file in found if not any(part in file for part in INPUT) and found[file]
    } == {}
    assert whole_numbers(run, numbers) == {}
    assert whole_numbers(cluster.home, numbers) == {}
    wait_until_gone("-F", "-e", numbers[0])
