"""Processes as the kernel shows them in /proc: where they belong, and what they have used so far."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")

_is_class = re.compile(r"[a-z]\w*(\.\w+)*\.[A-Z]\w*").fullmatch

#: Whether a process, by its id, is one of those that are measured.
Belongs = Callable[[int], bool]


def started_by(leader: int) -> Belongs:
    """Return a test for the processes that a leader (setsid(2)) has started, directly or not."""
    return lambda process: os.getsid(process) == leader


def in_containers(first_processes: Iterable[int]) -> Belongs:
    """Return a test for the processes in the containers whose first processes these are."""
    spaces = {_space(process) for process in first_processes}
    return lambda process: _space(process) in spaces


def find(belongs: Belongs) -> Iterator[int]:
    """Yield the ids of the processes that run now and belong."""
    for name in os.listdir(_PROC):  # noqa: PTH208  # often: no object for each
        if name.isdigit():
            with suppress(OSError):  # it has just ended
                if belongs(int(name)):
                    yield int(name)


def command(process: int) -> str:
    """Return the first words of its command line, without their folders; of a Java program its class."""
    words = (_PROC / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    names = [Path(word).name for word in words]
    if names[0] == "java":
        return " ".join(["java", *filter(_is_class, words)][:2])
    return " ".join(names[:4]).strip()


def parent(process: int) -> int:
    """Return the id of its parent."""
    return int(_stat(process)[1])


def cpu_seconds(process: int) -> float:
    """Return seconds of user and system time of it, and of descendants that have ended and been waited for."""
    return sum(map(int, _stat(process)[11:15])) / _TICKS


def written_bytes(process: int) -> int:
    """Return the bytes that it, and such descendants, have written into files of a disk."""
    return _figure(process, "io", "write_bytes:")


def peak_bytes(process: int) -> int:
    """Return the most bytes of resident memory that it ever had."""
    return _figure(process, "status", "VmHWM:") * 1024


def proportional_bytes(process: int) -> int:
    """Return bytes of its resident memory (PSS): what several processes share is divided among them."""
    return _figure(process, "smaps_rollup", "Pss:") * 1024


def _space(process: int) -> str:
    return str((_PROC / str(process) / "ns" / "pid").readlink())


def _stat(process: int) -> list[str]:
    """Return the fields of proc(5) from the third on: the second one, a name in brackets, may hold blanks."""
    return (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()


def _figure(process: int, file: str, name: str) -> int:
    """Return a named figure of a file; 0 where it is not there, as in a process that ends."""
    lines = (_PROC / str(process) / file).read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
