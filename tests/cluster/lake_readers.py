"""Publishes to a lake in HDFS again and again, killed at random moments, while it is read all the time.

Run in a client's container: python lake_readers.py KILLS. It says what it has found as JSON.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from movimento_flat.lake.folder import WORK_NAME, Change, open_lake, settle
from movimento_flat.lake.hdfs_store import HOLDER_NAME
from movimento_flat.lake.record import FILE_NAME, FORMAT, LakeRecord, MonthEntry, folder_of
from movimento_flat.lake.stores import store_of
from movimento_flat.publish.manifest import FileEntry, PrivacyEntry

LAKE = "/user/movimento/killed"
MONTHS = [f"2024-{month:02d}" for month in range(1, 13)]
#: Is there in even versions only.
SOMETIMES = "2025-01"


def months_of(version: int) -> list[str]:
    return MONTHS if version % 2 else [*MONTHS, SOMETIMES]


def publish(version: int) -> None:
    """Write every month, whose file says which version it is."""
    with (
        TemporaryDirectory() as work,
        store_of(f"hdfs://{LAKE}", None, Path(work) / "lake", print) as store,
        open_lake(store) as lake,
    ):
        entries = {}
        for month in months_of(version):
            path = lake.new_file(month, FILE_NAME)
            path.write_text(f"{version}\n" * 1000)
            entries[month] = MonthEntry(1, 1, {FILE_NAME: FileEntry.of(path)}, "now", "00")
        before = lake.record.months if lake.record else {}
        removed = tuple(month for month in before if month not in entries)
        privacy = PrivacyEntry("full", "full", (), None, "full")
        lake.publish(
            Change(LakeRecord(FORMAT, {}, privacy, "here", "", "UTC", entries), tuple(entries), removed)
        )


def found(month: str) -> str | None:
    """Return the version of a month that a reader finds; None where there is none."""
    url = f"http://namenode:9870/webhdfs/v1{LAKE}/{folder_of(month)}/{FILE_NAME}?op=OPEN&user.name=movimento"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            (version,) = set(answer.read().decode().split())
            return str(version)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


def exists(name: str) -> bool:
    url = f"http://namenode:9870/webhdfs/v1{LAKE}/{name}?op=GETFILESTATUS&user.name=movimento"
    try:
        urllib.request.urlopen(url, timeout=20).close()
    except urllib.error.HTTPError:
        return False
    return True


class Reader(threading.Thread):
    """Reads one month after the other, and notes what is neither of the two versions."""

    def __init__(self, versions: tuple[int, int]) -> None:
        super().__init__()
        self.versions, self.reads, self.wrong = versions, 0, list[Any]()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            for month in [*MONTHS, SOMETIMES]:
                allowed = {str(version) if month in months_of(version) else None for version in self.versions}
                if (version := found(month)) not in allowed:
                    self.wrong.append([month, version, sorted(map(str, allowed))])
                self.reads += 1


def main(kills: int) -> None:
    chance = random.Random(6)
    publish(0)
    began = time.monotonic()
    publish(1)
    seconds, before, wrong, reads, states = time.monotonic() - began, 1, [], 0, []
    for number in range(kills):
        after = before + 1
        reader = Reader((before, after))
        reader.start()
        process = subprocess.Popen(
            [sys.executable, __file__, "publish", str(after)], stdout=subprocess.DEVNULL
        )
        if number:
            time.sleep(seconds * chance.uniform(0.3, 0.95))
        else:  # its JVM as well, as where a machine fails: HDFS waits for it for a minute
            while not exists(f"{WORK_NAME}/{HOLDER_NAME}"):
                time.sleep(0.01)
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with (
            TemporaryDirectory() as work,
            store_of(f"hdfs://{LAKE}", None, Path(work) / "lake", print) as store,
        ):
            if store.is_in_use():
                settle(store)
        reader.ended.set()
        reader.join()
        wrong += reader.wrong
        reads += reader.reads
        versions = {found(month) for month in MONTHS}
        states.append([process.returncode, sorted(map(str, versions))])
        (version,) = versions
        if version != str(after):
            publish(after)
        before = after
    print(json.dumps({"reads": reads, "wrong": wrong, "states": states, "seconds": seconds}))


if __name__ == "__main__":
    os.umask(0o077)
    if sys.argv[1] == "publish":
        publish(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]))
