"""Runs killed at any moment: what was delivered stays whole, nothing goes on running, and the next run succeeds."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from movimento_flat.cli.progress import Console
from movimento_flat.cli.verify_command import verify_delivery, verify_lake
from movimento_flat.publish.manifest import checksum
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.state import state_dir
from tests.conftest import PASSWORD, ROOT, Database, Server, filled_database, hear_interrupts
from tests.soak import KILLS, KILLS_WITH_A_SERVER, TIMEOUT_SECONDS
from tests.test_interrupts import stops_workers
from tests.test_join import SAMPLE
from tests.test_lake import lake_by_month
from tests.test_run import COMMAND, CSV, PUBLISHED, RUN

#: Every process of a run inherits it, however it was started.
MARK = "MOVIMENTO_FLAT_TEST_RUN"
MOVEMENTS = 20_000
END_SECONDS = 30
#: Shares of a run's usual time: the whole of it, and its end, where the publishing is.
SPANS = ((0.0, 1.02), (0.85, 1.02))


def start(arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        preexec_fn=hear_interrupts,
    )


def finish(arguments: list[str], environment: dict[str, str]) -> float:
    """Run to the end; -> seconds."""
    began = time.monotonic()
    process = start(arguments, environment)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return time.monotonic() - began


def processes_of(mark: str) -> list[str]:
    """Command lines of the processes that have the mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f"{MARK}={mark}\0".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [command for command in found if command]


def wait_for_the_end_of(mark: str) -> None:
    deadline = time.monotonic() + END_SECONDS
    while alive := processes_of(mark):
        assert time.monotonic() < deadline, f"still running: {alive}"
        time.sleep(0.01)


def kill_at_random(output: Path, variants: list[list[str]], environment: dict[str, str], kills: int) -> None:
    """Runs of two kinds by turns, each killed, and after it a whole one; every delivery is one of the two."""
    environment = environment | {MARK: str(output)}
    contents, seconds = [], 0.0
    for arguments in variants:
        seconds = finish(arguments, environment)
        contents.append((output / CSV).read_bytes())
    assert contents[0] != contents[1]
    chance, died = random.Random(6), 0
    for number in range(kills):
        arguments, other = variants[number % 2], variants[1 - number % 2]
        process = start(arguments, environment)
        time.sleep(seconds * chance.uniform(*SPANS[number % len(SPANS)]))
        kill: Callable[[int, int], None] = os.killpg if number // 2 % 2 else os.kill
        with suppress(ProcessLookupError):
            kill(process.pid, signal.SIGKILL)
        process.communicate()
        died += process.returncode == -signal.SIGKILL
        assert (output / CSV).read_bytes() in contents
        if (manifest := output / RUN / "manifest.json").exists():
            digest = hashlib.sha256((output / CSV).read_bytes()).hexdigest()
            assert json.loads(manifest.read_text())["csv"]["sha256"] == digest
            content = manifest.read_bytes()
            assert (output / RUN / "manifest.json.sha256").read_bytes() == checksum(content)
        wait_for_the_end_of(str(output))
        assert verify_delivery(output, None, Console(quiet=True))  # which takes the steps that are left
        seconds = finish(other, environment)
        assert (output / CSV).read_bytes() == contents[variants.index(other)]
        assert sorted(path.name for path in output.iterdir()) == PUBLISHED
    # Where other work begins and ends beside them, some runs are much shorter than the one before.
    assert died >= max(1, kills // 4), "most runs ended before they were killed"


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_a_run_that_reads_a_server(server: Server, tmp_path: Path) -> None:
    database: Database = filled_database(server, MOVEMENTS)
    database.reader()
    common = ["run", "--output", str(tmp_path / "out"), "--source", database.url()]
    variants = [common, [*common, "--card", "mask"]]
    environment = {"MYSQL_PWD": PASSWORD, "MOVIMENTO_FLAT_HOME": str(tmp_path / "state")}
    kill_at_random(tmp_path / "out", variants, environment, KILLS)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_a_run_that_writes_a_lake(server: Server, tmp_path: Path) -> None:
    """At once each month is of the run before or of the killed one; after `verify` all are of the same."""
    database, lake = filled_database(server, 5_000), tmp_path / "lake"
    database.reader()
    arguments = ["run", "--no-report", "--output", str(tmp_path / "out"), "--lake", str(lake)]
    arguments += ["--source", database.url()]
    environment = {"MYSQL_PWD": PASSWORD, "MOVIMENTO_FLAT_HOME": str(tmp_path / "state"), MARK: str(tmp_path)}
    place = FLAT_COLUMNS.index("des_transacao_movimento")

    def texts() -> dict[str, set[str | None]]:
        months = lake_by_month(lake)
        assert {month: len(rows) for month, rows in months.items()} == sizes
        return {month: {row[place] for row in rows} for month, rows in months.items()}

    database.execute("UPDATE movimento SET des_transacao = 'before'")
    seconds = finish(arguments, environment)
    sizes = {month: len(rows) for month, rows in lake_by_month(lake).items()}
    chance, before, died = random.Random(6), "before", 0
    for number in range(KILLS):
        after = f"after {number}"
        database.execute(f"UPDATE movimento SET des_transacao = '{after}'")
        process = start(arguments, environment)
        time.sleep(seconds * chance.uniform(*SPANS[number % len(SPANS)]))
        process.kill()
        process.communicate()
        died += process.returncode == -signal.SIGKILL
        found = set(map(frozenset, texts().values()))
        assert found <= {frozenset({before}), frozenset({after})}
        wait_for_the_end_of(str(tmp_path))
        assert verify_lake(str(lake), Console(quiet=True))
        assert len(set(map(frozenset, texts().values()))) == 1
        seconds = finish(arguments, environment)
        assert set(map(frozenset, texts().values())) == {frozenset({after})}
        before = after
    assert died >= max(1, KILLS // 4), "most runs ended before they were killed"


@pytest.mark.timeout(TIMEOUT_SECONDS)
@pytest.mark.server
def test_a_run_that_has_a_server_of_its_own(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if (programs := state_dir() / "mariadb").exists():
        (state / "mariadb").symlink_to(programs)
    common = ["run", "--output", str(tmp_path / "out"), "--movements", "2000"]
    variants = [[*common, "--seed", seed] for seed in ("1", "2")]
    kill_at_random(tmp_path / "out", variants, {"MOVIMENTO_FLAT_HOME": str(state)}, KILLS_WITH_A_SERVER)


def test_what_a_killed_run_started_ends_though_it_still_has_work(tmp_path: Path) -> None:
    """The processes of its tasks are stopped: killed is only the one that started them."""
    for file in SAMPLE:
        (tmp_path / "tsv" / file.stem).mkdir(parents=True)
        shutil.copy(file, tmp_path / "tsv" / file.stem)
    environment = {MARK: str(tmp_path)}
    process = start(["join", "--from", str(tmp_path / "tsv"), "--to", str(tmp_path / "parts")], environment)
    while not stops_workers(process.pid):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.001)
    process.kill()
    process.communicate()
    wait_for_the_end_of(str(tmp_path))


def test_a_server_that_does_not_hear_sigterm_ends_with_a_killed_run(tmp_path: Path) -> None:
    """As MariaDB while it starts: a program in its place that ignores the signal."""
    programs = dict.fromkeys(("mariadb-install-db", "my_print_defaults"), "#!/bin/sh\n")
    programs["mariadbd"] = "#!/bin/sh\ntrap '' TERM\nexec sleep 600\n"
    for name, script in programs.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "state" / "data").mkdir(parents=True)
    environment = {
        MARK: str(tmp_path),
        "MOVIMENTO_FLAT_HOME": str(tmp_path / "state"),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    process = start(["run", "--engine", "local", "--output", str(tmp_path / "out")], environment)
    while not any("sleep 600" in found for found in processes_of(str(tmp_path))):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.kill()
    process.communicate()
    wait_for_the_end_of(str(tmp_path))
