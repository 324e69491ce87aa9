"""mrjob's local runner for this job: input files are map tasks as they lie, and movements join in at step 2.

mrjob's own local runner copies every input line by line in one process to cut it into tasks, and knows the
input of the first step only. Both are changed here through the methods that it keeps for its subclasses.
"""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from mrjob.local import LocalMRJobRunner, _TaskFailedException
from mrjob.step import StepFailedException

from movimento_flat.errors import UserError
from mr_jobs.blocks import new_record_mark
from mr_jobs.job_options import JobOptions
from mr_jobs.join import MovimentoFlat
from mr_jobs.local_shuffle import Position, Run, read_runs, remove, write_runs
from mr_jobs.phases import Phase, Reached, Tell
from mr_jobs.workers import Task, TaskFailedError, Workers

#: Bytes up to which files share a map task: starting one costs as much as reading this.
SMALL_INPUT = 4 << 20
COPIED_AT_ONCE = 1 << 20
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
    cores: int | None = None,
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
        cores: map or reduce tasks at once; all cores when None.
        watched: given a function, for any thread, that says how far the join is whenever it is called.
        tell: told of each phase that has ended.

    Returns:
        The parts, each sorted by card.

    Raises:
        UserError: a task failed; the message has its standard error.
    """
    options = [f"--local-tmp-dir={work}", f"--output-dir={parts}", f"--num-cores={cores or os.cpu_count()}"]
    options.append(f"--record-mark={new_record_mark()}")
    job = MovimentoFlat(
        [
            "--runner=local",
            "--no-conf",
            "--no-check-input-paths",
            *options,
            *job_options.arguments(),
            *map(str, small_tables),
        ]
    )
    job.set_up_logging(quiet=True)
    options_of_job = job._runner_kwargs() | {"input_paths": list(map(str, small_tables))}
    runner = _Runner(workers, movements, tell, **options_of_job)
    watched(runner.reached)
    with runner:
        try:
            runner.run()
        except StepFailedException as failure:
            raise runner.explain(failure) from failure
    return sorted(parts.glob("part-*"))


class _Runner(LocalMRJobRunner):  # type: ignore[misc]  # mrjob has no type hints
    def __init__(self, workers: Workers, movements: MovementFiles, tell: Tell, **options: Any) -> None:
        super().__init__(**options | {"upload_dirs": [], "bootstrap_mrjob": False})
        self._workers = workers
        self._movements = movements
        self._tell = tell
        self._whole_inputs: dict[tuple[int, int], Path] = {}  # step and map task -> its one file
        self._lock = Lock()
        self._runs: list[Run] = []  # what the map tasks of the step under way have written
        # Of the phase that is under way:
        self._phase = (1, "map")
        self._size = 0  # bytes of all its tasks' input
        self._running: set[Path] = set()  # files that say how far its running tasks have read
        self._costs: list[tuple[float, int, int]] = []  # seconds, bytes read and written of each ended task

    def _input_paths_for_step(self, step_num: int) -> list[str]:
        """Return paths as they are: mrjob would take `[`, `*` and `?` in them for patterns."""
        before = Path(self._output_dir_for_step(step_num - 1)) if step_num else None
        paths = self._get_input_paths() if before is None else map(str, sorted(before.glob("part-*")))
        paths = list(paths)
        if step_num == self._num_steps() - 1:
            paths += map(str, self._movements())
        return paths

    def _parse_task_counters(self, task_type: str, step_num: int) -> None:
        """Look for no counters: the job has none, and mrjob would look by a pattern."""

    def _split_mapper_input(self, input_paths: Iterable[str], step_num: int) -> list[dict[str, Any]]:
        """A file is a map task, as it lies; small ones together are one, in a copy.

        A file that is the only one is cut, so that no core stands idle.
        """
        splits = []
        groups = list(_grouped([Path(path) for path in input_paths]))
        if len(groups) == 1:
            groups = list(_cut(groups[0], int(self._num_cores())))
        for number, spans in enumerate(groups):
            task_input = Path(self._task_input_path("mapper", step_num, number))
            task_input.parent.mkdir(parents=True)
            if len(spans) == 1 and spans[0].is_whole:
                # No link: OUTPUT, where all this lies, may be on a file system without any.
                self._whole_inputs[step_num, number] = task_input = spans[0].path.resolve()
            else:
                _copy(spans, task_input)
            file = str(spans[0].path) if spans else ""
            splits.append({"file": file, "start": 0, "length": task_input.stat().st_size})
        return splits

    def _create_dist_cache_dir(self, step_num: int) -> None:
        """Leave it out: a task is a fork that has the job already, and not every file system keeps a copy's mode."""

    def _setup_working_dir(self, task_type: str, step_num: int, task_num: int) -> str:
        folder = Path(self._task_working_dir(task_type, step_num, task_num))
        folder.mkdir(parents=True)
        return str(folder)

    def _task_input_path(self, task_type: str, step_num: int, task_num: int) -> str:
        whole = self._whole_inputs.get((step_num, task_num)) if task_type == "mapper" else None
        return str(whole or super()._task_input_path(task_type, step_num, task_num))

    def _run_mappers_and_combiners(self, step_num: int, map_splits: list[dict[str, Any]]) -> None:
        self._begin_phase(step_num, "map", sum(split["length"] for split in map_splits))
        super()._run_mappers_and_combiners(step_num, map_splits)
        self._end_phase()

    def _sort_reducer_input(self, step_num: int, num_map_tasks: int) -> None:
        """Nothing is left to sort: a reduce task is told which runs of the map tasks are its own, and merges them."""
        self._begin_phase(step_num, "sort")
        outputs = [Path(self._task_output_path("mapper", step_num, task)) for task in range(num_map_tasks)]
        self._runs = [run for output in outputs for run in _runs_of(output)]
        for reducer in range(self._num_reducers(step_num)):
            target = Path(self._task_input_path("reducer", step_num, reducer))
            target.parent.mkdir(parents=True)
            mine = [run for run in self._runs if run.reducer == reducer]
            with target.open("wb") as file:
                write_runs(mine, file)
            size = sum(map(len, mine))
            self._costs.append((0.0, size, size))
        self._end_phase()

    def _split_reducer_input(self, step_num: int) -> int:
        """Return how many reduce tasks there are; the map tasks have cut their input."""
        return int(self._num_reducers(step_num))

    def _run_reducers(self, step_num: int, num_reducer_tasks: int) -> None:
        self._begin_phase(step_num, "reduce", sum(map(len, self._runs)))
        super()._run_reducers(step_num, num_reducer_tasks)
        remove(self._runs)
        self._end_phase()

    def reached(self) -> Reached:
        """Return how far the join is."""
        with self._lock:
            step, name = self._phase
            read = sum(cost[1] for cost in self._costs)
            read += sum(map(Position.of, self._running))
            percent = 100 * read // self._size if self._size else 0
        return Reached(step, percent) if name == "map" else Reached(step, 100, percent)

    def _begin_phase(self, step_num: int, name: str, size: int = 0) -> None:
        with self._lock:
            self._phase, self._size = (step_num + 1, name), size
            self._costs.clear()

    def _end_phase(self) -> None:
        seconds, read, written = map(sum, zip(*self._costs, strict=True))
        self._tell(Phase(*self._phase, len(self._costs), float(seconds), int(read), int(written)))

    def _run_multiple(self, funcs: Iterable[Callable[[], None]], num_processes: int | None = None) -> None:
        """Threads that wait for the tasks' processes: nothing of a pool is left behind when this one is killed."""
        with ThreadPoolExecutor(self._num_cores()) as pool:
            tasks = [pool.submit(func) for func in funcs]
            try:
                for task in tasks:
                    task.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _invoke_task_func(self, task_type: str, step_num: int, task_num: int) -> Callable[..., None]:
        """Return what runs a task in one of the workers."""
        arguments = self._args_for_task(step_num, task_type)
        place = {
            "step_num": step_num,
            "num_steps": self._num_steps(),
            "task_type": task_type,
            "task_num": task_num,
        }

        def run(
            stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO, folder: str, env: dict[str, str]
        ) -> None:
            started, written = time.monotonic(), 0
            task = Task(
                arguments,
                stdin=Path(stdin.name),
                stdout=Path(stdout.name),
                stderr=Path(stderr.name),
                folder=Path(folder),
                environment=env,
                reducers=self._num_reducers(step_num),
            )
            with self._lock:
                self._running.add(task.position)
            try:
                self._workers.run(task)
                is_list = task_type == "mapper"
                written = sum(map(len, _runs_of(task.stdout))) if is_list else task.stdout.stat().st_size
            except TaskFailedError as error:
                raise _TaskFailedException(reason=str(error), **place) from error
            finally:
                with self._lock:
                    self._running.remove(task.position)
                    read = Position.of(task.position)
                    self._costs.append((time.monotonic() - started, read, written))

        return run

    def explain(self, failure: StepFailedException) -> UserError:
        """Return which task failed, and the end of what it wrote to standard error."""
        task = vars(failure)  # mrjob's local runner adds the task's type and number
        stderr = Path(
            self._task_stderr_path(task["task_type"], failure.step_num, task["task_num"])
        ).read_text(errors="replace")
        lines = stderr.splitlines()[-LINES_OF_STDERR:]
        if lines and lines[-1].startswith("OSError: "):  # where in the task a disk was full is no news
            lines = lines[-1:]
        if not lines and shutil.disk_usage(self._get_local_tmp_dir()).free < LITTLE_SPACE:
            lines = [os.strerror(errno.ENOSPC)]  # not even that could be written
        said = "\n".join(f"  {line}" for line in lines)
        return UserError(
            f"The {task['task_type']} of step {failure.step_num + 1} failed (task {task['task_num']}):\n{said}",
            "Fix what it names; the join starts from the beginning when the command is run again.",
        )


def _runs_of(output: Path) -> list[Run]:
    with output.open("rb") as file:
        return read_runs(file)


@dataclass(frozen=True)
class _Span:
    """Whole lines of a file: the bytes from `start` to `end`."""

    path: Path
    start: int
    end: int

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.end == self.path.stat().st_size


def _grouped(paths: list[Path]) -> Iterator[list[_Span]]:
    """Return groups of files; small neighbours share one. No file at all makes one empty group."""
    group: list[_Span] = []
    size = 0
    for path in paths:
        length = path.stat().st_size
        if group and size + length > SMALL_INPUT:
            yield group
            group, size = [], 0
        group.append(_Span(path, 0, length))
        size += length
    yield group


def _cut(spans: list[_Span], pieces: int) -> Iterator[list[_Span]]:
    """Return so many pieces of one large file, of about the same size; what is small stays whole."""
    if sum(span.end for span in spans) <= SMALL_INPUT:
        yield spans
        return
    (whole,) = spans
    start = 0
    with whole.path.open("rb") as file:
        for piece in range(1, pieces + 1):
            file.seek(max(start, whole.end * piece // pieces))
            file.readline()
            yield [_Span(whole.path, start, file.tell())]
            start = file.tell()


def _copy(spans: list[_Span], target: Path) -> None:
    with target.open("wb") as joined:
        for span in spans:
            with span.path.open("rb") as file:
                file.seek(span.start)
                left = span.end - span.start
                while left:
                    block = file.read(min(left, COPIED_AT_ONCE))
                    joined.write(block)
                    left -= len(block)
