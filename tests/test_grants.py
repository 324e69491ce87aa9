"""An account that could change the database is refused before anything is read; a reader is not."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from extract.mysql.grants import Grant, parse_grant
from extract.source import Source
from movimento_flat.errors import UserError
from tests.conftest import PASSWORD, Database, new_database
from tests.mysql9 import MySQL9
from tests.test_extract import extracted
from tests.test_run import PUBLISHED, assert_user_error, command

_numbers = itertools.count(1)


def account(database: Database, *grants: str) -> Source:
    """A new account with these privileges beside those of a reader; DB stands for the database's name as a pattern."""
    user = f"account_{next(_numbers)}"
    pattern = database.name.replace("_", r"\_")
    database.execute(
        f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT, LOCK TABLES ON `{pattern}`.* TO {user}",
        *(
            grant.replace("DB", pattern).replace("NAME", database.name).replace("USER", user)
            for grant in grants
        ),
    )
    return Source(user, database.name, unix_socket=str(database.server.socket), password=PASSWORD)


@pytest.mark.parametrize(
    ("grant", "named"),
    [
        ("GRANT INSERT ON *.* TO USER", "INSERT on *.*"),
        ("GRANT ALL PRIVILEGES ON `DB`.* TO USER", ""),
        ("GRANT UPDATE, DELETE ON `DB`.* TO USER", "UPDATE, DELETE on "),
        ("GRANT DROP ON `test%`.* TO USER", "DROP on test%.*"),
        ("GRANT ALTER ON `t_st\\_%`.* TO USER", "ALTER on t_st\\_%.*"),
        ("GRANT INSERT ON NAME.movimento TO USER", "INSERT on NAME.movimento"),
        ("GRANT SELECT, UPDATE (des_transacao) ON NAME.movimento TO USER", "UPDATE on NAME.movimento"),
        ("GRANT CREATE, INDEX, TRIGGER ON `DB`.* TO USER", "CREATE, INDEX, TRIGGER on "),
        ("GRANT EVENT ON `DB`.* TO USER", "EVENT on "),
        ("GRANT CREATE VIEW ON `DB`.* TO USER", "CREATE VIEW on "),
        ("GRANT EXECUTE ON `DB`.* TO USER", "EXECUTE on "),
        ("GRANT SUPER ON *.* TO USER", "SUPER on *.*"),
        ("GRANT FILE, PROCESS ON *.* TO USER", "FILE on *.*"),
        ("GRANT SELECT ON `DB`.* TO USER WITH GRANT OPTION", "GRANT OPTION on "),
    ],
)
def test_an_account_that_can_write_is_refused_and_told_what_makes_a_reader(
    database: Database, tmp_path: Path, grant: str, named: str
) -> None:
    database.create_tables()
    writer = account(database, grant)
    with pytest.raises(UserError) as error:
        extracted(writer, tmp_path)
    said = str(error.value)
    assert f"can change {database.name}: " in said
    assert named.replace("NAME", database.name) in said
    assert "CREATE USER IF NOT EXISTS 'movimento_reader'@'%' IDENTIFIED BY " in said
    assert (
        f"GRANT SELECT, LOCK TABLES, SHOW VIEW ON `{database.name.replace('_', chr(92) + '_')}`.* TO " in said
    )
    assert list(tmp_path.iterdir()) == []
    extracted(replace(writer, allow_writer=True), tmp_path)


@pytest.mark.parametrize(
    "grants",
    [
        (),
        ("GRANT PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, RELOAD, SHOW DATABASES ON *.* TO USER",),
        ("GRANT SHOW VIEW ON `DB`.* TO USER", "GRANT SELECT ON *.* TO USER"),
        ("GRANT SELECT (id) ON NAME.movimento TO USER",),
        ("GRANT ALL PRIVILEGES ON `other\\_%`.* TO USER", "GRANT INSERT ON `NAMEx`.* TO USER"),
        # `_` stands for any letter where it has no backslash, and for itself where it has one.
        ("GRANT DROP ON `test\\__`.* TO USER", "GRANT DROP ON `tes\\_\\_%`.* TO USER"),
    ],
)
def test_a_reader_is_let_in_whatever_it_may_do_elsewhere(
    database: Database, tmp_path: Path, grants: tuple[str, ...]
) -> None:
    database = replace(database, name=f"{database.name}_two")
    database.server.connect().query(f"CREATE DATABASE {database.name}")
    database.create_tables()
    extracted(account(database, *grants), tmp_path)


def test_a_table_of_another_database_may_be_written(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    other = new_database(database.server)
    other.create_tables()
    extracted(account(database, f"GRANT ALL ON {other.name}.movimento TO USER"), tmp_path)


def test_the_privileges_of_active_roles_count(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    role, inner = (f"role_{next(_numbers)}" for _ in range(2))
    to_be_active = "TO" if isinstance(database.server, MySQL9) else "FOR"
    source = account(
        database,
        f"CREATE ROLE {role}",
        f"CREATE ROLE {inner}",
        f"GRANT UPDATE ON `DB`.* TO {inner}",
        f"GRANT {inner} TO {role}",
        f"GRANT {role} TO USER",
    )
    extracted(source, tmp_path)
    database.execute(f"SET DEFAULT ROLE {role} {to_be_active} {source.user}")
    with pytest.raises(UserError, match="UPDATE on "):
        extracted(source, tmp_path)


def test_the_administrator_is_refused_by_the_command_line_and_let_in_when_asked(
    database: Database, tmp_path: Path
) -> None:
    database.create_tables()
    arguments = ["run", "--output", str(tmp_path), "--source", database.url("root")]
    no_password = {"MYSQL_PWD": ""}
    refused = command(*arguments, environment=no_password)
    assert_user_error(refused, "Account root@localhost can change ")
    assert "--allow-writer" in refused.stderr
    assert list(tmp_path.iterdir()) == []
    assert command(*arguments, "--allow-writer", environment=no_password).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == PUBLISHED


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GRANT `w`@`%` TO `r`@`%`", None),
        ("GRANT `ON`@`%` TO `r`@`%`", None),
        ("GRANT PROXY ON ``@`%` TO `root`@`localhost` WITH GRANT OPTION", None),
        ("SET DEFAULT ROLE `w` FOR `r`@`localhost`", None),
        ("REVOKE INSERT ON `db`.* FROM `r`@`%`", None),
        ("GRANT USAGE ON *.* TO `r`@`%` IDENTIFIED BY PASSWORD '*A'", Grant(("USAGE",), "*", "*")),
        ("GRANT A_B,C_D ON *.* TO `r`@`%`", Grant(("A_B", "C_D"), "*", "*")),
        (
            "GRANT SELECT (`id`, `x ) , INSERT ON`), LOCK TABLES ON `d``b.x`.`t` TO `r`@`%`",
            Grant(("SELECT", "LOCK TABLES"), "d`b.x", "t"),
        ),
        ("GRANT EXECUTE ON PROCEDURE `db`.`p` TO `r`@`%`", Grant(("EXECUTE",), "db", "p")),
        ("GRANT EXECUTE ON PACKAGE BODY `db`.`p` TO `r`@`%`", Grant(("EXECUTE",), "db", "p")),
        ("GRANT SELECT ON db.* TO r@localhost", Grant(("SELECT",), "db", "*")),
        ('GRANT SELECT ON "db".* TO "r"@"%"', Grant(("SELECT",), "db", "*")),
        (
            "GRANT SELECT ON `db`.* TO `r WITH GRANT OPTION`@`%` WITH MAX_USER_CONNECTIONS 3",
            Grant(("SELECT",), "db", "*"),
        ),
        (
            "GRANT USAGE ON *.* TO `r`@`%` WITH GRANT OPTION MAX_USER_CONNECTIONS 3",
            Grant(("USAGE", "GRANT OPTION"), "*", "*"),
        ),
    ],
)
def test_a_line_of_show_grants_is_understood(line: str, expected: Grant | None) -> None:
    assert parse_grant(line) == expected


@pytest.mark.parametrize(
    ("database", "part", "covers"),
    [
        ("*", "*", True),
        ("sico", "*", True),
        ("SICO", "*", True),
        ("s%", "*", True),
        ("%", "*", True),
        ("sic_", "*", True),
        ("sic\\_", "*", False),
        ("s\\%", "*", False),
        ("si.o", "*", False),
        ("sic", "*", False),
        ("sico", "any", True),
        ("SICO", "any", True),
        ("sic_", "any", False),
    ],
)
def test_a_grant_covers_a_database_as_the_server_has_it(database: str, part: str, covers: bool) -> None:
    assert Grant(("INSERT",), database, part).covers("sico") is covers
    assert Grant(("INSERT",), database, part).covers("SICO") is covers
