"""The private server: first use, second use, two at once, a killed owner, a half data folder."""

import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from movimento_flat.errors import UserError
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server import programs as programs_module
from movimento_flat.sample_data.private_server.programs import Programs, find_programs, get_programs

#: A process that holds a server until it is ended; its only line of output is the server's process id.
OWNER = """
import signal, sys, time
from pathlib import Path
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.sample_data.private_server import programs as programs_module
from movimento_flat.sample_data.private_server.programs import get_programs
from movimento_flat.state import state_dir
say = lambda sentence: print(sentence, file=sys.stderr)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
with PrivateServer(Path(sys.argv[1]), say, get_programs(state_dir(), say)) as server:
    server.connect().query("CREATE DATABASE IF NOT EXISTS kept")
    print(server._process.pid, flush=True)
    time.sleep(600)
"""


def start_owner(state: Path) -> tuple[subprocess.Popen[str], int]:
    """-> a process that holds a server in `state`, and the server's process id."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(state)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    return owner, int(owner.stdout.readline())


def is_running(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_data_are_kept_for_the_second_use(tmp_path: Path, programs: Programs) -> None:
    with PrivateServer(tmp_path, print, programs) as server, server.connect() as admin:
        admin.query("CREATE DATABASE kept")
        assert server.socket.exists()
    with PrivateServer(tmp_path, print, programs) as server, server.connect() as admin:
        assert admin.query("USE kept") == 0
    assert not server.socket.exists()


def test_two_at_once_are_refused(tmp_path: Path, programs: Programs) -> None:
    with PrivateServer(tmp_path, print, programs), pytest.raises(UserError, match="in use by another run"):
        PrivateServer(tmp_path, print, programs).__enter__()


def test_it_ends_with_a_killed_owner_and_the_next_one_starts(tmp_path: Path, programs: Programs) -> None:
    owner, server_id = start_owner(tmp_path)
    owner.kill()
    owner.wait()
    with PrivateServer(tmp_path, print, programs) as server, server.connect() as admin:
        admin.query("USE kept")
    deadline = time.monotonic() + 60
    while is_running(server_id):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_temporary_tables_of_other_servers_are_left_alone(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two servers that were made at the same time took each other's, and neither could be made."""
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    table = shared / "#sql-temptable-3420-1-8.MAI"
    table.touch()
    with PrivateServer(tmp_path / "state", print, programs) as server:
        server.connect().close()
    assert table.exists()


def test_a_half_data_folder_is_made_anew(tmp_path: Path, programs: Programs) -> None:
    (tmp_path / "data.unfinished").mkdir()
    (tmp_path / "data.unfinished" / "ibdata1").write_bytes(b"half")
    with PrivateServer(tmp_path, print, programs) as server:
        server.connect().close()


def test_a_server_that_cannot_start_shows_what_it_said(tmp_path: Path, programs: Programs) -> None:
    with PrivateServer(tmp_path, print, programs):
        pass
    (tmp_path / "data" / "ibdata1").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"(?s)does not start. It says:\n.*ibdata1"):
        PrivateServer(tmp_path, print, programs).__enter__()


def test_everything_may_lie_under_a_path_with_spaces(tmp_path: Path, programs: Programs) -> None:
    """As where the project is cloned into such a folder, and the programs are fetched into it."""
    real_base = programs.base or programs.server.parent.parent
    base = tmp_path / "my project" / "mariadb"
    base.parent.mkdir()
    base.symlink_to(real_base)
    moved = replace(programs, base=base, server=base / programs.server.relative_to(real_base))
    with PrivateServer(tmp_path / "my project", print, moved) as server:
        server.connect().close()


def test_a_long_path_still_gives_a_socket(tmp_path: Path, programs: Programs) -> None:
    with PrivateServer(tmp_path / ("long " * 20), print, programs) as server:
        server.connect().close()


def test_the_readers_password_is_made_once_and_is_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    server = PrivateServer(tmp_path, print)
    password = server.reader_password()
    assert len(password) >= 24
    assert server.reader_password() == password
    assert (tmp_path / "reader_password").stat().st_mode & 0o777 == 0o600


def test_two_that_need_the_programs_at_once_fetch_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def fetch(folder: Path, *_: object) -> None:
        fetched.append(folder)
        time.sleep(0.2)
        for name in ("sbin/mariadbd", "bin/mariadb-install-db"):
            (folder / name).parent.mkdir()
            (folder / name).touch()

    monkeypatch.setattr(programs_module, "_fetch_packages", fetch)
    nowhere = str(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: get_programs(tmp_path, print, nowhere), range(2))
    assert first == second
    assert len(fetched) == 1


def test_without_any_way_to_a_server_each_refusal_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)apt-get is not on this machine.*mvn is not.*SOURCE="):
        get_programs(tmp_path, print, search_path=str(tmp_path))


def test_half_an_installation_is_none(tmp_path: Path) -> None:
    """Debian's mariadb-server-core without mariadb-client-core has no my_print_defaults."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("mariadbd", "mariadb-install-db", "my_print_defaults"):
        assert find_programs(tmp_path / "state", str(programs)) is None
        (programs / name).touch(mode=0o755)
    assert find_programs(tmp_path / "state", str(programs))


def test_sigterm_stops_the_server_too(tmp_path: Path, programs: Programs) -> None:
    owner, server_id = start_owner(tmp_path)
    owner.send_signal(signal.SIGTERM)
    assert owner.wait(60) == 1
    assert not is_running(server_id)
