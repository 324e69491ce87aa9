"""A run's own folder in HDFS, which the run removes at its end, or the next run if it was killed.

A run writes its folder's name into a file of this machine and holds a lock on that file. The kernel ends the lock with
the process, so a file without a lock belongs to a killed run; no time has to be compared.
"""

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from movimento_flat.cli.progress import Console
from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop
from movimento_flat.locks import open_locked
from movimento_flat.private_files import make_private_folder


@dataclass(frozen=True)
class HdfsRun:
    """A run on the cluster.

    Attributes:
        folder: URI of its own folder in HDFS.
        tag: the tag of its applications on YARN.
        wait: returns when its folders exist; raises UserError where the cluster does not answer.
    """

    folder: str
    tag: str
    wait: Callable[[], object]


@contextmanager
def hdfs_run(
    hadoop: Hadoop, base: str, folders: tuple[str, ...], state: Path, console: Console
) -> Iterator[HdfsRun]:
    """Register a run, make `folders` in its own folder, and remove everything of it from the cluster at the end.

    Each command of Hadoop takes half a second to start, so the folders are made while the program connects to the
    database, and removed while it merges.
    """
    registry = make_private_folder(state / "hadoop_runs", exist_ok=True)
    _remove_killed_runs(hadoop, registry, console)
    tag = f"movimento-flat-{secrets.token_hex(8)}"
    folder = f"{base.rstrip('/')}/{tag}"
    descriptor = _register(registry / tag, folder)
    pool = ThreadPoolExecutor(1)
    made = pool.submit(_make_folders, hadoop, registry / tag, folder, folders)

    def remove(kill: bool = False) -> None:
        wait([made])
        pool.shutdown()
        _try_to_remove(hadoop, registry / tag, folder, console, kill)
        os.close(descriptor)

    try:
        yield HdfsRun(folder, tag, made.result)
    except UserError:
        # Its applications have ended, or could not be reached.
        remove()
        raise
    except BaseException:
        remove(kill=True)
        raise
    Thread(target=remove).start()


def _make_folders(hadoop: Hadoop, registered: Path, folder: str, folders: tuple[str, ...]) -> None:
    try:
        hadoop.fs("-mkdir", "-p", *(f"{folder}/{name}" for name in folders))
    except UserError:
        registered.unlink()
        raise


def _register(file: Path, folder: str) -> int:
    """Register a run. The file has its name only when it is locked: another run must not take it for a killed one's."""
    unnamed = file.with_name(f".{file.name}")
    descriptor = open_locked(unnamed)
    os.write(descriptor, folder.encode())
    unnamed.rename(file)
    return descriptor


def _remove_killed_runs(hadoop: Hadoop, registry: Path, console: Console) -> None:
    for file in sorted(registry.glob("movimento-flat-*")):
        try:
            descriptor = open_locked(file, os.O_RDONLY)
        except (BlockingIOError, FileNotFoundError):  # the run lives, or has just ended
            continue
        with os.fdopen(descriptor) as opened:
            folder = opened.read()
            console.say(f"Removing what a killed run left on the cluster: {folder}.")
            _remove(hadoop, file, folder, kill=True)


def _try_to_remove(hadoop: Hadoop, registered: Path, folder: str, console: Console, kill: bool) -> None:
    """Remove a run, or leave that to the next run: an error here must not hide why this one ends."""
    if not registered.exists():
        return
    try:
        _remove(hadoop, registered, folder, kill)
    except UserError as error:
        console.say(f"{folder} could not be removed now, the next run will: {error.what}")


def _remove(hadoop: Hadoop, registered: Path, folder: str, kill: bool) -> None:
    """Remove a run's folder and its file, whose name is its tag; first end its applications, to `kill` them.

    Raises:
        UserError: a command of Hadoop failed.
    """
    if kill:
        hadoop.kill_jobs(registered.name)
    hadoop.fs("-rm", "-r", "-f", "-skipTrash", folder)
    registered.unlink(missing_ok=True)
