"""mrjob's hadoop runner for this job: movements join in at step 2, and one sees how far it is and why it failed.

mrjob's own runner knows the input of the first step only, asks Hadoop for its version and copies its files by
four commands of a second each, and shows what `hadoop jar` says as a log. Changed here through its own methods.
"""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mrjob.hadoop import HadoopJobRunner

from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import PRIVATE, Hadoop, explain, last_words, refuse_patterns
from movimento_flat.private_files import make_private_file
from movimento_flat.processes import die_with_parent
from mr_jobs.blocks import new_record_mark
from mr_jobs.job_options import KEY_FILE_VARIABLE, KEY_NAME, JobOptions
from mr_jobs.join import MovimentoFlat
from mr_jobs.phases import Tell, phases_of_counters
from mr_jobs.shipping import SITE, SITE_VARIABLE, installed_packages, ship_polars

#: Streaming and YARN as mrjob knows them came with this version; which one it is exactly does not matter here.
HADOOP_VERSION = "3"

#: How Java says that the task's own program failed; why, only that program has said.
PYTHON_FAILED = "subprocess failed"
FRAMEWORK = "mapreduce.framework.name"
ARCHIVES = "mapreduce.job.cache.archives"
IN_CLIENT, ON_CLUSTER = f"{FRAMEWORK}=local", f"{FRAMEWORK}=yarn"
#: A first step of so many bytes takes longer to spread over the cluster than to do. Hadoop runs it in the JVM that
#: was to submit it, on the files in HDFS (LocalJobRunner), as Hive does with small queries.
SMALL_BYTES = 300 << 20
AT_ONCE = min(os.cpu_count() or 1, 4)
SMALL_STEP = {
    FRAMEWORK: "local",
    "mapreduce.local.map.tasks.maximum": str(AT_ONCE),
    "mapreduce.job.reduces": "2",
    "mapreduce.local.reduce.tasks.maximum": "2",
    "mapreduce.task.io.sort.mb": "100",
}
#: Folders of this machine that such a job writes to; by default they lie under /tmp, the first of them for all users.
LOCAL_FOLDERS = ("mapreduce.jobtracker.staging.root.dir", "mapreduce.cluster.local.dir")
#: Files and blocks share a map task up to a size: what step 1 has written would have map tasks of its own in step 2
#: otherwise, and to start one takes as long as to map half a million movements. In the client it also cuts a block into
#: as many map tasks as it has cores, where Hadoop's usual format makes one.
COMBINING = "org.apache.hadoop.mapred.lib.CombineTextInputFormat"
SPLIT_BYTES = 192 << 20
#: A row of the small tables is more work than a movement.
FIRST_SPLIT_BYTES, LEAST_SPLIT_BYTES = 64 << 20, 4 << 20
LOG_SECONDS, POLL_SECONDS = 30, 0.5

#: URI of the folder of movements; waits until they are complete.
MovementFolder = Callable[[], str]


@dataclass
class JobReport:
    """What `hadoop jar` has said about one job so far.

    Attributes:
        application: YARN's id, once submitted.
        address: where its progress can be seen in a browser.
        runs_here: whether its tasks run in the JVM of `hadoop jar`.
        done: percent of the map and of the reduce tasks.
        failures: Java's error of each attempt of a task that failed.
        lines: everything, for the case that it fails.
    """

    application: str = ""
    address: str = ""
    runs_here: bool = False
    done: tuple[int, int] = (0, 0)
    failures: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take in the next line."""
        self.lines.append(line)
        if found := re.search(r"Submitted application (application_\d+_\d+)", line):
            self.application = found[1]
        elif "Submitting tokens for job: job_local" in line:
            self.runs_here = True
        elif (found := re.search(r"The url to track the job: (\S+)", line)) and self.application:
            self.address = found[1]
        elif found := re.search(r"\bmap (\d+)% reduce (\d+)%", line):
            self.done = int(found[1]), int(found[2])
        elif re.search(r"Task Id *: attempt_\S+, Status *: FAILED", line):
            self.failures.append("")
        elif line.startswith("Error: ") and self.failures and not self.failures[-1]:
            self.failures[-1] = line


#: Told of a step's number (1 or 2) and its report whenever that has changed.
Watch = Callable[[int, JobReport], None]


def join_on_hadoop(
    hadoop: Hadoop,
    small_tables: str,
    small_bytes: int,
    movements: MovementFolder,
    parts: str,
    work: str,
    local_work: Path,
    packages: str,
    job_options: JobOptions = JobOptions(),  # noqa: B008  # it is frozen
    options: tuple[str, ...] = (),
    watch: Watch = lambda step, report: None,
    tell: Tell = lambda phase: None,
) -> None:
    """Run the join's two steps on the cluster of the `hadoop` command.

    Args:
        hadoop: the command.
        small_tables: URI of the folder of tagged TSV of associates, accounts and cards.
        small_bytes: of that folder.
        movements: called when step 2 begins; waits until the movements are complete, and answers their folder.
        parts: URI of the output, not there yet; its files are each sorted by card.
        work: URI of a folder for what lies between the steps.
        local_work: private folder of this machine for scripts that go to the tasks.
        packages: URI of a folder that keeps what is shipped to nodes from run to run.
        job_options: what shows of cards and people, and as of which moment; their key goes to the tasks in the
            jobs' credentials, which no file of the cluster or page of its web shows.
        options: Hadoop properties (`key=value`) of both steps.
        watch: told of the progress.
        tell: told of each phase that has ended, by Hadoop's counters.

    Raises:
        UserError: a step failed, and the message has what its task wrote to standard error; or a URI is a pattern.
    """
    refuse_patterns(small_tables, parts, work)  # movements lie beside the small tables
    with _plain_name(local_work) as plain:
        arguments = ["--runner=hadoop", f"--output-dir={parts}", f"--hadoop-tmp-dir={work}"]
        arguments += [
            f"--local-tmp-dir={plain}",
            "--cleanup=NONE",
            "--no-read-logs",
            "--no-check-input-paths",
        ]
        environment = {}
        if job_options.key_file:
            environment[KEY_FILE_VARIABLE] = str(job_options.key_file.resolve())
            options = (*options, f"mapreduce.job.credentials.json={_credentials(job_options, plain)}")
            job_options = replace(job_options, key_file=None)
        arguments += [f"--hadoop-bin={hadoop.binary}", *(f"-D{option}" for option in (PRIVATE, *options))]
        arguments += [*job_options.arguments(), f"--record-mark={new_record_mark()}", small_tables]
        job = MovimentoFlat(arguments)
        job.set_up_logging(quiet=True)
        with _Runner(
            hadoop, small_bytes, environment, movements, packages, watch, tell, **job._runner_kwargs()
        ) as runner:
            runner.run()


@contextmanager
def _plain_name(folder: Path) -> Iterator[Path]:
    """Return another name of a folder, a link: Hadoop reads names of local files as URIs in lists with commas."""
    with TemporaryDirectory(prefix="movimento-flat-") as name:
        link = Path(name) / "work"
        link.symlink_to(folder.resolve())
        yield link


def _first_step(size: int, folder: Path) -> dict[str, str]:
    """Return the properties of a first step of so many bytes; in the client's JVM it writes into a private folder."""
    if size > SMALL_BYTES:
        return _combined(FIRST_SPLIT_BYTES)
    folders = dict.fromkeys(LOCAL_FOLDERS, str(folder / "hadoop"))
    return SMALL_STEP | folders | _combined(max(size // AT_ONCE, LEAST_SPLIT_BYTES))


def _combined(split_bytes: int) -> dict[str, str]:
    # Only of Hadoop's usual format does streaming leave out the keys by itself.
    return {
        "mapreduce.input.fileinputformat.split.maxsize": str(split_bytes),
        "stream.map.input.ignoreKey": "true",
    }


def _credentials(job_options: JobOptions, folder: Path) -> Path:
    file = make_private_file(folder / "credentials.json")
    file.write_text(json.dumps({KEY_NAME: job_options.key().decode()}))
    return file


class _Runner(HadoopJobRunner):  # type: ignore[misc]  # mrjob has no type hints
    def __init__(
        self,
        hadoop: Hadoop,
        small_bytes: int,
        environment: dict[str, str],
        movements: MovementFolder,
        packages: str,
        watch: Watch,
        tell: Tell,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        #: Polars for tasks on the cluster, unless the nodes have all packages themselves.
        self._shipped: list[str] = []
        if self._opts["bootstrap_mrjob"] is not False:
            environment = environment | {SITE_VARIABLE: str(installed_packages())}
            self._shipped = ["-D", f"{ARCHIVES}={ship_polars(hadoop, packages)}#{SITE}"]
        self._hadoop = hadoop
        self._small_bytes = small_bytes
        self._environment = environment
        self._movements = movements
        self._watch = watch
        self._tell = tell
        # Without a manager for uploads the submitting command takes the files along from where they lie.
        self._upload_mgr = None

    def _run(self) -> None:
        self._create_setup_wrapper_scripts()
        self._run_job_in_hadoop()

    def get_hadoop_version(self) -> str:
        return HADOOP_VERSION

    def _jobconf_for_step(self, step_num: int) -> dict[str, str]:
        jobconf: dict[str, str] = super()._jobconf_for_step(step_num)
        if step_num:
            return _combined(SPLIT_BYTES) | jobconf
        return _first_step(self._small_bytes, Path(self._get_local_tmp_dir())) | jobconf

    def _hadoop_args_for_step(self, step_num: int) -> list[str]:
        arguments: list[str] = super()._hadoop_args_for_step(step_num)
        return [*arguments, "-inputformat", COMBINING]

    def _step_input_uris(self, step_num: int) -> list[str]:
        uris = list(super()._step_input_uris(step_num))
        if step_num == self._num_steps() - 1:
            uris.append(self._movements())
        return uris

    def _run_hadoop(
        self, hadoop_args: list[str], env: dict[str, str], record_callback: object
    ) -> tuple[int, dict[str, Any]]:
        """Run `hadoop jar`; once more, if it fails in its own JVM, where no task has a second attempt."""
        step = len(self._log_interpretations)
        spread = [ON_CLUSTER if word == IN_CLIENT else word for word in hadoop_args]
        first = spread.index("-D")
        spread[first:first] = self._shipped
        # Tasks in the JVM of `hadoop jar` find the packages of this machine.
        status, report = self._submit(step, hadoop_args if IN_CLIENT in hadoop_args else spread, env)
        if status and report.runs_here:
            self._hadoop.fs("-rm", "-r", "-f", "-skipTrash", hadoop_args[hadoop_args.index("-output") + 1])
            status, report = self._submit(step, spread, env)
        if status:
            raise self._failure(step, report)
        read = self._small_bytes if step == 1 else None
        for phase in phases_of_counters(step, report.lines, read):
            self._tell(phase)
        return 0, {}

    def _submit(self, step: int, command: list[str], env: dict[str, str]) -> tuple[int, JobReport]:
        """Return the status of `hadoop jar` and what it said; tell of that while it says it."""
        report = JobReport()
        with subprocess.Popen(
            command,
            env=env | self._environment,
            cwd=self._get_local_tmp_dir(),  # tasks that run in this JVM find links to their files here
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # it only calls prctl
        ) as process:
            assert process.stderr
            try:
                for line in process.stderr:
                    report.read(line.rstrip("\n"))
                    self._watch(step, report)
            except BaseException:
                process.kill()
                raise
        return process.returncode, report

    def _failure(self, step: int, report: JobReport) -> UserError:
        """Return what failed, and what it said: a task's Python, else Java around it, else the submitting command."""
        said = "\n".join(report.lines)
        what = f"Step {step} of the join failed on the cluster"
        if not report.application:
            return UserError(f"{what} before it was submitted:\n{last_words(said)}", explain(said))
        error = report.failures[-1] if report.failures else ""
        if PYTHON_FAILED in error:
            error = self._words_of_tasks(report.application) or error
        attempts = f" after {len(report.failures)} failed attempts" if report.failures else ""
        everything = f"Everything that its tasks said: yarn logs -applicationId {report.application}"
        return UserError(
            f"{what}{attempts} ({report.application}):\n{last_words(error or said)}",
            f"{explain(said + error)}\n  -> {everything}",
        )

    def _words_of_tasks(self, application: str) -> str:
        """Return what tasks wrote to standard error, which the cluster gathers some seconds after they have ended."""
        deadline = time.monotonic() + LOG_SECONDS
        while not (words := words_of_a_task(self._hadoop.task_logs(application))):
            if time.monotonic() > deadline:
                return ""
            time.sleep(POLL_SECONDS)
        return words


def words_of_a_task(logs: str) -> str:
    """Return what the last task with a Python error wrote to standard error (`yarn logs`); else the last one."""
    texts = re.findall(r"^LogContents:\n(.*?)^End of LogType:", logs, re.MULTILINE | re.DOTALL)
    said = [text for text in texts if last_words(text)]
    with_error = [text for text in said if re.search(r"^\w*(Error|Exception)\b", text, re.MULTILINE)]
    return next(reversed(with_error or said), "")
