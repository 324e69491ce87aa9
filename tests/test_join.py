"""The join equals a brute-force join, whatever the runner, the number of tasks and the order of the input."""

import io
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.privacy import Privacy
from movimento_flat.publish.parts import CSV_NAME, MISMATCHES_NAME, REJECTED_NAME, merge_parts
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, FLAT_COLUMNS, ID_COLUMNS, Table
from movimento_flat.workers import Workers
from mr_jobs import frames, join, mapping
from mr_jobs.flat_rows import FlatRows
from mr_jobs.job_options import JobOptions
from mr_jobs.join import MovimentoFlat
from mr_jobs.local_runner import join_locally
from mr_jobs.profiles import Profiles
from tests.brute_force import Tables, as_csv, flat_rows
from tests.conftest import examples
from tests.rows import SourceRow, associado, cartao, conta, movimento, source_row

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = sorted((ROOT / "docs" / "sample").glob("*.tsv"))

texts = st.text(alphabet=st.sampled_from("ab\"',;\t\n\r\\\0\x1eNé😀= "), max_size=5)
values = st.none() | texts
timestamps = st.sampled_from(["2024-02-29 23:59:59", "0000-00-00 00:00:00", None])
amounts = st.none() | st.integers(-(10**10) + 1, 10**10 - 1).map(
    lambda cents: f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
)


@st.composite
def nasty_tables(draw: st.DrawFn, views: bool = False) -> Tables:
    """Few ids, so that they meet; among them the smallest, the largest, and neighbours of a bucket's ends.

    With `views`, half of them have no key: rows that are there twice, and such as contradict each other.
    """
    pool = st.sampled_from([0, 1, 9, 10, 99, 100, 101, 12345, 2**64 - 2, 2**64 - 1]).map(str)
    pointer = st.none() | pool
    has_keys = not views or draw(st.booleans())

    def rows(table: Table, **columns: st.SearchStrategy[str | None]) -> list[SourceRow]:
        ids = draw(st.lists(pool, unique=has_keys, max_size=6))
        found = [source_row(table, id=identity, **draw(st.fixed_dictionaries(columns))) for identity in ids]
        again = draw(st.lists(st.sampled_from(found))) if found and not has_keys else []
        return found + again

    age = st.none() | st.integers(0, 130).map(str)
    movements = draw(st.lists(st.integers(0, 2**64 - 1), unique=True, max_size=12))
    movement = st.fixed_dictionaries(
        {
            "vlr_transacao": amounts,
            "des_transacao": values,
            "data_movimento": timestamps,
            "id_cartao": pointer,
        }
    )
    return Tables(
        associado=rows(ASSOCIADO, nome=values, sobrenome=values, idade=age),
        conta=rows(CONTA, tipo=values, data_criacao=timestamps, id_associado=pointer),
        cartao=rows(
            CARTAO,
            num_cartao=values,
            nom_impresso=values,
            data_criacao=timestamps,
            id_conta=pointer,
            id_associado=pointer,
        ),
        movimento=[movimento(id=str(identity), **draw(movement)) for identity in movements],
    )


def expected_csv(tables: Tables) -> bytes:
    return as_csv(FLAT_COLUMNS, flat_rows(tables)[0])


def run_inline(lines: list[bytes], job_options: JobOptions = JobOptions()) -> list[bytes]:  # noqa: B008
    """-> the parts."""
    job = MovimentoFlat(["--runner=inline", "--no-conf", *job_options.arguments()])
    job.sandbox(stdin=io.BytesIO(b"".join(lines)))
    with job.make_runner() as runner:
        runner.run()
        return [Path(part).read_bytes() for part in runner.fs.ls(runner.get_output_dir())]


def merged(
    parts: list[bytes], folder: Path, columns: tuple[str, ...] = FLAT_COLUMNS
) -> tuple[bytes, list[tuple[str, str]]]:
    """Parts -> the CSV, (reason, movement's id) of the rejected rows."""
    files = []
    for number, part in enumerate(parts):
        files.append(folder / f"part-{number}")
        files[-1].write_bytes(part)
    out = folder / "out"
    out.mkdir()
    merge_parts(files, out, columns)
    rejected = (out / REJECTED_NAME).read_text("utf-8").splitlines()[1:]
    reasons = sorted((row.split("\t")[0], row.split("\t")[2]) for row in rejected)
    return (out / CSV_NAME).read_bytes(), reasons


def test_empty_tables_give_a_header_only(tmp_path: Path) -> None:
    csv, rejected = merged(run_inline([]), tmp_path)
    assert csv == (",".join(FLAT_COLUMNS) + "\n").encode()
    assert rejected == []


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tables=nasty_tables(views=True),
    seed=st.integers(0, 9),
    mappers=st.integers(1, 4),
    reducers=st.integers(1, 5),
)
def test_nasty_tables_in_any_order_equal_brute_force(
    tables: Tables, seed: int, mappers: int, reducers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = tables.lines()
    random.Random(seed).shuffle(lines)
    parts = simulate(lines, mappers, reducers, random.Random(seed))
    csv, rejected = merged(parts, tmp_path_factory.mktemp("merged"))
    assert csv == expected_csv(tables)
    assert rejected == flat_rows(tables)[1]


def simulate(
    lines: list[bytes],
    mappers: int,
    reducers: int,
    order: random.Random,
    job_options: JobOptions = JobOptions(),  # noqa: B008
) -> list[bytes]:
    """Both steps with so many tasks, keys hashed to reducers as on a cluster, packs of a key in any order."""
    inputs = [b"".join(lines[task::mappers]) for task in range(mappers)]
    for step in (0, 1):
        records = [
            record
            for task in inputs
            for record in run_task(f"--step-num={step}", "--mapper", task, job_options).splitlines(True)
        ]
        order.shuffle(records)
        shuffled: list[list[bytes]] = [[] for _ in range(reducers)]
        for record in sorted(records, key=lambda record: record.split(b"\t", 2)[:2]):
            shuffled[sum(record.partition(b"\t")[0]) % reducers].append(record)
        inputs = [
            run_task(f"--step-num={step}", "--reducer", b"".join(task), job_options) for task in shuffled
        ]
    return inputs


#: Copied for each task: mrjob needs ten times as long to declare its options as a task here to run.
UNUSED_JOB = MovimentoFlat([])


def run_task(step: str, role: str, task_input: bytes, job_options: JobOptions) -> bytes:
    job = copy(UNUSED_JOB)
    job.load_args([step, role, *job_options.arguments()])
    stdout = io.BytesIO()
    job.sandbox(stdin=io.BytesIO(task_input), stdout=stdout)
    job.execute()
    return stdout.getvalue()


@pytest.fixture
def many_rows() -> Tables:
    """Three buckets of cards, with movements that do not come in order of their ids."""
    numbers = random.Random(7)
    ids = [str(number) for number in range(1, 260)]
    return Tables(
        associado=[associado(id=i, nome=f"Nome {i}", sobrenome='Silva, "o" Sá') for i in ids],
        conta=[conta(id=i, id_associado=numbers.choice(ids)) for i in ids],
        cartao=[
            cartao(
                id=i,
                num_cartao=f"4{i:0>15}",
                data_criacao=None,
                id_conta=numbers.choice(ids),
                id_associado=numbers.choice(ids),
            )
            for i in ids
        ],
        movimento=[
            movimento(
                id=str(i),
                vlr_transacao=f"{numbers.randint(0, 999)}.{numbers.randint(10, 99)}",
                des_transacao=f"linha\n{i}",
                data_movimento=None,
                id_cartao=numbers.choice(ids),
            )
            for i in numbers.sample(range(10**6), 3000)
        ],
    )


@pytest.mark.parametrize("arguments", [("-r", "inline"), ("-r", "local", "--num-cores", "2")])
def test_the_script_runs_from_a_plain_checkout_on_files_and_on_standard_input(
    many_rows: Tables, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    lines = many_rows.lines()
    random.Random(1).shuffle(lines)
    half = tmp_path / "half.tsv"
    half.write_bytes(b"".join(lines[:1700]))
    output = ["--output-dir", str(tmp_path / "parts")]
    command = [sys.executable, "mr_jobs/join.py", "--no-conf", "--quiet", *arguments, *output, str(half), "-"]
    subprocess.run(command, cwd=ROOT, input=b"".join(lines[1700:]), check=True)
    parts = [part.read_bytes() for part in (tmp_path / "parts").glob("part-*")]
    assert merged(parts, tmp_path)[0] == expected_csv(many_rows)


def test_the_readmes_sample_is_joined_by_the_readmes_command(tmp_path: Path) -> None:
    tables = Tables.parse(b"".join(file.read_bytes() for file in SAMPLE))
    command = [sys.executable, "mr_jobs/join.py", "-r", "inline", *map(str, SAMPLE)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    csv, rejected = merged([result.stdout], tmp_path)
    assert csv == expected_csv(tables)
    assert rejected == flat_rows(tables)[1]
    assert csv.count(b"\n") + len(rejected) == 61


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_the_thin_runner_gives_the_same_with_movements_at_step_2(
    many_rows: Tables, cores: int, tmp_path: Path
) -> None:
    lines = many_rows.lines()
    (tmp_path / "small.tsv").write_bytes(b"".join(line for line in lines if line[:1] != b"M"))
    movements = [line for line in lines if line[:1] == b"M"]
    files = [tmp_path / f"movements-{number}.tsv" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(b"".join(movements[number::3]))
    with Workers(cores) as workers:
        parts = join_locally([tmp_path / "small.tsv"], lambda: files, tmp_path / "parts", tmp_path, workers)
    csv, _ = merged([part.read_bytes() for part in parts], tmp_path)
    assert csv == expected_csv(many_rows)


def with_little_room(monkeypatch: pytest.MonkeyPatch, batch: int = 60, room: int = 40) -> None:
    """Let a few rows fill what a task holds, and more go through sort(1)."""
    monkeypatch.setattr(join, "FlatRows", partial(FlatRows, batch=batch, room=room))
    monkeypatch.setattr(join, "Profiles", partial(Profiles, batch=batch, room=room))
    for module in (join, mapping):
        monkeypatch.setattr(module, "RecordBuffer", partial(frames.RecordBuffer, room=2 * batch))


def test_buckets_that_do_not_fit_in_memory_are_sorted_on_disk(
    many_rows: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_little_room(monkeypatch, batch=6000, room=1000)
    csv, _ = merged(run_inline(many_rows.lines()), tmp_path)
    assert csv == expected_csv(many_rows)


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(tables=nasty_tables(views=True), seed=st.integers(0, 9), ids=st.booleans())
def test_nasty_tables_with_little_room_equal_brute_force(
    tables: Tables,
    seed: int,
    ids: bool,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_little_room(monkeypatch)
    lines = tables.lines()
    random.Random(seed).shuffle(lines)
    parts = simulate(lines, 2, 2, random.Random(seed), JobOptions(Privacy(ids=ids)))
    columns = FLAT_COLUMNS + (ID_COLUMNS if ids else ())
    csv, rejected = merged(parts, tmp_path_factory.mktemp("merged"), columns)
    rows, expected = flat_rows(tables, ids)
    assert csv == as_csv(columns, rows)
    assert rejected == expected


@pytest.fixture
def fake_sort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make sort(1) another program: a script's line, in which `real` is the true one."""

    def make(line: str) -> None:
        real = shutil.which("sort")
        program = tmp_path / "sort"
        program.write_text(f"#!/bin/sh\nreal={real}\n{line}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return make


def test_sort_on_disk_is_by_bytes_whatever_the_language(
    fake_sort: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In most languages `b` comes before `B`. Where none is installed this script sorts as they do."""
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    fake_sort('[ "$LC_ALL" = C ] && exec "$real" "$@"; exec "$real" -f "$@"')
    rows = [b"01Mb", b"01MB", b"01Ma", b"01M,c", b"01MC"]
    (block,) = frames.sorted_on_disk(row + b"\n" for row in rows)
    assert block.split(b"\n") == sorted(rows)


@pytest.mark.parametrize(
    "line", ['"$real" "$@"; exit 2', "cat > /dev/null; exit 2", '"$real" "$@"; kill -9 $$']
)
def test_a_sort_that_fails_ends_the_task(line: str, fake_sort: Callable[[str], None]) -> None:
    fake_sort(line)
    with pytest.raises(RuntimeError, match="sort"):
        list(frames.sorted_on_disk([b"Ma\nMb\nMc\n"]))


GOOD_PROFILE = [row.line() for row in (associado(), conta(), cartao())]
GOOD_MOVEMENT = movimento(id="5", des_transacao="x", vlr_transacao="1.00")


def with_text(value: bytes, **columns: str) -> bytes:
    """Return the line of a movement with bytes instead of `?`."""
    return GOOD_MOVEMENT.replace(**columns).line().replace(b"?", value)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD_MOVEMENT.line().rpartition(b"\t")[0] + b"\n", "malformed"),
        (GOOD_MOVEMENT.line().rstrip(b"\n") + b"\t1\n", "malformed"),
        (GOOD_MOVEMENT.replace(id="five").line(), "malformed"),
        (GOOD_MOVEMENT.replace(vlr_transacao="1.0").line(), "malformed"),
        (GOOD_MOVEMENT.replace(vlr_transacao="1,00").line(), "malformed"),
        (with_text(b"\\x", des_transacao="?"), "malformed"),
        (with_text(b"\xff", des_transacao="?"), "invalid_utf8"),
        (GOOD_MOVEMENT.replace(id_cartao=None).line(), "movement_without_card"),
        (GOOD_MOVEMENT.replace(id_cartao="2").line(), "unknown_card"),
        (b"X\t5\n", "malformed"),
        (b"M\n", "malformed"),
        (b"b12\tgarbage\n", "malformed"),
        (b"no tab at all\n", "malformed"),
    ],
)
def test_a_line_that_cannot_be_joined_is_rejected_with_its_reason(
    line: bytes, reason: str, tmp_path: Path
) -> None:
    csv, rejected = merged(run_inline([*GOOD_PROFILE, line, movimento(id="4").line()]), tmp_path)
    assert csv.count(b"\n") == 2
    assert [found for found, _ in rejected] == [reason]


def test_a_card_lacking_its_account_or_holder_rejects_its_movements(tmp_path: Path) -> None:
    lines = [
        *GOOD_PROFILE,
        cartao(id="2", id_conta="9").line(),
        cartao(id="3", id_associado="9").line(),
        cartao(id="4", id_conta=None, id_associado=None).line(),
        *(movimento(id=card, id_cartao=card).line() for card in "234"),
    ]
    csv, rejected = merged(run_inline(lines), tmp_path)
    assert csv.count(b"\n") == 1
    assert rejected == [
        ("card_without_account", "2"),
        ("card_without_account", "4"),
        ("card_without_holder", "3"),
    ]


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    csv, rejected = merged(run_inline([b"\n", *GOOD_PROFILE, b"\n", b"\n"]), tmp_path)
    assert csv.count(b"\n") == 1
    assert rejected == []


def test_cards_whose_holder_is_not_the_account_owner_are_listed(tmp_path: Path) -> None:
    lines = [
        *GOOD_PROFILE,
        associado(id="2").line(),
        cartao(id="2", id_associado="2").line(),
        movimento(id="1", vlr_transacao="-0.50", id_cartao="2").line(),
        movimento(id="2", vlr_transacao="10.25", id_cartao="2").line(),
    ]
    (tmp_path / "part").write_bytes(b"".join(run_inline(lines)))
    result = merge_parts([tmp_path / "part"], tmp_path)
    assert result.mismatches == 1
    assert (tmp_path / MISMATCHES_NAME).read_text().splitlines()[1] == "2\t2\t1\t2\t975"


def test_single_lines_are_mapped_as_a_block(many_rows: Tables) -> None:
    """As Spark gives them, without line ends: a mapper is called once, not once for each row."""
    lines = many_rows.lines()
    job = MovimentoFlat([])
    block = list(job.map_pairs([(None, b"".join(lines))]))
    assert list(job.map_pairs((None, line.removesuffix(b"\n")) for line in lines)) == block
    with patch.object(MovimentoFlat, "mapper_send_rows", autospec=True, return_value=[]) as mapper:
        assert list(MovimentoFlat([]).map_pairs((None, line.removesuffix(b"\n")) for line in lines)) == []
    assert mapper.call_count == 1
