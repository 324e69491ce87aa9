"""`movimento-flat doctor`: what it finds is what a run would meet."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from extract.findings import NOTE, OK, PROBLEM, Finding
from movimento_flat.cli.doctor import as_text, examine
from movimento_flat.sample_data.private_server.programs import find_programs
from tests.conftest import PASSWORD, ROOT, Database
from tests.fake_server import says, serving
from tests.test_make_run import environment
from tests.test_run import Result, assert_user_error, command, run

__all__ = ["environment"]

DATABASE = ["database", "TLS", "account", "tables", "rows", "LOCK TABLES"]


def doctor(database: Database, output: Path, *arguments: str) -> Result:
    return command("doctor", "--output", output, "--source", database.url(), *arguments)


def levels(result: Result) -> dict[str, str]:
    """Subject -> level."""
    lines = re.findall(r"^(ok|note|problem) +(LOCK TABLES|\S+)", result.stderr, re.MULTILINE)
    return {subject: level for level, subject in lines}


def test_a_database_that_can_be_read_is_well(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    result = doctor(filled, tmp_path / "new" / "out")
    assert result.returncode == 0, result.stderr
    found = levels(result)
    assert {found[subject] for subject in ("Python", "OUTPUT", "state", "ENGINE=local", *DATABASE)} == {OK}
    assert "A run would work here, by" in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_empty_tables_are_well(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.reader()
    assert doctor(database, tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE associado", "Table associado lacks"),
        ("ALTER TABLE movimento ENGINE=MyISAM", "Not every table is InnoDB: movimento"),
        ("ALTER TABLE movimento MODIFY vlr_transacao FLOAT", "is float"),
    ],
)
def test_tables_that_a_run_would_refuse_are_a_problem_in_the_same_words(
    database: Database, tmp_path: Path, change: str, said: str
) -> None:
    database.create_tables()
    database.execute("ALTER TABLE movimento DROP FOREIGN KEY movimento_cartao", change)
    database.reader()
    result = doctor(database, tmp_path)
    assert result.returncode == 1
    assert levels(result)["tables"] == PROBLEM, result.stderr
    assert "rows" not in levels(result)
    ran = run(database, tmp_path / "out")
    assert said in result.stderr and said in ran.stderr


def test_an_account_that_could_write_is_a_problem_unless_it_is_asked_for(
    filled: Database, tmp_path: Path
) -> None:
    filled.reader()
    filled.execute("CREATE USER IF NOT EXISTS writer@localhost IDENTIFIED BY 'x'")
    filled.execute(f"GRANT SELECT, INSERT ON {filled.name}.* TO writer@localhost")
    arguments = ("doctor", "--output", tmp_path, "--source", filled.url("writer"))
    refused = command(*arguments, environment={"MYSQL_PWD": "x"})
    assert levels(refused)["account"] == PROBLEM
    assert refused.returncode == 1
    assert "INSERT on" in refused.stderr and "CREATE USER" in refused.stderr
    assert "A run would not work here: 1 problem." in refused.stderr
    taken = command(*arguments, "--allow-writer", environment={"MYSQL_PWD": "x"})
    assert levels(taken)["account"] == NOTE
    assert levels(taken)["LOCK TABLES"] == NOTE  # nothing was granted but SELECT and INSERT
    assert taken.returncode == 0


def test_a_view_that_cannot_be_read_is_a_problem(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        "RENAME TABLE movimento TO movements",
        "CREATE VIEW movimento AS SELECT * FROM movements",
        "DROP TABLE movements",
    )
    database.reader()
    result = doctor(database, tmp_path)
    assert result.returncode == 1, result.stderr
    assert PROBLEM in (levels(result)["tables"], levels(result).get("rows"))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://reader@no-such-host.invalid/db", "Check host and port"),
        ("mysql://reader@127.0.0.1:1/db", "Check host and port"),
    ],
)
def test_a_server_that_does_not_answer_is_a_problem(tmp_path: Path, url: str, said: str) -> None:
    result = command("doctor", "--output", tmp_path, "--source", url)
    assert result.returncode == 1
    assert levels(result)["database"] == PROBLEM
    assert said in result.stderr


def test_another_programs_port_is_a_problem_in_one_message(tmp_path: Path) -> None:
    with serving(says(b"SSH-2.0-OpenSSH_9.2p1\r\n")) as (port, _):
        result = command("doctor", "--output", tmp_path, "--source", f"mysql://reader@127.0.0.1:{port}/db")
    assert result.returncode == 1
    assert levels(result)["database"] == PROBLEM
    assert result.stderr.count("does not greet as MySQL and MariaDB do") == 1
    assert "Packet sequence" not in result.stderr and "Traceback" not in result.stderr


def test_what_a_server_calls_itself_is_harmless_for_a_terminal() -> None:
    finding = Finding(OK, "database", "10.11\x1b]0;title\x07", "\x9b2J")
    text = as_text([finding], None, lambda text, **style: text)
    assert r"10.11\x1b]0;title\x07" in text and r"\x9b2J" in text
    assert text.isprintable() or set(text) & set("\x1b\x07\x9b") == set()


def test_quiet_leaves_the_problems(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    assert doctor(filled, tmp_path, "--quiet").stderr == ""
    file = tmp_path / "file"
    file.touch()
    result = doctor(filled, file, "--quiet")
    assert_user_error(result, "is not a folder")
    assert result.stderr.startswith("problem  OUTPUT")
    assert set(levels(result)) == {"OUTPUT"}


def test_without_any_engine_it_says_what_each_lacks(tmp_path: Path) -> None:
    """A machine without Docker, Hadoop, apt-get and Maven: nothing is on its PATH but what the shell needs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "cksum", "cut"):
        (programs / name).symlink_to(str(shutil.which(name)))
    home = tmp_path / "home"
    bare = {"PATH": str(programs), "MOVIMENTO_FLAT_HOME": str(home), "HADOOP_HOME": ""}
    result = command("doctor", "--output", tmp_path, environment=bare)
    found = levels(result)
    for said in ("There is no docker command on this machine.", "There is no `hadoop` command"):
        assert said in result.stderr
    if installed := find_programs(home, os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))):
        assert str(installed.server) in result.stderr
        assert (found["ENGINE=local"], found["ENGINE=docker"], result.returncode) == (OK, NOTE, 0)
    else:
        assert "nor apt-get or mvn to fetch one" in result.stderr
        assert {found[f"ENGINE={name}"] for name in ("docker", "local", "hadoop")} == {PROBLEM}
        assert result.returncode == 1
    assert not home.exists()


def test_lines_are_broken_on_a_narrow_terminal(tmp_path: Path) -> None:
    text = as_text(examine(tmp_path, None), 60, lambda text, **style: text)
    assert all(len(line) <= 60 or " " not in line[24:] for line in text.splitlines())


def test_make_doctor_takes_the_parameters_of_run(filled: Database, environment: Path, tmp_path: Path) -> None:
    filled.reader()
    password = tmp_path / "a password's file"
    password.write_text(f"{PASSWORD}\n")
    variables = {"OUTPUT": tmp_path / "my out", "SOURCE": filled.url(), "PASSWORD_FILE": password}
    result = subprocess.run(
        ["make", "doctor", f"VENV={environment}", *(f"{name}={value}" for name, value in variables.items())],
        cwd=ROOT,
        env=os.environ | {"MOVIMENTO_FLAT_HOME": str(tmp_path / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert f"free for {tmp_path / 'my out'}" in result.stderr
    assert levels(result)["LOCK TABLES"] == OK
