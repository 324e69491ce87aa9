"""Tagged TSV that the extraction has not written: whoever wrote it, lines are rows or rejected, and nothing else."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.privacy import Privacy
from movimento_flat.publish.parts import CSV_NAME, REJECTED_NAME, merge_parts
from movimento_flat.schema import MOVIMENTO
from movimento_flat.workers import Workers
from mr_jobs.blocks import new_record_mark
from mr_jobs.join import MovimentoFlat
from mr_jobs.local_runner import join_locally
from mr_jobs.source_rows import SourceRows
from tests.hostile import PROFILE_LINES
from tests.rows import movimento

MOVEMENT = movimento(id="4", des_transacao="padaria").line()
#: Records as step 1 writes them: of both parts of a profile, of a movement, of a warning, of a bucket of its own.
RECORDS = [
    b"00000000000000000\tA\t1\t9\tMallory\tM\t1\n",
    b"00000000000000000\tC\t1\t9\t4000\tM\t\tcorrente\t\n",
    b"00000000000000000\tM\t1\t9\t9.99\tforged\t2024-01-01 00:00:00\n",
    b"~\tW\tluhn\tcartao\t1\t1\t\n",
    b"-\tM\t\\N\t8\t9.99\tforged\t\n",
    b"00000000000000012\tgarbage\n",
    b"\tM\t1\t9\t9.99\tforged\t2024-01-01 00:00:00\n",
]


def joined(movements: bytes, folder: Path) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Movements, brought to step 2 by the local engine -> lines of the CSV, reasons of rejections, warnings."""
    (folder / "small.tsv").write_bytes(PROFILE_LINES)
    (folder / "movements.tsv").write_bytes(movements)
    with Workers() as workers:
        parts = join_locally(
            [folder / "small.tsv"], lambda: [folder / "movements.tsv"], folder / "parts", folder, workers
        )
    out = folder / "merged"
    out.mkdir()
    merge_parts(parts, out)
    lists = ((out / name).read_bytes().splitlines()[1:] for name in (REJECTED_NAME, "warnings.tsv"))
    rejected, warnings = lists
    csv = (out / CSV_NAME).read_bytes().split(b"\n")[1:-1]
    return csv, [row.partition(b"\t")[0] for row in rejected], warnings


def test_a_line_of_the_movements_that_looks_like_a_record_of_step_1_is_none(tmp_path: Path) -> None:
    csv, reasons, warnings = joined(b"".join((*RECORDS, MOVEMENT)), tmp_path)
    assert [row.split(b",")[0] for row in csv] == [b"Ana"]
    assert b"padaria" in csv[0]
    assert reasons == [b"malformed"] * len(RECORDS)
    assert warnings == []


def test_the_mark_of_records_is_another_in_each_run() -> None:
    """So whoever has seen those of one run cannot write lines that are records in the next."""
    assert len({new_record_mark() for _ in range(100)}) == 100


def test_carriage_returns_and_byte_order_marks_change_no_row(tmp_path: Path) -> None:
    with_return = movimento(id="5", des_transacao="a?b").line().replace(b"?", b"\r")
    csv, reasons, _ = joined(b"\xef\xbb\xbf%b%b" % (MOVEMENT, with_return), tmp_path)
    assert b"\n".join(csv).count(b"Ana") == 2
    assert b'"a\rb"' in b"\n".join(csv)
    assert reasons == []


def test_the_carriage_return_of_cr_lf_belongs_to_the_line(tmp_path: Path) -> None:
    csv, reasons, _ = joined(MOVEMENT.replace(b"\n", b"\r\n"), tmp_path)
    assert (csv, reasons) == ([], [b"malformed"])


def test_hadoop_ends_lines_as_the_local_engine_does() -> None:
    """By default it would also end them at a carriage return, and take that away (TextInputFormat)."""
    steps = MovimentoFlat(["--no-conf", "--runner=hadoop"]).steps()
    delimiters = [
        step.description(number)["jobconf"]["textinputformat.record.delimiter"]
        for number, step in enumerate(steps)
    ]
    assert delimiters == ["\n", "\n"]


@given(st.binary(max_size=6), st.sampled_from([b"", b"\t", b"\x1e", b"\n"]))
def test_bytes_before_a_line_never_make_a_row_of_it_but_byte_order_marks(
    before: bytes, between: bytes
) -> None:
    line = before + between + MOVEMENT.rstrip(b"\n")
    tables, _ = SourceRows(Privacy(), b"").read(line)
    rows = tables[MOVIMENTO].rows() if MOVIMENTO in tables else []
    whole = line.rpartition(b"\n")[2]
    assert bool(rows) == (whole.replace(b"\xef\xbb\xbf", b"") == MOVEMENT.rstrip(b"\n"))
