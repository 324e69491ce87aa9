"""Folders and streams as users have them: names with any characters, relative, private; streams that are closed."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from movimento_flat.cli.engines.hadoop import default_hdfs_folder
from movimento_flat.errors import UserError
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.state import state_dir
from tests.conftest import PASSWORD, ROOT, Database
from tests.hostile import PROFILE_LINES
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO, movimento
from tests.test_run import CSV, RUN, command, expected_csv, run

#: Names that Python's glob, mrjob or Hadoop would take for patterns.
PATTERNS = ["out?", "out[1]", "*", "[!x]", "a{b,c}", "back\\slash", "[["]
LOGIN_VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture
def small(database: Database) -> Database:
    """One associate, account, card and movement."""
    database.create_tables()
    database.execute(
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Reis', 30, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-01-01', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ANA REIS', '2021-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES (5, 1.00, 'x', '2024-01-01', 1)",
    )
    database.reader()
    return database


@pytest.mark.parametrize("name", PATTERNS)
def test_a_folder_whose_name_is_a_pattern_is_that_folder(small: Database, name: str, tmp_path: Path) -> None:
    output = tmp_path / name / "deliveries"
    result = run(small, output)
    assert result.returncode == 0, result.stderr
    assert (output / CSV).read_bytes() == expected_csv(small)


def test_nothing_of_another_folder_comes_in_by_a_pattern(small: Database, tmp_path: Path) -> None:
    """A killed run of another database has left its work beside."""
    left = tmp_path / "out1" / ".movimento_flat.work"
    for folder, line in (
        ("small_tables", PROFILE_LINES.replace(b"Ana", b"Eva")),
        ("movements", movimento().line()),
    ):
        (left / "tagged_tsv" / folder).mkdir(parents=True)
        (left / "tagged_tsv" / folder / "0000.tsv").write_bytes(line)
        (left / "tagged_tsv" / folder / "0001.tsv").write_bytes(line)
    result = run(small, tmp_path / "out?")
    assert result.returncode == 0, result.stderr
    assert b"Eva" not in (tmp_path / "out?" / CSV).read_bytes()


def test_files_of_the_job_itself_are_no_patterns(tmp_path: Path) -> None:
    (tmp_path / "a[1].tsv").write_bytes(PROFILE_LINES + movimento(id="5").line())
    (tmp_path / "a1.tsv").write_bytes(movimento(id="6").line())
    job = [sys.executable, str(ROOT / "mr_jobs" / "join.py"), "--no-conf", "-q", "a[1].tsv"]
    for runner in (["-r", "inline"], ["-r", "local", "--num-cores", "1"]):
        result = subprocess.run([*job, *runner], cwd=tmp_path, capture_output=True, check=True)
        assert result.stdout.count(b"Ana") == 1


def test_each_stage_takes_folders_by_relative_names(small: Database, tmp_path: Path) -> None:
    def here(*arguments: str) -> None:
        environment = {**os.environ, "MYSQL_PWD": PASSWORD, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, "-m", "movimento_flat.cli.main", *arguments]
        subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)

    here("extract", "--source", small.url(), "--to", "./tsv[1]")
    here("join", "--from", "tsv[1]", "--to", "./new/parts")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["parts"]
    here("merge", "--from", "new/parts", "--tsv", "./tsv[1]", "--output", "./out")
    assert (tmp_path / "out" / CSV).read_bytes() == expected_csv(small)
    here("verify", "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "out", "tsv[1]"]


def test_parts_that_are_there_and_two_kinds_of_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tsv").mkdir()
    (tmp_path / "parts").mkdir()
    result = command("join", "--from", tmp_path / "tsv", "--to", tmp_path / "parts")
    assert result.returncode == 1
    assert "is there already" in result.stderr
    result = command("join", "--from", tmp_path / "tsv", "--to", "hdfs:///tmp/parts")
    assert result.returncode == 2
    assert "both in HDFS" in result.stderr


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("", "is empty"),
        ("s3a://b/x", "aws s3 cp"),
        ("hdfs:///x", "hadoop fs -put"),
        ("gs://b/x", "gcloud storage cp"),
        ("abfss://c@a/x", "azcopy copy"),
        ("file:/tmp/x", "is a URI (file)"),
    ],
)
@pytest.mark.parametrize("verb", [["run"], ["doctor"], ["merge", "--from", ".", "--tsv", "."]])
def test_an_output_that_is_no_folder_is_refused_by_name(
    verb: list[str], output: str, said: str, tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MOVIMENTO_FLAT_HOME": str(tmp_path / "home")}
    words = [sys.executable, "-m", "movimento_flat.cli.main", *verb, "--output", output]
    result = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--output", "out", "--hdfs-folder", "hdfs:///tmp/a*"),
        ("extract", "--source", "mysql://u@h/d", "--to", "hdfs:///tmp/a[1]"),
        ("join", "--from", "hdfs:///tmp/{a,b}", "--to", "hdfs:///tmp/parts"),
    ],
)
def test_what_hadoop_would_take_for_a_pattern_is_refused(arguments: tuple[str, ...]) -> None:
    result = command(*arguments)
    assert result.returncode == 2
    assert "for a part of a pattern" in result.stderr


def readable_by_others(folder: Path) -> list[Path]:
    """What another account can reach: nothing below a folder that is closed to it."""
    found = []
    for path in folder.iterdir():
        if not path.is_symlink() and path.stat().st_mode & 0o077:
            found += [path, *(readable_by_others(path) if path.is_dir() else [])]
    return found


def test_everything_that_is_written_is_private(small: Database, tmp_path: Path) -> None:
    """Of a run, of its sample data, and of each stage by itself, whatever the caller's umask."""
    scratch = tmp_path / "tmp"
    scratch.mkdir(mode=0o700)
    environment = {"TMPDIR": str(scratch), "MOVIMENTO_FLAT_HOME": str(tmp_path / "home")}
    before = os.umask(0)
    try:
        for arguments in (
            ("run", "--output", tmp_path / "out", "--source", small.url(), "--parquet", "--excel"),
            ("run", "--output", tmp_path / "sample", "--movements", "100"),
            ("run", "--output", tmp_path / "tokens", "--source", small.url(), "--card", "token"),
            ("extract", "--source", small.url(), "--to", tmp_path / "tsv"),
            ("join", "--from", tmp_path / "tsv", "--to", tmp_path / "parts"),
            ("merge", "--from", tmp_path / "parts", "--tsv", tmp_path / "tsv", "--output", tmp_path / "m"),
        ):
            result = command(*arguments, environment=environment)
            assert result.returncode == 0, result.stderr
    finally:
        os.umask(before)
    assert readable_by_others(tmp_path) == []


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_standard_streams_may_be_closed(small: Database, closed: str, tmp_path: Path) -> None:
    words = f'exec "$@" {closed}'
    arguments = ["run", "--output", str(tmp_path / "out"), "--source", small.url(), "--json"]
    result = subprocess.run(
        ["sh", "-c", words, "sh", sys.executable, "-m", "movimento_flat.cli.main", *arguments],
        cwd=ROOT,
        env={**os.environ, "MYSQL_PWD": PASSWORD},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / CSV).read_bytes() == expected_csv(small)


def test_a_terminal_that_knows_ascii_only_gets_json_all_the_same(small: Database, tmp_path: Path) -> None:
    output = tmp_path / "saída é"
    small.reader()
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    arguments = ("run", "--output", output, "--source", small.url(), "--json")
    result = command(*arguments, environment=environment)
    assert result.returncode == 0, result.stderr
    assert "saída é" in json.dumps(json.loads(result.stdout), ensure_ascii=False)


def test_a_user_without_home_and_name_is_told_what_to_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(user: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "MOVIMENTO_FLAT_HOME", "XDG_STATE_HOME", "HADOOP_USER_NAME", *LOGIN_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="MOVIMENTO_FLAT_HOME="):
        state_dir()
    with pytest.raises(UserError, match="HADOOP_USER_NAME"):
        default_hdfs_folder()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--drop", "nome"), 2),
        (("--with-ids", "--card", "mask"), 2),
        (("--engine", "hadoop"), 1),
    ],
)
def test_options_engine_and_output_are_checked_before_a_database_is_made(
    arguments: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    environment = {"MOVIMENTO_FLAT_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin", "HADOOP_HOME": ""}
    result = command("run", "--output", tmp_path / "out", *arguments, environment=environment)
    assert result.returncode == status, result.stderr
    assert "filled" not in result.stderr
    file = tmp_path / "file"
    file.touch()
    result = command("run", "--output", file, environment=environment)
    assert result.returncode == 1
    assert "is not a folder" in result.stderr
    assert not (tmp_path / "home" / "mariadb-data").exists()


def test_a_printed_name_of_any_length_is_delivered(small: Database, tmp_path: Path) -> None:
    """Python's csv module gives up beyond 131,072 characters."""
    small.execute("ALTER TABLE cartao MODIFY nom_impresso LONGTEXT")
    small.execute('UPDATE cartao SET nom_impresso = CONCAT(\'"\', REPEAT("x", 200000))')
    result = run(small, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / CSV).read_bytes() == expected_csv(small)
    assert (tmp_path / RUN / "warnings.tsv").read_bytes().count(b"printed_name_unlike_holder") == 1
    assert (tmp_path / CSV).read_bytes().startswith(",".join(FLAT_COLUMNS).encode())
