"""LibreOffice Calc of this machine's Debian: see `tests.debian`."""

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.debian import unpacked

PACKAGE = "libreoffice-calc-nogui"
CONVERT_SECONDS = 300

#: The dialog that opens a CSV: separator `;`, quotes `"`, UTF-8, from line 1, columns as found, pt-BR, quoted fields
#: as others, and numbers in all forms recognized, as Excel does it.
#: https://wiki.documentfoundation.org/Documentation/DevGuide/Spreadsheet_Documents#Filter_Options_for_the_CSV_Filter
_PT_BR = 1046
_IMPORT = f"CSV:59,34,76,1,,{_PT_BR},false,true,false"
#: Of a new profile it makes itself acquainted, and asks to be started again.
_START_AGAIN = 81

_OFFICE, _TABLE, _TEXT = (
    f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}" for name in ("office", "table", "text")
)


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: its type, and its value as OpenDocument writes it (a string's is its text)."""

    kind: str
    value: str
    formula: str | None


def open_csv(csv: Path, state: Path, folder: Path) -> list[list[Cell]]:
    """A CSV as LibreOffice in pt-BR opens it -> the rows of its sheet; `folder` is for its own files."""
    program = unpacked(state, PACKAGE, _set_up) / "usr/lib/libreoffice/program"
    command = [
        str(program / "soffice.bin"),
        f"-env:UserInstallation=file://{folder / 'profile'}",
        "--headless",
        f"--infilter={_IMPORT}",
        "--convert-to",
        "fods",
        "--outdir",
        str(folder),
        str(csv),
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
    return list(_rows(folder / f"{csv.stem}.fods"))


def _rows(document: Path) -> Iterator[list[Cell]]:
    for row in ET.parse(document).iter(f"{_TABLE}table-row"):
        cells = []
        for cell in row.iter(f"{_TABLE}table-cell"):
            repeated = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
            cells += [_cell(cell)] * repeated
        yield from [cells] * int(row.get(f"{_TABLE}number-rows-repeated", "1"))


def _cell(cell: ET.Element) -> Cell:
    kind = cell.get(f"{_OFFICE}value-type", "empty")
    attribute = {"float": "value", "date": "date-value"}.get(kind, "")
    text = "\n".join(_text_of(paragraph) for paragraph in cell.findall(f"{_TEXT}p"))
    return Cell(kind, cell.get(f"{_OFFICE}{attribute}", text), cell.get(f"{_TABLE}formula"))


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
