"""Measures one run of a command: its wall time, and what its processes use of processor, memory and disk."""

import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench import processes
from bench.processes import Belongs
from movimento_flat.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
#: Folder of what has to be made once (databases, PySpark); `make clean` removes it.
HOME = Path(os.environ.get("MOVIMENTO_FLAT_HOME", ROOT / ".movimento-flat")).resolve()
STATE = HOME / "bench"

#: Seconds between two looks at every process, and between two sums of their memory, which take longer.
SAMPLE_SECONDS, SUM_SECONDS = 0.25, 1.0
#: Seconds that a process which nobody waits for (PySpark's Java) may live after its parent.
ORPHAN_SECONDS = 60
LINES_OF_OUTPUT = 15
INTERRUPTED = 130
_PR_SET_CHILD_SUBREAPER = 36
#: What getrusage(2) counts disk output in.
_BLOCK_BYTES = 512


def movimento_flat(*arguments: str) -> list[str]:
    """Return a command of the project, as installed beside this Python.

    Raises:
        UserError: it is not installed.
    """
    command = Path(sys.executable).with_name("movimento-flat")
    if not command.exists():
        raise UserError(
            f"{sys.executable} has no movimento-flat beside it.",
            "Run `make install`, and use .venv/bin/python.",
        )
    return [str(command), *arguments]


@dataclass(frozen=True)
class Timing:
    """One run of a command.

    Attributes:
        seconds: wall time of the whole command, from its start to its end.
        cpu_seconds: user and system time of all its processes.
        peak: bytes of resident memory of its largest process.
        largest: that process's name, as sampled.
        together: the most that all its processes had at one time, in bytes; what they share counts once.
        written: bytes that they wrote into files of a disk.
        server_cpu_seconds: user and system time of the database server meanwhile; None where it has no part.
        shuffled: bytes that went from map to reduce tasks; None where nobody counts them.
        said: its output.
    """

    seconds: float
    cpu_seconds: float
    peak: int
    largest: str
    together: int
    written: int
    server_cpu_seconds: float | None = None
    shuffled: int | None = None
    said: str = field(default="", repr=False)

    @property
    def stages(self) -> dict[str, float]:
        """Seconds of each stage, where the project's own summary has said them."""
        line = re.search(r"^ +seconds +(.+)$", self.said, re.MULTILINE)
        return (
            {name: float(seconds) for name, seconds in re.findall(r"(\w+) ([\d.]+)", line[1])} if line else {}
        )


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    server: int | None = None,
    elsewhere: Belongs | None = None,
) -> Timing:
    """Run a command to its end, and measure all its processes.

    The kernel's account in wait4(2) has the time and the peak memory of every process, however short, that its
    parent waited for; orphans are waited for here. The name of the largest, the sum and (elsewhere) the peak are
    found by sampling.

    Args:
        command: program and arguments.
        environment: what is added to this process's.
        server: id of a database server's process, whose time is a figure of its own.
        elsewhere: a test for processes whose memory is measured instead of the command's own, if they start while it
            runs, such as those of containers. Time and bytes written are still the command's own.

    Raises:
        UserError: its exit status is not zero; the message has the end of its output.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    server_before = processes.cpu_seconds(server) if server else 0.0
    earlier = set(processes.find(elsewhere)) if elsewhere else set()
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            env={**_environment(), **(environment or {})},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        of_command = processes.started_by(process.pid)
        sampler = Sampler(elsewhere or of_command, earlier)
        try:
            used = _wait(process.pid)
            seconds = time.monotonic() - started
            orphans = _wait_for_orphans(of_command)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            raise
        finally:
            sampler.stop()
        process.returncode = used.status
        output.seek(0)
        said = output.read().decode(errors="replace")
    if used.status:
        last = "\n".join(f"  {line}" for line in said.splitlines()[-LINES_OF_OUTPUT:])
        raise UserError(f"{command[0]} ended with status {used.status}:\n{last}")
    all_used = [used, *orphans]
    # A process begins as a copy of this one, and the kernel remembers that.
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Timing(
        seconds,
        sum(one.cpu_seconds for one in all_used),
        max(sampler.peak, *(0 if elsewhere or one.peak <= own_peak else one.peak for one in all_used)),
        sampler.largest,
        sampler.together,
        sum(one.written for one in all_used),
        processes.cpu_seconds(server) - server_before if server else None,
        said=said,
    )


def _environment() -> dict[str, str]:
    """Return this environment without the switch that makes Python compile every module at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class _Used:
    """What a process, and those that it waited for, have used when it ends."""

    status: int
    cpu_seconds: float
    peak: int
    written: int


def _wait(process: int) -> _Used:
    """Wait for a child's end, and return what it has used."""
    _, status, usage = os.wait4(process, 0)
    seconds, written = usage.ru_utime + usage.ru_stime, usage.ru_oublock * _BLOCK_BYTES
    return _Used(os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss * 1024, written)


def _wait_for_orphans(belongs: Belongs) -> list[_Used]:
    """Wait for the command's processes whose parent has ended, which are this one's children now."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    used = []
    while left := list(processes.find(belongs)):
        for process in left:
            with suppress(OSError):
                if time.monotonic() > deadline:
                    os.kill(process, signal.SIGKILL)
                mine = processes.parent(process) == os.getpid()
                if mine and os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                    used.append(_wait(process))
        time.sleep(SAMPLE_SECONDS)
    return used


class Sampler:
    """Looks at the memory of processes while they run.

    Attributes:
        peak: bytes of memory that the largest process ever had (VmHWM).
        largest: its name.
        together: bytes of the largest sum of PSS.
    """

    def __init__(self, belongs: Belongs, without: set[int]) -> None:
        self.peak, self.largest, self.together = 0, "", 0
        self._belongs = belongs
        self._without = without
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End sampling; the figures are final then."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        next_sum = 0.0
        while not self._ended.wait(SAMPLE_SECONDS):
            found = set(processes.find(self._belongs)) - self._without
            for process in found:
                with suppress(OSError):  # it has just ended
                    self._look_at(process)
            if time.monotonic() >= next_sum:
                self.together = max(self.together, sum(map(_proportional, found)))
                next_sum = time.monotonic() + SUM_SECONDS

    def _look_at(self, process: int) -> None:
        peak = processes.peak_bytes(process)
        if peak > self.peak:
            self.peak, self.largest = peak, processes.command(process)


def _proportional(process: int) -> int:
    with suppress(OSError):
        return processes.proportional_bytes(process)
    return 0


def say(sentence: str) -> None:
    """Print a line about what happens to standard error, apart from the figures."""
    print(sentence, file=sys.stderr, flush=True)


def fresh(folder: Path) -> Path:
    """Remove a folder, make its parent, and return its path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def main(script: Callable[[], bool]) -> None:
    """Run a script, and end with status 0 where it returns True, 1 where it returns False or raises a UserError."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(0 if script() else 1)
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
