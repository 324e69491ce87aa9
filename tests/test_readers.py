"""What the join writes as CSV, and the codec before it, as readers see it that share nothing with either."""

import csv
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from movimento_flat.publish.csv_audit import audit
from movimento_flat.schema import FLAT_COLUMNS, MOVIMENTO
from movimento_flat.tagged_tsv import EscapedByClient, EscapedByServer, escape, unescape
from mr_jobs.frames import csv_text
from tests.conftest import Database

#: Any text, and much of what breaks a CSV or a TSV. No lone surrogates: they are no text.
texts = st.text(
    alphabet=st.one_of(
        st.characters(codec="utf-8"), st.sampled_from("\\\t\n\r\0\x1e\",;'=|\ufeff\u2028\x85 Ntrs0")
    ),
    max_size=30,
)
Rows = list[tuple[str, ...]]
#: The amount, by which the audit adds up, is one.
rows_of_texts = st.lists(
    st.tuples(texts, texts, texts, st.just("1.00"), *[texts] * (len(FLAT_COLUMNS) - 4)),
    min_size=1,
    max_size=6,
)


def by_csv(file: Path) -> Rows:
    with file.open(newline="", encoding="utf-8") as opened:
        return [tuple(row) for row in list(csv.reader(opened, strict=True))[1:]]


def by_duckdb(file: Path) -> Rows:
    # What the format is, is said, and nothing is guessed from the first rows.
    query = (
        "SELECT * FROM read_csv(?, header = true, all_varchar = true, auto_detect = false, delim = ',', quote = '\"',"
        " escape = '\"', new_line = '\\n', max_line_size = 10000000, columns = ?)"
    )
    found: list[tuple[Any, ...]] = duckdb.execute(
        query, [str(file), dict.fromkeys(FLAT_COLUMNS, "VARCHAR")]
    ).fetchall()
    return [tuple(value or "" for value in row) for row in found]


def by_polars(file: Path) -> Rows:
    rows = polars.read_csv(file, infer_schema=False).rows()
    return [tuple(value or "" for value in row) for row in rows]


def written(rows: Rows, folder: Path) -> Path:
    """The CSV of the join's own field writer."""
    lines = [",".join(FLAT_COLUMNS).encode()]
    for row in rows:
        fields = csv_text(
            polars.Series([escape(text.encode()).decode() for text in row], dtype=polars.String)
        )
        lines.append(b",".join(unescape(field.encode()) for field in fields))
    file = folder / "flat.csv"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


@pytest.mark.parametrize("reader", [by_csv, by_duckdb, by_polars])
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=rows_of_texts)
def test_a_reader_sees_the_rows_that_went_in(reader: Callable[[Path], Rows], rows: Rows) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = written(rows, Path(folder))
        assert audit(file).totals.rows == len(rows)
        assert reader(file) == rows


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values=st.lists(texts, min_size=1, max_size=20))
def test_the_servers_codec_is_pythons(database: Database, values: list[str]) -> None:
    with database.server.connect(database=database.name) as admin, admin.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = ''")
        for value in values:
            text = f"SELECT CONVERT(X'{value.encode().hex()}' USING utf8mb4) AS text"
            for encoding in (EscapedByClient, EscapedByServer):
                line = encoding.sql_line(MOVIMENTO, [encoding.sql_text("text"), encoding.sql_text("NULL")])
                cursor.execute(f"SELECT {line} FROM ({text}) AS one")
                ((found,),) = cursor.fetchall()
                assert encoding.lines(found) == b"M\t%b\t\\N\n" % escape(value.encode())
