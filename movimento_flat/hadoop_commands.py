"""The `hadoop` command of this machine: HDFS and YARN, with errors that say what to do."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from movimento_flat.errors import UserError
from movimento_flat.interrupts import ended_by_interrupts
from movimento_flat.processes import die_with_parent

LINES_OF_STDERR = 8
#: Characters that are shown of a long line's beginning and end: Java begins with what failed and ends with why.
_BEGINNING, _LEFT_OUT, _END = 180, " ... ", 215

#: Property of commands and jobs by which only this user may read what they write in HDFS.
PRIVATE = "fs.permissions.umask-mode=077"
#: Makes a command give up a host that does not answer after one minute instead of fifteen.
_CLIENT_PROPERTIES = ("ipc.client.connect.max.retries.on.timeouts=2", PRIVATE)
_CLIENT_OPTIONS = tuple(word for each in _CLIENT_PROPERTIES for word in ("-D", each))
#: For a program that answers lines to end what it is doing, when it is asked nothing more.
_END_SECONDS = 20

_NEXT_STEPS = (
    (
        r"subprocess failed with code 132|Illegal instruction",
        "A node's processor is too old for Polars, which wants AVX2: install `polars[rtcompat]` and the program on the"
        " nodes, and say `bootstrap_mrjob: false` in mrjob's configuration.",
    ),
    (
        r"wrong ELF class|invalid ELF header|Exec format error|cannot open shared object file",
        "The nodes have another kind of processor or system than this machine, whose Polars they get: run this on a"
        " machine of their kind; or install Polars and the program there, and say `bootstrap_mrjob: false`.",
    ),
    (
        r"running beyond (physical|virtual) memory|failed with code 137|Cannot allocate memory|OutOfMemory|MemoryError",
        "A task had too little memory: give it more by -D mapreduce.map.memory.mb=1536 -D"
        " mapreduce.reduce.memory.mb=1536.",
    ),
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
        "Name a folder in HDFS that this user may write to: --hdfs-folder or --lake hdfs:///path.",
    ),
    ("GSS initiate failed|KERBEROS|Kerberos", "Get a ticket with `kinit`, and run it again."),
    (
        r"Connection refused|UnknownHost|No Route to Host|ConnectTimeout|Failed on local exception|"
        "No FileSystem for scheme|Incomplete HDFS URI",
        "Check that the cluster is up, and that the configuration in HADOOP_CONF_DIR names it.",
    ),
)
_ANY_NEXT_STEP = "Run it again when the cause is gone; what was published before is as it was."
#: Matches lines of log4j and of Java's stack traces, which do not help a user.
_is_noise = re.compile(
    r"(\d\d)?\d\d[-/]\d\d[-/]\d\d .* (INFO|WARN|DEBUG) |\s+at |\t|\s*\.\.\. \d+ more|WARNING: |log4j:"
).match


def refuse_patterns(*uris: str) -> None:
    """Refuse names that Hadoop's commands and jobs would take for a pattern, or for several names.

    Names are not escaped, since some commands have no way to do that.

    Raises:
        UserError: there is such a name.
    """
    for uri in uris:
        if found := re.search(r"[*?\[\]{}^\\,\x00-\x1f\x7f]", uri):
            raise UserError(
                f"Hadoop takes {found[0]!r} in the name {uri!r} for a part of a pattern: it could mean another folder.",
                "Name a folder in HDFS without it.",
            )


@dataclass(frozen=True)
class Hadoop:
    """The `hadoop` command, and the cluster of its configuration.

    Attributes:
        binary: path of `hadoop`; `yarn` and `mapred` lie beside it or on PATH.
    """

    binary: Path

    @classmethod
    def find(cls) -> "Hadoop":
        """Return the command of HADOOP_HOME, else that of PATH.

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
        """Run `hadoop fs` with options and URIs, and return its standard output.

        Raises:
            UserError: it failed; the message has the command and its errors. Or a URI is a pattern.
        """
        return self._run(self._fs_command(arguments))

    def get(self, uri: str, folder: Path) -> None:
        """Copy a folder of HDFS to a new one of this machine.

        `hadoop fs` reads a local path as a URI, in which blanks and brackets are errors and `%41` is an A. So it gets
        only the last name, which is the program's own.

        Raises:
            UserError: as in `fs`.
        """
        self._run(self._fs_command(("-get", uri, folder.name)), folder.parent)

    def size(self, uri: str) -> int:
        """Return the bytes of a folder's files.

        Raises:
            UserError: as in `fs`.
        """
        return int(self.fs("-du", "-s", uri).split()[0])

    @contextmanager
    def write(self, uri: str) -> Iterator[BinaryIO]:
        """Open a new file in HDFS for writing. It gets its name when the block ends; after an error it does not appear.

        Raises:
            UserError: HDFS cannot write it.
        """
        command = self._fs_command(("-put", "-", uri))
        # After an error the command is killed, since it would take the end of its input for the end of the file.
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

    @contextmanager
    def program(self, jar: Path, main: str, uri: str, *properties: str) -> Iterator["JavaProgram"]:
        """Run a program of Java that answers lines, in the folder of its jar, with a URI and properties (`key=value`).

        It ends by itself once this one asks nothing more, however this one ends: what it does is done to its end.

        Raises:
            UserError: it cannot be started, or its URI is a pattern.
        """
        refuse_patterns(uri)
        command = [str(self.binary), "jar", jar.name, main, uri, *_CLIENT_PROPERTIES, *properties]
        with (
            tempfile.TemporaryFile() as stderr,
            _running(
                command, stderr, subprocess.PIPE, subprocess.PIPE, jar.parent, ends_with_this=False
            ) as process,
        ):
            try:
                yield JavaProgram(command, process, stderr)
            finally:
                assert process.stdin
                process.stdin.close()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
                process.kill()
                process.wait()

    def kill_jobs(self, tag: str) -> None:
        """End the applications on YARN that have a tag and still run.

        Raises:
            UserError: a command failed.
        """
        states = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
        listed = self._run(
            [self._beside("yarn"), "application", "-list", "-appTags", tag, "-appStates", states]
        )
        for number in re.findall(r"^application_(\d+_\d+)\b", listed, re.MULTILINE):
            self._run([self._beside("mapred"), "job", "-kill", f"job_{number}"])

    def task_logs(self, application: str) -> str:
        """Return standard error of an ended application's tasks, as far as the cluster keeps it; it may be empty."""
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


class JavaProgram:
    """A program that answers each line of its input by one of its output: words with tabs between them."""

    def __init__(self, command: list[str], process: "subprocess.Popen[bytes]", stderr: IO[bytes]) -> None:
        self._command = command
        self._process = process
        self._stderr = stderr
        self._is_at_work = False

    def ask(self, *words: str) -> list[str]:
        """Return the words of its answer.

        Raises:
            UserError: it could not do it, has ended, or an earlier answer was not waited for.
        """
        assert self._process.stdin and self._process.stdout
        shown = " ".join(words)
        if self._is_at_work:
            raise UserError(f"`{shown}` is not asked: the program of Java is still at work.")
        self._is_at_work = True
        with suppress(BrokenPipeError):
            self._process.stdin.write("\t".join(words).encode() + b"\n")
            self._process.stdin.flush()
        # A JVM may write warnings of its own to its output.
        lines = (line.decode(errors="replace").rstrip("\n").split("\t") for line in self._process.stdout)
        status, *answer = next((line for line in lines if line[0] in ("ok", "error")), ["ended"])
        self._is_at_work = False
        if status == "ended":
            raise _failure(self._command, self._process.wait(), _read(self._stderr))
        if status == "error":
            raise UserError(f"`{shown}` in {self._command[4]} failed:\n  {answer[0]}", explain(answer[0]))
        return answer


def explain(text: str) -> str:
    """Return what the user can do about an error of Hadoop."""
    return next((step for pattern, step in _NEXT_STEPS if re.search(pattern, text)), _ANY_NEXT_STEP)


def last_words(stderr: str) -> str:
    """Return the last lines of a command's errors, indented, without Hadoop's log lines and stack traces."""
    said = [line for line in stderr.splitlines() if line.strip() and not _is_noise(line)]
    return "\n".join(f"  {_middle_left_out(line)}" for line in said[-LINES_OF_STDERR:])


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
    ends_with_this: bool = True,
) -> "Iterator[subprocess.Popen[bytes]]":
    """Start a command, and kill it if the block raises an error.

    It has a process group of its own, so that at Ctrl-C this program decides what ends, and in which order.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            process_group=0,
            preexec_fn=die_with_parent() if ends_with_this else None,  # noqa: PLW1509  # it only calls prctl
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
