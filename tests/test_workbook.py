"""The workbook: read back by openpyxl and by LibreOffice it is the CSV, with types, and nothing is calculated."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from movimento_flat.exports.workbook import SHEET, write_workbook
from movimento_flat.publish.manifest import Manifest
from movimento_flat.schema import AMOUNT, FLAT_BY_NAME, FLAT_COLUMNS, FLAT_WITH_IDS, ID_COLUMNS, Kind
from movimento_flat.state import state_dir
from tests.brute_force import Row, as_csv
from tests.conftest import Database
from tests.libreoffice import open_workbook, shown_sum
from tests.test_run import RUN, run

WORKBOOK = "movimento_flat.xlsx"
COLUMNS = (*FLAT_COLUMNS, *ID_COLUMNS)
KINDS = [FLAT_BY_NAME[name].kind for name in COLUMNS]
HEADINGS = [FLAT_BY_NAME[name].heading for name in COLUMNS]
CREATED = datetime(2024, 1, 1)
LONGEST = 32_767

texts = st.text(alphabet=st.sampled_from('a1_x0041;",\n\r\t\0\x1b\ufffe=+-@\uff1d é😀'), max_size=9)
fields = {
    Kind.TEXT: texts | st.from_regex(r"[0-9]{13,19}", fullmatch=True),
    Kind.MONEY: st.decimals(-(10**15), 10**15, places=2).map(str),
    Kind.MOMENT: st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(
        lambda moment: moment.isoformat(" ", "seconds")
    )
    | st.sampled_from(["0000-00-00 00:00:00", "2024-02-30 00:00:00", "2024-02-01 00:00:00.123"]),
    Kind.WHOLE: st.integers(0, 120).map(str),
    Kind.ID: st.integers(0, 2**64 - 1).map(str),
}
rows_of_any = st.tuples(*(st.just("") | fields[kind] for kind in KINDS))


def written(
    rows: list[Row], folder: Path, columns: tuple[str, ...] = COLUMNS, **more: Any
) -> tuple[Path, Counter[str]]:
    flat = folder / "flat.csv"
    flat.write_bytes(as_csv(columns, rows))
    counted, left_out = write_workbook(flat, columns, folder, CREATED, **more)
    assert counted == len(rows)
    assert sorted(path.name for path in folder.iterdir()) == ["flat.csv", WORKBOOK]
    return folder / WORKBOOK, left_out


def unescaped(text: str) -> str:
    """ECMA-376, ST_Xstring."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def is_moment(field: str) -> bool:
    try:
        return datetime.fromisoformat(field) >= datetime(1900, 3, 1)
    except ValueError:
        return False


def is_held(kind: Kind, field: str) -> bool:
    """Tell whether a cell has such a value, by other means than the program's."""
    if kind is Kind.MOMENT:
        return is_moment(field)
    return kind is Kind.TEXT or sum(map(str.isdigit, field)) <= 15


def expected(kind: Kind, field: str) -> Any:
    if not field:
        return None
    if kind is Kind.TEXT or not is_held(kind, field):
        return field
    return datetime.fromisoformat(field) if kind is Kind.MOMENT else Decimal(field)


def found(kind: Kind, cell: Any) -> Any:
    if isinstance(cell.value, str):
        assert cell.data_type in {"s", "inlineStr"}, cell.data_type
        return unescaped(cell.value)
    if isinstance(cell.value, int | float):
        assert cell.number_format == {Kind.MONEY: "#,##0.00"}.get(kind, "0")
        return Decimal(str(cell.value))
    assert cell.value is None or cell.number_format.startswith("dd/mm/yyyy hh:mm:ss")
    return cell.value


def read_back(path: Path) -> Iterator[list[Any]]:
    for sheet in load_workbook(path).worksheets:
        header, *rows = sheet.iter_rows(max_col=len(COLUMNS))
        assert [cell.value for cell in header] == HEADINGS
        yield from ([found(*pair) for pair in zip(KINDS, row, strict=True)] for row in rows)


@given(rows=st.lists(rows_of_any, max_size=5))
def test_read_back_by_openpyxl_it_is_the_csv(
    rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path, left_out = written(rows, tmp_path_factory.mktemp("book"))
    back = list(read_back(path))
    wanted = [[expected(kind, field or "") for kind, field in zip(KINDS, row, strict=True)] for row in rows]
    # openpyxl leaves out empty rows at the end, but not the header.
    assert [row for row in back if any(cell is not None for cell in row)] == [
        row for row in wanted if any(cell is not None for cell in row)
    ]
    assert left_out == Counter(
        name
        for row in rows
        for name, kind, field in zip(COLUMNS, KINDS, row, strict=True)
        if field and not is_held(kind, field)
    )


def test_what_a_cell_cannot_hold_stands_as_text_and_is_counted(tmp_path: Path) -> None:
    columns = ("des_transacao_movimento", AMOUNT, "data_movimento", "id_movimento")
    kept = [
        ("a" * LONGEST, "9999999999999.99", "1900-03-01 00:00:00", "9" * 15),
        ("😀" * (LONGEST // 2), "-0.01", "2024-02-01 23:59:59.999", "0"),
    ]
    left = [
        ("a" * (LONGEST + 1), "99999999999999.99", "1900-02-28 23:59:59", "1" + "0" * 15),
        ("😀" * (LONGEST // 2 + 1), "-99999999999999.99", "2024-02-01 00:00:00.000001", str(2**64 - 1)),
        ("", "", "0000-00-00 00:00:00", ""),
    ]
    path, left_out = written([*kept, *left], tmp_path, columns)
    assert left_out == {
        "des_transacao_movimento": 2, AMOUNT: 2, "data_movimento": 3, "id_movimento": 2,
    }  # fmt: skip
    (sheet,) = load_workbook(path).worksheets
    _, *rows = sheet.iter_rows(values_only=True)
    assert rows[0] == ("a" * LONGEST, 9999999999999.99, datetime(1900, 3, 1), 999999999999999)
    assert rows[1] == ("😀" * (LONGEST // 2), -0.01, datetime(2024, 2, 1, 23, 59, 59, 999000), 0)
    assert rows[2] == ("a" * LONGEST, *left[0][1:])
    assert rows[3] == ("😀" * (LONGEST // 2), *left[1][1:])
    assert rows[4] == (None, None, "0000-00-00 00:00:00", None)


def test_a_row_more_than_a_sheet_holds_goes_to_a_second_sheet(tmp_path: Path) -> None:
    columns = (AMOUNT, "des_transacao_movimento")
    for count, sheets in ((0, [1]), (3, [4]), (4, [4, 2]), (7, [4, 4, 2])):
        rows: list[Row] = [(f"{number}.50", "a\nb") for number in range(count)]
        (folder := tmp_path / str(count)).mkdir()
        path, _ = written(rows, folder, columns, sheet_rows=3)
        book = load_workbook(path)
        assert [sheet.max_row for sheet in book.worksheets] == sheets
        assert book.sheetnames == [SHEET, f"{SHEET} 2", f"{SHEET} 3"][: len(sheets)]
        for sheet, height in zip(book.worksheets, sheets, strict=True):
            assert sheet.freeze_panes == "A2"
            assert sheet.auto_filter.ref == f"A1:B{height}"
            assert [cell.value for cell in sheet[1]] == ["Valor (R$)", "Descrição"]
            assert sheet.column_dimensions["B"].width > 20
        assert [row[0] for sheet in book for row in sheet.iter_rows(2, values_only=True)] == [
            number + 0.5 for number in range(count)
        ]


def test_the_same_csv_gives_the_same_bytes(tmp_path: Path) -> None:
    rows: list[Row] = [tuple("1" if kind is not Kind.MOMENT else "2024-02-01 00:00:00" for kind in KINDS)]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written(rows, tmp_path / name)
    assert (tmp_path / "one" / WORKBOOK).read_bytes() == (tmp_path / "two" / WORKBOOK).read_bytes()


def test_each_column_has_a_heading_of_its_own() -> None:
    headings = [flat.source.heading for flat in FLAT_WITH_IDS]
    assert all(headings)
    assert len(set(headings)) == len(headings)


def test_a_run_with_excel_publishes_it_beside_the_csv(filled: Database, tmp_path: Path) -> None:
    assert run(filled, tmp_path, "--excel", "--card", "mask", "--drop", "idade_associado").returncode == 0
    file = tmp_path / WORKBOOK
    assert file.stat().st_mode & 0o777 == 0o600
    manifest = Manifest.read(tmp_path / RUN / "manifest.json")
    assert manifest.files[WORKBOOK].rows == manifest.csv.rows > 0
    (sheet,) = load_workbook(file).worksheets
    header, *rows = sheet.iter_rows(values_only=True)
    assert list(header) == [FLAT_BY_NAME[name].heading for name in manifest.csv.columns]
    amounts = [row[header.index("Valor (R$)")] for row in rows]
    assert len(amounts) == manifest.csv.rows
    assert sum(Decimal(str(amount)) for amount in amounts) * 100 == manifest.csv.centavos
    assert run(filled, tmp_path).returncode == 0
    assert not file.exists()


def test_more_rows_than_were_asked_for_are_refused_before_anything_is_read(
    filled: Database, tmp_path: Path
) -> None:
    result = run(filled, tmp_path, "--excel", "--excel-rows", "3")
    assert result.returncode == 1
    assert "rows that the workbook may have" in result.stderr
    assert "--excel-rows" in result.stderr
    assert not (tmp_path / WORKBOOK).exists()
    assert run(filled, tmp_path, "--excel-rows", "3").returncode == 2


NASTY = [
    "=1+1", "=SOMA(A1;A2)", "{=1}", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "\uff1d1+1", "=cmd|' /C calc'!A0",
    "0012", "1/2", "12-10-2024", "5 mar", "mar/24", "1E5", "R$ 5,00", "10:30", "10%", "1.234", "1 1/2",
    "VERDADEIRO", "TRUE", "FALSO", "2024-01-02", "2024-01-02T10:00:00", "1e400", "-", "(5)", "https://a.example",
    'aspas "duplas"; e ponto', "a\nb", "a\r\nb", "'x", "12345678901234567890", "#REF!", "US$ 5", "<b>&amp;",
    "_x0041_", "a\x1bb", "  dois  ", "linha\n", "mailto:a@example.org", "internal:Movimentos!A1",
]  # fmt: skip
#: The largest ones that a cell keeps as numbers, and that a database has, and one more than the former.
IDS = ("0", "9" * 15, "1" + "0" * 15, str(2**64 - 1))


@pytest.mark.machine
def test_libreoffice_in_portuguese_sees_numbers_dates_and_text_and_no_formula(tmp_path: Path) -> None:
    """Each cell's type and value, and the sum that LibreOffice itself makes, as it shows it."""
    moment = "2024-02-01 23:59:58"
    rows: list[Row] = [
        (text, text, "37", "-1234.56", text, moment, "4111111111111111", text, moment, text, moment, *IDS)
        for text in NASTY
    ]
    rows += [
        ("Ana", "", "", amount, "x", at, number, "", "2024-00-10 00:00:00", "", "", *IDS)
        for number, amount, at in zip(
            ("4111111111111", "4111111111111111999", "411111******1111", "0012", "12345"),
            ("99999999.99", "9999999999999.99", "-9999999999999.99", "99999999999999.99", "0.01"),
            ("0000-00-00 00:00:00", "1900-02-28 00:00:00", "1900-03-01 00:00:01", "9999-12-31 23:59:59", ""),
            strict=True,
        )
    ]
    book, _ = written(rows, tmp_path)
    document, (header, *sheet) = open_workbook(book, state_dir(), tmp_path)
    assert [cell.value for cell in header[: len(COLUMNS)]] == HEADINGS
    assert len(sheet) == len(rows)
    for row, cells in zip(rows, sheet, strict=True):
        assert not any(cell.formula for cell in cells), row
        for kind, field, cell in zip(KINDS, row, cells, strict=False):
            if not field:
                assert cell.kind == "empty"
            elif kind is Kind.TEXT or not is_held(kind, field):
                # A line end of two characters is one there, and its document has no control characters.
                text = field.replace("\r\n", "\n").replace("\x1b", "")
                assert (cell.kind, cell.value) == ("string", text)
            elif kind is Kind.MOMENT:
                assert (cell.kind, cell.value) == ("date", field.replace(" ", "T"))
                day, time = field.split()
                assert cell.text == f"{'/'.join(reversed(day.split('-')))} {time}"
            else:
                assert (cell.kind, Decimal(cell.value)) == ("float", Decimal(field))
    place = COLUMNS.index(AMOUNT)
    assert sheet[0][place].text == "-1.234,56"
    amounts = [Decimal(row[place] or 0) for row in rows if is_held(Kind.MONEY, row[place] or "")]
    assert shown_sum(document, place, len(rows) + 1, state_dir(), tmp_path) == sum(amounts)
