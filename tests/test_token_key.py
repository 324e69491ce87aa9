"""The key of tokens: one place however the program is started, private, never made twice, and known to a delivery."""

import json
import os
import re
import shlex
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from movimento_flat.cli import token_key
from movimento_flat.cli.token_key import key_fingerprint_of, with_kept_key, with_key
from movimento_flat.errors import UserError
from movimento_flat.privacy import Privacy
from mr_jobs.job_options import JobOptions
from tests.conftest import ROOT, Database
from tests.test_make_run import environment, make_run
from tests.test_run import CSV, RUN, assert_user_error, command, run

__all__ = ["environment"]

TOKENS = JobOptions(Privacy(card="token"))
OPTIONS = ("--card", "token")
KEY, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home without any key; the checkout has none either."""
    for variable in ("XDG_DATA_HOME", "XDG_STATE_HOME", "MOVIMENTO_FLAT_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(token_key, "_CHECKOUT_STATE", tmp_path / "checkout" / ".movimento-flat")
    return tmp_path / "home"


def new_key(file: Path, content: str = KEY) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(f"{content}\n")
    return file


def kept(tmp_path: Path, job_options: JobOptions = TOKENS) -> Path:
    file = with_key(job_options, tmp_path, print).key_file
    assert file
    return file


def manifest(output: Path) -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = json.loads((output / RUN / "manifest.json").read_text())
    return content


def test_the_key_is_kept_with_the_users_data_for_nobody_else(home: Path, tmp_path: Path) -> None:
    place = home / ".local" / "share" / "movimento-flat" / "token_key"
    assert kept(tmp_path) == place
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    assert [path.name for path in place.parent.iterdir()] == ["token_key"]
    content = place.read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", content)
    assert kept(tmp_path) == place
    assert place.read_text() == content


def test_the_state_folder_does_not_move_it_and_the_users_data_folder_does(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIMENTO_FLAT_HOME", str(tmp_path / "state"))
    assert kept(tmp_path).is_relative_to(home / ".local")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert kept(tmp_path).is_relative_to(home / ".local")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert kept(tmp_path) == tmp_path / "data" / "movimento-flat" / "token_key"


def test_a_user_without_a_home_is_asked_for_a_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UserError, match="no home folder") as found:
        kept(tmp_path)
    assert "--key-file" in str(found.value)
    assert kept(tmp_path, JobOptions(Privacy(card="token"), key_file=tmp_path / "mine")) == tmp_path / "mine"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert kept(tmp_path).exists()


@pytest.mark.parametrize("old", ["home/.local/state/movimento-flat", "checkout/.movimento-flat", "my state"])
def test_a_key_of_an_earlier_version_is_found_and_the_command_that_is_shown_moves_it(
    old: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOVIMENTO_FLAT_HOME", str(tmp_path / "my state"))
    new_key(tmp_path / old / "token_key")
    with pytest.raises(UserError, match=re.escape(str(tmp_path / old))) as found:
        kept(tmp_path)
    assert not (home / ".local" / "share").exists()
    assert found.value.next_step
    subprocess.run(found.value.next_step, shell=True, check=True)
    assert kept(tmp_path).read_text() == f"{KEY}\n"
    assert stat.S_IMODE(kept(tmp_path).parent.stat().st_mode) == 0o700
    assert not (tmp_path / old / "token_key").exists()


def test_of_two_earlier_keys_the_user_chooses_one_and_is_told_of_the_other(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = new_key(home / ".local/state/movimento-flat/token_key")
    others = new_key(tmp_path / "checkout/.movimento-flat/token_key", OTHER)
    with pytest.raises(UserError) as found:
        kept(tmp_path)
    assert found.value.next_step
    assert found.value.next_step.count(" && mv ") == 2
    assert str(ours) in str(found.value)
    assert str(others) in str(found.value)
    place = new_key(home / ".local/share/movimento-flat/token_key")
    assert kept(tmp_path) == place
    said = capsys.readouterr().out
    assert str(others) in said
    assert str(ours) not in said
    assert KEY not in said + str(found.value)


def test_two_runs_that_need_a_first_key_at_the_same_time_take_one(home: Path, tmp_path: Path) -> None:
    for number in range(20):
        job_options, both = JobOptions(Privacy(card="token"), key_file=tmp_path / str(number)), Barrier(2)

        def one(job_options: JobOptions = job_options, both: Barrier = both) -> bytes:
            both.wait()
            return with_key(job_options, tmp_path, print).key()

        with ThreadPoolExecutor(2) as pool:
            first, second = (pool.submit(one) for _ in range(2))
            assert first.result() == second.result()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o610, 0o644])
def test_a_key_that_anybody_else_may_use_is_refused(mode: int, home: Path, tmp_path: Path) -> None:
    key = new_key(tmp_path / "key")
    key.chmod(mode)
    job_options = JobOptions(Privacy(card="token"), key_file=key)
    with pytest.raises(UserError, match=f"chmod 600 {key}"):
        with_key(job_options, tmp_path, print)
    with pytest.raises(UserError, match=f"chmod 600 {key}"):
        with_kept_key(job_options, print)


def test_a_fingerprint_tells_keys_apart_and_is_no_part_of_a_key_or_a_token(tmp_path: Path) -> None:
    def fingerprint(content: str, privacy: Privacy = TOKENS.privacy) -> str | None:
        return key_fingerprint_of(JobOptions(privacy, key_file=new_key(tmp_path / "key", content)))

    found = fingerprint(KEY)
    # By `printf 'movimento-flat: which key made these tokens' | openssl dgst -sha256 -hmac aaa...`
    assert found == "11b06328ee84cfc6"
    assert found != fingerprint(OTHER)
    assert fingerprint(KEY, Privacy(people="token")) == found
    assert fingerprint(KEY, Privacy(card="mask")) is None


def test_make_run_and_the_command_take_the_same_key_and_say_which(
    filled: Database, environment: Path, tmp_path: Path, key_of_the_tests: Path
) -> None:
    filled.reader()
    made = make_run(environment, tmp_path / "by make", SOURCE=filled.url(), OPTIONS="--card token")
    assert made.returncode == 0, made.stderr
    ran = run(filled, tmp_path / "by command", *OPTIONS)
    csvs = [(tmp_path / name / CSV).read_bytes() for name in ("by make", "by command")]
    assert csvs[0] == csvs[1]
    expected = key_fingerprint_of(JobOptions(TOKENS.privacy, key_file=key_of_the_tests))
    for output, said in (("by make", made.stderr), ("by command", ran.stderr)):
        assert manifest(tmp_path / output)["privacy"]["key_fingerprint"] == expected
        assert f"by the key {expected}" in said
        assert f"by the key {expected}" in command("verify", tmp_path / output).stderr


def test_tokens_by_another_key_are_refused_before_anything_is_read_unless_told(
    filled: Database, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    other = ("--key-file", str(new_key(tmp_path / "key")))
    assert run(filled, output, *OPTIONS).returncode == 0
    before = {file: file.read_bytes() for file in output.rglob("*") if file.is_file()}
    result = command("run", "--output", output, "--source", "mysql://x@127.0.0.1:1/x", *OPTIONS, *other)
    assert_user_error(result, "the same card would get another token")
    assert "--allow-new-key" in result.stderr
    assert {file: file.read_bytes() for file in output.rglob("*") if file.is_file()} == before
    assert run(filled, output, *OPTIONS, *other, "--allow-new-key").returncode == 0
    assert run(filled, output, *OPTIONS, *other).returncode == 0
    assert run(filled, output).returncode == 0  # no tokens, no key
    assert run(filled, output, *OPTIONS).returncode == 0


def test_the_merge_knows_the_joins_key_and_makes_none(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    key = tmp_path / "key"
    tsv, parts, output = tmp_path / "tsv", tmp_path / "parts", tmp_path / "out"
    merge = ("merge", "--from", parts, "--tsv", tsv, "--output", output, *OPTIONS)
    assert command("extract", "--source", filled.url(), "--to", tsv).returncode == 0
    join = command("join", "--from", tsv, "--to", parts, *OPTIONS, "--key-file", key)
    assert join.returncode == 0, join.stderr
    assert_user_error(command(*merge, "--key-file", tmp_path / "none"), "There is no key")
    assert not (tmp_path / "none").exists()
    assert command(*merge, "--key-file", key).returncode == 0
    expected = key_fingerprint_of(JobOptions(TOKENS.privacy, key_file=key))
    assert manifest(output)["privacy"]["key_fingerprint"] == expected
    assert_user_error(command(*merge), "the same card would get another token")


@pytest.mark.parametrize("has_key", [False, True])
def test_make_clean_leaves_every_key(has_key: bool, tmp_path: Path) -> None:
    state, venv, data = tmp_path / "my state", tmp_path / "venv", tmp_path / "data"
    (state / "data" / "mysql").mkdir(parents=True)
    (state / ".hidden").touch()
    venv.mkdir()
    kept = new_key(data / "movimento-flat" / "token_key")
    old = new_key(state / "token_key") if has_key else state / "token_key"
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "docker").write_text("#!/bin/sh\nexit 1\n")  # no engine answers
    (programs / "docker").chmod(0o755)
    for _ in range(2):
        result = subprocess.run(
            ["make", "--no-print-directory", "clean", f"VENV={shlex.quote(str(venv))}"],
            cwd=ROOT,
            env=os.environ
            | {
                "MOVIMENTO_FLAT_HOME": str(state),
                "XDG_DATA_HOME": str(data),
                "PATH": f"{programs}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert not venv.exists()
        assert state.exists() == has_key
        assert not has_key or [path.name for path in state.iterdir()] == [old.name]
    assert kept.exists()


def place_key(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """What hadoop-docker/cluster, which needs no Python, does about the key: its functions alone."""
    script = (ROOT / "hadoop-docker" / "cluster").read_text()
    functions = re.findall(
        r"^(?:say|fail|make_secret|whole_path|prepare_key|place_key)\(\) \{.*?(?:^\}| \})$",
        script,
        re.M | re.S,
    )
    assert len(functions) == 6
    lines = ["set -eu", f"home='{tmp_path}/my state' repository='{tmp_path}/checkout'", *functions]
    lines += ["prepare_key", 'printf %s "$key_file"']
    return subprocess.run(
        ["sh", "-c", "\n".join(lines)],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_cluster_takes_the_key_from_the_same_place(home: Path, tmp_path: Path) -> None:
    found = place_key(tmp_path, HOME=str(home))
    assert found.stdout == str(kept(tmp_path)), found.stderr
    assert stat.S_IMODE(kept(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept(tmp_path).parent.stat().st_mode) == 0o700
    assert place_key(tmp_path, HOME=str(home), XDG_DATA_HOME="relative").stdout == found.stdout
    data = tmp_path / "data"
    assert place_key(tmp_path, XDG_DATA_HOME=str(data)).stdout == f"{data}/movimento-flat/token_key"
    assert "KEY_FILE" in place_key(tmp_path).stderr
    assert place_key(tmp_path, KEY_FILE=str(tmp_path / "mine")).stdout == str(tmp_path / "mine")


@pytest.mark.parametrize("old", ["home/.local/state/movimento-flat", "checkout/.movimento-flat", "my state"])
def test_the_cluster_finds_a_key_of_an_earlier_version(old: str, home: Path, tmp_path: Path) -> None:
    new_key(tmp_path / old / "token_key")
    refused = place_key(tmp_path, HOME=str(home))
    assert refused.returncode == 1
    (move,) = re.findall(r"-> (mkdir .*)", refused.stderr)
    subprocess.run(move, shell=True, check=True)
    found = place_key(tmp_path, HOME=str(home))
    assert Path(found.stdout).read_text() == f"{KEY}\n"
    assert found.stdout == str(home / ".local/share/movimento-flat/token_key")
