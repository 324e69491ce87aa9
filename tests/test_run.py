"""The command line, from a database to OUTPUT: the right bytes, and nothing half when it goes wrong."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from movimento_flat.schema import FLAT_COLUMNS
from tests.brute_force import as_csv
from tests.conftest import FILLED, PASSWORD, ROOT, Database, hear_interrupts

CSV = "movimento_flat.csv"
RUN = "movimento_flat.run"
#: What OUTPUT has after a run, in the order of names.
PUBLISHED = ["datapackage.json", CSV, RUN, "relatorio.html"]
COMMAND = [sys.executable, "-m", "movimento_flat.cli.main"]


Result = subprocess.CompletedProcess[str]


def command(
    *arguments: str | Path, environment: dict[str, str] | None = None, largest_file: int = 0
) -> Result:
    def limit() -> None:
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "MYSQL_PWD": PASSWORD, **(environment or {})},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=limit,
        check=False,
    )


def run(database: Database, output: Path, *arguments: str) -> Result:
    """By one task at a time, since other tests use the other cores, unless the arguments say otherwise."""
    database.reader()
    return command("run", "--cores", "1", "--output", output, "--source", database.url(), *arguments)


def expected_csv(database: Database) -> bytes:
    return as_csv(FLAT_COLUMNS, database.expected())


def test_empty_tables_give_a_header_only(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    result = run(database, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / CSV).read_text() == ",".join(FLAT_COLUMNS) + "\n"


@pytest.mark.parametrize("cores", ["1", "3"])
def test_the_csv_is_what_a_plain_join_in_the_database_gives(
    filled: Database, tmp_path: Path, cores: str
) -> None:
    tmp_path /= 'a folder\'s "name"; $HOME'
    result = run(filled, tmp_path, "--cores", cores)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / CSV).read_bytes() == expected_csv(filled)
    rejected = [
        line.split("\t") for line in (tmp_path / RUN / "rejected.tsv").read_text("utf-8").splitlines()[1:]
    ]
    assert sorted((row[0], row[2]) for row in rejected) == sorted(filled.rejected())
    assert sorted(path.name for path in tmp_path.iterdir()) == PUBLISHED


def test_the_manifest_and_the_summary_say_what_was_published(filled: Database, tmp_path: Path) -> None:
    result = run(filled, tmp_path)
    manifest = json.loads((tmp_path / RUN / "manifest.json").read_text())
    total = int(str(filled.query("SELECT CAST(SUM(vlr_transacao) * 100 AS SIGNED) FROM movimento")[0][0]))
    assert manifest["csv"]["rows"] + manifest["rejected"]["rows"] == FILLED
    assert manifest["csv"]["centavos"] + manifest["rejected"]["centavos"] == total
    assert sum(manifest["rejected"]["by_reason"].values()) == manifest["rejected"]["rows"]
    assert f"{manifest['csv']['rows']:,}" in result.stderr
    assert "on this machine" in result.stderr.splitlines()[0]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 8
    assert all((path.stat().st_mode & 0o777) == 0o600 for path in files)
    assert PASSWORD not in result.stderr + json.dumps(manifest)


def test_holder_owner_mismatches_are_listed_as_the_database_counts_them(
    filled: Database, tmp_path: Path
) -> None:
    run(filled, tmp_path)
    lines = (tmp_path / RUN / "holder_owner_mismatches.tsv").read_text().splitlines()
    listed = [line.split("\t") for line in lines[1:]]
    counted = filled.query(
        "SELECT k.id, k.id_associado, IFNULL(c.id_associado, '\\\\N'), COUNT(m.id),"
        " CAST(IFNULL(SUM(m.vlr_transacao), 0) * 100 AS SIGNED)"
        " FROM cartao k JOIN conta c ON c.id = k.id_conta JOIN associado a ON a.id = k.id_associado"
        " LEFT JOIN movimento m ON m.id_cartao = k.id"
        " WHERE NOT (c.id_associado <=> k.id_associado) GROUP BY k.id ORDER BY k.id"
    )
    assert listed == [[str(value) for value in row] for row in counted]


def test_a_rerun_gives_the_same_bytes(filled: Database, tmp_path: Path) -> None:
    run(filled, tmp_path)
    first = (tmp_path / CSV).read_bytes()
    run(filled, tmp_path)
    assert (tmp_path / CSV).read_bytes() == first


def test_the_stages_one_by_one_give_the_same_file(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    steps = [
        ("extract", "--source", filled.url(), "--to", tmp_path / "tsv", "--connections", "3"),
        ("join", "--from", tmp_path / "tsv", "--to", tmp_path / "parts"),
        ("merge", "--from", tmp_path / "parts", "--tsv", tmp_path / "tsv", "--output", tmp_path / "out"),
    ]
    said = []
    for step in steps:
        result = command(*step)
        assert result.returncode == 0, result.stderr
        said.append(result.stderr)
    assert (tmp_path / "out" / CSV).read_bytes() == expected_csv(filled)
    assert f"{FILLED:,} movements" in said[0] and "next: movimento-flat join" in said[0]
    assert "next: movimento-flat merge" in said[1]


@pytest.mark.server
def test_the_programs_own_database_is_made_once_and_used_again(tmp_path: Path) -> None:
    home = {"MOVIMENTO_FLAT_HOME": str(tmp_path / "state")}
    arguments = ("run", "--output", tmp_path / "out", "--movements", "500", "--seed", "4")
    first = command(*arguments, environment=home)
    assert "filled with fictitious data now" in first.stderr, first.stderr
    content = (tmp_path / "out" / CSV).read_bytes()
    second = command(*arguments, environment=home)
    assert "as an earlier run filled it" in second.stderr, second.stderr
    assert (tmp_path / "out" / CSV).read_bytes() == content
    assert content.count(b"\n") >= 501
    (database,) = (tmp_path / "state" / "data").glob("sicooperative_*")
    doctor = command("doctor", "--output", tmp_path / "out", environment=home).stderr
    assert database.name in doctor and "seed --forget" in doctor
    forgotten = command("seed", "--forget", environment=home)
    assert forgotten.returncode == 0 and database.name in forgotten.stderr, forgotten.stderr
    assert not database.exists()
    third = command(*arguments, environment=home)
    assert "filled with fictitious data now" in third.stderr, third.stderr
    assert (tmp_path / "out" / CSV).read_bytes() == content


def test_a_workbook_of_too_many_rows_is_refused_before_a_database_is_made(tmp_path: Path) -> None:
    home = {"MOVIMENTO_FLAT_HOME": str(tmp_path / "state")}
    arguments = ("run", "--output", tmp_path / "out", "--movements", "1048576", "--excel")
    result = command(*arguments, environment=home)
    assert_user_error(result, "--excel-rows 1048576")
    assert not (tmp_path / "state").exists()


#: What appears in the work folder when a stage begins.
STAGES = {
    "extract": "tagged_tsv",
    "join, step 1": "step-1",
    "join, step 2": "step-2",
    "merge": "run/rejected.tsv",
    "audit": CSV,
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_at_any_stage_leaves_the_previous_csv_and_the_next_run_works(
    filled: Database, tmp_path: Path, stage: str
) -> None:
    (tmp_path / CSV).write_text("the previous file")
    filled.reader()
    process = subprocess.Popen(
        [*COMMAND, "run", "--output", str(tmp_path), "--source", filled.url()],
        cwd=ROOT,
        env={**os.environ, "MYSQL_PWD": PASSWORD},
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    while not list((tmp_path / ".movimento_flat.work").glob(STAGES[stage])):
        assert process.poll() is None, f"the run ended before it was seen in stage {stage}"
        time.sleep(0.0005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert (tmp_path / CSV).read_text() == "the previous file"
    assert run(filled, tmp_path).returncode == 0
    assert (tmp_path / CSV).read_bytes() == expected_csv(filled)
    assert sorted(path.name for path in tmp_path.iterdir()) == PUBLISHED


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_cleans_up(
    filled: Database, tmp_path: Path, by: signal.Signals
) -> None:
    filled.reader()
    process = subprocess.Popen(
        [*COMMAND, "run", "--output", str(tmp_path), "--source", filled.url()],
        cwd=ROOT,
        env={**os.environ, "MYSQL_PWD": PASSWORD},
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        preexec_fn=hear_interrupts,
    )
    while not list((tmp_path / ".movimento_flat.work").glob(STAGES["join, step 1"])):
        assert process.poll() is None
        time.sleep(0.0005)
    process.send_signal(by)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted; what was published before is as it was." in stderr
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_while_writing_is_one_message_and_the_previous_csv_stays(
    filled: Database, tmp_path: Path
) -> None:
    """The largest file that this run may write is too small for it, at two stages."""
    (tmp_path / CSV).write_text("the previous file")
    filled.reader()
    for limit in (100_000, 2_000_000):
        result = command(
            "run",
            "--output",
            tmp_path,
            "--source",
            filled.url(),
            largest_file=limit,
        )
        assert_user_error(result, "File too large")
        assert (tmp_path / CSV).read_text() == "the previous file"
        assert [path.name for path in tmp_path.iterdir()] == [CSV]


def assert_user_error(result: Result, said: str, status: int = 1) -> None:
    assert result.returncode == status, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) < 24


def test_a_wrong_source_is_one_message(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.reader()
    for url, password, said in [
        ("mysql://reader@no-such-host.invalid/db", "x", "Check host and port"),
        ("mysql://reader@127.0.0.1:1/db", "x", "Check host and port"),
        ("mysql://reader:secret@127.0.0.1/db", "x", "holds a password"),
        (database.url(), "wrong", "Access denied"),
        (database.url().replace(database.name, "nowhere"), PASSWORD, "denied"),
    ]:
        result = command("run", "--output", tmp_path, "--source", url, environment={"MYSQL_PWD": password})
        assert_user_error(result, said)
        assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_used_is_one_message(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    (tmp_path / "file").write_text("x")
    assert_user_error(run(database, tmp_path / "file"), "is not a folder")
    assert_user_error(run(database, Path("/proc/out")), "cannot be made")
    readonly = tmp_path / "readonly"
    readonly.mkdir(mode=0o555)
    if os.geteuid() != 0:  # root may write everywhere
        assert_user_error(run(database, readonly), "may not be written to")


def test_a_failing_task_shows_what_it_said(filled: Database, tmp_path: Path) -> None:
    """The largest file that it may write is too small for its records."""
    filled.reader()
    assert command("extract", "--source", filled.url(), "--to", tmp_path / "tsv").returncode == 0
    result = command("join", "--from", tmp_path / "tsv", "--to", tmp_path / "parts", largest_file=50_000)
    assert_user_error(result, "The mapper of step 1 failed")
    assert "File too large" in result.stderr


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"rows": 1}'])
def test_a_damaged_description_of_an_extraction_is_one_message(tmp_path: Path, content: str) -> None:
    (tmp_path / "extraction.json").write_text(content)
    result = command("merge", "--from", tmp_path, "--tsv", tmp_path, "--output", tmp_path / "out")
    assert_user_error(result, "extraction.json is damaged")


def test_wrong_options_are_named() -> None:
    for arguments, said in [
        (("run",), "Missing option '--output'"),
        (("run", "--outptu", "x"), "Did you mean '--output'"),
        (("run", "--output", "x", "--movements", "-1"), "is not in the range"),
        (("nothing",), "No such command"),
    ]:
        result = command(*arguments)
        assert result.returncode == 2
        assert said in result.stderr


@pytest.mark.parametrize("name", ["run", "seed", "extract", "join", "merge", "verify"])
def test_each_command_has_help(name: str) -> None:
    result = command(name, "--help")
    assert result.returncode == 0
    assert "Usage" in result.stdout
