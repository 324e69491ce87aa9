"""TLS to real servers: on and verified by default where the server is remote, and each failure with its next step."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from extract.source import Source
from extract.tls import OFF, VERIFY, Tls, is_loopback
from movimento_flat.errors import UserError
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server.programs import Programs
from movimento_flat.sql_files import READER, reader_statements
from movimento_flat.state import state_dir
from tests.certificates import Authority
from tests.conftest import PASSWORD, Database, Server, new_database
from tests.mysql9 import MySQL9, free_port
from tests.test_run import CSV, assert_user_error, command

#: It reaches this machine and is no loopback address: the program takes it for a remote host.
REMOTE = "0.0.0.0"
WITHOUT = "--tls off reads without TLS"


@dataclass(frozen=True)
class Place:
    """A server with a certificate for REMOTE and localhost, and the authority that signed it."""

    server: Server
    folder: Path
    authority: Authority

    def source(self, host: str = REMOTE, tls: Tls | None = None) -> Source:
        """A database there, as the reader account sees it; by default its authority is named."""
        database = new_database(self.server)
        database.create_tables()
        database.execute(*reader_statements(database.name, PASSWORD))
        port = self.server.port
        assert port
        return Source(
            READER,
            database.name,
            host,
            port,
            password=PASSWORD,
            tls=tls or Tls(authority=self.authority.file),
        )

    def new_certificate(self, names: list[str], addresses: list[str], lasts: timedelta) -> None:
        """Let the server take another one while it runs."""
        self.authority.sign(self.folder, names, addresses, lasts)
        with self.server.connect() as admin:
            is_mysql = isinstance(self.server, MySQL9)
            admin.query("ALTER INSTANCE RELOAD TLS" if is_mysql else "FLUSH SSL")

    def usual_certificate(self) -> None:
        self.new_certificate(["localhost"], [REMOTE], timedelta(days=30))


@pytest.fixture(scope="module", params=["MariaDB", pytest.param("MySQL 9", marks=pytest.mark.machine)])
def place(
    request: pytest.FixtureRequest, programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority.make(folder / "authority.pem")
    authority.sign(folder, ["localhost"], [REMOTE])
    settings = [
        f"--ssl-ca={authority.file}",
        f"--ssl-cert={folder}/certificate.pem",
        f"--ssl-key={folder}/key.pem",
    ]
    state = tmp_path_factory.mktemp("server")
    if request.param == "MySQL 9":
        with MySQL9(state, state_dir(), ["--tls-version=TLSv1.2,TLSv1.3", *settings]) as mysql:
            yield Place(mysql, folder, authority)
    else:
        with PrivateServer(state, print, programs, free_port(), ["--ssl", *settings]) as mariadb:
            yield Place(mariadb, folder, authority)


@pytest.fixture(scope="module")
def without_tls(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database of a server without TLS that listens on TCP; its reader may come from anywhere."""
    with PrivateServer(tmp_path_factory.mktemp("server"), print, programs, free_port()) as server:
        database = new_database(server)
        database.create_tables()
        database.execute(*reader_statements(database.name, PASSWORD))
        yield database


def cipher(source: Source) -> str:
    """What protects a connection; empty without TLS."""
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        row = cursor.fetchone()
    assert row
    return str(row[1])


def failure(source: Source) -> str:
    with pytest.raises(UserError) as error:
        source.connect()
    assert PASSWORD not in str(error.value)
    return str(error.value)


def test_a_remote_server_of_a_trusted_authority_and_the_right_name_is_read_by_tls(place: Place) -> None:
    """On MySQL by caching_sha2_password, whose full exchange is the password itself within TLS."""
    assert cipher(place.source())
    assert cipher(place.source("localhost", Tls(VERIFY, place.authority.file)))


def test_the_systems_authorities_are_trusted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(place.authority.file))
    assert cipher(place.source(tls=Tls()))


def test_an_unknown_authority_is_refused(place: Place, tmp_path: Path) -> None:
    other = Authority.make(tmp_path / "other.pem")
    for tls in (Tls(), Tls(VERIFY), Tls(authority=other.file)):
        said = failure(place.source(tls=tls))
        assert "certificate is not accepted: " in said
        assert "--tls-ca FILE" in said
        assert WITHOUT in said


def test_a_certificate_for_another_name_is_refused(place: Place) -> None:
    said = failure(place.source("127.0.0.1"))
    assert "not valid for '127.0.0.1'" in said
    assert "as the certificate names it" in said
    place.new_certificate(["db.example"], [], timedelta(days=30))
    try:
        assert "not valid for '0.0.0.0'" in failure(place.source())
        assert "not valid for 'localhost'" in failure(place.source("localhost"))
    finally:
        place.usual_certificate()


def test_an_expired_certificate_is_refused(place: Place) -> None:
    """MySQL takes no certificate that is past its time already."""
    place.new_certificate(["localhost"], [REMOTE], timedelta(seconds=3))
    time.sleep(4)
    try:
        said = failure(place.source())
        assert "certificate has expired" in said
        assert "needs a new certificate" in said
    finally:
        place.usual_certificate()


def test_off_reads_without_tls_though_the_server_has_it(place: Place) -> None:
    """On MySQL caching_sha2_password sends the password encrypted with the server's key."""
    assert cipher(place.source(tls=Tls(OFF))) == ""


def test_this_machine_is_read_without_tls_unless_it_is_asked_for(place: Place) -> None:
    assert cipher(place.source("127.0.0.1", Tls())) == ""
    assert cipher(place.source("localhost", Tls())) == ""
    assert "not accepted" in failure(place.source("127.0.0.1", Tls(VERIFY)))


def test_a_server_that_wants_tls_though_it_is_here_says_how(place: Place) -> None:
    source = place.source("localhost", Tls())
    with place.server.connect() as admin:
        admin.query("SET GLOBAL require_secure_transport = ON")
        try:
            assert "--tls verify" in failure(source)
            assert cipher(replace(source, tls=Tls(VERIFY, place.authority.file)))
        finally:
            admin.query("SET GLOBAL require_secure_transport = OFF")


def test_a_socket_is_read_without_tls(place: Place) -> None:
    socket = replace(place.source(tls=Tls()), host="localhost", unix_socket=str(place.server.socket))
    assert cipher(socket) == ""


def test_a_socket_is_read_without_tls_whatever_the_host_beside_it() -> None:
    assert Tls().context("db.example", "/run/socket") is None
    assert Tls(OFF).context("db.example", None) is None
    assert Tls().context("db.example", None)
    assert Tls(VERIFY).context("localhost", "/run/socket")


def test_a_remote_server_without_tls_is_refused_before_the_password_goes_there(without_tls: Database) -> None:
    port = without_tls.server.port
    assert port
    source = Source(READER, without_tls.name, REMOTE, port, password=PASSWORD)
    said = failure(source)
    assert "speaks no TLS" in said
    assert WITHOUT in said
    assert "speaks no TLS" in failure(replace(source, host="127.0.0.1", tls=Tls(VERIFY)))
    assert cipher(replace(source, tls=Tls(OFF))) == ""


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("localhost.", True),
        ("0.0.0.0", False),
        ("127.example.com", False),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("::2", False),
        ("database", False),
        ("", False),
    ],
)
def test_only_this_machines_loopback_goes_without(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_a_file_of_no_authority_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=r"(?s)authority.pem cannot be used: .*--tls-ca is the certificate"):
        Source("reader", "db", "db.example", tls=Tls(authority=file)).connect()


def test_the_options_of_the_command_line(place: Place, without_tls: Database, tmp_path: Path) -> None:
    source = str(place.source())
    arguments = ["run", "--output", str(tmp_path), "--source"]
    assert_user_error(command(*arguments, source), "Name the authority that signed it: --tls-ca FILE")
    assert not list(tmp_path.iterdir())
    assert command(*arguments, source, "--tls-ca", place.authority.file).returncode == 0
    assert (tmp_path / CSV).exists()
    assert command(*arguments, source, "--tls", "off").returncode == 0
    bare = f"mysql://{READER}@{REMOTE}:{without_tls.server.port}/{without_tls.name}"
    assert_user_error(command(*arguments, bare), "the server speaks no TLS")
    assert command(*arguments, bare, "--tls", "off").returncode == 0
    both = command(*arguments, source, "--tls", "off", "--tls-ca", place.authority.file)
    assert both.returncode == 2
    assert "no effect with --tls off" in both.stderr
