"""Publishing: a kill at any step leaves a whole delivery, and what is not this program's is never touched."""

import json
import os
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from movimento_flat.cli.progress import Console
from movimento_flat.cli.verify_command import verify_delivery
from movimento_flat.errors import UserError
from movimento_flat.lake import local_store
from movimento_flat.publish.manifest import MANIFEST_NAME
from movimento_flat.publish.output_folder import REFUSED_NAME, RUN_NAME, open_output, settle
from movimento_flat.publish.parts import CSV_NAME, PACKAGE_NAME, PARQUET_NAME, REPORT_NAME, WORKBOOK_NAME
from movimento_flat.sample_data.private_server import PrivateServer
from tests.conftest import ROOT, new_database
from tests.test_run import run
from tests.test_verify import with_rows

WORK = ".movimento_flat.work"
EVERYTHING = ("--parquet", "--excel")
OPTIONS = {
    "everything": EVERYTHING,
    "everything else": ("--card", "mask", *EVERYTHING),
    "nothing optional": ("--card", "mask", "--drop", "idade_associado", "--no-report"),
}
EARLIER = ("format_1", "format_2", "format_3")

#: Whatever changes a name, or waits until a change is on the disk.
STEPS = ("rename", "replace", "unlink", "rmdir", "mkdir", "fsync")


@pytest.fixture(scope="module")
def deliveries(server: PrivateServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Deliveries by the names in OPTIONS, and those of earlier versions; to be copied, not changed."""
    database = new_database(server)
    with_rows(database)
    found = {name: ROOT / "tests" / "data" / "deliveries" / name for name in EARLIER}
    for name, options in OPTIONS.items():
        found[name] = tmp_path_factory.mktemp("delivery")
        result = run(database, found[name], *options)
        assert result.returncode == 0, result.stderr
    return found


def contents(output: Path) -> dict[str, bytes]:
    """Return what each file holds that a reader of OUTPUT takes for delivered, by its path there."""
    names = (str(file.relative_to(output)) for file in output.rglob("*") if file.is_file())
    return {name: (output / name).read_bytes() for name in names if not name.startswith(WORK)}


def publish(output: Path, delivery: Path) -> None:
    """Publish copies of a delivery's files."""
    with open_output(output) as folder:
        shutil.copytree(delivery / RUN_NAME, folder.work / "run")
        files = [Path(shutil.copy(file, folder.work)) for file in delivery.iterdir() if file.is_file()]
        folder.publish(files, folder.work / "run")


def dies_before(step: int, work: Callable[[], None]) -> bool:
    """Work in a process that ends before the step of that number; return whether it had so many.

    Nothing cleans up behind it, as after SIGKILL.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) in {0, 9}
        return os.waitstatus_to_exitcode(status) == 9
    try:
        steps = count(1)

        def dying(call: Callable[..., Any]) -> Callable[..., Any]:
            def call_or_die(*arguments: Any, **options: Any) -> Any:
                if next(steps) == step:
                    os._exit(9)
                return call(*arguments, **options)

            return call_or_die

        for name in STEPS:
            setattr(os, name, dying(getattr(os, name)))
        local_store.exchange = dying(local_store.exchange)
        work()
        os._exit(0)
    finally:
        os._exit(1)


def publish_and_die(output: Path, delivery: Path, step: int) -> bool:
    """Publish in such a process."""
    return dies_before(step, lambda: publish(output, delivery))


def open_and_fail(output: Path) -> None:
    """Run, and end before anything is published."""
    with pytest.raises(ZeroDivisionError), open_output(output):
        raise ZeroDivisionError


def verify(output: Path) -> None:
    if (output / CSV_NAME).exists():
        assert verify_delivery(output, None, Console(quiet=True))
    else:
        with pytest.raises(UserError, match="There is no"):
            verify_delivery(output, None, Console(quiet=True))


@pytest.mark.parametrize("recover", [open_and_fail, verify])
@pytest.mark.parametrize("new", ["everything", "nothing optional"])
@pytest.mark.parametrize("previous", [None, "everything else", "format_2", "format_3"])
def test_a_run_killed_at_any_step_of_publishing_leaves_one_delivery_or_the_other(
    previous: str | None,
    new: str,
    recover: Callable[[Path], None],
    deliveries: dict[str, Path],
    tmp_path: Path,
) -> None:
    """At once nothing lies beside a CSV of another delivery; the next run or `verify` makes it whole."""
    old_files = contents(deliveries[previous]) if previous else {}
    new_files = contents(deliveries[new])
    assert old_files.get(CSV_NAME) != new_files[CSV_NAME]
    was_published = []
    for step in count(1):
        output = tmp_path / str(step)
        shutil.copytree(deliveries[previous], output) if previous else output.mkdir()
        (output / REFUSED_NAME).mkdir()
        if not publish_and_die(output, deliveries[new], step):
            break
        found = contents(output)
        was_published.append(found.get(CSV_NAME) == new_files[CSV_NAME])
        expected = new_files if was_published[-1] else old_files
        assert found.items() <= expected.items(), step
        recover(output)
        assert contents(output) == expected, step
        assert (output / REFUSED_NAME).exists() == (not was_published[-1])
        open_and_fail(output)
        assert contents(output) == expected, step
        verify(output)
        assert not (output / WORK).exists()
        shutil.rmtree(output)
    assert contents(output) == new_files
    assert was_published == sorted(was_published)
    assert len(set(was_published)) == 2


def test_each_step_of_publishing_is_on_the_disk_before_the_next_one(
    deliveries: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files before any rename; what goes away, the CSV and what comes, each before what must come after it."""
    shutil.copytree(deliveries["everything"], tmp_path, dirs_exist_ok=True)
    steps: list[tuple[str, str]] = []
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def name(path: str | Path) -> str:
        return str(Path(path).relative_to(tmp_path)).replace(WORK, "work")

    def spying_fsync(descriptor: int) -> None:
        steps.append(("flush", name(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def spying(call: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def spying_call(path: Path, target: Path) -> None:
            steps.append((name(path), name(target)))
            call(path, target)

        return spying_call

    monkeypatch.setattr(os, "fsync", spying_fsync)
    monkeypatch.setattr(os, "rename", spying(rename))
    monkeypatch.setattr(os, "replace", spying(replace))
    publish(tmp_path, deliveries["everything else"])
    parts: list[set[tuple[str, str]]] = [set()]  # by turns what is flushed and what is renamed
    for step in steps:
        if (step[0] == "flush") == (len(parts) % 2 == 0):
            parts.append(set())
        parts[-1].add(step)
    beside = {
        PACKAGE_NAME: PACKAGE_NAME,
        PARQUET_NAME: "parquet",
        WORKBOOK_NAME: "xlsx",
        REPORT_NAME: REPORT_NAME,
    }
    files = [file.relative_to(deliveries["everything"]) for file in deliveries["everything"].rglob("*")]
    everywhere = {("flush", "work"), ("flush", ".")}
    assert parts == [
        {("flush", f"work/{file}".replace(RUN_NAME, "run")) for file in files},
        {
            (f"work/{CSV_NAME}", "work/new.csv"),
            *((f"work/{name}", f"work/new.{there}") for name, there in beside.items()),
        },
        {("flush", "work")},
        {("work/run", "work/new.run")},
        {("flush", "work")},
        {(name, f"work/previous.{there}") for name, there in (*beside.items(), (RUN_NAME, "run"))},
        everywhere,
        {("work/new.csv", CSV_NAME)},
        everywhere,
        {(f"work/new.{there}", name) for name, there in beside.items()},
        everywhere,
        {("work/new.run", RUN_NAME)},
        everywhere,
    ]


def test_what_a_delivery_no_longer_has_goes_with_the_previous_one(
    deliveries: dict[str, Path], tmp_path: Path
) -> None:
    for name in ("everything", "nothing optional", "format_3", "everything else", "format_1"):
        publish(tmp_path, deliveries[name])
        assert contents(tmp_path) == contents(deliveries[name])
        verify(tmp_path)


def put_a_file(path: Path) -> None:
    path.write_text("of its user")


def put_a_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("put", [put_a_file, Path.mkdir, put_a_link_to_nowhere])
@pytest.mark.parametrize("name", [PACKAGE_NAME, PARQUET_NAME, WORKBOOK_NAME, REPORT_NAME])
@pytest.mark.parametrize("previous", [None, "nothing optional", "format_1", "format_3"])
def test_a_file_of_somebody_else_is_not_replaced(
    previous: str | None,
    name: str,
    put: Callable[[Path], None],
    deliveries: dict[str, Path],
    tmp_path: Path,
) -> None:
    """Also where the run would publish none of that name."""
    output = tmp_path / "out"
    shutil.copytree(deliveries[previous], output) if previous else output.mkdir()
    (output / name).unlink(missing_ok=True)
    put(output / name)
    before = contents(output)
    for new in ("everything", "nothing optional"):
        with pytest.raises(UserError, match=rf"{name} is not of movimento-flat"):
            publish(output, deliveries[new])
    assert os.path.lexists(output / name)
    assert contents(output) == before


@pytest.mark.parametrize("name", [PACKAGE_NAME, PARQUET_NAME, WORKBOOK_NAME, REPORT_NAME])
def test_a_file_that_comes_while_a_run_works_is_not_replaced(
    name: str, deliveries: dict[str, Path], tmp_path: Path
) -> None:
    output = Path(shutil.copytree(deliveries["nothing optional"], tmp_path / "out"))
    with open_output(output) as folder:
        put_a_file(output / name)
        before = contents(output)
        shutil.copytree(deliveries["everything"] / RUN_NAME, folder.work / "run")
        csv = Path(shutil.copy(deliveries["everything"] / CSV_NAME, folder.work))
        with pytest.raises(UserError, match=rf"{name} is not of movimento-flat"):
            folder.publish([csv], folder.work / "run")
    assert contents(output) == before


@pytest.mark.parametrize("name", [PACKAGE_NAME, PARQUET_NAME, WORKBOOK_NAME, REPORT_NAME, RUN_NAME])
def test_a_file_that_comes_after_a_kill_is_not_replaced_and_hinders_until_it_is_moved(
    name: str, deliveries: dict[str, Path], tmp_path: Path
) -> None:
    """The run was killed when the new CSV was there, and nothing beside it."""
    output, expected = tmp_path / "out", contents(deliveries["everything"])
    output.mkdir()
    for step in count(1):
        shutil.rmtree(output)
        output.mkdir()
        assert publish_and_die(output, deliveries["everything"], step)
        if (output / CSV_NAME).exists():
            break
    put_a_file(output / name)
    for recover in (settle, open_and_fail):
        with pytest.raises(UserError, match=rf"{name} is not of movimento-flat"):
            recover(output)
        assert (output / name).read_text() == "of its user"
    (output / name).unlink()
    settle(output)
    assert contents(output) == expected


@pytest.mark.parametrize("content", ["{}", "[]", '{"name": "precipitation"}', "no JSON"])
def test_the_data_package_of_somebody_else_is_not_replaced(content: str, tmp_path: Path) -> None:
    (tmp_path / PACKAGE_NAME).write_text(content)
    with pytest.raises(UserError, match="is not of movimento-flat"), open_output(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [PACKAGE_NAME]
    assert (tmp_path / PACKAGE_NAME).read_text() == content


@pytest.mark.parametrize("damage", ["removed", "damaged", "silent"])
def test_a_page_that_no_manifest_names_any_more_is_not_replaced(
    damage: str, deliveries: dict[str, Path], tmp_path: Path
) -> None:
    output = Path(shutil.copytree(deliveries["everything"], tmp_path / "out"))
    manifest = output / RUN_NAME / MANIFEST_NAME
    if damage == "removed":
        shutil.rmtree(output / RUN_NAME)
    elif damage == "damaged":
        manifest.write_text("{")
    else:
        content = json.loads(manifest.read_text("utf-8"))
        del content["files"][REPORT_NAME]
        manifest.write_text(json.dumps(content))
    for name in (PARQUET_NAME, WORKBOOK_NAME):
        (output / name).unlink()
    before = contents(output)
    with pytest.raises(UserError, match=rf"{REPORT_NAME} is not of movimento-flat"):
        publish(output, deliveries["everything else"])
    assert contents(output) == before
