"""A job of mrjob whose mappers read blocks of whole lines instead of single ones."""

import os
import secrets
from collections.abc import Iterable, Iterator
from glob import escape as escape_pattern
from pathlib import Path
from typing import Any, BinaryIO

from mrjob.job import MRJob

from mr_jobs.frames import Record
from mr_jobs.shipping import (
    PACKAGES,
    SITE,
    SITE_VARIABLE,
    archive_of_packages,
    archive_of_polars,
    installed_packages,
)

SPARK = "spark"
#: By default Hadoop ends a line at a carriage return also, and takes it away: elsewhere the line is another row.
LINE_ENDS = {"textinputformat.record.delimiter": "\n"}
#: Bytes of input that a mapper takes together.
BLOCK = 4 << 20
#: Stands after a block, since mrjob takes line ends off: a carriage return would be lost, and a bad line pass.
_BLOCK_END = b"\0"


class _BlockProtocol:
    """Reads a block of whole lines as the value, without a key."""

    def read(self, block: bytes) -> tuple[None, bytes]:
        """Return None and the block."""
        return None, block.removesuffix(_BLOCK_END)


def _read_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Return a file as `_BlockProtocol` reads it."""
    while block := file.read(BLOCK):
        yield block + file.readline() + _BLOCK_END


def _gathered(pairs: Iterable[tuple[None, bytes]]) -> Iterator[tuple[None, bytes]]:
    """Return blocks as they are, and single lines, which have no line end, as blocks."""
    lines: list[bytes] = []
    size = 0
    for _, value in pairs:
        if b"\n" in value:
            yield None, value
            continue
        lines.append(value)
        size += len(value)
        if size >= BLOCK:
            yield None, b"\n".join(lines)
            lines, size = [], 0
    if lines:
        yield None, b"\n".join(lines)


def parted(block: bytes, mark: bytes) -> tuple[list[Record], bytes]:
    """Return the records of step 1 among a block's lines, and all other lines. Without a mark all are records."""
    if mark not in block:
        return [], block
    records: list[Record] = []
    others: list[bytes] = []
    for line in block.split(b"\n"):
        if line.startswith(mark) and line:
            key, _, value = line.removeprefix(mark).partition(b"\t")
            records.append((key, value))
        else:
            others.append(line)
    return records, b"\n".join(others)


def new_record_mark() -> str:
    """Return a mark for the records of one run, which nobody who wrote the movements can have known."""
    return secrets.token_hex(8)


class BlockJob(MRJob):  # type: ignore[misc]  # mrjob has no type hints
    """See the module; its tasks get the packages of this program, and its input paths are no patterns."""

    def properties(self) -> dict[str, str] | None:
        """Return a step's properties for Hadoop: mrjob 0.7.4 gives Spark a job for each set, and the second no step."""
        return None if self.options.runner == SPARK else LINE_ENDS

    def make_runner(self) -> Any:
        """Make the runner, with the folder that mrjob's Spark harness takes for granted (mrjob 0.7.4)."""
        runner = super().make_runner()
        if self.options.runner == SPARK:
            runner.fs.mkdir(runner._spark_tmp_dir)
        return runner

    def pick_protocols(self, step_num: int, step_type: str) -> tuple[Any, Any]:
        """Return what reads and writes records: every mapper reads blocks of lines."""
        read, write = super().pick_protocols(step_num, step_type)
        return (_BlockProtocol().read if step_type == "mapper" else read), write

    def _read_input(self) -> Iterator[bytes]:
        """Read the standard input of a mapper in blocks, everything else line by line as mrjob does."""
        is_mapper = self.options.run_mapper and not self.options.args
        return _read_blocks(self.stdin) if is_mapper else super()._read_input()

    def map_pairs(self, pairs: Iterable[tuple[None, bytes]], step_num: int = 0) -> Iterator[Record]:
        """Give the mappers blocks also where a runner reads line by line, as Spark's does: rows one by one are slow."""
        records: Iterator[Record] = super().map_pairs(_gathered(pairs), step_num)
        return records

    def dirs(self) -> list[str]:
        """Return the packages that tasks need in their working folders; inline they are imported where they are."""
        return [] if self.options.runner in (None, "inline", SPARK) else [str(path) for path in PACKAGES]

    def _runner_kwargs(self) -> dict[str, Any]:
        """Give Spark the packages in archives, and every runner paths that are no patterns."""
        options: dict[str, Any] = super()._runner_kwargs()
        paths = options["input_paths"]
        options["input_paths"] = [escape_pattern(path) if Path(path).exists() else path for path in paths]
        if self.options.runner == SPARK:
            # A single option would be taken for one of its harness's own (mrjob 0.7.4).
            options["extra_args"] = ["--record-mark", "", *options["extra_args"]]
            options["py_files"] = [*(options["py_files"] or ()), str(archive_of_packages())]
            os.environ[SITE_VARIABLE] = str(installed_packages())  # for the driver, which runs here
            options["upload_archives"] = [
                *(options["upload_archives"] or ()),
                f"{archive_of_polars()}#{SITE}",
            ]
        return options
