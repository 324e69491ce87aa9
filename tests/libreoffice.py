"""LibreOffice Calc of this machine's Debian: see `tests.debian`."""

import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.debian import unpacked

PACKAGE = "libreoffice-calc-nogui"
CONVERT_SECONDS = 300

#: Of a new profile it makes itself acquainted, and asks to be started again.
_START_AGAIN = 81

_OFFICE, _TABLE, _TEXT = (
    f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("office", "table", "text")
)


#: Where the language of menus, numbers and dates is that of a machine in Brazil.
_SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N"><prop oor:name="ooSetupSystemLocale" oor:op="fuse">
<value>pt-BR</value></prop></item>
</oor:items>
"""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: its type, its value as OpenDocument writes it (a string's is its text), and what shows."""

    kind: str
    value: str
    formula: str | None
    text: str


def open_workbook(book: Path, state: Path, folder: Path) -> tuple[Path, list[list[Cell]]]:
    """A workbook as LibreOffice in pt-BR opens it -> its document, and the rows of its sheets that are not empty.

    `folder` is for its own files.
    """
    document = _convert(book, "fods", state, folder)
    return document, list(_rows(document))


def shown_sum(document: Path, place: int, last_row: int, state: Path, folder: Path) -> Decimal:
    """-> the sum that LibreOffice makes of the numbers of a column, from its second row on, as it shows it."""
    column = chr(ord("A") + place)
    text = document.read_text(encoding="utf-8")
    name = re.search('<table:table table:name="([^"]*)"', text)
    assert name
    formula = f"of:=SUM([${name[1]}.{column}2:.{column}{last_row}])"
    sheet = (
        f'<table:table table:name="sum"><table:table-row><table:table-cell table:formula="{formula}"'
        ' office:value-type="float" office:value="0"/></table:table-row></table:table>'
    )
    with_sum = folder / "with_sum.fods"
    with_sum.write_text(text.replace(name[0], f"{sheet}{name[0]}", 1), encoding="utf-8")
    shown = _convert(with_sum, "csv:Text - txt - csv (StarCalc):59,34,76", state, folder)
    return Decimal(shown.read_text(encoding="utf-8").strip().replace(".", "").replace(",", "."))


def _convert(file: Path, to: str, state: Path, folder: Path) -> Path:
    program = unpacked(state, PACKAGE, _set_up) / "usr/lib/libreoffice/program"
    settings = folder / "profile/user/registrymodifications.xcu"
    if not settings.exists():
        settings.parent.mkdir(parents=True)
        settings.write_text(_SETTINGS)
    command = [
        str(program / "soffice.bin"),
        f"-env:UserInstallation=file://{folder / 'profile'}",
        "--headless",
        "--convert-to",
        to,
        "--outdir",
        str(folder),
        str(file),
    ]
    libraries = [program, *sorted((program.parents[1]).glob("*-linux-gnu*"))]
    environment = {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    for _ in range(2):
        result = subprocess.run(
            command, env=environment, timeout=CONVERT_SECONDS, capture_output=True, text=True, check=False
        )
        if result.returncode != _START_AGAIN:
            break
    assert result.returncode == 0, result.stderr
    return folder / f"{file.stem}.{to.partition(':')[0]}"


def _rows(document: Path) -> Iterator[list[Cell]]:
    for row in ET.parse(document).iter(f"{_TABLE}table-row"):
        cells = []
        for cell in row.iter(f"{_TABLE}table-cell"):
            repeated = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
            cells += [_cell(cell)] * repeated
        if any(cell.kind != "empty" for cell in cells):
            yield from [cells] * int(row.get(f"{_TABLE}number-rows-repeated", "1"))


def _cell(cell: ET.Element) -> Cell:
    kind = cell.get(f"{_OFFICE}value-type", "empty")
    attribute = {"float": "value", "date": "date-value"}.get(kind, "")
    text = "\n".join(_text_of(paragraph) for paragraph in cell.findall(f"{_TEXT}p"))
    return Cell(kind, cell.get(f"{_OFFICE}{attribute}", text), cell.get(f"{_TABLE}formula"), text)


def _text_of(element: ET.Element) -> str:
    """Blanks in a row and tabs are elements of their own."""
    inner = {f"{_TEXT}s": " " * int(element.get(f"{_TEXT}c", "1")), f"{_TEXT}tab": "\t"}.get(element.tag, "")
    return inner + (element.text or "") + "".join(_text_of(child) + (child.tail or "") for child in element)


def _set_up(folder: Path, final: Path) -> None:
    """What its packages' scripts would do, and its paths for the name that the folder will have."""
    share = folder / "usr/lib/libreoffice/share"
    (share / "registry").unlink()
    (share / "registry").symlink_to(".registry")
    settings = folder / "usr/lib/libreoffice/program/fundamentalrc"
    text = settings.read_text()
    text = text.replace("file:///usr/lib/libreoffice", f"file://{final}/usr/lib/libreoffice")
    settings.write_text(
        text.replace("file:///etc/libreoffice/registry", f"file://{final}/usr/lib/libreoffice/share/registry")
    )
