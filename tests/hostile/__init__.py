"""Hostile databases and tagged TSV as data: what is done, and what must come of it.

`tests/test_hostile.py` runs them. A case has a name, why it is there, and one expectation: rows and rejected rows,
or an error's text, with which OUTPUT is as it was.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, associado, cartao, conta

FOLDER = Path(__file__).parent
#: Associate, account and card that most cases begin with, and their columns of the CSV.
PROFILE = (
    f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Reis', 30, NULL)",
    f"{INTO_CONTA} VALUES (1, 'corrente', '2020-01-01', 1)",
    f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ANA REIS', '2021-01-01', 1, 1)",
)
PROFILE_LINES = b"".join(
    [
        associado(nome="Ana", sobrenome="Reis", idade="30").line(),
        conta(tipo="corrente", data_criacao="2020-01-01 00:00:00").line(),
        cartao(nom_impresso="ANA REIS", data_criacao="2021-01-01 00:00:00").line(),
    ]
)
HOLDER = "Ana,Reis,30"
CARD = "4111111111111111,ANA REIS,2021-01-01 00:00:00,corrente,2020-01-01 00:00:00"

_find_repeats = re.compile(r"\{(.+?)\*(\d+)\}", re.DOTALL).sub


@dataclass(frozen=True, kw_only=True)
class Case:
    """What both kinds have.

    Attributes:
        rows: lines of the CSV behind its header; `{holder}` and `{card}` are the profile's columns, `{x*9}` is nine x.
        times: how often all these lines come, one after the other.
        rejected: reason, table and id of each rejected row, in any order.
        error: what the one message says, where nothing is published.
    """

    name: str
    why: str
    rows: tuple[str, ...] = ()
    times: int = 1
    rejected: tuple[tuple[str, str, str], ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class DatabaseCase(Case):
    """A database, and how it is read.

    Attributes:
        server: any, mariadb or mysql.
        started_hostile: on a server whose options forbid what others let a session change (MariaDB).
        start: `profile`, `empty` (the four tables without rows) or `nothing`.
        do: statements of the administrator; `{database}` is the schema's name.
        settings: variables of the server, for PostgreSQL of the account, while it is read, as SQL.
        session: values that the program's own session gets in place of what it asks for: a server's maximum.
        account: statements about the reader's account, `{account}`; it is made anew for each case.
        elsewhere: statements of other sessions, which stay open while the database is read.
        time_zone, connections: of the run.
        slow: seconds that each file takes before it is written to.
        command: whether the command itself runs, not its parts in this process.
        says: what the run must tell.
    """

    server: str = "any"
    started_hostile: bool = False
    start: str = "profile"
    do: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    session: dict[str, str] = field(default_factory=dict)
    account: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, ...], ...] = ()
    time_zone: str = "-03:00"
    connections: int = 2
    slow: float = 0
    command: bool = False
    says: str = ""

    def is_for(self, server: str) -> bool:
        """Whether it can be asked of this kind of server."""
        return self.server in ("any", server) and (server == "mariadb" or not self.started_hostile)


@dataclass(frozen=True, kw_only=True)
class TsvCase(Case):
    """Lines of tagged TSV.

    Attributes:
        profile: whether the profile's three lines come before them.
        tsv: text, in which `{x*9}` is nine x.
        hex: bytes, where they are no text.
    """

    profile: bool = True
    tsv: str = ""
    hex: str = ""

    @property
    def content(self) -> bytes:
        """The file."""
        lines = bytes.fromhex(self.hex) if self.hex else repeated(self.tsv).encode()
        return PROFILE_LINES + lines if self.profile else lines


def repeated(text: str) -> str:
    """`{x*9}` -> nine x."""
    return _find_repeats(lambda found: found[1] * int(found[2]), text)


def expected_row(row: str) -> str:
    """See `Case.rows`."""
    return repeated(row.replace("{holder}", HOLDER).replace("{card}", CARD))


def database_cases() -> list[DatabaseCase]:
    """Those of all files about databases."""
    return [DatabaseCase(**content) for content in _contents("databases*.toml")]


def postgres_cases() -> list[DatabaseCase]:
    """Those of PostgreSQL."""
    return [DatabaseCase(**content) for content in _contents("postgres.toml")]


def tsv_cases() -> list[TsvCase]:
    """Those of all files about tagged TSV."""
    return [TsvCase(**content) for content in _contents("tagged_tsv*.toml")]


def _contents(pattern: str) -> Iterator[dict[str, Any]]:
    for file in sorted(FOLDER.glob(pattern)):
        for content in tomllib.loads(file.read_text("utf-8"))["case"]:
            yield {key: _frozen(value) for key, value in content.items()}


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
