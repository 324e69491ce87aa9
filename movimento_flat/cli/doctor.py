"""`movimento-flat doctor`: checks whether a run would work here, with the checks of a run, and writes nothing."""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote

from extract.findings import NOTE, OK, PROBLEM, Finding
from extract.source import Source
from movimento_flat.cli.fictitious import kept_here
from movimento_flat.cli.progress import broken
from movimento_flat.cli.summary import Paint
from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop
from movimento_flat.sample_data.private_server.programs import INSTALL, fetcher, find_programs
from movimento_flat.state import state_dir

_COLOURS = {OK: "green", NOTE: "yellow", PROBLEM: "red"}

NEWEST_TESTED = (3, 13)
#: Most memory of a task on this machine (`bench/hot_card.py`), and free disk below which a note says so.
TASK_BYTES = 200_000_000
LITTLE_DISK_BYTES = 2_000_000_000
#: A Docker engine must answer within this time.
DOCKER_SECONDS = 20

CLUSTER = Path(__file__).resolve().parent.parent.parent / "hadoop-docker" / "cluster"
_LEVEL, _SUBJECT, _TEXT = 9, 15, 30


def examine(output: Path, source: Source | None) -> list[Finding]:
    """Check everything that a run into `output` needs; without a `source` it makes a database of its own."""
    engines = [_docker(), _local(source), _hadoop(source)]
    if any(engine.level == OK for engine in engines):  # one engine is enough
        engines = [replace(engine, level=NOTE) if engine.level == PROBLEM else engine for engine in engines]
    return [
        _python(),
        _memory(),
        _disk("OUTPUT", output),
        _disk("state", state_dir()),
        *_sample_data(),
        *engines,
        *(source.kind.examine(source) if source else ()),
    ]


def works(findings: list[Finding]) -> bool:
    """Return whether a run would work, by one engine at least."""
    return all(finding.level != PROBLEM for finding in findings)


def as_text(findings: list[Finding], width: int | None, paint: Paint) -> str:
    """Return lines with each finding and what to do about it, wrapped to the terminal's `width` where there is one."""
    lines: list[str] = []
    for finding in findings:
        begin = paint(f"{finding.level:{_LEVEL}}", fg=_COLOURS[finding.level])
        begin += f"{finding.subject:{_SUBJECT}}"
        for text in (finding.what, finding.next_step and f"-> {finding.next_step}"):
            for part in text.splitlines():
                for line in broken(part, width and max(width - _LEVEL - _SUBJECT, _TEXT)):
                    lines.append(begin + line)
                    begin = " " * (_LEVEL + _SUBJECT)
    return "\n".join(lines)


def verdict(findings: list[Finding]) -> str:
    """Return the sentence at the end."""
    if works(findings):
        usable = [finding.subject for finding in findings if finding.level == OK and "=" in finding.subject]
        return f"A run would work here, by {' or '.join(usable)}."
    count = sum(finding.level == PROBLEM for finding in findings)
    return f"A run would not work here: {count} problem{'s' if count > 1 else ''}."


def _python() -> Finding:
    what = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] > NEWEST_TESTED:
        newest = ".".join(map(str, NEWEST_TESTED))
        return Finding(
            NOTE, "Python", what, f"It is tested up to {newest}; if a run fails, take that: make PYTHON=..."
        )
    return Finding(OK, "Python", what)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = os.cpu_count() or 1
    what = f"{_gigabytes(total)} for {cores} cores"
    if total < cores * TASK_BYTES:
        return Finding(NOTE, "memory", what, f"Tasks have up to {TASK_BYTES / 1e6:.0f} MB each: --cores 1")
    return Finding(OK, "memory", what)


def _disk(subject: str, folder: Path) -> Finding:
    """Check a folder; where it does not exist yet, the one in which a run would make it."""
    existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    if not existing.is_dir():
        return Finding(PROBLEM, subject, f"{existing} is not a folder.", "Name another one.")
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(PROBLEM, subject, f"{existing} may not be written to.", "Name a folder of your own.")
    free = shutil.disk_usage(existing).free
    what = f"{_gigabytes(free)} free for {folder}"
    if free < LITTLE_DISK_BYTES:
        return Finding(NOTE, subject, what, "That is little: a run has its tables there several times.")
    return Finding(OK, subject, what)


def _sample_data() -> list[Finding]:
    """Say what the databases of earlier runs take."""
    kept = kept_here(state_dir())
    if not kept:
        return []
    each = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in kept.items())
    forget = f"MOVIMENTO_FLAT_HOME={quote(str(state_dir()))} {quote(sys.argv[0])} seed --forget"
    return [Finding(OK, "sample data", each, f"{forget} removes all")]


def _docker() -> Finding:
    subject = "ENGINE=docker"
    if not CLUSTER.exists():
        return Finding(PROBLEM, subject, "Only a clone of the repository brings the cluster.", "Clone it.")
    try:
        result = subprocess.run(
            [CLUSTER, "check"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOCKER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(PROBLEM, subject, "The Docker engine does not answer.", "Restart it.")
    if result.returncode == 0:
        return Finding(OK, subject, result.stdout.strip())
    what, _, next_step = result.stderr.strip().removeprefix("movimento-flat: ").partition("\n  -> ")
    return Finding(PROBLEM, subject, what, next_step)


def _local(source: Source | None) -> Finding:
    subject = "ENGINE=local"
    if source:
        return Finding(OK, subject, "a process for each core of this machine")
    if programs := find_programs(state_dir()):
        return Finding(OK, subject, f"with a database of its own: {programs.server}")
    if program := fetcher():
        return Finding(
            OK, subject, f"with a database of its own; {program} fetches MariaDB's programs at the first run"
        )
    return Finding(PROBLEM, subject, "There is no MariaDB server, nor apt-get or mvn to fetch one.", INSTALL)


def _hadoop(source: Source | None) -> Finding:
    """Check the cluster and, without a `source`, the private database, which this engine needs as ENGINE=local does."""
    subject = "ENGINE=hadoop"
    try:
        hadoop = Hadoop.find()
        hadoop.fs("-ls", "-d", "hdfs:///")
    except UserError as error:
        return Finding.failed(subject, error)
    database = _local(source)
    return replace(database, subject=subject, what=f"the cluster of {hadoop.binary}; {database.what}")


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
