"""The `hadoop` command of this machine: HDFS and YARN, with errors that say what to do."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from movimento_flat.errors import UserError
from movimento_flat.interrupts import ended_by_interrupts
from movimento_flat.processes import die_with_parent

LINES_OF_STDERR = 8
#: Characters of a long line that are shown: Java begins it with what failed and ends it with why.
_BEGINNING, _LEFT_OUT, _END = 180, " ... ", 215

#: Property of commands and jobs: what they write in HDFS is this user's alone, whatever the cluster's own default is.
PRIVATE = "fs.permissions.umask-mode=077"
#: A host that does not answer is given up after a minute, not after fifteen.
_CLIENT_OPTIONS = ("-D", "ipc.client.connect.max.retries.on.timeouts=2", "-D", PRIVATE)

_NEXT_STEPS = (
    (
        "safe mode",
        "HDFS takes no writes yet, or no more: see `hdfs dfsadmin -safemode get` and `hdfs dfsadmin -report`.",
    ),
    ("Quota|quota", "The folder's quota in HDFS is used up: free some of it, or name another --hdfs-folder."),
    (
        r"could only be written to 0 of|No space left|could only be replicated|out of space",
        "HDFS is full, or has no live datanode: see `hdfs dfsadmin -report`.",
    ),
    (
        "Permission denied",
        "Name a folder in HDFS that this user may write to: --hdfs-folder hdfs:///path.",
    ),
    ("GSS initiate failed|KERBEROS|Kerberos", "Get a ticket with `kinit`, and run it again."),
    (
        r"Connection refused|UnknownHost|No Route to Host|ConnectTimeout|Failed on local exception|"
        "No FileSystem for scheme|Incomplete HDFS URI",
        "Check that the cluster is up, and that the configuration in HADOOP_CONF_DIR names it.",
    ),
)
_ANY_NEXT_STEP = "Run it again when the cause is gone; what was published before is as it was."
#: Lines of the log4j appender and of Java's stack traces say nothing to a user.
_is_noise = re.compile(
    r"(\d\d)?\d\d[-/]\d\d[-/]\d\d .* (INFO|WARN|DEBUG) |\s+at |\t|\s*\.\.\. \d+ more|WARNING: |log4j:"
).match


def refuse_patterns(*uris: str) -> None:
    """Refuse a name that Hadoop's commands and jobs would take for a pattern, or for several names.

    Some of them know no way to write such a name, so it is not escaped.

    Raises:
        UserError: there is such a name.
    """
    for uri in uris:
        if found := re.search(r"[*?\[\]{}^\\,\x00-\x1f\x7f]", uri):
            raise UserError(
                f"Hadoop takes {found[0]!r} in the name {uri!r} for more than a letter: it could be another folder.",
                "Name a folder in HDFS without it.",
            )


@dataclass(frozen=True)
class Hadoop:
    """The command, and through it the cluster of its configuration.

    Attributes:
        binary: path of `hadoop`; `yarn` and `mapred` lie beside it or on PATH.
    """

    binary: Path

    @classmethod
    def find(cls) -> "Hadoop":
        """The command of HADOOP_HOME, else of PATH.

        Raises:
            UserError: there is none.
        """
        home = os.environ.get("HADOOP_HOME")
        found = shutil.which("hadoop", path=f"{home}/bin") if home else None
        found = found or shutil.which("hadoop")
        if not found:
            raise UserError(
                "There is no `hadoop` command on this machine.",
                "Put it on PATH or set HADOOP_HOME; or run with ENGINE=docker or ENGINE=local.",
            )
        return cls(Path(found).absolute())

    def fs(self, *arguments: str) -> str:
        """Run `hadoop fs` with options and URIs; -> its standard output.

        Raises:
            UserError: it failed, and the message has the command and what it said; or a URI is a pattern.
        """
        return self._run(self._fs_command(arguments))

    def get(self, uri: str, folder: Path) -> None:
        """Copy a folder of HDFS to one of this machine, which is not there yet.

        `hadoop fs` reads a local path as a URI, in which blanks and brackets are errors and `%41` is an A: it gets the
        last name only, which is the program's own.

        Raises:
            UserError: as `fs`.
        """
        self._run(self._fs_command(("-get", uri, folder.name)), folder.parent)

    def size(self, uri: str) -> int:
        """-> bytes of a folder's files.

        Raises:
            UserError: as `fs`.
        """
        return int(self.fs("-du", "-s", uri).split()[0])

    @contextmanager
    def write(self, uri: str) -> Iterator[BinaryIO]:
        """A new file in HDFS to write to. It has its name when the block ends well, and else does not appear.

        Raises:
            UserError: HDFS does not take it.
        """
        command = self._fs_command(("-put", "-", uri))
        # Killed on an error: an end of input would be taken for the file's end.
        with (
            tempfile.TemporaryFile() as stderr,
            _running(command, stderr, stdin=subprocess.PIPE) as process,
            ended_by_interrupts(process.kill),
        ):
            assert process.stdin
            try:
                yield process.stdin  # type: ignore[misc]  # a buffered writer of bytes
                process.stdin.close()
            except BrokenPipeError as error:
                raise _failure(command, process.wait(), _read(stderr)) from error
            if status := process.wait():
                raise _failure(command, status, _read(stderr))

    def kill_jobs(self, tag: str) -> None:
        """End the applications on YARN that carry a tag and have not ended."""
        states = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
        listed = self._run(
            [self._beside("yarn"), "application", "-list", "-appTags", tag, "-appStates", states]
        )
        for number in re.findall(r"^application_(\d+_\d+)\b", listed, re.MULTILINE):
            self._run([self._beside("mapred"), "job", "-kill", f"job_{number}"])

    def task_logs(self, application: str) -> str:
        """Standard error of an ended application's tasks, as far as the cluster keeps it; may be empty."""
        command = [self._beside("yarn"), "logs", "-applicationId", application, "-log_files", "stderr"]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        return result.stdout if result.returncode == 0 else ""

    def _beside(self, name: str) -> str:
        return (
            shutil.which(name, path=f"{self.binary.parent}{os.pathsep}{os.environ.get('PATH', '')}") or name
        )

    def _fs_command(self, arguments: Sequence[str]) -> list[str]:
        refuse_patterns(*arguments)
        return [str(self.binary), "fs", *_CLIENT_OPTIONS, *arguments]

    def _run(self, command: list[str], folder: Path | None = None) -> str:
        with (
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
            _running(command, stderr, stdout=stdout, folder=folder) as process,
        ):
            if status := process.wait():
                raise _failure(command, status, _read(stderr))
            return _read(stdout)


def explain(text: str) -> str:
    """What Hadoop said -> what the user can do about it."""
    return next((step for pattern, step in _NEXT_STEPS if re.search(pattern, text)), _ANY_NEXT_STEP)


def last_words(stderr: str, lines: int = LINES_OF_STDERR) -> str:
    """The end of what a command said, without Hadoop's log lines and stack traces, indented."""
    said = [line for line in stderr.splitlines() if line.strip() and not _is_noise(line)]
    return "\n".join(f"  {_middle_left_out(line)}" for line in said[-lines:])


def _middle_left_out(line: str) -> str:
    if len(line) <= _BEGINNING + len(_LEFT_OUT) + _END:
        return line
    return line[:_BEGINNING] + _LEFT_OUT + line[-_END:]


@contextmanager
def _running(
    command: list[str],
    stderr: IO[bytes],
    stdin: int = subprocess.DEVNULL,
    stdout: "IO[bytes] | int" = subprocess.DEVNULL,
    folder: Path | None = None,
) -> "Iterator[subprocess.Popen[bytes]]":
    """A command, killed if the block ends by an error.

    It has a process group of its own: at Ctrl-C this program decides what ends, and in which order.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            process_group=0,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # it only calls prctl
        )
    except OSError as error:
        raise UserError(f"{command[0]} cannot be started: {error.strerror}.") from error
    try:
        yield process
    except BaseException:
        process.kill()
        process.wait()
        raise


def _failure(command: Sequence[str], status: int, stderr: str) -> UserError:
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    shown = " ".join([Path(command[0]).name, *(word for word in command[1:] if word not in _CLIENT_OPTIONS)])
    return UserError(f"`{shown}` {ended}:\n{last_words(stderr)}", explain(stderr))


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
