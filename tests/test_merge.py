"""The merge, the audit of a CSV's bytes, the accounts, and what becomes of OUTPUT."""

import csv
import hashlib
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.errors import UserError
from movimento_flat.money import Totals, centavos, reais
from movimento_flat.publish import csv_audit
from movimento_flat.publish.accounting import check_identity
from movimento_flat.publish.csv_audit import audit
from movimento_flat.publish.output_folder import RUN_NAME, open_output, settle
from movimento_flat.publish.parts import CSV_NAME, PACKAGE_NAME, merge_parts
from movimento_flat.schema import FLAT_COLUMNS
from tests.brute_force import Row, as_csv

#: What OUTPUT has after `publish`, in the order of names.
PUBLISHED = [PACKAGE_NAME, CSV_NAME, RUN_NAME]

texts = st.text(alphabet=st.sampled_from('a",\n\ré😀;'), max_size=4)
cents = st.none() | st.integers(-(10**18), 10**18)


def amount_text(number: int | None) -> str:
    return (
        "" if number is None else f"{'-' if number < 0 else ''}{abs(number) // 100}.{abs(number) % 100:02d}"
    )


@given(
    rows=st.lists(st.tuples(st.lists(texts, min_size=10, max_size=10), cents), max_size=8),
    chunk=st.integers(1, 200),
)
def test_the_audit_agrees_with_pythons_csv_module_however_the_file_is_cut(
    rows: list[tuple[list[str], int | None]], chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    flat: list[Row] = [(*cells[:3], amount_text(number), *cells[3:]) for cells, number in rows]
    file = tmp_path_factory.mktemp("audit") / "flat.csv"
    content = as_csv(FLAT_COLUMNS, flat)
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", chunk)
        result = audit(file)
    parsed = list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]
    assert result.totals == Totals(len(parsed), sum(centavos(row[3].encode()) for row in parsed))
    assert result.totals.centavos == sum(number or 0 for _, number in rows)
    assert result.sha256 == hashlib.sha256(content).hexdigest()
    assert result.bytes == len(content)


@pytest.mark.parametrize("digits", range(8, 20))
def test_very_many_very_large_amounts_do_not_overflow(digits: int, tmp_path: Path) -> None:
    amount = f"{'9' * digits}.99"
    (tmp_path / "flat.csv").write_bytes(b"vlr_transacao_movimento\n" + f"{amount}\n-0.01\n".encode() * 20_000)
    totals = audit(tmp_path / "flat.csv", ("vlr_transacao_movimento",)).totals
    assert totals == Totals(40_000, 20_000 * (centavos(amount.encode()) - 1))


FLAT_HEADER = ",".join(FLAT_COLUMNS).encode()
ROW = b"Ana,Reis,30,1.50,x,2024-01-01 00:00:00,4111,ANA,2024-01-01 00:00:00,corrente,2024-01-01 00:00:00\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "header"),
        (b"a,b\n", "header"),
        (FLAT_HEADER + b"\n" + ROW[:-1], "middle of a row"),
        (FLAT_HEADER + b"\n" + ROW.replace(b",x,", b","), "11 columns"),
        (FLAT_HEADER + b"\n" + ROW.replace(b",x,", b",x,x,"), "11 columns"),
        (FLAT_HEADER + b"\n" + ROW.replace(b",x,", b',"x,'), "middle of a row"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1.5"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b".50"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1a.50"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1.5x"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1.x0"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1.5/"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1.:0"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1,50"), "11 columns"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"--1.50"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"+1.50"), "two digits"),
        (FLAT_HEADER + b"\n" + ROW.replace(b"1.50", b"1_000000000000000.50"), "two digits"),
    ],
)
def test_a_file_that_is_no_flat_csv_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_bytes(content)
    with pytest.raises(UserError, match=said):
        audit(tmp_path / "flat.csv")


def test_the_accounts_must_balance_in_rows_and_in_centavos() -> None:
    check_identity(Totals(), Totals(), Totals())
    check_identity(Totals(3, 500), Totals(2, 700), Totals(1, -200))
    for published in (Totals(1, 700), Totals(2, 701), Totals(3, 500)):
        with pytest.raises(UserError, match="do not balance"):
            check_identity(Totals(3, 500), published, Totals(1, -200))


def test_money_is_written_as_people_read_it() -> None:
    assert reais(-123456) == "R$ -1,234.56"
    assert reais(7) == "R$ 0.07"


def test_parts_are_merged_by_card_and_their_files_are_private(tmp_path: Path) -> None:
    (tmp_path / "part-0").write_bytes(b"`01\tF\tone\x1eline\\nfeed\na100\tF\tfour\nb1000\tF\tsix\n")
    (tmp_path / "part-1").write_bytes(
        b"`02\tF\ttwo\n`99\tF\tthree\nb1000\tF\tnever\n".replace(b"b1000", b"a101")
    )
    merge_parts([tmp_path / "part-0", tmp_path / "part-1"], tmp_path)
    lines = (tmp_path / CSV_NAME).read_bytes().splitlines()[1:]
    assert lines == [b"one", b"line", b"feed", b"two", b"three", b"four", b"never", b"six"]
    assert (tmp_path / CSV_NAME).stat().st_mode & 0o777 == 0o600


def publish(output: Path, content: bytes) -> None:
    with open_output(output) as folder:
        run = folder.work / "run"
        run.mkdir()
        (run / "manifest.json").write_bytes(content)
        (run / "a.tsv").write_bytes(content)
        (folder.work / CSV_NAME).write_bytes(content)
        (folder.work / PACKAGE_NAME).write_text(package(content))
        folder.publish([folder.work / CSV_NAME, folder.work / PACKAGE_NAME], run)


def package(content: bytes) -> str:
    return json.dumps({"name": "movimento_flat", "content": content.decode()})


def test_a_folder_is_made_and_published_to_and_nothing_else_stays(tmp_path: Path) -> None:
    output = tmp_path / "new folder" / "out"
    for content in (b"first", b"second"):
        publish(output, content)
        assert (output / CSV_NAME).read_bytes() == content
        assert (output / RUN_NAME / "manifest.json").read_bytes() == content
        assert (output / PACKAGE_NAME).read_text() == package(content)
        assert sorted(path.name for path in output.iterdir()) == PUBLISHED


def test_a_failure_before_publishing_leaves_everything_as_it_was(tmp_path: Path) -> None:
    publish(tmp_path, b"first")
    with pytest.raises(ZeroDivisionError), open_output(tmp_path) as folder:
        (folder.work / "half").write_bytes(b"x")
        raise ZeroDivisionError
    assert (tmp_path / CSV_NAME).read_bytes() == b"first"
    assert sorted(path.name for path in tmp_path.iterdir()) == PUBLISHED


def test_a_second_run_on_the_same_folder_says_who_holds_it(tmp_path: Path) -> None:
    held = pytest.raises(UserError, match=f"in use by a run of process {os.getpid()}")
    with open_output(tmp_path), held, open_output(tmp_path):
        raise AssertionError("both hold it")


def test_what_a_killed_run_left_does_not_block(tmp_path: Path) -> None:
    leftover = tmp_path / ".movimento_flat.work"
    leftover.mkdir()
    (leftover / "pid").write_text("1\n")
    publish(tmp_path, b"after")
    assert not leftover.exists()


def test_output_that_is_a_file_or_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for output in (file, file / "below"):
        with pytest.raises(UserError, match="is not a folder"), open_output(output):
            pass
    with pytest.raises(UserError, match="cannot be made"), open_output(Path("/proc/no/such")):
        pass
    assert file.read_text() == "x"


def test_a_csv_that_cannot_be_replaced_keeps_what_lies_beside_it(tmp_path: Path) -> None:
    publish(tmp_path, b"first")
    (tmp_path / CSV_NAME).unlink()
    (tmp_path / CSV_NAME).mkdir()
    with pytest.raises(IsADirectoryError):
        publish(tmp_path, b"second")
    assert (tmp_path / RUN_NAME / "manifest.json").read_bytes() == b"first"
    assert (tmp_path / PACKAGE_NAME).read_text() == package(b"first")
    assert sorted(path.name for path in tmp_path.iterdir()) == PUBLISHED


def test_nothing_is_settled_while_a_run_holds_the_folder(tmp_path: Path) -> None:
    with open_output(tmp_path) as folder:
        settle(tmp_path)
        (folder.work / "new.run").mkdir()
        with pytest.raises(UserError, match="in use by a run"):
            settle(tmp_path)
        (folder.work / "new.run").rmdir()
