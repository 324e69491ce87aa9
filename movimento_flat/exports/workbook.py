"""The finished CSV once more, as a workbook for Excel and LibreOffice.

    amounts, ages, ids   numbers
    dates                dates, shown as 31/12/2024 23:59:59
    others               text, exact; never a formula, a link or a number

An empty field is an empty cell. What a cell cannot hold stands as text, and is counted by column:

- numbers of more than 15 digits: a cell has no more;
- dates before March 1900 (Excel has a 29 February 1900 that never was), dates that no calendar has, and dates with
  fractions below a millisecond;
- texts of more than 32,767 characters, which end at the last one that a cell holds.

Characters that XML cannot hold are written as `_x001B_`, as the format has it (ECMA-376, ST_Xstring), and a text that
looks so is escaped: both can be undone.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from movimento_flat.columnar import pl
from movimento_flat.private_files import make_private_file
from movimento_flat.publish.csv_audit import DAY, frames, moments
from movimento_flat.publish.limits import WORKBOOK_ROWS
from movimento_flat.publish.parts import WORKBOOK_NAME
from movimento_flat.schema import FLAT_BY_NAME, Kind

SHEET = "Movimentos"

_DIGITS = 15
#: In UTF-16 code units, as Excel counts characters.
_LONGEST_TEXT = 32_767
_FIRST_DATE = datetime(1900, 3, 1)
_DAY_0 = datetime(1899, 12, 30)

_WHOLE, _MONEY, _MOMENT, _FINE_MOMENT = "0", "#,##0.00", "dd/mm/yyyy hh:mm:ss", "dd/mm/yyyy hh:mm:ss.000"
_SHOWN_AS = {Kind.WHOLE: _WHOLE, Kind.ID: _WHOLE, Kind.MONEY: _MONEY, Kind.MOMENT: _MOMENT}
_WIDTHS = {Kind.WHOLE: 8, Kind.ID: 16, Kind.MONEY: 16, Kind.MOMENT: 20, Kind.TEXT: 24}
#: Columns of a header's letters that the button of the filter hides.
_FILTER_WIDTH = 4

#: That are cells at the same time: as objects of Python they take ten times as much as in the block of the CSV.
_ROWS_AT_ONCE = 4096

_Cell = float | str | None


def write_workbook(
    flat: Path,
    columns: tuple[str, ...],
    folder: Path,
    created: datetime,
    progress: Callable[[int], None] = lambda rows: None,
    sheet_rows: int = WORKBOOK_ROWS,
) -> tuple[int, Counter[str]]:
    """Write a flat CSV with these columns into `folder`; return its rows, and its fields that stand as text, by column.

    A block of the CSV is held at once. `created` stands in the workbook, so that the same CSV gives the same bytes.
    `progress` is told of the rows written. Each sheet has up to `sheet_rows`, and the header.

    Raises:
        UserError: the CSV is none.
        OSError: a file cannot be read or written.
    """
    path, left_out = make_private_file(folder / WORKBOOK_NAME), Counter[str]()
    # What is not finished lies in `folder`, too: it shows what the workbook shows.
    book = Workbook(
        str(path),
        {
            "constant_memory": True,
            "tmpdir": str(folder),
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        },
    )
    book.use_zip64()
    book.set_properties({"title": SHEET, "created": created})
    sheets = _Sheets(book, columns, sheet_rows)
    with flat.open("rb") as file:
        for texts in frames(file.read, columns, columns):
            for rows in texts.iter_slices(_ROWS_AT_ONCE):
                sheets.add(cells(rows, left_out))
                progress(len(rows))
    sheets.close()
    return sheets.rows, left_out


class _Sheets:
    """Writes rows to sheet after sheet.

    Attributes:
        rows: that are written, without headers.
    """

    def __init__(self, book: Workbook, columns: tuple[str, ...], sheet_rows: int) -> None:
        self.rows = 0
        self._book, self._capacity = book, sheet_rows
        self._columns = [FLAT_BY_NAME[name] for name in columns]
        self._header = book.add_format({"bold": True})
        formats = {
            shown: book.add_format({"num_format": shown}) for shown in (_WHOLE, _MONEY, _MOMENT, _FINE_MOMENT)
        }
        self._formats: list[Format | None] = [
            formats[_SHOWN_AS[flat.kind]] if flat.kind in _SHOWN_AS else None for flat in self._columns
        ]
        self._fine_moment = formats[_FINE_MOMENT]
        self._sheet = self._next_sheet()

    def add(self, rows: Iterator[tuple[_Cell, ...]]) -> None:
        """Write rows of cells."""
        for row in rows:
            if self.rows and self.rows % self._capacity == 0:
                self._end_sheet()
                self._sheet = self._next_sheet()
            self.rows += 1
            at = (self.rows - 1) % self._capacity + 1
            for place, cell in enumerate(row):
                if isinstance(cell, str):
                    self._sheet.write_string(at, place, cell)
                elif cell is not None:
                    self._sheet.write_number(at, place, cell, self._format(place, cell))

    def close(self) -> None:
        """Finish the workbook.

        Raises:
            OSError: it cannot be written.
        """
        self._end_sheet()
        self._book.close()

    def _format(self, place: int, cell: float) -> Format | None:
        """Return how a number is shown: a moment with milliseconds, if it has some."""
        if self._columns[place].kind is Kind.MOMENT and round(cell * 86_400_000) % 1000:
            return self._fine_moment
        return self._formats[place]

    def _next_sheet(self) -> Worksheet:
        number = len(self._book.worksheets()) + 1
        sheet = self._book.add_worksheet(SHEET if number == 1 else f"{SHEET} {number}")
        sheet.freeze_panes(1, 0)
        for place, flat in enumerate(self._columns):
            width = max(_WIDTHS[flat.kind], len(flat.heading) + _FILTER_WIDTH)
            sheet.set_column(place, place, width)
            sheet.write_string(0, place, flat.heading, self._header)
        return sheet

    def _end_sheet(self) -> None:
        """Let the filter reach to the last row."""
        rows = (self.rows - 1) % self._capacity + 1 if self.rows else 0
        self._sheet.autofilter(0, 0, rows, len(self._columns) - 1)


def cells(texts: pl.DataFrame, left_out: Counter[str]) -> Iterator[tuple[_Cell, ...]]:
    """Return rows of text as cells; fields that a cell cannot hold are counted, by column."""
    return zip(
        *(_column(texts[name], FLAT_BY_NAME[name].kind, left_out) for name in texts.columns), strict=True
    )


def _column(texts: pl.Series, kind: Kind, left_out: Counter[str]) -> list[_Cell]:
    if kind is Kind.TEXT:
        return _text_cells(texts, left_out)
    numbers = _serial_days(texts) if kind is Kind.MOMENT else _numbers(texts)
    found: list[_Cell] = numbers.to_list()
    lost = (numbers.is_null() & texts.is_not_null()).arg_true()
    for row in lost:
        found[row] = texts[row]
    if len(lost):
        left_out[texts.name] += len(lost)
    return found


def _numbers(texts: pl.Series) -> pl.Series:
    """Return numbers; null where there are more digits than a cell has."""
    digits = texts.str.replace_all("[^0-9]", "").str.len_bytes()
    return pl.select(pl.when(digits <= _DIGITS).then(texts.cast(pl.Float64, strict=False))).to_series()


def _serial_days(texts: pl.Series) -> pl.Series:
    """Return moments as days since the eve of 1900, as a sheet counts them; null where it has no such moment."""
    at = moments(texts)
    microseconds = (at - _DAY_0).dt.total_microseconds()
    has_it = (at >= _FIRST_DATE) & (microseconds % 1000 == 0)
    return pl.select(pl.when(has_it).then(microseconds / DAY)).to_series()


def _text_cells(texts: pl.Series, left_out: Counter[str]) -> list[_Cell]:
    found: list[_Cell] = texts.to_list()
    for row in (texts.str.len_chars() > _LONGEST_TEXT // 2).arg_true():
        text = texts[row]
        if len(units := text.encode("utf-16-le")) > 2 * _LONGEST_TEXT:
            found[row] = units[: 2 * _LONGEST_TEXT].decode("utf-16-le", "ignore")
            left_out[texts.name] += 1
    return found
