"""The figures of the report equal what the csv module, Decimal and datetime find, however the file is cut."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.money import Totals
from movimento_flat.publish import csv_audit
from movimento_flat.publish.csv_audit import frames, moments_in, pieces
from movimento_flat.report import cards, figures, merchants
from movimento_flat.report.cards import Card, Cards
from movimento_flat.report.figures import (
    AGES,
    BEFORE_CARD,
    BINS,
    IN_FUTURE,
    OTHER_MONTHS,
    UNDATED,
    Figures,
    figures_in,
)
from movimento_flat.report.merchants import Merchants
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS
from tests.brute_force import Row, as_csv

MOMENTS = [
    *("", "0000-00-00 00:00:00", "2024-00-10 00:00:00", "2024-10-00 00:00:00", "2024-02-30 10:00:00"),
    *("2024-02-29 23:59:59", "2023-02-29 00:00:00", "1969-12-31 23:59:59", "1000-01-01 00:00:00"),
    *(
        "9999-12-31 23:59:59",
        "2024-03-01 00:00:00.123456",
        "2024-03-01 24:00:00",
        "2024-03-01",
        "no date at all",
    ),
    *("2024-13-01 00:00:00", "2024/03/01 00:00:00", "2024-03-01T00:00:00", "0000-01-01 00:00:00", "x" * 30),
]
NUMBERS = [
    *("", "4111111111111111", "4111111111111112", "5111111111111111", "411111******1111", "4000000000006"),
    *(
        "t0123456789abcdef0123456789abcdef",
        'a,"b"\n',
        "é" * 30,
        "é" * 29 + "e",
        "1" * 41,
        "1" * 40 + "2",
        "1" * 40,
    ),
]
DESCRIPTIONS = [
    "",
    " ",
    "Padaria  Pão",
    "PADARIA PAO",
    "padaria\tpão\n",
    "😀",
    "é" * 70,
    "Café\0",
    "\uff14x",
    "=1",
]
AGE_TEXTS = ["", "0", "17", "18", "24", "25", "130", "131", "-1", "99999999999999999999"]
NOW = "2024-03-01 12:00:00"
KINDS = ["", "corrente", "poupanca", 'a "b", c', "<script>", "é\r\n", "x" * 300, *"defghij"]

amounts = st.none() | st.integers(-(10**7), 10**7) | st.integers(-(10**20), 10**20) | st.sampled_from(BINS)
fields = {
    AMOUNT: amounts.map(lambda number: "" if number is None else f"{Decimal(number).scaleb(-2):.2f}"),
    "data_movimento": st.sampled_from(MOMENTS)
    | st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.isoformat(" ", "seconds")),
    "numero_cartao": st.sampled_from(NUMBERS),
    "tipo_conta": st.sampled_from(KINDS),
    "des_transacao_movimento": st.sampled_from(DESCRIPTIONS),
    "idade_associado": st.sampled_from(AGE_TEXTS),
    "data_criacao_cartao": st.sampled_from(MOMENTS),
    "data_criacao_conta": st.sampled_from(MOMENTS),
}
OF_A_MOVEMENT = (AMOUNT, "data_movimento", "des_transacao_movimento")
texts = st.text(alphabet=st.sampled_from('a",\n\ré😀;'), max_size=4)


@st.composite
def files(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Row]]:
    """-> columns, and rows in which those of a card lie together, as in a CSV."""
    columns = tuple(name for name in FLAT_COLUMNS if name == AMOUNT or draw(st.integers(0, 7)))
    rows: list[Row] = []
    for _ in range(draw(st.integers(0, 8))):
        of_card = {name: draw(fields.get(name, texts)) for name in columns}
        for _ in range(draw(st.integers(1, 4))):
            of_row = {name: draw(fields[name]) for name in OF_A_MOVEMENT}
            rows.append(tuple((of_card | of_row)[name] for name in columns))
    return columns, rows


def figures_of(
    csv_file: Path, columns: tuple[str, ...] = FLAT_COLUMNS, blocks_of_a_part: int = 1000, now: str = NOW
) -> Figures:
    found, part = Figures(), Figures()
    with csv_file.open("rb") as file:
        for number, rows in enumerate(frames(file.read, columns, columns), start=1):
            part.add(figures_in(rows, pieces(rows[AMOUNT]), moments_in(rows), now))
            if number % blocks_of_a_part == 0:
                found.add(part)
                part = Figures()
    found.add(part)
    return found.finish()


def moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def centavos(text: str) -> int:
    return int(Decimal(text or "0").scaleb(2).to_integral_exact())


def totals(rows: Sequence[dict[str, str]]) -> Totals:
    return Totals(len(rows), sum(centavos(row[AMOUNT]) for row in rows))


def period(row: dict[str, str]) -> int:
    text = row.get("data_movimento", "")
    if not (at := moment(text)) or len(text) < 19:
        return UNDATED
    if text < row.get("data_criacao_cartao", ""):
        return BEFORE_CARD
    if text > NOW:
        return IN_FUTURE
    return at.year * 12 + at.month - 1 if 1950 <= at.year < 2050 else OTHER_MONTHS


def merchant(row: dict[str, str]) -> str:
    plain = unicodedata.normalize("NFKD", row["des_transacao_movimento"])
    letters = "".join(c for c in plain if not unicodedata.category(c).startswith("M")).upper()
    blanks = "".join(" " if unicodedata.category(c)[0] in "ZC" else c for c in letters)
    return " ".join(blanks.split())[:60]


def band(text: str) -> int | None:
    if not text:
        return None
    return sum(low <= int(text) for low in AGES) % len(AGES)


def place(row: dict[str, str]) -> int | None:
    return sum(low <= centavos(row[AMOUNT]) for low in BINS) if row[AMOUNT] else None


def hour(row: dict[str, str]) -> int | None:
    at = moment(row.get("data_movimento", ""))
    return at.weekday() * 24 + at.hour if at and period(row) >= 0 else None


def warned(row: dict[str, str]) -> list[str]:
    at, reasons = row.get("data_movimento", ""), []
    for reason, name in (
        ("movement_before_card", "data_criacao_cartao"),
        ("movement_before_account", "data_criacao_conta"),
    ):
        if at and at < row.get(name, ""):
            reasons.append(reason)
    return [
        *reasons,
        *(["movement_in_future"] if at > NOW else []),
        *(["zero_amount"] if row[AMOUNT] == "0.00" else []),
    ]


def expected(rows: list[dict[str, str]], columns: tuple[str, ...]) -> Figures:
    """The figures, one question after the other."""
    keys: dict[tuple[object, ...], list[dict[str, str]]] = {}
    for row in rows:
        kind = row.get("tipo_conta", "")
        amount = centavos(row[AMOUNT])
        sign = (amount > 0) - (amount < 0) if row[AMOUNT] else None
        for key in (
            ("cell", period(row), kind if len(kind.encode()) <= 200 else None, sign),
            ("bin", place(row)),
            ("age", band(row.get("idade_associado", ""))),
            ("hour", hour(row)),
            *(("warned", reason) for reason in warned(row)),
        ):
            keys.setdefault(key, []).append(row)
    runs: list[tuple[str, list[dict[str, str]]]] = []
    for row in rows:
        number = row.get("numero_cartao", "")
        if not runs or runs[-1][0] != number:
            runs.append((number, []))
        runs[-1][1].append(row)
    known = [(number, of_card) for number, of_card in runs if number]
    top = sorted(known, key=lambda card: (-totals(card[1]).centavos, card[0], len(card[1])))[:10]
    by_name: dict[str, list[dict[str, str]]] = {}
    for row in rows if "des_transacao_movimento" in columns else []:
        by_name.setdefault(merchant(row), []).append(row)
    unnamed = totals(by_name.pop("", []))
    largest = sorted(by_name, key=lambda name: (-totals(by_name[name]).centavos, name))[:10]
    days = [at.date() for row in rows if period(row) >= 0 and (at := moment(row["data_movimento"]))]
    return Figures(
        totals(rows),
        min(days, default=None),
        max(days, default=None),
        {key: totals(found) for key, found in keys.items()},
        Cards(
            [],
            len(known),
            [Card(number, totals(of_card)) for number, of_card in top],
            sorted((totals(of_card).centavos for _, of_card in known), reverse=True),
            Counter(
                month for _, of_card in known for month in {period(row) for row in of_card} if month >= 0
            ),
        ),
        Merchants([(name, totals(by_name[name])) for name in largest], unnamed, len(by_name)),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=files(), chunk=st.integers(1, 3000), blocks_of_a_part=st.integers(1, 3))
def test_the_figures_are_what_a_plain_search_finds_however_the_file_is_cut(
    file: tuple[tuple[str, ...], list[Row]],
    chunk: int,
    blocks_of_a_part: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    columns, rows = file
    flat = written_rows(tmp_path_factory.mktemp("figures") / "flat.csv", rows, columns)
    _, *parsed_rows = csv.reader(io.StringIO(flat.read_bytes().decode(), newline=""))
    parsed = [dict(zip(columns, row or [""], strict=True)) for row in parsed_rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", chunk)
        found = figures_of(flat, columns, blocks_of_a_part)
    found.sums = {key: sums for key, sums in found.sums.items() if sums.rows}
    assert found == expected(parsed, columns)


def test_no_rows_give_no_figures(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_bytes(as_csv(FLAT_COLUMNS, []))
    found = figures_of(tmp_path / "flat.csv")
    assert found.totals == Totals()
    assert (found.first, found.last, found.sums, found.cards, found.merchants) == (
        *(None, None, {}, Cards(), Merchants()),
    )


def written_rows(path: Path, rows: list[Row], columns: tuple[str, ...]) -> Path:
    """A CSV as runs publish it: of a single column, NULL is an empty line."""
    content = as_csv(columns, rows)
    path.write_bytes(content if len(columns) > 1 else content.replace(b'""', b""))
    return path


def written(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...]) -> Path:
    return written_rows(path, [tuple(row[name] for name in columns) for row in rows], columns)


def test_fields_of_any_length_that_differ_in_one_byte_are_two(tmp_path: Path) -> None:
    columns = (AMOUNT, "numero_cartao")
    for length in (2, 39, 40, 41, 42, 300):
        texts = [
            "1" * length,
            "1" * (length - 1) + "2",
            "2" + "1" * (length - 1),
            "1" * length,
            "1" * (length + 1),
        ]
        found = figures_of(
            written_rows(
                tmp_path / "flat.csv", [("1.00", text) for text in texts for _ in range(3)], columns
            ),
            columns,
        )
        assert [card.totals.rows for card in found.cards.top] == [3] * 5
        assert [card.number for card in found.cards.top] == sorted(texts)


def test_what_is_held_is_bounded_and_what_is_beyond_is_counted(tmp_path: Path) -> None:
    """Thousands of kinds, months, cards and descriptions: each sum is still there, or is said to be missing."""
    columns = (AMOUNT, "data_movimento", "numero_cartao", "tipo_conta", "des_transacao_movimento")
    rows = [
        {
            AMOUNT: f"{number}.00",
            "data_movimento": f"{1600 + number // 12:04d}-{number % 12 + 1:02d}-01 00:00:00",
            "numero_cartao": f"{number:016d}",
            "tipo_conta": f"kind {number:04d}",
            "des_transacao_movimento": f"shop {number:04d}",
        }
        for number in range(5000)
    ]
    file = written(tmp_path / "flat.csv", rows, columns)
    found = figures_of(file, columns)
    cells = found.of("cell")
    assert len({kind for _, kind, _ in cells}) == figures.MOST_KINDS + 1
    assert {month for month, _, _ in cells} == {OTHER_MONTHS, *range(1950 * 12, 2016 * 12 + 8)}
    assert (
        sum(cells.values(), Totals())
        == found.totals
        == sum(found.of("bin").values(), Totals())
        == totals(rows)
    )
    assert found.cards.count == 5000
    assert [card.number for card in found.cards.top] == [f"{number:016d}" for number in range(4999, 4989, -1)]
    assert (found.merchants.count, found.merchants.may_lack) == (5000, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", 1000)
        assert figures_of(file, columns, blocks_of_a_part=2) == found
        patch.setattr(cards, "MOST_SUMS", 100)
        patch.setattr(merchants, "MOST_MERCHANTS", 100)
        bounded = figures_of(file, columns, blocks_of_a_part=2)
    assert len(bounded.cards.sums) <= 200
    assert bounded.cards.largest_hundredth() == found.cards.largest_hundredth()
    assert bounded.merchants.count == 100
    assert bounded.merchants.top == found.merchants.top
    assert bounded.merchants.may_lack > 0


def test_a_sum_that_lacks_something_lacks_no_more_than_is_said(tmp_path: Path) -> None:
    columns = (AMOUNT, "des_transacao_movimento")
    rows = [
        {AMOUNT: f"{number * 7919 % 1000 - 300}.00", "des_transacao_movimento": f"shop {number * 31 % 90}"}
        for number in range(3000)
    ]
    file = written(tmp_path / "flat.csv", rows, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", 300)
        patch.setattr(merchants, "MOST_MERCHANTS", 30)
        found = figures_of(file, columns, blocks_of_a_part=2).merchants
    for name, sums in found.top:
        shop = [row for row in rows if row["des_transacao_movimento"].upper() == name]
        assert abs(totals(shop).centavos - sums.centavos) <= found.may_lack


def test_cards_with_equal_sums_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    columns = (AMOUNT, "numero_cartao")
    rows = [{AMOUNT: "5.00", "numero_cartao": f"{number:016d}"} for number in reversed(range(40))]
    file = written(tmp_path / "flat.csv", rows, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", 100)
        found = figures_of(file, columns)
        assert figures_of(file, columns, blocks_of_a_part=2) == found
    assert [card.number for card in found.cards.top] == [f"{number:016d}" for number in range(10)]
