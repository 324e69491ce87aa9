"""What a person sees on a terminal, what a pipe gets, and what a machine reads."""

import fcntl
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from movimento_flat.cli.container_paths import as_the_user_wrote
from movimento_flat.cli.main import cli
from movimento_flat.sample_data.private_server import PrivateServer
from tests.conftest import PASSWORD, ROOT, Database, filled_database
from tests.test_run import COMMAND, CSV, RUN, command, run

ESCAPE = "\x1b"
STYLE = re.compile(r"\x1b\[[\d;]*m")
COMMANDS = sorted(cli.commands)
#: Two stages, a second and a half of 3,000 rows, and one that ends at once.
SLOW = """
import time
from movimento_flat.cli.progress import Console
console = Console({options})
with console.stage("slow", total=4000) as progress:
    for _ in range(3):
        progress(1000)
        time.sleep(0.5)
with console.stage("quick", total=10) as progress:
    progress(10)
console.say("The end.")
"""


@pytest.fixture(scope="module")
def small(server: PrivateServer) -> Database:
    """A fictitious database with everything, and few rows."""
    return filled_database(server, 2000)


def on_terminal(*arguments: str | Path, columns: int = 80, environment: dict[str, str] | None = None) -> str:
    """What a program writes to a terminal of so many columns, that is its standard error only."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")}
    with subprocess.Popen(
        list(map(str, arguments)),
        cwd=ROOT,
        env={**kept, "TERM": "xterm", "MYSQL_PWD": PASSWORD, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ):
        os.close(terminal)
        said = b""
        while True:
            try:
                said += os.read(screen, 1 << 16)
            except OSError:  # the last one who could write is gone
                os.close(screen)
                return said.decode()


def run_on_terminal(database: Database, output: Path, columns: int = 80, **environment: str) -> str:
    database.reader()
    arguments: list[str | Path] = [*COMMAND, "run", "--output", output, "--source", database.url()]
    return on_terminal(*arguments, columns=columns, environment=environment)


def slow(options: str = "", **environment: str) -> str:
    return on_terminal(sys.executable, "-c", SLOW.format(options=options), environment=environment)


def test_a_stage_longer_than_a_second_has_a_bar_with_rows_and_rate_which_goes_away() -> None:
    said = slow()
    assert re.search(r"slow: +75%.*3\.00k/4\.00k.*\dk? rows/s", said)
    assert "quick" not in said
    *_, cleared, end, rest = re.split(r"[\r\n]+", said)
    assert (cleared.strip(), end, rest) == ("", "The end.", "")


@pytest.mark.parametrize(("options", "left"), [("quiet=True", ""), ("verbose=True", "The end.\n")])
def test_no_bar_is_on_a_dumb_terminal_nor_where_all_is_to_be_quiet(options: str, left: str) -> None:
    said = slow(options, TERM="dumb").replace("\r\n", "\n")
    assert ESCAPE not in said and "\r" not in said and "%" not in said
    assert said.endswith(left)
    assert ("Stage slow took 1.5 s: 3,000 rows." in said) == ("verbose" in options)


def test_colours_are_on_a_terminal_only_and_not_where_no_color_forbids_them(
    small: Database, tmp_path: Path
) -> None:
    assert STYLE.search(run_on_terminal(small, tmp_path))
    assert not STYLE.search(run_on_terminal(small, tmp_path, NO_COLOR="1"))
    assert STYLE.search(run_on_terminal(small, tmp_path, NO_COLOR=""))  # no-color.org: when not empty
    assert ESCAPE not in run_on_terminal(small, tmp_path, TERM="dumb")
    piped = run(small, tmp_path)
    assert piped.stdout == ""
    assert ESCAPE not in piped.stderr and "\r" not in piped.stderr


def test_an_error_is_red_on_a_terminal() -> None:
    for environment, begin in [
        ({}, "\x1b[31m\x1b[1mmovimento-flat:"),
        ({"NO_COLOR": "1"}, "movimento-flat:"),
    ]:
        assert on_terminal(*COMMAND, "verify", "/", environment=environment).startswith(begin)


@pytest.mark.parametrize("columns", [60, 100])
def test_the_summary_fits_the_terminal(small: Database, tmp_path: Path, columns: int) -> None:
    said = STYLE.sub("", run_on_terminal(small, tmp_path, columns)).replace("\r\n", "\n")
    summary = said[said.index(f"{tmp_path / CSV}\n") :].splitlines()[1:]
    labels = [line[:17].strip() for line in summary if line[2] != " "]
    assert labels == [
        *(
            "rows",
            "total",
            "rejected",
            "mismatches",
            "warnings",
            "seconds",
            "checked",
            "time zone",
            "shows",
            "details",
        )
    ]
    for line in summary:
        assert len(line) <= columns or " " not in line[17:], line


def test_json_is_the_one_thing_on_standard_output(small: Database, tmp_path: Path) -> None:
    result = run(small, tmp_path, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    manifest = json.loads((tmp_path / RUN / "manifest.json").read_text())
    assert result.stdout.count("\n") == 1
    assert found.pop("path") == str(tmp_path / CSV)
    assert found.pop("key_fingerprint") is None
    assert found == manifest["csv"] | {
        name: manifest[name]
        for name in ("rejected", "warnings", "holder_owner_mismatches", "files", "engine", "seconds")
    }
    assert found["rejected"]["by_reason"]["unknown_card"] > 0
    assert "on this machine" in result.stderr
    assert "mismatches" not in result.stderr
    verified = command("verify", tmp_path, "--json")
    assert json.loads(verified.stdout)["sha256"] == found["sha256"]
    assert verified.stderr == ""


def test_a_full_standard_output_is_one_message(small: Database, tmp_path: Path) -> None:
    run(small, tmp_path)
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*COMMAND, "verify", str(tmp_path), "--json"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert "standard output: No space left on device" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_quiet_says_errors_only(small: Database, tmp_path: Path) -> None:
    result = run(small, tmp_path, "--quiet")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    (tmp_path / CSV).write_text("")
    failed = command("verify", tmp_path, "--quiet")
    assert failed.returncode == 1
    assert "is not what it should be" in failed.stderr
    assert command("verify", tmp_path, "--quiet", "--verbose").returncode == 2


def test_verbose_says_more(small: Database, tmp_path: Path) -> None:
    result = run(small, tmp_path, "--verbose")
    manifest = json.loads((tmp_path / RUN / "manifest.json").read_text())
    for said in (
        manifest["csv"]["sha256"],
        manifest["source"]["server"],
        "2,000 movimento",
        "Stage join took",
    ):
        assert said in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_headings_and_exit_status(name: str) -> None:
    said = command(name, "--help").stdout
    assert f"  movimento-flat {name}" in said or f"$(movimento-flat {name}" in said
    status = " ".join(said.partition("Exit status: ")[2].split())
    assert re.match(r"0 .*, 1 .*, 2 wrong options, 130 interrupted", status)
    without = said.partition("\nOptions:\n")[2].partition("\n\n")[0]
    if name == "run":
        assert re.findall(r"^  (-\S+)", without, re.MULTILINE) == ["--output", "-h,"]


def test_the_list_of_commands_has_whole_sentences() -> None:
    assert "..." not in command("--help").stdout.partition("Commands:")[2]


def test_a_day_that_comes_first_is_told_how_to_write_it() -> None:
    for wrong in ("01/02/2024", "01/02/2024 10:30"):
        result = command("run", "--output", "x", "--since", wrong)
        assert result.returncode == 2
        assert "write 2024-02-01" in result.stderr
    assert "write" not in command("run", "--output", "x", "--since", "30/02/2024").stderr


def test_a_day_of_no_characters_is_a_wrong_option() -> None:
    result = command("run", "--output", "x", "--since", "")
    assert result.returncode == 2
    assert "Invalid value for '--since'" in result.stderr


def test_what_there_is_not_is_told_the_near_one() -> None:
    for arguments, near in [
        (("rnu",), "Did you mean 'run'?"),
        (("run", "--sorce", "x"), "--source"),
        (("run", "--output", "x", "--card", "msk"), "Did you mean 'mask'?"),
        (("run", "--output", "x", "--engine", "haddop"), "Did you mean 'hadoop'?"),
    ]:
        result = command(*arguments)
        assert result.returncode == 2
        assert near in result.stderr, result.stderr


def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    (tmp_path / "movimento-flat").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    (tmp_path / "movimento-flat").chmod(0o755)
    script = """
    eval "$(movimento-flat completion bash)"
    complete() { COMP_WORDS=(movimento-flat "$@"); COMP_CWORD=$#; COMPREPLY=()
        _movimento_flat_completion movimento-flat; echo "${COMPREPLY[@]}"; }
    complete ver; complete run --max; complete run --card ""; complete run --drop numero; complete run --strict ag
    """
    result = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines() == [
        "verify",
        "--max-rejected",
        "full mask token",
        "numero_cartao",
        "age_out_of_range",
    ]


@pytest.mark.parametrize(("shell", "said"), [("zsh", "#compdef movimento-flat"), ("fish", "complete --")])
def test_other_shells_get_their_completion(shell: str, said: str) -> None:
    result = command("completion", shell)
    assert result.returncode == 0
    assert said in result.stdout


def test_paths_of_the_container_are_shown_as_the_user_wrote_them() -> None:
    shown = {"MOVIMENTO_FLAT_OUTPUT_SHOWN": "./my\\1 out", "MOVIMENTO_FLAT_TLS_CA_SHOWN": "my ca.pem"}
    for said, expected in [
        (
            "The authority's file /run/tls_ca cannot be used.",
            "The authority's file my ca.pem cannot be used.",
        ),
        ("/output/movimento_flat.csv: fine", "./my\\1 out/movimento_flat.csv: fine"),
        ("in hdfs:///user/x/output and /outputs", "in hdfs:///user/x/output and /outputs"),
        ("chmod 600 /run/token_key", "chmod 600 /run/token_key"),
    ]:
        assert as_the_user_wrote(said, shown) == expected
        assert as_the_user_wrote(said, {}) == said
    wrong = command("verify", "/output", environment=shown)
    assert "Directory './my\\1 out' does not exist." in wrong.stderr
