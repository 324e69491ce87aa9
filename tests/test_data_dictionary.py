"""docs/data_dictionary.md says what the code says: kinds, lists, reasons."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from docs.generate import KINDS
from movimento_flat.card_numbers import mask
from movimento_flat.exports.parquet import write_parquet
from movimento_flat.money import Totals
from movimento_flat.privacy import Privacy
from movimento_flat.problem_lists import MISMATCH_COLUMNS, REJECTED_COLUMNS, WARNING_COLUMNS, Reject, Warn
from movimento_flat.publish.accounting import Audit
from movimento_flat.publish.datapackage import datapackage
from movimento_flat.publish.parts import PARQUET_NAME
from movimento_flat.schema import FLAT_WITH_IDS
from movimento_flat.tagged_tsv import ESCAPES
from tests.conftest import ROOT

DICTIONARY = (ROOT / "docs" / "data_dictionary.md").read_text("utf-8")


def tables(text: str) -> list[list[list[str]]]:
    """-> the tables of a Markdown text, as cells, without their header lines."""
    found = re.findall(r"^(?:\|.*\n)+", text, re.MULTILINE)
    return [[line.strip("|").strip().split(" | ") for line in table.splitlines()[2:]] for table in found]


def section(title: str) -> list[list[list[str]]]:
    (text,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", DICTIONARY, re.MULTILINE | re.DOTALL)
    return tables(text)


def plain(cell: str) -> str:
    assert re.fullmatch("`[^`]*`", cell), cell
    return cell.strip("`")


def test_each_kind_has_its_types(tmp_path: Path) -> None:
    _, _, kinds, hidden = section("movimento_flat.csv")
    fields = datapackage(Audit(Totals(), 0, ""), {}, Privacy(ids=True), "2024-01-02 03:04:05", "-03:00")
    packaged = {field["name"]: field["type"] for field in fields["resources"][0]["schema"]["fields"]}
    (tmp_path / "flat.csv").write_text(",".join(column.name for column in FLAT_WITH_IDS) + "\n")
    write_parquet(tmp_path / "flat.csv", tuple(column.name for column in FLAT_WITH_IDS), tmp_path)
    schema = pq.read_schema(tmp_path / PARQUET_NAME)
    assert [kind for kind, *_ in kinds] == list(KINDS.values())
    for kind, _, package_type, parquet_types in kinds:
        flat = [column for column in FLAT_WITH_IDS if KINDS[column.kind] == kind]
        assert {packaged[column.name] for column in flat} == {plain(package_type)}
        assert {f"`{schema.field(column.name).type}`" for column in flat} == {parquet_types}
    assert [re.findall("--[a-z]+", option)[0] for option, _ in hidden] == [
        "--card",
        "--card",
        "--people",
        "--dates",
        "--drop",
    ]
    assert f"`{mask(b'4111111111111111').decode()}`" in hidden[0][1]


@pytest.mark.parametrize(
    ("name", "columns", "reasons"),
    [
        ("rejected.tsv", REJECTED_COLUMNS, Reject),
        ("holder_owner_mismatches.tsv", MISMATCH_COLUMNS, None),
        ("warnings.tsv", WARNING_COLUMNS, Warn),
    ],
)
def test_each_list_has_its_columns_and_reasons(
    name: str, columns: tuple[str, ...], reasons: type[Reject | Warn] | None
) -> None:
    found = [[plain(row[0]) for row in table] for table in section(name)]
    expected = [list(columns)]
    if reasons:
        expected.append([reason.value for reason in reasons])
    assert found == expected
    assert all(len(row) == 2 and row[1] for table in section(name) for row in table)


def test_the_lists_escapes_are_those_of_tagged_tsv() -> None:
    (sentence,) = re.findall(r"are written (.*?); NULL", DICTIONARY)
    assert set(re.findall(r"`\\(.)`", sentence)) == {letter.decode() for letter in ESCAPES.values()}
