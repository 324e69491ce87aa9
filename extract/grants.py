"""Whether the account can change what it is to read: the privileges of SHOW GRANTS, those of active roles too."""

import re
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from extract.source import Source
from extract.sql_words import sql_words, unquoted
from movimento_flat.errors import UserError
from movimento_flat.sql_files import READER, reader_statements

#: Privileges, as MySQL and MariaDB name them, that change nothing of a database. Whatever is not among them
#: counts as one that can; EXECUTE does, since a routine has the rights of who made it.
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
        privileges: in capitals, GRANT OPTION among them.
        database: as the line has it: `*` for all, else a pattern of LIKE where the whole database is meant.
        part: a table or routine of it, `*` for all.
    """

    privileges: tuple[str, ...]
    database: str
    part: str

    def covers(self, database: str) -> bool:
        """Whether it is about this database or something in it. Upper and lower case are not told apart."""
        if self.database == "*":
            return True
        if self.part != "*":
            return self.database.lower() == database.lower()
        return re.fullmatch(_regular(self.database), database, re.IGNORECASE | re.DOTALL) is not None

    @property
    def harmful(self) -> list[str]:
        """Those of its privileges that can change something."""
        return [name for name in self.privileges if name not in HARMLESS]

    def __str__(self) -> str:
        named = self.harmful[:_NAMED]
        if more := len(self.harmful) - len(named):
            named.append(f"{more} more")
        return f"{', '.join(named)} on {self.database}.{self.part}"


def refuse_writers(connection: "Connection[Any]", source: Source) -> None:
    """Nothing is read by an account that could change the database.

    A partial REVOKE of MySQL is not looked at: who may write everywhere else is no reader.

    Raises:
        UserError: it could; the message has what makes a proper one.
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
    """A line of SHOW GRANTS; None where it gives a role, or the right to be somebody else (PROXY).

    MariaDB's lines have the password's hash in them: they are never shown.
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
    """`SELECT ( `id` ) , LOCK TABLES` -> SELECT, LOCK TABLES."""
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
    r"""A pattern of LIKE (`%`, `_`, a backslash before what is meant as it is) -> a regular expression."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
