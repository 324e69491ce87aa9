"""Writes what repeats the model, `movimento_flat/schema.py`: `make docs`.

A block of a document lies between a line "made by make docs: NAME" and a line "end of NAME", which are comments. What
is around the blocks is written by hand.
"""

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from movimento_flat.lake.months import column_types
from movimento_flat.sample_data.generate import Generator
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import (
    FLAT_COLUMNS,
    FLAT_IDS,
    FLAT_TABLE,
    FLAT_WITH_IDS,
    ID_COLUMNS,
    MOVIMENTO,
    SMALL_TABLES,
    TABLES,
    Column,
    FlatColumn,
    Kind,
    Table,
)
from movimento_flat.tagged_tsv import line

ROOT = Path(__file__).resolve().parent.parent
#: Few rows, with some of what is rejected and warned of.
SAMPLE = Plan(movements=60, cards=8, accounts=6, associates=5, seed=3, dirty=0.05)

#: What the data dictionary calls each kind.
KINDS = {
    Kind.TEXT: "text",
    Kind.WHOLE: "whole number",
    Kind.ID: "id",
    Kind.MONEY: "amount",
    Kind.MOMENT: "date and time",
}
#: What makes of each column's text its value; some dates are none. All others are texts.
DUCKDB_VALUES = {
    Kind.WHOLE: "CAST({} AS BIGINT)",
    Kind.ID: "CAST({} AS UBIGINT)",
    Kind.MONEY: "CAST({} AS DECIMAL(38, 2))",
    Kind.MOMENT: "try_strptime({}, '%Y-%m-%d %H:%M:%S')",
}
#: Of a lake's types those that Trino calls otherwise.
TRINO_TYPES = {"timestamp": "timestamp(6)"}
#: All others are read as text.
R_TYPES = {Kind.WHOLE: "col_integer()", Kind.MOMENT: 'col_datetime("%Y-%m-%d %H:%M:%S")'}


def documents() -> dict[str, str]:
    """Return the text that each document must have, by its path in the repository."""
    blocks = {
        "docs/data_dictionary.md": {"columns": _long_table(FLAT_TABLE), "ids": _long_table(FLAT_IDS)},
        "docs/recipes/load_duckdb.sql": {"types": _duckdb_types(), "columns": _duckdb_columns()},
        "docs/recipes/load_pandas.py": {"kinds": _python_lists()},
        "docs/recipes/load_polars.py": {"kinds": _python_lists()},
        "docs/recipes/load_readr.R": {"columns": _r_columns()},
        "docs/recipes/lake/trino.sql": {"columns": _trino_columns()},
        "sql/mysql/tables.sql": {"tables": "\n\n".join(map(_create_table, TABLES))},
        "sql/postgres/tables.sql": {"tables": "\n\n".join(map(_create_postgres_table, TABLES))},
    }
    texts = {path: with_blocks(_read(path), contents) for path, contents in blocks.items()}
    schema = "docs/manifest.schema.json"
    texts[schema] = _with_enums(_read(schema), {"column": FLAT_COLUMNS, "id_column": ID_COLUMNS})
    texts["docs/sample/small_tables.tsv"] = "".join(map(_sample, SMALL_TABLES))
    texts["docs/sample/movements.tsv"] = _sample(MOVIMENTO)
    return texts


def with_blocks(text: str, contents: dict[str, str]) -> str:
    """Return a document with these contents of its blocks, by name. They get the indentation of their first line.

    Raises:
        ValueError: it does not have one of the blocks.
    """
    for name, content in contents.items():
        block = rf"^( *)(\S.*made by make docs: {name}\b.*\n)(?s:.*?)(^.*end of {name}\b)"
        found = re.search(block, text, re.MULTILINE)
        if not found:
            raise ValueError(f"no block {name}")
        indent, begin, end = found.groups()
        text = f"{text[: found.start()]}{indent}{begin}{textwrap.indent(content, indent)}\n{end}{text[found.end() :]}"
    return text


def _with_enums(text: str, definitions: dict[str, tuple[str, ...]]) -> str:
    """Return a JSON Schema whose definitions, by name, list these values."""
    for name, values in definitions.items():
        listed = "".join(f'        "{value}",\n' for value in values).rstrip(",\n")
        text, count = re.subn(
            rf'("{name}": {{[^{{}}]*"enum": \[)[^]]*\]', rf"\1\n{listed}\n      ]", text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"no definition {name}")
    return text


def _long_table(columns: tuple[FlatColumn, ...]) -> str:
    header = "| column | meaning | significado | from | kind | may be empty | shows | example |"
    return _table(header, map(_long_row, columns))


def _long_row(flat: FlatColumn) -> str:
    cells = (
        f"`{flat.name}`",
        flat.source.english,
        flat.source.portuguese,
        f"`{flat.table.name}.{flat.source.name}`",
        KINDS[flat.kind],
        "yes" if flat.source.may_be_null else "no",
        flat.source.shows.value,
        f"`{flat.source.example}`",
    )
    return f"| {' | '.join(cells)} |"


def _table(header: str, rows: Iterable[str]) -> str:
    """Return a Markdown table between empty lines, without which the comments around it would be part of it."""
    return "\n".join(("", header, "|---" * (header.count("|") - 1) + "|", *rows, ""))


def _create_table(table: Table) -> str:
    (key,) = (column for column in table.declared if _is_key(column))
    lines = [
        *map(_column_definition, table.declared),
        f"PRIMARY KEY ({key.name})",
        *(
            f"CONSTRAINT {table.name}_{column.name} CHECK ({column.name} {column.check})"
            for column in table.declared
            if column.check
        ),
        *(
            f"CONSTRAINT {table.name}_{column.points_to} FOREIGN KEY ({column.name})"
            f" REFERENCES {column.points_to} ({key.name})"
            for column in table.declared
            if column.points_to
        ),
    ]
    definitions = ",\n".join(f"    {line}" for line in lines)
    return (
        f"CREATE TABLE IF NOT EXISTS {table.name} (\n{definitions}\n"
        f") ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COMMENT = {_sql_text(table.english)};"
    )


def _column_definition(column: Column) -> str:
    null = "" if column.may_be_null else " NOT NULL"
    number = " AUTO_INCREMENT" if _is_key(column) else ""
    return f"{column.name} {column.mysql}{null}{number} COMMENT {_sql_text(column.english)}"


def _create_postgres_table(table: Table) -> str:
    definitions = ",\n".join(f"    {_postgres_column(column)}" for column in table.declared)
    return (
        f"CREATE TABLE IF NOT EXISTS {table.name} (\n{definitions}\n);\n\n"
        f"COMMENT ON TABLE {table.name} IS {_sql_text(table.english)};"
    )


def _postgres_column(column: Column) -> str:
    """Return a column's definition, its type and check in PostgreSQL's words."""
    if _is_key(column):
        return f"{column.name} BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    kind, _, values = column.mysql.partition("ENUM")
    kind = kind.removesuffix(" UNSIGNED").replace("DATETIME", "TIMESTAMP(0)") or "TEXT"
    null = "" if column.may_be_null else " NOT NULL"
    check = f"IN {values}" if values else (column.check or "").replace("REGEXP", "~")
    return f"{column.name} {kind}{null}" + (f" CHECK ({column.name} {check})" if check else "")


def _is_key(column: Column) -> bool:
    return column.kind is Kind.ID and not column.points_to


def _sql_text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb_types() -> str:
    typed = [flat for flat in FLAT_WITH_IDS if flat.kind in DUCKDB_VALUES]
    return ",\n".join(f"{DUCKDB_VALUES[flat.kind].format(flat.name)} AS {flat.name}" for flat in typed)


def _duckdb_columns() -> str:
    return ",\n".join(f"CAST(NULL AS VARCHAR) AS {flat.name}" for flat in FLAT_WITH_IDS)


def _trino_columns() -> str:
    types = column_types(FLAT_COLUMNS)
    return "".join(f"{name} {TRINO_TYPES.get(kind, kind)},\n" for name, kind in types.items()).rstrip("\n")


def _r_columns() -> str:
    return ",\n".join(f"{flat.name} = {R_TYPES[flat.kind]}" for flat in FLAT_WITH_IDS if flat.kind in R_TYPES)


def _python_lists() -> str:
    lists = {"whole_numbers": Kind.WHOLE, "moments": Kind.MOMENT, "ids": Kind.ID}
    return "\n".join(
        "\n".join((f"{name} = [", *(f'    "{column}",' for column in _names(FLAT_WITH_IDS, kind)), "]"))
        for name, kind in lists.items()
    )


def _names(columns: tuple[FlatColumn, ...], kind: Kind) -> list[str]:
    return [flat.name for flat in columns if flat.kind is kind]


def _sample(table: Table) -> str:
    """Return rows of a fictitious table as tagged TSV."""
    names = [column.name for column in table.declared]
    rows = (dict(zip(names, row, strict=True)) for chunk in Generator(SAMPLE).rows(table) for row in chunk)
    return "".join(
        line(
            table,
            tuple(None if row[name] is None else str(row[name]).encode() for name in table.column_names),
        ).decode()
        + "\n"
        for row in rows
    )


def _read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def main() -> None:
    """Write the documents that are not as they must be, and name them."""
    for path, text in documents().items():
        if text != _read(path):
            (ROOT / path).write_text(text, "utf-8")
            print(path)


if __name__ == "__main__":
    main()
