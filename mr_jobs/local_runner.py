"""Runs the join on this machine: the map and the reduce tasks of the mrjob job, in a pool of processes.

A map task hands its records out in order of buckets and tags, some megabytes at a time: such a run goes to a file for
each reducer. A reduce task merges its runs while it reads them. So nothing is sorted, and no record is written twice.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from movimento_flat.errors import UserError
from movimento_flat.private_files import make_private_folder
from movimento_flat.workers import ProcessEndedError, Workers
from mr_jobs.blocks import BLOCK, new_record_mark
from mr_jobs.frames import Record
from mr_jobs.job_options import JobOptions
from mr_jobs.join import MovimentoFlat
from mr_jobs.phases import Phase, Reached, Tell
from mr_jobs.tasks import Done, HasRead, Task, work

#: Bytes of input of a map task at the least and at the most: to start one costs as much as to read the least.
LEAST_INPUT, MOST_INPUT = 4 << 20, 64 << 20
#: Bytes that a reduce task holds of all its runs together, and the least and the most of a single one.
ROOM, LEAST_OF_RUN, MOST_OF_RUN = 8 << 20, 16 << 10, 256 << 10
LINES_OF_STDERR = 8
LITTLE_SPACE = 1 << 20

MovementFiles = Callable[[], list[Path]]
Watched = Callable[[Callable[[], Reached]], None]


def join_locally(
    small_tables: list[Path],
    movements: MovementFiles,
    parts: Path,
    work: Path,
    workers: Workers,
    job_options: JobOptions = JobOptions(),  # noqa: B008  # it is frozen
    watched: Watched = lambda reached: None,
    tell: Tell = lambda phase: None,
) -> list[Path]:
    """Run the join's two steps in processes of this machine.

    Args:
        small_tables: tagged TSV of associates, accounts and cards.
        movements: called when step 2 begins; waits for the movements' files, and answers them.
        parts: folder for the output, not there yet.
        work: folder for temporary files.
        workers: what runs the tasks.
        job_options: what shows of cards and people, and as of which moment.
        watched: given a function, for any thread, that says how far the join is whenever it is called.
        tell: told of each phase that has ended.

    Returns:
        The parts, each sorted by card.

    Raises:
        UserError: a task failed; the message has its standard error.
    """
    arguments = [*job_options.arguments(), f"--record-mark={new_record_mark()}"]
    steps = _Steps(workers, arguments, work.resolve(), tell)
    watched(steps.reached)
    profiles = steps.run(1, small_tables, work / "profiles")
    return steps.run(2, [*profiles, *movements()], parts)


class _Steps:
    def __init__(self, workers: Workers, arguments: list[str], work: Path, tell: Tell) -> None:
        self._workers = workers
        self._arguments = arguments
        self._work = work
        self._tell = tell
        #: The phase under way: its step and name, the bytes of its input, and those that were read before it.
        self._phase = (1, "map", 0, 0)

    def run(self, step: int, inputs: list[Path], output: Path) -> list[Path]:
        """Run a step; return its parts, a file in the folder `output` for each reducer."""
        folder, output = make_private_folder(self._work / f"step-{step}"), make_private_folder(output)
        reducers, size = self._workers.count, sum(path.stat().st_size for path in inputs)
        at_most = max(LEAST_INPUT, min(MOST_INPUT, size // self._workers.count + 1))
        maps = [
            _MapTask(step, self._arguments, folder, number, spans, reducers)
            for number, spans in enumerate(_split(inputs, at_most))
        ]
        mapped = self._run_phase("map", maps, size)
        reduces = [
            _ReduceTask(
                step,
                self._arguments,
                folder,
                reducer,
                [
                    task.run_file(run, reducer)
                    for task, done in zip(maps, mapped, strict=True)
                    for run in range(done.runs)
                ],
                output.resolve() / f"part-{reducer:05d}",
            )
            for reducer in range(reducers)
        ]
        self._run_phase("reduce", reduces, sum(done.written for done in mapped))
        shutil.rmtree(folder)
        return [task.part for task in reduces]

    def reached(self) -> Reached:
        """Return how far the join is."""
        step, name, size, before = self._phase
        percent = 100 * (self._workers.read - before) // size if size else 0
        return Reached(step, percent) if name == "map" else Reached(step, 100, percent)

    def _run_phase(self, name: str, tasks: Sequence[Task], size: int) -> list[Done]:
        """Run tasks that together read `size` bytes, and return what each has done."""
        step = tasks[0].step
        self._phase = (step, name, size, self._workers.read)
        done: list[Done] = []
        with suppress(ProcessEndedError):  # what a task has said is told instead
            for future in [self._workers.submit(work, task) for task in tasks]:
                if not (found := self._workers.result(future)):
                    break
                done.append(found)
        if len(done) < len(tasks):
            raise _failure(tasks)
        seconds, written = sum(each.seconds for each in done), sum(each.written for each in done)
        self._tell(Phase(step, name, len(tasks), seconds, size, written))
        return done


@dataclass(frozen=True)
class _MapTask(Task):
    """A map task: reads spans of files, and writes runs for `reducers` reduce tasks."""

    spans: "list[_Span]"
    reducers: int
    kind = "mapper"

    def run_file(self, run: int, reducer: int) -> Path:
        """Return the file with the records of a run that go to a reducer."""
        return self.folder / f"map-{self.number}-run-{run}-{reducer}"

    def run(self, has_read: HasRead) -> tuple[int, int]:
        """See `Task.run`."""
        blocks = ((None, block) for span in self.spans for block in span.blocks(has_read))
        records = MovimentoFlat(self.arguments).map_pairs(blocks, self.step - 1)
        return write_runs(
            records, lambda run: [self.run_file(run, reducer) for reducer in range(self.reducers)]
        )


@dataclass(frozen=True)
class _ReduceTask(Task):
    """A reduce task: merges runs, and writes a part of the output."""

    runs: list[Path]
    part: Path
    kind = "reducer"

    def run(self, has_read: HasRead) -> tuple[int, int]:
        """See `Task.run`."""
        records = MovimentoFlat(self.arguments).reduce_pairs(merged(self.runs, has_read), self.step - 1)
        with self.part.open("xb") as part:
            return 1, sum(part.write(b"%b\t%b\n" % record) for record in records)


def write_runs(records: Iterable[Record], files_of: Callable[[int], list[Path]]) -> tuple[int, int]:
    """Write records in runs; return how many runs and bytes these are.

    A new run begins where a record does not come after the one before.

    Args:
        records: in order of buckets and tags for long stretches.
        files_of: returns the new files of a run, one for each reducer.
    """
    runs, written, place = 0, 0, b""
    with ExitStack() as stack:
        files: list[BinaryIO] = []
        for bucket, value in records:
            before, place = place, b"%b\t%b" % (bucket, value.partition(b"\t")[0])
            if not files or place < before:
                stack.close()
                files = [stack.enter_context(path.open("xb")) for path in files_of(runs)]
                runs += 1
            written += files[crc32(bucket) % len(files)].write(b"%b\t%b\n" % (bucket, value))
    return runs, written


def merged(runs: Sequence[Path], has_read: HasRead) -> Iterator[Record]:
    """Return the records of runs in order of their buckets and tags.

    Whole lines are compared: a key of each would cost more, and no byte of a bucket or tag comes before a tab.
    """
    at_once = min(max(ROOM // max(1, len(runs)), LEAST_OF_RUN), MOST_OF_RUN)
    with ExitStack() as stack:
        for line in merge(*(stack.enter_context(run.open("rb", buffering=at_once)) for run in runs)):
            has_read(len(line))
            bucket, _, value = line[:-1].partition(b"\t")
            yield bucket, value


@dataclass(frozen=True)
class _Span:
    """Whole lines of a file: the bytes from `start` to `end`."""

    path: Path
    start: int
    end: int

    def blocks(self, has_read: HasRead) -> Iterator[bytes]:
        """Return blocks of whole lines."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            while left := self.end - file.tell():
                block = file.read(min(BLOCK, left))
                block += b"" if block.endswith(b"\n") else file.readline()
                has_read(len(block))
                yield block


def _split(paths: Iterable[Path], size: int) -> list[list[_Span]]:
    """Return the spans of each map task, of about so many bytes together; at least one task, which may have none."""
    tasks: list[list[_Span]] = [[]]
    left = size
    for path in paths:
        with path.open("rb") as file:
            start, end = 0, path.stat().st_size
            while start < end:
                if left <= 0:
                    tasks.append([])
                    left = size
                file.seek(min(start + left, end))
                file.readline()
                tasks[-1].append(_Span(path.resolve(), start, file.tell()))
                left -= file.tell() - start
                start = file.tell()
    return tasks


def _failure(tasks: Sequence[Task]) -> UserError:
    """Return which task of a phase failed, and the end of what it wrote to standard error."""
    texts = [task.stderr.read_text(errors="replace") if task.stderr.exists() else "" for task in tasks]
    task = next((task for task, text in zip(tasks, texts, strict=True) if text), tasks[0])
    lines = texts[task.number].splitlines()[-LINES_OF_STDERR:]
    if lines and lines[-1].startswith("OSError: "):  # where in the task a disk was full is no news
        lines = lines[-1:]
    if not lines and shutil.disk_usage(task.folder).free < LITTLE_SPACE:
        lines = [os.strerror(errno.ENOSPC)]  # not even that could be written
    said = "\n".join(f"  {line}" for line in lines or ["Its process was ended: see the system's log."])
    return UserError(
        f"The {task.kind} of step {task.step} failed (task {task.number}):\n{said}",
        "Fix what it names; the join starts from the beginning when the command is run again.",
    )
