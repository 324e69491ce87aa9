"""docs/recipes: each one loads a real delivery of nasty rows with the right types, each value, and each centavo."""

import csv
import datetime
import os
import runpy
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars
import pytest

from movimento_flat.money import Totals, centavos_of
from movimento_flat.schema import (
    AMOUNT,
    CARD,
    FLAT_BY_NAME,
    FLAT_COLUMNS,
    FLAT_TABLE,
    FLAT_WITH_IDS,
    FlatColumn,
    Kind,
)
from movimento_flat.state import state_dir
from tests.conftest import ROOT, Database, Server
from tests.libreoffice import open_workbook
from tests.nasty import NO_DATES, nasty_database
from tests.r_readr import run_r
from tests.test_run import CSV, run

RECIPES = ROOT / "docs" / "recipes"
#: Text of each value as the CSV has it, and None for NULL.
Rows = list[tuple[str | None, ...]]


@pytest.fixture(scope="module")
def nasty(server: Server) -> Database:
    database = nasty_database(server, no_dates=True)
    database.execute(f"UPDATE movimento SET id = {2**64 - 1} - id")
    return database


@pytest.fixture(scope="module", params=[(), ("--with-ids",)], ids=["plain", "ids"])
def delivery(
    request: pytest.FixtureRequest, nasty: Database, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("delivery")
    result = run(nasty, output, "--excel", "--parquet", *request.param)
    assert result.returncode == 0, result.stderr
    return output


@pytest.fixture
def inside(delivery: Path) -> Iterator[None]:
    """The recipes are run in the folder of the CSV."""
    before = Path.cwd()
    os.chdir(delivery)
    yield
    os.chdir(before)


def has_ids(delivery: Path) -> bool:
    return "id_movimento" in (delivery / CSV).read_text("utf-8").partition("\n")[0]


def columns_of(delivery: Path) -> tuple[FlatColumn, ...]:
    return FLAT_WITH_IDS if has_ids(delivery) else FLAT_TABLE


def expected_rows(database: Database, delivery: Path) -> Rows:
    """What the plain join in the database says; neither an empty text nor a date that is none has a value here."""
    return [
        tuple(None if value == "" or value in NO_DATES else value for value in row)
        for row in database.expected(has_ids(delivery))
    ]


def text_of(value: Any) -> str | None:
    if value is None or value is pandas.NA or value is pandas.NaT:
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    assert isinstance(value, str | int | Decimal), type(value)
    return str(value)


def by_pandas() -> tuple[Any, Decimal, Rows]:
    movements = runpy.run_path(str(RECIPES / "load_pandas.py"))["movements"]
    inexact = movements.pop("valor_float")
    assert str(inexact.dtype) == "Float64"
    exact = [None if amount is pandas.NA else float(amount) for amount in movements[AMOUNT].astype(object)]
    assert [None if amount is pandas.NA else amount for amount in inexact.astype(object)] == exact
    types = {name: str(kind) for name, kind in movements.dtypes.items()}
    columns = [list(movements[name].astype(object)) for name in movements.columns]
    return types, movements[AMOUNT].sum(), _texts(zip(*columns, strict=True))


def by_polars() -> tuple[Any, Decimal, Rows]:
    movements = runpy.run_path(str(RECIPES / "load_polars.py"))["movements"]
    types = {name: str(kind) for name, kind in movements.schema.items()}
    return types, movements[AMOUNT].sum(), _texts(movements.rows())


def by_duckdb() -> tuple[Any, Decimal, Rows]:
    columns = ", ".join(Path(CSV).read_text("utf-8").partition("\n")[0].split(","))
    with duckdb.connect() as connection:
        connection.execute((RECIPES / "load_duckdb.sql").read_text())
        of_all = connection.execute("DESCRIBE movements").fetchall()
        assert [name for name, *_ in of_all] == [flat.name for flat in FLAT_WITH_IDS]
        of_csv = connection.execute(f"DESCRIBE SELECT {columns} FROM movements").fetchall()
        found = connection.execute(f"SELECT SUM({AMOUNT}) FROM movements").fetchone()
        assert found
        rows = connection.execute(f"SELECT {columns} FROM movements").fetchall()
        return {name: kind for name, kind, *_ in of_csv}, found[0], _texts(rows)


def _texts(rows: Any) -> Rows:
    return [tuple(map(text_of, row)) for row in rows]


TYPES = {
    by_pandas: ("string", "Int64", "decimal128(38, 2)[pyarrow]", "datetime64[us]", "UInt64"),
    by_polars: (
        "String",
        "Int64",
        "Decimal(precision=38, scale=2)",
        "Datetime(time_unit='us', time_zone=None)",
        "UInt64",
    ),
    by_duckdb: ("VARCHAR", "BIGINT", "DECIMAL(38,2)", "TIMESTAMP", "UBIGINT"),
}


@pytest.mark.parametrize("load", TYPES)
@pytest.mark.usefixtures("inside")
def test_a_recipe_gives_each_type_each_value_and_each_centavo(
    load: Callable[[], tuple[Any, Decimal, Rows]], nasty: Database, delivery: Path
) -> None:
    types, total, rows = load()
    kinds = [Kind.TEXT, Kind.WHOLE, Kind.MONEY, Kind.MOMENT, Kind.ID]
    assert types == {flat.name: TYPES[load][kinds.index(flat.kind)] for flat in columns_of(delivery)}
    expected = expected_rows(nasty, delivery)
    assert len(rows) == len(expected) > 2000
    assert rows == expected
    assert total == sum(Decimal(row[FLAT_COLUMNS.index(AMOUNT)] or 0) for row in expected)


@pytest.mark.parametrize("load", [by_pandas, by_polars, by_duckdb])
def test_a_recipe_says_that_it_bears_dropped_columns_and_does(
    load: Callable[[], tuple[Any, Decimal, Rows]],
    nasty: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dropped = [name for name in FLAT_COLUMNS if name not in {AMOUNT, CARD}]
    options = [option for name in dropped for option in ("--drop", name)]
    assert run(nasty, tmp_path, "--card", "mask", *options).returncode == 0
    monkeypatch.chdir(tmp_path)
    types, _, rows = load()
    assert list(types) == [AMOUNT, CARD]
    assert {len(row[1] or "") for row in rows} == {13, 16, 19}


def test_the_recipes_for_parquet_in_the_readme_run(delivery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of its block, one by one."""
    monkeypatch.chdir(delivery)
    block = (RECIPES / "README.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    lines = [line for line in block.splitlines() if line]
    with Path(CSV).open(newline="", encoding="utf-8") as file:
        count = len(list(csv.reader(file))) - 1
    loaded = []
    for line in lines:
        names: dict[str, Any] = {"pd": pandas, "pl": polars, "duckdb": duckdb}
        exec(line, names)
        loaded.append(len(names["movements"]))
    assert loaded == [count] * 3


R_CHECK = """
source("{recipe}")
types <- sapply(movements, function(column) class(column)[1])
cat(types, sep = "\\n", file = "{folder}/types")
moments <- names(types)[types == "POSIXct"]
movements[moments] <- lapply(movements[moments], format, "%Y-%m-%d %H:%M:%S")
movements$vlr_transacao_movimento <- sprintf("%.2f", movements$vlr_transacao_movimento)
cat(sprintf("%.0f", sum(movements$centavos)), file = "{folder}/sum")
hex <- function(text) ifelse(is.na(text), "-", sapply(text, function(t) paste(charToRaw(t), collapse = "")))
movements$centavos <- NULL
cat(do.call(paste, lapply(movements, function(column) hex(as.character(column)))), sep = "\\n", file = "{folder}/rows")
"""


@pytest.mark.machine
@pytest.mark.usefixtures("inside")
def test_the_recipe_for_r_gives_each_type_each_value_and_each_centavo(
    nasty: Database, delivery: Path, tmp_path: Path
) -> None:
    script = R_CHECK.format(recipe=RECIPES / "load_readr.R", folder=tmp_path)
    run_r(script, state_dir(), tmp_path)
    classes = {
        Kind.TEXT: "character",
        Kind.WHOLE: "integer",
        Kind.MONEY: "numeric",
        Kind.MOMENT: "POSIXct",
        Kind.ID: "character",
    }
    assert (tmp_path / "types").read_text().split() == [
        *(classes[flat.kind] for flat in columns_of(delivery)),
        "numeric",
    ]
    rows: Rows = [
        tuple(None if field == "-" else bytes.fromhex(field).decode() for field in line.split(" "))
        for line in (tmp_path / "rows").read_text().splitlines()
    ]
    expected = expected_rows(nasty, delivery)
    assert rows == expected
    total = sum(Decimal(row[FLAT_COLUMNS.index(AMOUNT)] or 0) for row in expected)
    assert (tmp_path / "sum").read_text() == str(centavos_of(Decimal(total)))


@pytest.mark.machine
def test_the_workbook_gives_each_card_and_each_centavo(
    nasty: Database, delivery: Path, tmp_path: Path
) -> None:
    _, (header, *sheet) = open_workbook(delivery / "movimento_flat.xlsx", state_dir(), tmp_path)
    places = {
        name: [cell.value for cell in header].index(FLAT_BY_NAME[name].heading) for name in (AMOUNT, CARD)
    }
    amounts = [row[places[AMOUNT]] for row in sheet]
    assert {cell.kind for cell in amounts} == {"float"}
    total = sum(Decimal(cell.value) for cell in amounts)
    expected = expected_rows(nasty, delivery)
    assert Totals(len(sheet), centavos_of(Decimal(total))) == Totals(
        len(expected), centavos_of(sum((Decimal(row[3] or 0) for row in expected), Decimal(0)))
    )
    cards = [row[places[CARD]] for row in sheet]
    assert [cell.value for cell in cards] == [row[6] for row in expected]
    assert {cell.kind for cell in cards} == {"string"}
