"""What every measurement shares: a process's time and memory, rounds that alternate, a CSV's content, a table."""

import csv
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from zlib import crc32

from movimento_flat.errors import UserError
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS

ROOT = Path(__file__).resolve().parent.parent
#: What has to be made once (databases, PySpark) is kept here between calls; `make clean` removes it.
HOME = Path(os.environ.get("MOVIMENTO_FLAT_HOME", ROOT / ".movimento-flat")).resolve()
STATE = HOME / "bench"

SAMPLE_SECONDS = 0.05
LINES_OF_OUTPUT = 15
MB = 1_000_000
INTERRUPTED = 130


def ours(*arguments: str) -> list[str]:
    """A command of the project, as installed beside this Python."""
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
        seconds: wall time of the whole process, from its start to its end.
        peak: bytes of resident memory of the largest process of its tree.
        largest: that process's name, as sampled.
    """

    seconds: float
    peak: int
    largest: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Timing:
    """Run a command to its end, in a session of its own.

    Memory is seen in two ways, and the larger one counts: VmHWM of every process in the session, by sampling, and
    the kernel's account in wait4(2), which misses no process, however short, that its parent waited for.

    Raises:
        UserError: its exit status is not zero; the message has the end of its output.
    """
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
        memory = _Memory(process.pid)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
        finally:
            memory.stop()
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace").splitlines()[-LINES_OF_OUTPUT:]
            raise UserError(
                f"{command[0]} ended with status {process.returncode}:\n" + "\n".join(f"  {x}" for x in said)
            )
    return Timing(seconds, max(memory.peak, usage.ru_maxrss * 1024), memory.largest)


def _environment() -> dict[str, str]:
    """This one without a developer's switch that makes Python compile every module anew at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


class _Memory:
    """Samples VmHWM, the most memory that a process ever had, of every process of a session."""

    def __init__(self, session: int) -> None:
        self.peak, self.largest = 0, ""
        self._session = session
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End sampling; `peak` and `largest` are final then."""
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            for process in Path("/proc").glob("[1-9]*"):
                # A process may end at any moment, and has no VmHWM any more while it does.
                with suppress(OSError, StopIteration):
                    if os.getsid(int(process.name)) == self._session:
                        self._look_at(process)

    def _look_at(self, process: Path) -> None:
        lines = (process / "status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
        if peak > self.peak:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            self.peak, self.largest = peak, " ".join(Path(word).name for word in words[:4])


Contestants = Mapping[str, Callable[[], Timing]]
Results = dict[str, list[Timing]]


def alternate(contestants: Contestants, rounds: int) -> Results:
    """Run every contestant once a round, in the opposite order every second round: a slow minute hits all alike."""
    results: Results = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            timing = contestants[name]()
            results[name].append(timing)
            say(f"round {number + 1}  {name}: {timing.seconds:.1f} s")
    return results


def say(sentence: str) -> None:
    """A line about what happens, apart from the figures."""
    print(sentence, file=sys.stderr, flush=True)


def table(results: Results, memory: bool = True) -> str:
    """Seconds of each round, least and median, ratio of the first contestant's median to it, largest process."""
    rounds = len(next(iter(results.values())))
    baseline = median(timing.seconds for timing in next(iter(results.values())))
    rows = [["", *(f"round {number + 1}" for number in range(rounds)), "min s", "median s", "ratio"]]
    if memory:
        rows[0] += ["peak MB", "of process"]
    for name, timings in results.items():
        seconds = [timing.seconds for timing in timings]
        figures = [*seconds, min(seconds), median(seconds)]
        row = [name, *(f"{figure:.1f}" for figure in figures), f"{baseline / median(seconds):.2f}"]
        if memory:
            largest = max(timings, key=lambda timing: timing.peak)
            row += [f"{largest.peak / MB:.0f}", largest.largest]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


@dataclass(frozen=True)
class Content:
    """What a flat CSV holds, whatever the order of its rows and the style of its quotes.

    Attributes:
        rows: without the header.
        centavos: sum of the amounts.
        digest: sum of a checksum of every row's fields.
    """

    rows: int
    centavos: int
    digest: int

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.centavos:,} centavos, digest {self.digest:x}"


def content(files: Iterable[Path]) -> Content:
    """Read CSV files, each with its header, as one.

    Raises:
        UserError: there is none, or a row does not have the flat table's columns.
    """
    rows = centavos = digest = 0
    amount = FLAT_COLUMNS.index(AMOUNT)
    header: list[str] | None = None
    for path in files:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, None)
            if header != list(FLAT_COLUMNS):
                raise UserError(f"{path} does not begin with the flat table's header.")
            for row in reader:
                if len(row) != len(FLAT_COLUMNS):
                    raise UserError(f"{path}: a row has {len(row)} columns.")
                rows += 1
                centavos += int(row[amount].replace(".", ""))
                digest += crc32("\0".join(row).encode())
    if header is None:
        raise UserError("No CSV was written.")
    return Content(rows, centavos, digest)


def fresh(folder: Path) -> Path:
    """The folder's path, with nothing there and its parent made."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def main(script: Callable[[], bool]) -> None:
    """Run a script to its exit status: 0 where it answers True, 1 where not or where something is to be mended."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(0 if script() else 1)
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
