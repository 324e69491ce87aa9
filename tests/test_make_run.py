"""bootstrap/run, as `make run` calls it: its parameters become the program's options."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PASSWORD, ROOT, Database
from tests.test_run import CSV, RUN, Result
from tests.test_tls import Place, place

__all__ = ["place"]


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """What `bootstrap/venv` takes for an environment that it made here: nothing has to be installed."""
    folder = tmp_path / "venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "bin" / "movimento-flat").symlink_to(Path(sys.executable).with_name("movimento-flat"))
    (folder / ".installed").write_text(f"{ROOT}\n")
    return folder


def make_run(environment: Path, output: Path, **parameters: str | Path) -> Result:
    variables = {"ENGINE": "local", "OUTPUT": output, "VENV": environment} | parameters
    return subprocess.run(
        ["make", "--no-print-directory", "run", *(f"{name}={value}" for name, value in variables.items())],
        cwd=ROOT,
        env=os.environ | {"MYSQL_PWD": PASSWORD, "MOVIMENTO_FLAT_HOME": str(output.parent / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_options_are_words_and_none_is_a_pattern(filled: Database, environment: Path, tmp_path: Path) -> None:
    filled.reader()
    options = "--since 2024-03-01T10:00:00  --until 2024-04-01 --card mask"
    result = make_run(environment, tmp_path / "my out", SOURCE=filled.url(), OPTIONS=options)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((tmp_path / "my out" / RUN / "manifest.json").read_text())
    assert manifest["source"]["since"] == "2024-03-01 10:00:00"
    assert manifest["source"]["until"] == "2024-04-01 00:00:00"
    assert manifest["privacy"]["card"] == "mask"
    quoted = "--since '2024-03-01 10:00:00' --until \"2024-04-01\" --card mask"
    assert make_run(environment, tmp_path / "my out", SOURCE=filled.url(), OPTIONS=quoted).returncode == 0
    again = json.loads((tmp_path / "my out" / RUN / "manifest.json").read_text())
    for name in ("since", "until"):
        assert again["source"][name] == manifest["source"][name]
    unended = make_run(environment, tmp_path / "out", SOURCE=filled.url(), OPTIONS="--since '2024")
    assert (unended.returncode, "a quote that does not end" in unended.stderr) == (2, True)
    unknown = make_run(environment, tmp_path / "out", SOURCE=filled.url(), OPTIONS="M*")
    assert "argument (M*)" in unknown.stderr
    ran = make_run(environment, tmp_path / "out", SOURCE=filled.url(), OPTIONS="; touch ran $(touch ran)")
    assert ran.returncode
    assert not (ROOT / "ran").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("OPTION", "Did you mean OPTIONS?"),
        ("CARD", 'OPTIONS="--card ..."'),
        ("MOVEMENT", "Did you mean MOVEMENTS?"),
        ("Output", "Did you mean OUTPUT?"),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_near_one(
    name: str, said: str, environment: Path, tmp_path: Path
) -> None:
    result = make_run(environment, tmp_path / "out", **{name: "--card mask"})
    assert result.returncode == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_uri_as_output_is_refused(environment: Path, tmp_path: Path) -> None:
    result = make_run(environment, Path("s3a:/b/x"))
    assert (result.returncode, "is a URI" in result.stderr) == (2, True)


def test_an_authoritys_file_may_have_any_name(place: Place, environment: Path, tmp_path: Path) -> None:
    authority = tmp_path / "an authority's file.pem"
    authority.write_bytes(place.authority.file.read_bytes())
    source = str(place.source())
    refused = make_run(environment, tmp_path / "out", SOURCE=source)
    assert "--tls-ca FILE" in refused.stderr
    result = make_run(environment, tmp_path / "out", SOURCE=source, TLS_CA=authority)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / CSV).exists()
