"""A run's own folder in HDFS, removed when the run ends; or by the next run, where it was killed.

A run writes its folder's name into a file here and holds a lock on that file. The lock is the kernel's and
ends with the process, so a file without a lock is a run that was killed, and no clock decides.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from command_line.progress import Console
from movimento_flat.errors import UserError
from movimento_flat.hadoop import Hadoop


@dataclass(frozen=True)
class HdfsRun:
    """A run on the cluster.

    Attributes:
        folder: URI of its own folder in HDFS.
        tag: what its applications on YARN are marked with.
    """

    folder: str
    tag: str


@contextmanager
def hdfs_run(
    hadoop: Hadoop, base: str, folders: tuple[str, ...], state: Path, console: Console
) -> Iterator[HdfsRun]:
    """Register a run, make `folders` in its own one, and remove everything of it from the cluster at the end.

    Raises:
        UserError: the cluster does not answer.
    """
    registry = state / "hadoop_runs"
    registry.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_killed_runs(hadoop, registry, console)
    tag = f"movimento-flat-{secrets.token_hex(8)}"
    run = HdfsRun(f"{base.rstrip('/')}/{tag}", tag)
    descriptor = _register(registry / tag, run)
    try:
        _make_folders(hadoop, registry, run, folders)
        yield run
    except UserError:
        # Its applications have ended, or could not be reached.
        _try_to_remove(hadoop, registry, run, console)
        raise
    except BaseException:
        _try_to_remove(hadoop, registry, run, console, kill=True)
        raise
    else:
        _try_to_remove(hadoop, registry, run, console)
    finally:
        os.close(descriptor)


def _make_folders(hadoop: Hadoop, registry: Path, run: HdfsRun, folders: tuple[str, ...]) -> None:
    try:
        hadoop.fs("-mkdir", "-p", *(f"{run.folder}/{name}" for name in folders))
    except UserError:
        (registry / run.tag).unlink()
        raise


def _register(file: Path, run: HdfsRun) -> int:
    """The file has its name only when it is locked: another run must not take it for a killed one's."""
    unnamed = file.with_name(f".{file.name}")
    descriptor = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, run.folder.encode())
    unnamed.rename(file)
    return descriptor


def _remove_killed_runs(hadoop: Hadoop, registry: Path, console: Console) -> None:
    for file in sorted(registry.glob("movimento-flat-*")):
        with file.open() as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            run = HdfsRun(opened.read(), file.name)
            console.say(f"Removing what a killed run left on the cluster: {run.folder}.")
            _remove(hadoop, registry, run, kill=True)


def _try_to_remove(
    hadoop: Hadoop, registry: Path, run: HdfsRun, console: Console, kill: bool = False
) -> None:
    """A cluster that does not answer any more must not hide why the run ends; the next run tries again."""
    if not (registry / run.tag).exists():
        return
    try:
        _remove(hadoop, registry, run, kill)
    except UserError as error:
        console.say(f"{run.folder} could not be removed now, the next run will: {error.what}")


def _remove(hadoop: Hadoop, registry: Path, run: HdfsRun, kill: bool) -> None:
    if kill:
        hadoop.kill_jobs(run.tag)
    hadoop.fs("-rm", "-r", "-f", "-skipTrash", run.folder)
    (registry / run.tag).unlink(missing_ok=True)
