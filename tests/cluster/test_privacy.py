"""A run that hides card numbers leaves none on the cluster: not in HDFS, on a node's disk, in a log, in OUTPUT."""

import re
from contextlib import suppress
from pathlib import Path

import pytest

from merge.parts import CSV_NAME
from sql import READER, reader_statements
from tests.cluster.docker import PROJECT, Cluster, docker, wait_for
from tests.cluster.test_results import loopback_server
from tests.conftest import PASSWORD, filled_database

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
    left += [said, *(docker("logs", name) for name in containers())]
    assert not [text for text in left if re.search(NUMBER, text)]
    csv = (tmp_path / CSV_NAME).read_text("utf-8")
    assert re.search(r",987600\*{6}\d{4}," if "mask" in options else r",t[0-9a-f]{32},", csv)
    for key in cluster.home.rglob("token_key"):
        assert key.stat().st_mode & 0o777 == 0o600
        wait_until_gone("-F", "-e", key.read_text().strip())
