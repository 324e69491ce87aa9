"""The shuffle on this machine, as Hadoop does it: map tasks cut their output by reducer, each reducer's is sorted."""

import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

from movimento_flat.errors import UserError
from movimento_flat.processes import die_with_parent

SORT_MEMORY = "64M"


def partition(records: Path, reducers: int) -> None:
    r"""Cut a map task's records (lines `bucket \t pack`) by a hash of their bucket; their file is gone then.

    Raises:
        OSError: a file cannot be read or written.
    """
    with records.open("rb") as lines, ExitStack() as stack:
        files = [
            stack.enter_context(_partition(records, reducer).open("wb")).write for reducer in range(reducers)
        ]
        for line in lines:
            files[crc32(line[: line.index(b"\t")]) % reducers](line)
    records.unlink()


def sort(outputs: list[Path], reducer: int, target: Path) -> None:
    """What map tasks have cut for a reducer, sorted by bucket, in a bounded amount of memory; gone from where it was.

    Args:
        outputs: where the map tasks' records were.
        reducer: its number.
        target: the file to write.

    Raises:
        UserError: sort(1) failed.
    """
    partitions = [_partition(records, reducer) for records in outputs]
    options = ["--field-separator=\t", "--key=1,1", "--stable", f"--buffer-size={SORT_MEMORY}"]
    options += [f"--temporary-directory={target.parent}", f"--output={target}"]
    result = subprocess.run(
        ["sort", *options, *map(str, partitions)],  # noqa: S607  # of the user's PATH, as mrjob does
        env={**os.environ, "LC_ALL": "C"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(),  # it only calls prctl
        check=False,
    )
    if result.returncode:
        raise UserError(f"Sorting the records failed: {result.stderr.strip()}", "Mend that and run it again.")
    for path in partitions:
        path.unlink()


def _partition(records: Path, reducer: int) -> Path:
    return records.with_name(f"{records.name}-{reducer}")
