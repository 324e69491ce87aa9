r"""The finished CSV once more, in the dialect that Excel and LibreOffice open by a double click in Brazil.

Semicolons, CRLF and UTF-8 with a byte order mark; decimal commas, and dates as `31/12/2024 23:59:59`. What would
change its value in a sheet is kept as text:

- Card numbers are grouped by blanks, `4111 1111 1111 1111`: a sheet's numbers have 15 digits.
- Text that a sheet would calculate, as `=SUM(A1)`, has an apostrophe before it (OWASP, CSV injection), and so has
  text that it would take for a number, a date or a truth value, as `0012` or `5/2024`.
- Amounts and ids of more than 15 digits have an apostrophe before them: a sheet would round them.
- Dates that do not exist, as `0000-00-00 00:00:00`, are left as they are.

More rows than a sheet holds go to several files.
"""

import csv
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from movimento_flat.private_files import make_private_file
from movimento_flat.publish.csv_rows import read_rows
from movimento_flat.schema import CARD, FLAT_WITH_IDS, FlatColumn, Kind

#: Rows of a sheet of Excel or LibreOffice, with the header.
SHEET_ROWS = 1_048_576
#: Digits that it keeps of a number; what is behind them becomes 0.
_SHEET_DIGITS = 15
_ROWS_AT_ONCE = 4096
#: Fields of a column that are remembered: rows of one card lie together and have most of them in common.
_FIELDS_AT_ONCE = 256
_BYTE_ORDER_MARK = "\ufeff"

#: The last four are = + - @ at the width of a Chinese character.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_has_digit = re.compile(r"\d").search
_MONTHS = (
    r"jan(?:eiro|uary)?|fev(?:ereiro)?|feb(?:ruary)?|mar(?:ço|co|ch)?|abr(?:il)?|apr(?:il)?|mai(?:o)?|may"
    r"|jun(?:ho|e)?|jul(?:ho|y)?|ago(?:sto)?|aug(?:ust)?|set(?:embro)?|sep(?:tember)?|out(?:ubro)?|oct(?:ober)?"
    r"|nov(?:embro|ember)?|dez(?:embro)?|dec(?:ember)?"
)
#: Digits, and what else numbers, amounts, dates and times are written with.
_is_like_value = re.compile(
    rf"(?:[\s\d.,:;/%$€£()'+-]|(?<![a-z])(?:{_MONTHS}|[ap]m|de|us|r)(?![a-z])|(?<=\d)[etz])*", re.IGNORECASE
).fullmatch
_TRUTH = {"verdadeiro", "falso", "true", "false"}
_is_moment = re.compile(r"(\d{4})-(?!00)(\d\d)-(?!00)(\d\d)( \d\d:\d\d:\d\d)?").fullmatch


def file_names(rows: int) -> list[str]:
    """Return the names of the files that so many rows need: one, or numbered ones."""
    sheets = max(1, -(-rows // (SHEET_ROWS - 1)))
    if sheets == 1:
        return ["movimento_flat.excel.csv"]
    return [f"movimento_flat.excel-{number}.csv" for number in range(1, sheets + 1)]


def write_spreadsheet(
    flat: Path, rows: int, folder: Path, progress: Callable[[int], None] = lambda rows: None
) -> list[Path]:
    """Write a flat CSV of so many rows into `folder`, in the dialect of the module; each file has the header.

    A few thousand rows are held at once. `progress` is told of the rows written.

    Raises:
        OSError: a file cannot be read or written.
    """
    content = read_rows(flat)
    header = next(content)
    files = [folder / name for name in file_names(rows)]
    for file in files:
        _write_sheet(file, header, islice(content, SHEET_ROWS - 1), progress)
    return files


def _write_sheet(
    path: Path, header: list[str], content: Iterator[list[str]], progress: Callable[[int], None]
) -> None:
    cells = [_CELLS[name] for name in header]
    with make_private_file(path).open("w", encoding="utf-8", newline="") as file:
        file.write(_BYTE_ORDER_MARK)
        writer = csv.writer(file, delimiter=";", lineterminator="\r\n")
        writer.writerow(header)
        while rows := list(islice(content, _ROWS_AT_ONCE)):
            writer.writerows([cell(field) for cell, field in zip(cells, row, strict=True)] for row in rows)
            progress(len(rows))


def text_cell(text: str) -> str:
    """Return any text, with an apostrophe where a sheet would make something else of it."""
    bare = text.strip()
    if text.lstrip(" ").startswith(_FORMULA) or bare.startswith(_FORMULA):
        return f"'{text}"
    is_value = _is_like_value(text) if _has_digit(text) else bare.lower() in _TRUTH
    return f"'{text}" if is_value else text


def card_cell(number: str) -> str:
    """Return `4111111111111111` as `4111 1111 1111 1111`. Anything but five digits or more is a text."""
    if len(number) > 4 and number.isascii() and number.isdecimal():
        return " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    return text_cell(number)


def amount_cell(amount: str) -> str:
    """Return `-1234.50` as `-1234,50`; as text where it has more digits than a sheet keeps."""
    amount = amount.replace(".", ",")
    return amount if len(amount.strip("-,")) <= _SHEET_DIGITS + 1 else f"'{amount}"


def id_cell(identity: str) -> str:
    """`4012` stays a number; it is text where it has more digits than a sheet keeps."""
    return identity if len(identity) <= _SHEET_DIGITS else f"'{identity}"


def moment_cell(moment: str) -> str:
    """Return `2024-12-31 23:59:59` as `31/12/2024 23:59:59`; without a month or a day it stays as it is."""
    if found := _is_moment(moment):
        year, month, day, time = found.groups(default="")
        return f"{day}/{month}/{year}{time}"
    return moment


_CELLS_OF_KIND: dict[Kind, Callable[[str], str]] = {
    Kind.ID: id_cell,
    Kind.WHOLE: str,
    Kind.MONEY: amount_cell,
    Kind.TEXT: text_cell,
    Kind.MOMENT: moment_cell,
}


def _cell(flat: FlatColumn) -> Callable[[str], str]:
    cell = card_cell if flat.name == CARD else _CELLS_OF_KIND[flat.kind]
    return cell if flat.kind in {Kind.MONEY, Kind.ID} else lru_cache(_FIELDS_AT_ONCE)(cell)


_CELLS = {flat.name: _cell(flat) for flat in FLAT_WITH_IDS}
