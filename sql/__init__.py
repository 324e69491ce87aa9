"""The SQL scripts, read as they lie in this folder: the program uses no other copy of them."""

import re
from importlib.resources import files

from pymysql.converters import escape_string

#: The account that the program reads its own databases with.
READER = "movimento_reader"


def statements(name: str) -> list[str]:
    """The statements of a script, without its comments; each ends with a semicolon at the end of a line."""
    script = (files(__name__) / f"{name}.sql").read_text(encoding="utf-8")
    code = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in re.split(r";\n", code + "\n") if statement.strip()]


def flat_join(condition: str = "TRUE", with_ids: bool = False) -> str:
    """The join of oracle.sql as a derived table: without an order, and of the movements that fulfil a condition."""
    (oracle,) = statements("oracle_with_ids" if with_ids else "oracle")
    return f"{oracle.rpartition('ORDER BY')[0]}WHERE {condition}"


def reader_statements(database: str, password: str, user: str = READER, host: str = "%") -> list[str]:
    """The statements that make, or renew, the reader account of one database.

    In the name of a database GRANT takes _ and % for any text; they are escaped.
    """
    filled = {
        "reader": f"{_literal(user)}@{_literal(host)}",
        "password": _literal(password),
        "database": "`" + re.sub(r"([_%])", r"\\\1", database.replace("`", "``")) + "`",
    }
    return [statement.format(**filled) for statement in statements("reader")]


def _literal(text: str) -> str:
    return f"'{escape_string(text)}'"
