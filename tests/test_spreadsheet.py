"""The file for spreadsheets: read back by Python's csv module it is the CSV, and LibreOffice takes nothing for more."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from movimento_flat.exports import spreadsheet
from movimento_flat.exports.spreadsheet import (
    amount_cell,
    card_cell,
    file_names,
    id_cell,
    moment_cell,
    text_cell,
    write_spreadsheet,
)
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, FLAT_WITH_IDS, ID_COLUMNS, Kind
from movimento_flat.state import state_dir
from tests.brute_force import Row, as_csv
from tests.conftest import Database
from tests.libreoffice import open_csv
from tests.test_run import CSV, RUN, run

EXCEL = "movimento_flat.excel.csv"
COLUMNS = (*FLAT_COLUMNS, *ID_COLUMNS)
CARD = FLAT_COLUMNS.index("numero_cartao")
KINDS = [flat.kind for flat in FLAT_WITH_IDS]

texts = st.text(alphabet=st.sampled_from('a1;",\n\r\t=+-@\uff1d é😀'), max_size=6)
moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(
    lambda moment: moment.isoformat(" ", "seconds")
)
amounts = st.decimals(-(10**8), 10**8, places=2).map(str)
cards = st.from_regex(r"[0-9]{13,19}", fullmatch=True)
ages = st.integers(0, 120).map(str)
ids = st.integers(0, 2**64 - 1).map(str)
fields = {
    Kind.TEXT: texts,
    Kind.MONEY: amounts,
    Kind.MOMENT: moments,
    Kind.WHOLE: ages,
    Kind.ID: ids,
}
rows_of_any = st.tuples(
    *(st.just("") | (cards if place == CARD else fields[kind]) for place, kind in enumerate(KINDS))
)


def read_back(path: Path) -> list[list[str]]:
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def undo(place: int, cell: str) -> str:
    """The CSV's field, by other means than the program's."""
    if place == CARD:
        return cell.replace(" ", "")
    if KINDS[place] is Kind.MONEY:
        return f"{Decimal(cell.replace(',', '.')):.2f}" if cell else ""
    if KINDS[place] is Kind.MOMENT:
        return datetime.strptime(cell, "%d/%m/%Y %H:%M:%S").isoformat(" ") if cell else ""
    return cell.removeprefix("'")


def written(rows: list[Row], folder: Path, columns: tuple[str, ...] = COLUMNS) -> list[Path]:
    flat = folder / "flat.csv"
    flat.write_bytes(as_csv(columns, rows))
    return write_spreadsheet(flat, len(rows), folder)


@given(rows=st.lists(rows_of_any, max_size=5))
def test_read_back_by_pythons_csv_module_it_is_the_csv(
    rows: list[Row], tmp_path_factory: pytest.TempPathFactory
) -> None:
    (file,) = written(rows, tmp_path_factory.mktemp("sheet"))
    header, *back = read_back(file)
    assert header == list(COLUMNS)
    assert [tuple(undo(place, cell) for place, cell in enumerate(row)) for row in back] == rows
    assert file.read_bytes().endswith(b"\r\n")
    for row in back:
        for place, cell in enumerate(row):
            if KINDS[place] is Kind.TEXT:
                assert not cell.lstrip(" ").startswith(tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20"))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", ""),
        ("Padaria do Zé, 24h", "Padaria do Zé, 24h"),
        ("=SOMA(A1;A2)", "'=SOMA(A1;A2)"),
        ("-10% de desconto", "'-10% de desconto"),
        ("+55 11", "'+55 11"),
        ("@loja", "'@loja"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        (" =1", "' =1"),
        (" \r", "' \r"),
        *((f"{sign}1", f"'{sign}1") for sign in "\uff1d\uff0b\uff0d\uff20"),
        ("'aspas'", "'aspas'"),
        ("0012", "'0012"),
        ("5/2024", "'5/2024"),
        ("5 mar", "'5 mar"),
        ("1E5", "'1E5"),
        ("R$ 5,00", "'R$ 5,00"),
        ("VERDADEIRO", "'VERDADEIRO"),
        ("Loja 5", "Loja 5"),
        ("setor 7", "setor 7"),
    ],
)
def test_text_that_a_sheet_would_take_for_more_is_guarded(text: str, cell: str) -> None:
    assert text_cell(text) == cell


def test_card_numbers_are_grouped_and_anything_else_is_text() -> None:
    assert card_cell("4111111111111111") == "4111 1111 1111 1111"
    assert card_cell("4111111111111111999") == "4111 1111 1111 1111 999"
    assert card_cell("4111111111111") == "4111 1111 1111 1"
    assert card_cell("411111******1111") == "411111******1111"
    assert card_cell("t0123456789abcdef") == "t0123456789abcdef"
    assert card_cell("0012") == "'0012"
    assert card_cell("=1") == "'=1"
    assert card_cell("") == ""


def test_amounts_and_dates_are_those_of_brazil() -> None:
    assert amount_cell("-1234.50") == "-1234,50"
    assert amount_cell("") == ""
    assert amount_cell("-1234567890123.45") == "-1234567890123,45"
    assert amount_cell("-12345678901234.56") == "'-12345678901234,56"
    assert moment_cell("2024-02-29 01:02:03") == "29/02/2024 01:02:03"
    for no_date in ("", "0000-00-00 00:00:00", "2024-00-10 00:00:00", "2024-10-00 00:00:00"):
        assert moment_cell(no_date) == no_date


def test_ids_stay_numbers_while_a_sheet_keeps_their_digits() -> None:
    assert [id_cell(text) for text in ("", "0", "9" * 15)] == ["", "0", "9" * 15]
    assert [id_cell(text) for text in ("1" + "0" * 15, str(2**64 - 1))] == [
        "'1000000000000000",
        "'18446744073709551615",
    ]


def test_a_row_more_than_a_sheet_holds_goes_to_a_second_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_names(0) == file_names(1_048_575) == [EXCEL]
    assert file_names(1_048_576) == ["movimento_flat.excel-1.csv", "movimento_flat.excel-2.csv"]
    assert len(file_names(2 * 1_048_575 + 1)) == 3
    monkeypatch.setattr(spreadsheet, "SHEET_ROWS", 4)
    rows: list[Row] = [(f"{number}.00", "a\nb") for number in range(7)]
    files = written(rows, tmp_path, (AMOUNT, "des_transacao_movimento"))
    assert [file.name for file in files] == [f"movimento_flat.excel-{number}.csv" for number in (1, 2, 3)]
    sheets = [read_back(file) for file in files]
    assert [len(sheet) for sheet in sheets] == [4, 4, 2]
    assert all(sheet[0] == [AMOUNT, "des_transacao_movimento"] for sheet in sheets)
    assert [row[0] for sheet in sheets for row in sheet[1:]] == [f"{number},00" for number in range(7)]


def test_a_run_with_excel_publishes_it_beside_the_manifest(filled: Database, tmp_path: Path) -> None:
    options = ("--excel", "--card", "mask", "--drop", "idade_associado")
    assert run(filled, tmp_path, *options).returncode == 0
    file = tmp_path / RUN / EXCEL
    assert file.stat().st_mode & 0o777 == 0o600
    with (tmp_path / CSV).open(newline="", encoding="utf-8") as flat:
        expected = list(csv.reader(flat))
    back = read_back(file)
    assert back[0] == expected[0]
    amount, card = expected[0].index(AMOUNT), expected[0].index("numero_cartao")
    assert [(row[amount].replace(",", "."), row[card]) for row in back[1:]] == [
        (row[amount], row[card]) for row in expected[1:]
    ]
    assert run(filled, tmp_path).returncode == 0
    assert not file.exists()


#: The largest ones that a sheet keeps as numbers, and that a database has, and one more than the former.
IDS = ("0", "9" * 15, "1" + "0" * 15, str(2**64 - 1))
NASTY = [
    "=1+1", "=SOMA(A1;A2)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", " =1", "\uff1d1+1", "=cmd|' /C calc'!A0",
    "0012", "1/2", "12-10-2024", "5 mar", "jan 5", "mar/24", "1E5", "R$ 5,00", "10:30", "10%", "1.234", "1 1/2",
    "VERDADEIRO", "TRUE", "FALSO", "2024-01-02", "2024-01-02T10:00:00", "31/12/2024 10:00", "1e400", "-", "(5)",
    'aspas "duplas"; e ponto', "a\nb", "'x", "12345678901234567890", "#REF!", "10 de março de 2024", "US$ 5",
]  # fmt: skip


@pytest.mark.machine
def test_libreoffice_in_portuguese_sees_numbers_dates_and_text_and_no_formula(tmp_path: Path) -> None:
    """Each cell's type and value, out of the document that LibreOffice makes of the file."""
    moment = "2024-02-01 23:59:58"
    rows: list[Row] = [
        (text, text, "37", "-1234.56", text, moment, "4111111111111111", text, moment, text, moment, *IDS)
        for text in NASTY
    ]
    rows += [
        ("Ana", "", "", amount, "x", "0000-00-00 00:00:00", number, "", "2024-00-10 00:00:00", "", "", *IDS)
        for number, amount in zip(
            ("4111111111111", "4111111111111111999", "411111******1111", "0012", "12345"),
            ("99999999.99", "9999999999999.99", "-9999999999999.99", "99999999999999.99", "0.01"),
            strict=True,
        )
    ]
    (file,) = written(rows, tmp_path)
    header, *sheet = open_csv(file, state_dir(), tmp_path)
    assert [cell.value for cell in header[: len(COLUMNS)]] == list(COLUMNS)
    sheet = [row for row in sheet if any(cell.kind != "empty" for cell in row)]
    assert len(sheet) == len(rows)
    cells = read_back(file)[1:]
    for row, found, written_cells in zip(rows, sheet, cells, strict=True):
        assert not any(cell.formula for cell in found), row
        for place, kind in enumerate(KINDS):
            field, cell = row[place] or "", found[place]
            if not field:
                assert cell.kind == "empty"
            elif kind in {Kind.MONEY, Kind.WHOLE, Kind.ID} and sum(map(str.isdigit, field)) <= 15:
                assert (cell.kind, Decimal(cell.value)) == ("float", Decimal(field))
            elif kind is Kind.MOMENT and "-00" not in field:
                assert (cell.kind, cell.value) == ("date", field.replace(" ", "T"))
            else:
                # Line ends within a cell are line feeds there.
                text = written_cells[place].replace("\r", "\n")
                assert (cell.kind, cell.value) == ("string", text), field
