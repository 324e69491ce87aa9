"""Who can get at what a run has on the cluster: other users of this machine cannot, nor whoever opens its pages."""

import re
import signal
import socket
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from movimento_flat.publish.csv_rows import read_rows
from movimento_flat.publish.parts import CSV_NAME
from tests.cluster.docker import PROJECT, RUNS, Cluster, client_containers, docker, wait_for
from tests.cluster.test_results import loopback_server
from tests.conftest import PASSWORD, filled_database

#: Ports at which HDFS and YARN speak HTTP, by service.
WEB = {
    "namenode": 9870,
    "datanode1": 9864,
    "datanode2": 9864,
    "resourcemanager": 8088,
    "nodemanager1": 8042,
    "nodemanager2": 8042,
    "historyserver": 19888,
}


def get(address: str, path: str, method: str = "GET") -> tuple[int, str]:
    """-> status and text of an answer, of which there may be none: (0, "")."""
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=3) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError:
        return 0, ""


@pytest.mark.parametrize("service", WEB)
def test_this_machine_does_not_reach_hdfs_and_yarn_by_their_addresses(cluster: Cluster, service: str) -> None:
    page = f"{cluster.ip_address(service)}:{WEB[service]}"
    ask = f"import urllib.request; print(urllib.request.urlopen('http://{page}/jmx').read()[:400])"
    assert '"beans"' in docker("exec", cluster.container("web"), "python3", "-c", ask)
    assert '"beans"' not in get(page, "/jmx")[1]


def test_this_machine_has_no_address_in_the_clusters_network(cluster: Cluster) -> None:
    """So a packet to one of HDFS's or YARN's ports has no way there, whatever the port."""
    prefix = cluster.ip_address("namenode").rsplit(".", 2)[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way, suppress(OSError):
        way.connect((cluster.ip_address("namenode"), 8020))
        assert not way.getsockname()[0].startswith(f"{prefix}.")


@pytest.mark.parametrize(
    ("service_port", "path", "text"),
    [
        (9870, "/dfshealth.html", "NameNode"),
        (9870, "/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", "LiveNodes"),
        (8088, "/cluster", "All Applications"),
        (8088, "/ws/v1/cluster/info", "clusterInfo"),
        (19888, "/jobhistory", "JobHistory"),
    ],
)
def test_web_pages_are_shown(cluster: Cluster, service_port: int, path: str, text: str) -> None:
    status, page = get(cluster.address("web", service_port), path)
    assert (status, text in page) == (200, True)


@pytest.mark.parametrize(
    "path",
    [
        "/webhdfs/v1/?op=LISTSTATUS&user.name=hadoop",
        "/webhdfs/v1/user/movimento?op=LISTSTATUS&user.name=movimento",
        "//webhdfs/v1/?op=LISTSTATUS&user.name=hadoop",
        "/static/../webhdfs/v1/?op=LISTSTATUS&user.name=hadoop",
        "/static/%2e%2e/webhdfs/v1/?op=LISTSTATUS&user.name=hadoop",
        "/static/..;/webhdfs/v1/?op=LISTSTATUS&user.name=hadoop",
        "/explorer.html",
        "/imagetransfer?getimage=1&txid=latest",
        "/fsck?path=/&files=1&ugi=hadoop",
        "/conf",
        "/logs/",
    ],
)
def test_no_page_gives_files_of_hdfs(cluster: Cluster, path: str) -> None:
    assert get(cluster.address("web", 9870), path)[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_by_the_pages_nobody_starts_or_ends_a_job(cluster: Cluster, method: str) -> None:
    path = "/ws/v1/cluster/apps/new-application?user.name=movimento"
    assert get(cluster.address("web", 8088), path, method)[0] == 501


def test_all_that_a_run_writes_into_hdfs_is_its_users_alone(cluster: Cluster, tmp_path: Path) -> None:
    """Also where the cluster's own default lets everybody read, and while it is under way."""
    listed = run_without_removal(
        cluster, tmp_path, "--movements", "20000", "-D", "mapreduce.task.files.preserve.filepattern=.*"
    )
    try:
        found = re.findall(r"^([d-][rwxt-]{9})\S* .* (/user/movimento/\S+)$", listed, re.MULTILINE)
        names = " ".join(name for _, name in found)
        for part in ("/movements/", "/small_tables/", "/parts/part-", "/work/", "/.staging/job_"):
            assert part in names
        # Hadoop's own files of a job have a mode of their own, in a folder that is closed.
        opened = [
            (mode, name) for mode, name in found if mode[4:] != "------" and "/.staging/job_" not in name
        ]
        assert opened == []
        staging = [mode for mode, name in found if re.fullmatch(r".*/\.staging/job_\w+", name)]
        assert staging and set(staging) == {"drwx------"}
    finally:
        cluster.hadoop(
            "hadoop", "fs", "-rm", "-r", "-f", "-skipTrash", f"{RUNS}/*", "/user/movimento/.staging/*"
        )


def run_without_removal(cluster: Cluster, output: Path, *options: str) -> str:
    """Run where nothing is removed from HDFS and files are open to all by default; -> HDFS, listed by its superuser."""
    (output / "bin").mkdir()
    hadoop = output / "bin" / "hadoop"
    hadoop.write_text(
        '#!/bin/sh\ncase " $* " in *" -rm "*) exit 0 ;; esac\nexec /opt/hadoop/bin/hadoop "$@"\n'
    )
    hadoop.chmod(0o755)
    script = (
        "cp -r /etc/hadoop /tmp/conf && sed -i /umask/d /tmp/conf/core-site.xml && export HADOOP_CONF_DIR=/tmp/conf"
        ' HADOOP_HOME=/output && exec movimento-flat run --engine hadoop --output /output/out "$@"'
    )
    result = cluster.script("client", "sh", "-euc", script, "sh", *options, OUTPUT=str(output))
    assert result.returncode == 0, result.stderr
    (output / "said").write_text(result.stdout + result.stderr)
    return cluster.hadoop("hadoop", "fs", "-ls", "-R", "/")


def test_a_killed_script_leaves_no_password_in_a_file(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """SIGKILL, while its client's container waits for the database."""
    with loopback_server("MariaDB", tmp_path_factory.mktemp("server")) as server:
        own = filled_database(server, movements=1000)
        with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and says nothing
            url = f"mysql://reader@127.0.0.1:{mute.getsockname()[1]}/{own.name}"
            with cluster.running(tmp_path, SOURCE=url, MYSQL_PWD=PASSWORD) as running:
                names = wait_for(client_containers, running.process)
                mute.settimeout(60)
                mute.accept()  # it has the password
                running.process.send_signal(signal.SIGKILL)
                running.process.wait()
                assert PASSWORD not in docker("inspect", *names)
                files = [file for file in cluster.home.rglob("*") if file.is_file()]
                assert files
                assert [file for file in files if PASSWORD.encode() in file.read_bytes()] == []
                assert [file for file in cluster.home.rglob("*") if file.is_fifo()] == []
                docker("kill", *names)
    wait_for(lambda: not docker("ps", "--all", "--quiet", "--filter", f"name={PROJECT}-client"))


def test_a_password_that_an_earlier_version_left_is_removed(cluster: Cluster, tmp_path: Path) -> None:
    for state in ("docker", f"docker.{PROJECT}"):
        left = cluster.home / state / "run.a1B2c3"
        left.mkdir(parents=True)
        (left / "password").write_text(PASSWORD)
    assert cluster.script("run", OUTPUT="").returncode == 2
    assert list(cluster.home.glob("docker*/run.*")) == []


@pytest.mark.parametrize("password", ["", "two words", "a'b\"c$d\\e`f%s"])
def test_a_password_of_any_characters_reaches_the_client(cluster: Cluster, password: str) -> None:
    result = cluster.script("client", "sh", "-c", 'printf "<%s>" "$MYSQL_PWD"', MYSQL_PWD=password)
    assert (result.returncode, result.stdout) == (0, f"<{password}>"), result.stderr


def test_the_way_to_this_machines_loopback_ends_with_the_client(cluster: Cluster, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"mysql://reader@127.0.0.1:{mute.getsockname()[1]}/none"
        with cluster.running(tmp_path, SOURCE=url, MYSQL_PWD="x") as running:
            mute.settimeout(60)
            mute.accept()
            assert _relays()
            running.kill_client()
            assert running.end()[0] != 0
    wait_for(lambda: not _relays())


def _relays() -> list[str]:
    """Command lines of relays on this machine, of all clusters."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "/usr/local/bin/relay" in line and line[-4:-3] == ["/run/relay/socket"]:
                lines.append(" ".join(line))
    return lines


def test_output_may_have_any_name(cluster: Cluster, tmp_path: Path) -> None:
    """Hadoop's commands take names of local files for URIs, patterns and lists."""
    name = "a [1] *?{b},c %41 #\\ ${x} \"'"
    (tmp_path / name).mkdir()
    command = (
        "movimento-flat",
        "run",
        "--engine",
        "hadoop",
        "--movements",
        "1000",
        "--output",
        f"/output/{name}",
    )
    result = cluster.script("client", *command, OUTPUT=str(tmp_path))
    assert result.returncode == 0, result.stderr
    _, *rows = read_rows(tmp_path / name / CSV_NAME)
    assert len(rows) == 1000
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_in_hdfs_that_could_be_another_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    result = cluster.run(tmp_path, "--movements", "10", "--hdfs-folder", "hdfs:///user/movimento/flat?")
    assert result.returncode == 2
    assert "'?' in the name 'hdfs:///user/movimento/flat?'" in result.stderr
    assert "Traceback" not in result.stderr
