"""A password and a key are in no command line, no environment of another process, no message and no file."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from extract.source import address, parse_source, read_password
from movimento_flat.cli.main import cli
from movimento_flat.errors import UserError
from movimento_flat.sql_files import READER, reader_statements
from tests.conftest import ROOT, Database
from tests.test_run import COMMAND, CSV

SECRET = "n0b0dy-shall-read-this"
#: Of the program's own process: who starts it with MYSQL_PWD has put it there.
_ITS_OWN = "environ of the program itself"


@contextmanager
def watched(main: "subprocess.Popen[str]", command: list[str]) -> Iterator[dict[str, set[str]]]:
    """-> what the command lines and environments of a process and of all that it starts held, by kind."""
    seen: dict[str, set[str]] = {"cmdline": set(), "environ": set(), _ITS_OWN: set()}
    ended = threading.Event()
    # A process that it has just forked is a copy of it until the other program is there.
    own_command = "".join(f"{word}\0" for word in command)

    def watch() -> None:
        while not ended.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):  # it has ended
                    if os.getpgid(int(process.name)) != main.pid:
                        continue
                    found, environment = (
                        (process / name).read_text(errors="replace") for name in ("cmdline", "environ")
                    )
                    seen["cmdline"].add(found)
                    seen[_ITS_OWN if found == own_command else "environ"].add(environment)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


@pytest.mark.parametrize("given", ["by MYSQL_PWD", "by file"])
def test_a_password_and_a_key_show_nowhere(given: str, filled: Database, tmp_path: Path) -> None:
    filled.execute(*reader_statements(filled.name, SECRET, READER, "localhost"))
    password, key, home = tmp_path / "password", tmp_path / "key", tmp_path / "home"
    password.write_text(f"{SECRET}\n")
    arguments = ["--output", str(tmp_path / "out"), "--source", filled.url(), "--card", "token"]
    arguments += ["--key-file", str(key), *(["--password-file", str(password)] if given == "by file" else [])]
    environment = {**os.environ, "MOVIMENTO_FLAT_HOME": str(home)}
    environment |= {"MYSQL_PWD": SECRET} if given == "by MYSQL_PWD" else {}
    process = subprocess.Popen(
        [*COMMAND, "run", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with watched(process, [*COMMAND, "run", *arguments]) as seen:
        said = "".join(process.communicate())
    assert process.returncode == 0, said
    assert any("spawn_main" in command for command in seen["cmdline"])  # the tasks were seen, too
    secrets = (SECRET, key.read_text().strip())
    for secret in secrets:
        shown = [text for kind in ("cmdline", "environ") for text in seen[kind] if secret in text]
        assert not shown
        assert secret not in said
        left = [file for file in tmp_path.rglob("*") if file.is_file() and file not in (password, key)]
        assert tmp_path / "out" / CSV in left
        assert not [file for file in left if secret.encode() in file.read_bytes()]


def test_a_password_does_not_show_when_a_run_fails(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    result = subprocess.run(
        [*COMMAND, "run", "--output", str(tmp_path), "--source", filled.url()],
        cwd=ROOT,
        env={**os.environ, "MYSQL_PWD": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Access denied" in result.stderr
    assert SECRET not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:{}@h/d",
        "mysql://u:{}#x@h/d",
        "mysql://u:{}?x@h/d",
        "mysql://u:x/{}@h/d",
        "mysql://u:@{}@h/d",
        "mysql://{}@h:port/d",
        "mysql://u@h:{}/d",
        "mysql://{}@[h/d",
        "mysql://{}@h",
        "mysql://{}@h/d#x",
        "mysql://{}@/d",
        "mysql://{}",
        "mysql:/u:{}@h/d",
        "mysql:u:{}@h/d",
        "jdbc:mysql://h/d?password={}",
        "mysql://u@h/d?password={}",
        "mysql://u@h/d?socket={}",
        "mysql://u@h/d?{}@h",
        "u:{}@h/d",
        "{}",
        "",
    ],
)
@pytest.mark.parametrize("secret", [SECRET, "p@ss:w/rd"])
def test_nothing_of_a_malformed_address_is_repeated(url: str, secret: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="SOURCE ") as error:
        parse_source(url.format(secret))
    assert secret not in str(error.value) and secret.rpartition("@")[2] not in str(error.value)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("socket=/x", "a parameter socket, which is unknown.\n  -> Did you mean unix_socket=PATH?"),
        ("unix-socket=/x", "a parameter unix-socket, which is unknown.\n  -> Did you mean unix_socket=PATH?"),
        (
            "ssl-mode=REQUIRED",
            "a parameter ssl-mode, which is unknown.\n  -> SOURCE takes unix_socket=PATH alone",
        ),
        ("unix_socket=/x&charset=latin1", "a parameter charset, which is unknown"),
        ("unix_socket=/x&unix_socket=/y", "a parameter unix_socket, which is twice, or empty"),
        ("unix_socket=", "a parameter unix_socket, which is twice, or empty"),
        ("password=x", "SOURCE holds a password"),
        ("unix_socket=/x#y", "it has a #, which is written %23"),
        ("unix_socket=/x#", "it has a #, which is written %23"),
    ],
)
def test_parameters_of_an_address_that_nobody_knows_are_refused(query: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        address(f"mysql://reader@localhost/db?{query}")
    assert said in str(error.value)


def test_a_plus_in_a_sockets_path_is_a_plus() -> None:
    assert address("mysql://reader@localhost/db?unix_socket=/a+b%20c%2Bd").unix_socket == "/a+b c+d"


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"\xef\xbb\xbfsecret\r\nsecond line\r\n", "secret"),
        (b"secret\r\n", "secret"),
        (b"secret", "secret"),
        (b" se\rcret \n", " se\rcret "),
        (b"", ""),
    ],
)
def test_a_password_file_of_any_editor_is_read(content: bytes, password: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(content)
    assert read_password(tmp_path / "password") == password


def test_a_password_file_in_utf_16_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET, encoding="utf-16")
    with pytest.raises(UserError, match="is UTF-16") as error:
        read_password(tmp_path / "password")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("mode", "options", "warned"),
    [(0o644, [], True), (0o644, ["--quiet"], False), (0o640, [], False), (0o400, [], False)],
)
def test_a_password_file_that_everybody_may_read_is_named(
    mode: int, options: list[str], warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ("Other users of this machine may read" in _said_of(tmp_path, mode, options, capsys)) == warned


def test_the_mode_of_a_mounted_secret_is_not_its_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("movimento_flat.cli.options.MOUNTED_SECRETS", tmp_path)
    assert _said_of(tmp_path, 0o444, [], capsys) == ""


def test_in_the_clusters_container_the_password_file_has_the_users_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("movimento_flat.cli.container_paths._SHOWN", {str(tmp_path / "password"): "SHOWN"})
    monkeypatch.setenv("SHOWN", "./my password")
    said = _said_of(tmp_path, 0o644, [], capsys)
    assert said.endswith("the password file ./my password.\n  -> chmod 600 ./my password\n")


def _said_of(folder: Path, mode: int, options: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What a run says of its password's file before it looks at the database's address, which is none."""
    file = folder / "password"
    file.write_text(SECRET)
    file.chmod(mode)
    arguments = ["--output", str(folder / "out"), "--source", "nowhere", "--password-file", str(file)]
    with pytest.raises(UserError, match="no address of a database"):
        cli.main(["run", *arguments, *options], standalone_mode=False)
    said = capsys.readouterr()
    assert said.out == "" and SECRET not in said.err
    return said.err
