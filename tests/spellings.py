"""Card numbers as people write them into texts, and texts that only look so.

The search for the numbers shares nothing with the rule of `movimento_flat.card_numbers`.

    numbers = plant(database)     # rows with every spelling in every text column
    found = whole_numbers(folder, numbers)      # the files in which one of them can be read, whole
"""

import html
import json
import random
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.conftest import Database
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO

#: The text columns of the source, and where each stands in the list of rejected rows, too.
TEXT_COLUMNS = ("nome", "sobrenome", "nom_impresso", "tipo", "des_transacao")

_ARABIC, _DEVANAGARI, _FULL_WIDTH, _BOLD = 0x660, 0x966, 0xFF10, 0x1D7CE


def _fours(number: str) -> list[str]:
    return [number[at : at + 4] for at in range(0, len(number), 4)]


def _in_fours(separator: str) -> Callable[[str], str]:
    return lambda number: separator.join(_fours(number))


def _each_digit(separator: str) -> Callable[[str], str]:
    return separator.join


def _in_script(zero: int, separator: str = "") -> Callable[[str], str]:
    """Digits of another script, by the code of its zero; in fours where there is a separator."""
    return lambda number: separator.join(
        "".join(chr(zero + int(digit)) for digit in group)
        for group in (_fours(number) if separator else [number])
    )


def _around(before: str, separator: str, after: str) -> Callable[[str], str]:
    return lambda number: f"{before}{separator.join(_fours(number))}{after}"


#: Name of a spelling, and how it writes a number of 16 digits.
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "within words": lambda number: f"estorno do {number} em dinheiro",
    "between letters": lambda number: f"x{number}y",
    "in fours by blanks": _in_fours(" "),
    "in fours by hyphens": _in_fours("-"),
    "in fours by dots": _in_fours("."),
    "in fours by two blanks": _in_fours("  "),
    "in fours by three blanks": _in_fours("   "),
    "in fours by blank, hyphen, blank": _in_fours(" - "),
    "in fours by slashes": _in_fours("/"),
    "in fours by backslashes": _in_fours("\\"),
    "in fours by underscores": _in_fours("_"),
    "in fours by commas": _in_fours(","),
    "in fours by commas and blanks": _in_fours(", "),
    "in fours by semicolons": _in_fours(";"),
    "in fours by colons": _in_fours(":"),
    "in fours by bars": _in_fours("|"),
    "in fours by asterisks": _in_fours("*"),
    "in fours by pluses": _in_fours("+"),
    "in fours by number signs": _in_fours("#"),
    "in fours by equals signs": _in_fours("="),
    "in fours by quotes": _in_fours("'"),
    "in fours by double quotes": _in_fours('"'),
    "in fours in brackets": lambda number: "".join(f"({group})" for group in _fours(number)),
    "in fours by tabs": _in_fours("\t"),
    "in fours by line ends": _in_fours("\n"),
    "in fours by CR LF": _in_fours("\r\n"),
    "in fours by a byte that separates rows": _in_fours("\x1e"),
    "in fours by NUL": _in_fours("\0"),
    "in fours by no-break spaces": _in_fours("\u00a0"),
    "in fours by narrow no-break spaces": _in_fours("\u202f"),
    "in fours by thin spaces": _in_fours("\u2009"),
    "in fours by em spaces": _in_fours("\u2003"),
    "in fours by ideographic spaces": _in_fours("\u3000"),
    "in fours by zero-width spaces": _in_fours("\u200b"),
    "in fours by zero-width joiners": _in_fours("\u200d"),
    "in fours by soft hyphens": _in_fours("\u00ad"),
    "in fours by byte order marks": _in_fours("\ufeff"),
    "in fours by invisible letters": _in_fours("\u3164"),
    "in fours by four zero-width spaces": _in_fours("\u200b\u200b\u200b\u200b"),
    "in fours by blanks with marks from right to left": _in_fours(" \u200f \u200e"),
    "in fours by en dashes": _in_fours("\u2013"),
    "in fours by em dashes between blanks": _in_fours(" \u2014 "),
    "in fours by minus signs": _in_fours("\u2212"),
    "in fours by non-breaking hyphens": _in_fours("\u2011"),
    "in fours by middle dots": _in_fours("\u00b7"),
    "in fours by bullets": _in_fours(" \u2022 "),
    "in fours by line separators": _in_fours("\u2028"),
    "in fours by emoji": _in_fours("\U0001f4b3"),
    "each digit by a blank": _each_digit(" "),
    "each digit by a dot": _each_digit("."),
    "each digit by a tab": _each_digit("\t"),
    "each digit by a zero-width space": _each_digit("\u200b"),
    "each digit by a NUL, as UTF-16 has them": _each_digit("\0"),
    "each digit in a key": lambda number: "".join(f"{digit}\ufe0f\u20e3" for digit in number),
    "4-6-6": lambda number: f"{number[:4]}.{number[4:10]}.{number[10:]}",
    "in uneven groups by different separators": lambda number: (
        f"{number[:1]}.{number[1:3]} - {number[3:10]}\u00a0{number[10:]}"
    ),
    "full-width": _in_script(_FULL_WIDTH),
    "full-width in fours by full-width hyphens": _in_script(_FULL_WIDTH, "\uff0d"),
    "Arabic": _in_script(_ARABIC),
    "Arabic in fours by blanks": _in_script(_ARABIC, " "),
    "Devanagari": _in_script(_DEVANAGARI),
    "mathematical bold": _in_script(_BOLD, "."),
    "superscript": lambda number: number.translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")),
    "half full-width": lambda number: number[:8] + _in_script(_FULL_WIDTH)(number[8:]),
    "with an installment before and an expiry date after": _around("parc 3 ", ".", " 12/24"),
    "with a date before": _around("em 05/11/2024 ", ".", ""),
    "with a small amount before": _around("9,90 ", "/", " ok"),
    "with a verification code after": _around("", " ", ".123"),
    "twice": lambda number: f"{_in_fours('.')(number)};{_in_fours('/')(number)}",
}

#: Texts that no mask may change: dates, documents, telephone and transaction numbers, amounts, and short or odd digits.
SURVIVORS = (
    "padaria Pão & Cia, 24h",
    "",
    "CPF 123.456.789-09",
    "CPF 12345678909",
    "CNPJ 11.222.333/0001-81",
    "NSU 123456789012",
    "NSU 12 3456 7890 12",
    "NSU: 000123456 AUT: 654321x",
    "tel. (11) 91234-5678",
    "tel. +55 (11) 91234-5678",
    "0800 722 7222",
    "CEP 01310-100",
    "em 29/02/2024 23:59",
    "2024-02-29 23:59:58",
    "de 01/02/2024 a 29/02/2024",
    "01/02/2024 02/03/2024",
    "R$ 1.234.567,89",
    "parc 03/12 de R$ 99,90",
    "agência 1234-5 conta 12345-6",
    "ag 0001 cc 1234567-8 op 013",
    "192.168.100.200 10:20",
    "411111******1111",
    "cartão final 1111",
    "4111 1111 1111",
    "4111    1111    1111    1111",
    "4111 a 1111 b 1111 c 1111",
    "4111.1111.1111.1112",
    "pedido A1B2C3D4E5F6G7H8I9J0K1L2M3",
    "١٢٣٤٥٦٧٨٩٠١٢",
    "\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19",
    "😀 1️⃣ 2️⃣ 3️⃣",
    "½ 3\u20444 ²³ Ⅳ",
)


def numbers(count: int, seed: int = 15) -> list[str]:
    """Return so many different valid card numbers of 16 digits, invented."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        payload = draw.choice("23456") + "".join(draw.choices("0123456789", k=14))
        found[payload + _check_digit(payload)] = None
    return list(found)


def _check_digit(payload: str) -> str:
    """By the rule as it is usually told."""
    total = 0
    for place, digit in enumerate(reversed(payload)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 * (value > 9)
    return str(-total % 10)


def plant(database: Database) -> list[str]:
    """Make the four tables, and put each spelling into each text column, each with a number of its own.

    Each spelling has an associate, an account, a card and four movements: a delivered one, one without a card, one of
    an unknown card, and one of bytes that are no UTF-8. An age, and a movement's id and its unknown card's, are such
    numbers also. The texts of SURVIVORS are descriptions of movements of card 1, from id 10001 on.

    Returns:
        The numbers, of which none may be read whole in a masked delivery.
    """
    unused = iter(numbers(len(SPELLINGS) * (len(TEXT_COLUMNS) + 5) + 3))
    used: list[str] = []

    def number() -> str:
        used.append(next(unused))
        return used[-1]

    database.create_tables()
    wide = "CHARACTER SET utf8mb4"
    database.execute(
        "ALTER TABLE associado MODIFY nome VARCHAR(200), MODIFY sobrenome VARCHAR(200), MODIFY idade BIGINT",
        f"ALTER TABLE conta MODIFY tipo VARCHAR(200) {wide}",
        "ALTER TABLE cartao MODIFY nom_impresso VARCHAR(200)",
        "ALTER TABLE movimento MODIFY des_transacao VARBINARY(400)",
    )
    at = "'2024-01-02 03:04:05'"
    for identity, spell in enumerate(SPELLINGS.values(), 1):
        movements = [
            (identity, _sql(spell(number()).encode()), identity),
            (1000 + identity, _sql(spell(number()).encode()), "NULL"),
            (2000 + identity, _sql(spell(number()).encode()), 999_999),
            (3000 + identity, _sql(b"\xa0" + spell(number()).encode() + b"\xff"), identity),
        ]
        database.execute(
            f"{INTO_ASSOCIADO} VALUES ({identity}, {_text(spell(number()))}, {_text(spell(number()))},"
            f" {number() if identity == 1 else 40}, NULL)",
            f"{INTO_CONTA} VALUES ({identity}, {_text(spell(number()))}, {at}, {identity})",
            f"{INTO_CARTAO} VALUES ({identity}, '{number()}', {_text(spell(number()))}, {at}, {identity},"
            f" {identity})",
            *(f"{INTO_MOVIMENTO} VALUES ({of}, 1.00, {text}, {at}, {card})" for of, text, card in movements),
        )
    database.execute(
        *(
            f"{INTO_MOVIMENTO} VALUES ({identity}, 1.00, {_sql(text.encode())}, {at}, 1)"
            for identity, text in enumerate(SURVIVORS, 10_001)
        ),
        f"{INTO_MOVIMENTO} VALUES ({number()}, 1.00, 'x', {at}, {number()})",
    )
    return used


def _sql(text: bytes) -> str:
    return f"X'{text.hex()}'"


def _text(text: str) -> str:
    return f"CONVERT({_sql(text.encode())} USING utf8mb4)"


def whole_numbers(folder: Path, planted: Iterable[str]) -> dict[str, list[str]]:
    """Return by file's path the planted numbers that can be read in it, or in its name.

    Parquet is read by its columns, a workbook by its sheets. No other file may be compressed.
    """
    numbers = tuple(planted)
    found = {}
    for file in sorted(folder.rglob("*")):
        texts = texts_of(file) if file.is_file() and not file.is_symlink() else iter(())
        if whole := [number for text in (*texts, file.name) for number in numbers_in(text, numbers)]:
            found[str(file)] = sorted(set(whole))
    return found


def numbers_in(text: str, planted: Iterable[str]) -> list[str]:
    """Return the planted numbers that are left in a text when everything but digits, of any script, is taken out."""
    digits = "".join(str(unicodedata.digit(c)) for c in text if unicodedata.digit(c, None) is not None)
    return [number for number in planted if number in digits]


def texts_of(file: Path) -> Iterator[str]:
    """Yield what a reader of a file reads: as it stands, and with its escapes undone."""
    content = file.read_bytes().decode("utf-8", "surrogateescape")
    yield content
    yield re.sub(r"\\(x[0-9a-f]{2}|0)", "", content)
    if file.suffix == ".html":
        yield html.unescape(content)
    elif file.suffix == ".json":
        yield json.dumps(json.loads(content), ensure_ascii=False)
    elif file.suffix == ".xlsx":
        with zipfile.ZipFile(file) as book:
            for name in book.namelist():
                yield re.sub("_x[0-9A-F]{4}_", "", html.unescape(book.read(name).decode()))
    elif file.suffix == ".parquet":
        import pyarrow.parquet as pq  # an extra: whoever has no such file does without

        for column in pq.read_table(file).columns:
            yield "\n".join(map(str, column.to_pylist()))
