"""The figures of the report equal what the csv module, Decimal and datetime find, however the file is cut."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.money import Totals
from movimento_flat.publish import csv_audit
from movimento_flat.publish.csv_audit import frames, moments_in, pieces
from movimento_flat.report import figures
from movimento_flat.report.adding import BINS, Card, Part, part_of
from movimento_flat.report.figures import OTHER_MONTHS, UNDATED, Figures, Figuring
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
KINDS = ["", "corrente", "poupanca", 'a "b", c', "<script>", "é\r\n", "x" * 300, *"defghij"]

amounts = st.none() | st.integers(-(10**7), 10**7) | st.integers(-(10**20), 10**20) | st.sampled_from(BINS)
fields = {
    AMOUNT: amounts.map(lambda number: "" if number is None else f"{Decimal(number).scaleb(-2):.2f}"),
    "data_movimento": st.sampled_from(MOMENTS)
    | st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.isoformat(" ", "seconds")),
    "numero_cartao": st.sampled_from(NUMBERS),
    "tipo_conta": st.sampled_from(KINDS),
}
texts = st.text(alphabet=st.sampled_from('a",\n\ré😀;'), max_size=4)


@st.composite
def files(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Row]]:
    """-> columns, and rows in which those of a card lie together, as in a CSV."""
    columns = tuple(name for name in FLAT_COLUMNS if name == AMOUNT or draw(st.integers(0, 7)))
    rows: list[Row] = []
    for _ in range(draw(st.integers(0, 8))):
        of_card = {name: draw(fields.get(name, texts)) for name in columns}
        for _ in range(draw(st.integers(1, 4))):
            of_row = {name: draw(fields[name]) for name in (AMOUNT, "data_movimento")}
            rows.append(tuple((of_card | of_row)[name] for name in columns))
    return columns, rows


def figures_of(
    csv_file: Path, columns: tuple[str, ...] = FLAT_COLUMNS, blocks_of_a_part: int = 1000
) -> Figures:
    figuring, part = Figuring(), Part()
    with csv_file.open("rb") as file:
        for number, rows in enumerate(frames(file.read, columns, columns), start=1):
            part.add(part_of(rows, pieces(rows[AMOUNT]), moments_in(rows)))
            if number % blocks_of_a_part == 0:
                figuring.add(part)
                part = Part()
    figuring.add(part)
    return figuring.figures()


def moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def centavos(text: str) -> int:
    return int(Decimal(text or "0").scaleb(2).to_integral_exact())


def totals(rows: Sequence[dict[str, str]]) -> Totals:
    return Totals(len(rows), sum(centavos(row[AMOUNT]) for row in rows))


def expected(rows: list[dict[str, str]], columns: tuple[str, ...]) -> Figures:
    """The figures, one question after the other."""

    def kind(row: dict[str, str]) -> str | None:
        name = row.get("tipo_conta")
        return name if name is not None and len(name) <= 200 else None

    def month(row: dict[str, str]) -> str:
        at = moment(row.get("data_movimento", ""))
        return f"{at.year:04d}-{at.month:02d}" if at else UNDATED

    ranked = Counter(name for row in rows if (name := kind(row)) is not None)
    largest = sorted(ranked, key=lambda name: (-ranked[name], name))[:8]
    kinds: list[str | None] = [*largest, *([None] if {kind(row) for row in rows} - set(largest) else [])]

    def of_cell(at: str, name: str | None) -> Totals:
        def is_in(row: dict[str, str]) -> bool:
            return kind(row) == name if name is not None else kind(row) not in largest or kind(row) is None

        return totals([row for row in rows if month(row) == at and is_in(row)])

    cards: list[tuple[str, list[dict[str, str]]]] = []
    for row in rows:
        number = row.get("numero_cartao", "")
        if not cards or cards[-1][0] != number:
            cards.append((number, []))
        cards[-1][1].append(row)
    known = [Card(number, totals(of_card)) for number, of_card in cards if number]
    edges = [None, *BINS, None]
    valued = [row for row in rows if row[AMOUNT]]
    days = [at for row in rows if (at := moment(row.get("data_movimento", "")))]
    return Figures(
        totals(rows),
        len(rows) - len(valued),
        min(days).date() if days else None,
        max(days).date() if days else None,
        tuple(kinds),
        {at: tuple(of_cell(at, name) for name in kinds) for at in sorted({month(row) for row in rows})},
        len(known),
        tuple(sorted(known, key=lambda card: -card.totals.centavos)[:10]),
        tuple(
            totals(
                [
                    row
                    for row in valued
                    if (low is None or low <= centavos(row[AMOUNT]))
                    and (high is None or centavos(row[AMOUNT]) < high)
                ]
            )
            for low, high in pairwise(edges)
        ),
        tuple(
            tuple(sum((at.weekday(), at.hour) == (day, hour) for at in days) for hour in range(24))
            for day in range(7)
        ),
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
    assert found == expected(parsed, columns)


def test_no_rows_give_no_figures(tmp_path: Path) -> None:
    (tmp_path / "flat.csv").write_bytes(as_csv(FLAT_COLUMNS, []))
    found = figures_of(tmp_path / "flat.csv")
    assert found.totals == Totals()
    assert (found.first, found.last, found.kinds, found.months, found.cards, found.top_cards) == (
        *(None, None, (), {}, 0, ()),
    )
    assert not any(map(any, found.hours))


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
        assert [card.totals.rows for card in found.top_cards] == [3] * 5
        assert [card.number for card in found.top_cards] == texts


def test_what_is_held_is_bounded_and_what_is_beyond_is_counted(tmp_path: Path) -> None:
    """Thousands of kinds, months and cards: each sum is still there."""
    columns = (AMOUNT, "data_movimento", "numero_cartao", "tipo_conta")
    rows = [
        {
            AMOUNT: f"{number}.00",
            "data_movimento": f"{1000 + number // 12:04d}-{number % 12 + 1:02d}-01 00:00:00",
            "numero_cartao": f"{number:016d}",
            "tipo_conta": f"kind {number:04d}",
        }
        for number in range(5000)
    ]
    file = written(tmp_path / "flat.csv", rows, columns)
    found = figures_of(file, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", 1000)
        assert figures_of(file, columns, blocks_of_a_part=2) == found
    assert found.kinds == (*(f"kind {number:04d}" for number in range(8)), None)
    assert len(found.months) == figures.MOST_MONTHS + 1
    assert found.months[OTHER_MONTHS][-1] == totals(rows[figures.MOST_MONTHS :])
    cells = [cell for row in found.months.values() for cell in row]
    assert sum(cells, Totals()) == found.totals == sum(found.bins, Totals()) == totals(rows)
    assert found.cards == 5000
    assert [card.number for card in found.top_cards] == [f"{number:016d}" for number in range(4999, 4989, -1)]
    assert (found.first, found.last) == (date(1000, 1, 1), date(1416, 8, 1))


def test_of_cards_with_equal_sums_the_first_stay(tmp_path: Path) -> None:
    columns = (AMOUNT, "numero_cartao")
    rows = [{AMOUNT: "5.00", "numero_cartao": f"{number:016d}"} for number in range(40)]
    file = written(tmp_path / "flat.csv", rows, columns)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_audit, "CHUNK", 100)
        found = figures_of(file, columns)
        assert figures_of(file, columns, blocks_of_a_part=2) == found
    assert [card.number for card in found.top_cards] == [f"{number:016d}" for number in range(10)]
