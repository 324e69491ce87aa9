"""OUTPUT on file systems that cannot do everything: used where a delivery stays right and private, else refused."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from movimento_flat.cli import pipeline
from movimento_flat.cli.engines.local import LocalEngine
from movimento_flat.cli.progress import Console
from movimento_flat.cli.publishing import Publishing
from movimento_flat.errors import UserError
from movimento_flat.publish.output_folder import open_output
from movimento_flat.publish.parts import PARQUET_NAME, REPORT_NAME, WORKBOOK_NAME
from movimento_flat.state import state_dir
from mr_jobs.job_options import JobOptions
from tests.conftest import Database
from tests.exfat import mounted
from tests.test_limits import names
from tests.test_merge import PUBLISHED, publish
from tests.test_run import CSV, assert_user_error, command, expected_csv, run


def fail(number: int) -> Callable[..., Any]:
    """A system call that always fails."""

    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return failing


def test_a_run_makes_no_link_and_changes_no_mode(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in ("symlink", "link", "chmod", "fchmod", "chown"):
        monkeypatch.setattr(os, call, fail(errno.ENOSYS))
    job_options, publishing = JobOptions(), Publishing(excel=True, parquet=True)
    pipeline.run(
        nullcontext(filled.reader()),
        tmp_path / "out",
        LocalEngine(),
        2,
        job_options,
        publishing,
        Console(quiet=True),
    )
    assert (tmp_path / "out" / CSV).read_bytes() == expected_csv(filled)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_output_that_cannot_be_locked_is_refused_by_name(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", fail(number))
    with pytest.raises(UserError, match=f"OUTPUT {tmp_path} cannot be locked"), open_output(tmp_path):
        pass
    assert names(tmp_path) == []


@pytest.mark.parametrize("what", ["the folder", "its files"])
def test_output_that_keeps_nothing_private_is_refused_by_name(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system with the same permissions for everything takes those that are asked for, and forgets them."""
    mkdir, touch = Path.mkdir, Path.touch
    if what == "the folder":
        monkeypatch.setattr(Path, "mkdir", lambda path, mode=0, **options: mkdir(path, 0o755, **options))
    else:
        monkeypatch.setattr(Path, "touch", lambda path, mode=0, **options: touch(path, 0o644, **options))
    with pytest.raises(UserError, match=f"could read what is written to OUTPUT {tmp_path}"):
        publish(tmp_path, b"secret")
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_folders_that_cannot_be_flushed_are_published_to(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", _of_folders(fail(number)))
    publish(tmp_path, b"content")
    assert names(tmp_path) == PUBLISHED


def test_a_disk_that_fails_while_it_flushes_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, b"first")
    for failing in (_of_folders(fail(errno.EIO)), _of_files(fail(errno.EIO)), _of_files(fail(errno.EINVAL))):
        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(OSError):  # whatever the disk says
            publish(tmp_path, b"second")
        monkeypatch.undo()
        publish_nothing(tmp_path)
        assert (tmp_path / CSV).read_bytes() == b"first"
        assert names(tmp_path) == PUBLISHED


def publish_nothing(output: Path) -> None:
    with open_output(output):
        pass


_fsync = os.fsync


def _of_folders(fsync: Callable[[int], None]) -> Callable[[int], None]:
    return lambda descriptor: (fsync if _is_folder(descriptor) else _fsync)(descriptor)


def _of_files(fsync: Callable[[int], None]) -> Callable[[int], None]:
    return lambda descriptor: (_fsync if _is_folder(descriptor) else fsync)(descriptor)


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


@pytest.mark.machine
def test_exfat_is_written_to_where_it_is_mounted_for_its_owner_alone(
    filled: Database, tmp_path: Path
) -> None:
    with mounted(state_dir(), tmp_path, "umask=077") as place:
        for options in ((), ("--card", "mask", "--excel", "--parquet")):
            result = run(filled, place / "out", *options)
            assert result.returncode == 0, result.stderr
            assert command("verify", place / "out").returncode == 0
        assert names(place / "out") == sorted([*PUBLISHED, PARQUET_NAME, WORKBOOK_NAME, REPORT_NAME])


@pytest.mark.machine
def test_exfat_that_everybody_reads_is_refused_before_anything_is_read(
    filled: Database, tmp_path: Path
) -> None:
    with mounted(state_dir(), tmp_path, "umask=022") as place:
        result = run(filled, place / "out")
        assert_user_error(result, f"written to OUTPUT {place / 'out'}")
        assert "umask=077" in result.stderr
        assert names(place / "out") == []
