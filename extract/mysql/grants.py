"""Refuses an account that can change the database, by the privileges of SHOW GRANTS, with those of active roles."""

import re
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from extract.mysql.sql_words import sql_words, unquoted
from extract.source import Source
from movimento_flat.errors import UserError
from movimento_flat.sql_files import READER, reader_statements

#: Privileges, as MySQL and MariaDB name them, that cannot change a database. All others count as able to. So does
#: EXECUTE, since a routine has the rights of its author.
HARMLESS = frozenset(
    {
        "USAGE",
        "SELECT",
        "LOCK TABLES",
        "SHOW VIEW",
        "SHOW DATABASES",
        "SHOW CREATE ROUTINE",
        "SHOW_ROUTINE",
        "PROCESS",
        "RELOAD",
        "FLUSH_TABLES",
        "BACKUP_ADMIN",
        "REPLICATION CLIENT",
        "REPLICATION SLAVE",
        "BINLOG MONITOR",
        "REPLICA MONITOR",
        "SLAVE MONITOR",
    }
)
GRANT_OPTION = "GRANT OPTION"
_NAMED = 8


@dataclass(frozen=True)
class Grant:
    """What one line of SHOW GRANTS gives.

    Attributes:
        privileges: in capitals, with GRANT OPTION.
        database: as the line has it: `*` for all; where `part` is `*` it may be a pattern of LIKE.
        part: a table or routine of the database, `*` for all.
    """

    privileges: tuple[str, ...]
    database: str
    part: str

    def covers(self, database: str) -> bool:
        """Return whether it concerns this database or something in it, whatever the case of its letters."""
        if self.database == "*":
            return True
        if self.part != "*":
            return self.database.lower() == database.lower()
        return re.fullmatch(_regular(self.database), database, re.IGNORECASE | re.DOTALL) is not None

    @property
    def harmful(self) -> list[str]:
        """Return its privileges that can change something."""
        return [name for name in self.privileges if name not in HARMLESS]

    def __str__(self) -> str:
        named = self.harmful[:_NAMED]
        if more := len(self.harmful) - len(named):
            named.append(f"{more} more")
        return f"{', '.join(named)} on {self.database}.{self.part}"


def refuse_writers(connection: "Connection[Any]", source: Source) -> None:
    """Refuse an account that could change the source's database.

    A partial REVOKE of MySQL does not count: an account that may write everywhere else is no reader.

    Raises:
        UserError: it could; the message has the statements that make a reader.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        (account,) = cursor.fetchone() or ("",)
        cursor.execute("SHOW GRANTS")
        grants = [parse_grant(line) for (line,) in cursor.fetchall()]
    found = [grant for grant in grants if grant and grant.covers(source.database) and grant.harmful]
    if found:
        host = account.rpartition("@")[2]
        made = reader_statements(source.database, "<a long random password>", READER, host)
        lines = [f"{statement};" for statement in made if not statement.startswith("ALTER")]
        raise UserError(
            f"Account {account} can change {source.database}: {'; '.join(map(str, found))}.",
            "Read with an account that can only read; --allow-writer takes this one all the same.\n     "
            + "\n     ".join(lines),
        )


def parse_grant(line: str) -> Grant | None:
    """Parse a line of SHOW GRANTS; return None where it grants a role, or PROXY.

    MariaDB's lines contain the password's hash, so they are never shown.
    """
    words = sql_words(line)
    if words[:1] != ["GRANT"] or "ON" not in words or "PROXY" in words[:2]:
        return None
    on = words.index("ON")
    dot = words.index(".", on)
    privileges = _privileges(words[1:on])
    if any(pair == ("GRANT", "OPTION") for pair in zip(words[dot:], words[dot + 1 :], strict=False)):
        privileges.append(GRANT_OPTION)
    return Grant(tuple(privileges), unquoted(words[dot - 1]), unquoted(words[dot + 1]))


def _privileges(words: list[str]) -> list[str]:
    """Return the names of privileges, such as SELECT and LOCK TABLES of `SELECT ( `id` ) , LOCK TABLES`."""
    names: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if depth or word == ")":
            continue
        if word == ",":
            names.append([])
        else:
            names[-1].append(word.upper())
    return [" ".join(name) for name in names]


def _regular(pattern: str) -> str:
    r"""Return a pattern of LIKE (`%`, `_`, and a backslash before a literal one) as a regular expression."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
