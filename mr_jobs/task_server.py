"""Tasks on this machine without a new Python for each: one process imports the job once, and forks for every task.

To start Python and import mrjob takes as long as to map 100,000 movements.
"""

import gc
import json
import os
import socket
import subprocess
import sys
import sysconfig
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGINT, SIGKILL, signal
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from movimento_flat import interrupts
from movimento_flat.processes import die_with_parent, keep_freed_memory
from mr_jobs.local_shuffle import MapOutput, reduce_input

if TYPE_CHECKING:
    from mr_jobs.join import MovimentoFlat

#: Where the packages are. mrjob imports distutils, which setuptools replaces by its own slow one (0.2 s) unless
#: told not to. Python 3.12 and later, and Debian's python3 without its package python3-distutils, have setuptools'
#: only.
_ENVIRONMENT = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
if Path(sysconfig.get_path("stdlib"), "distutils", "spawn.py").exists():
    _ENVIRONMENT["SETUPTOOLS_USE_DISTUTILS"] = "stdlib"

_LONGEST_REQUEST = 1 << 17
_DONE = b"\1"


class TaskFailedError(Exception):
    """A task has ended otherwise than well; its standard error says why."""


class TaskServer:
    """Runs tasks of the job, any number at once, each in a process of its own that ends with this one."""

    def __init__(self) -> None:
        """Start the process; it is ready when it has imported the job, and keeps who asks waiting until then."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=theirs.fileno(),
                env={**os.environ, **_ENVIRONMENT},
                preexec_fn=die_with_parent(SIGKILL),  # noqa: PLW1509  # it only calls prctl
            )
        interrupts.add(self._process.kill)  # then its tasks end, and who waits for them need not

    def __enter__(self) -> "TaskServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and with it every task that is still under way."""
        interrupts.discard(self._process.kill)
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def run(
        self,
        arguments: Sequence[str],
        streams: tuple[BinaryIO, BinaryIO, BinaryIO],
        folder: str,
        environment: Mapping[str, str],
        reducers: int,
    ) -> None:
        """Run one task to its end. A map task writes its runs beside its output, and a list of them into that.

        Args:
            arguments: the job's, such as --step-num=0 --mapper.
            streams: its standard input, output and error: files.
            folder: where it works.
            environment: variables that it has, beside this process's own.
            reducers: of its step.

        Raises:
            TaskFailedError: it failed, or was killed.
        """
        changed = {name: value for name, value in environment.items() if os.environ.get(name) != value}
        request = json.dumps([list(arguments), folder, changed, streams[1].name, reducers]).encode()
        done, theirs = os.pipe()
        with os.fdopen(done, "rb", buffering=0) as answer:
            try:
                socket.send_fds(self._socket, [request], [*(stream.fileno() for stream in streams), theirs])
            except OSError as error:
                raise TaskFailedError(f"no task can be started: {error}") from error
            finally:
                os.close(theirs)
            if answer.read(1) != _DONE:
                raise TaskFailedError("the task ended before its work was done")


def _serve() -> None:
    """Fork for each request that comes by standard input, a socket, until its other end is closed."""
    from mr_jobs.join import MovimentoFlat  # noqa: PLC0415  # where tasks are asked for nobody needs it

    signal(SIGINT, SIG_IGN)  # of a terminal; who runs the join tells when to stop
    requests = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    keep_freed_memory()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, _LONGEST_REQUEST, 4)
        if not request:
            return
        arrange = die_with_parent(SIGKILL)
        if os.fork() == 0:
            arrange()
            requests.close()
            os._exit(_work(MovimentoFlat, request, descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _work(job: "type[MovimentoFlat]", request: bytes, descriptors: list[int]) -> int:
    """A task's process; -> its exit status."""
    *streams, done = descriptors
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    try:
        signal(SIGINT, SIG_DFL)
        arguments, folder, environment, *shuffle = json.loads(request)
        os.chdir(folder)
        os.environ.update(environment)
        _execute(job(arguments), *shuffle)
        sys.stdout.flush()
        os.write(done, _DONE)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return 1
    return 0


def _execute(task: "MovimentoFlat", output: str, reducers: int) -> None:
    stdin, stdout, stderr = sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer
    if task.options.run_mapper:
        with MapOutput(output, reducers, stdout) as shuffled:
            task.sandbox(stdin, shuffled, stderr).execute()
    else:
        task.sandbox(reduce_input(stdin.fileno()), stdout, stderr).execute()


if __name__ == "__main__":
    _serve()
