"""Reads the SQL scripts of the folder sql/: the program uses no other copy of them."""

import re
from collections.abc import Mapping
from pathlib import Path

from pymysql.converters import escape_string

#: Where the scripts are: beside this file when installed, at the top level in a checkout.
_FOLDERS = (Path(__file__).with_name("sql"), Path(__file__).resolve().parent.parent / "sql")
#: Marks around the columns of expected.sql that are only there with ids.
_IDS, _END_OF_IDS = "/* --with-ids", "*/"

#: The account that the program reads its own databases with.
READER = "movimento_reader"


def statements(name: str) -> list[str]:
    """Return the statements of a script, without its comments; each ends with a semicolon at the end of a line.

    Args:
        name: of the script in its folder, such as `mysql/tables`.
    """
    folder = next(folder for folder in _FOLDERS if folder.is_dir())
    script = (folder / f"{name}.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in re.split(r";\n", code + "\n") if statement.strip()]


def expected_rows(with_ids: bool = False, relations: Mapping[str, str] | None = None) -> str:
    """Return the query of expected.sql: the flat table as a plain join, in the order of the CSV.

    Args:
        with_ids: whether the ids of the four tables are in it.
        relations: by the names of tables, operands of FROM that stand for them.
    """
    (query,) = statements("expected")
    if relations:
        tables = rf"\b(FROM|JOIN) ({'|'.join(relations)})\b"
        query = re.sub(tables, lambda found: f"{found[1]} {relations[found[2]]}", query)
    return query.replace(_IDS, "").replace(_END_OF_IDS, "") if with_ids else query


def flat_join(condition: str, with_ids: bool, relations: Mapping[str, str]) -> str:
    """Return the same query without an order, for movements that fulfil a condition."""
    return f"{expected_rows(with_ids, relations).rpartition('ORDER BY')[0]}WHERE {condition}"


def reader_statements(database: str, password: str, user: str = READER, host: str = "%") -> list[str]:
    """Return the statements that make, or renew, the reader account of one database.

    In a database's name GRANT takes _ and % for wildcards, so they are escaped.
    """
    filled = {
        "reader": f"{_literal(user)}@{_literal(host)}",
        "password": _literal(password),
        "database": "`" + re.sub(r"([_%])", r"\\\1", database.replace("`", "``")) + "`",
    }
    return [statement.format(**filled) for statement in statements("mysql/reader")]


def _literal(text: str) -> str:
    return f"'{escape_string(text)}'"
