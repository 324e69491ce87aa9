"""A bank whose money never stops moving, and which can say what its books held at each commit.

One movement is the version: each transaction adds a centavo to it as its last act before the commit. Its row is
locked from there to the commit, so versions come in the order of the commits, and an amount of the version names
one committed state. Otherwise a transaction takes from one movement what it puts on another.
"""

import random
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from movimento_flat.schema import TABLES
from tests.brute_force import Row, Tables
from tests.conftest import Database
from tests.rows import SourceRow, associado, cartao, conta, movimento

WRITERS = 4
CARDS = 200
#: More than one page of the extraction, so that the connections of a whole run share them, too. It is odd: all
#: amounts of the opening, +1 and -1, +2 and -2, ..., add up to nothing.
MOVEMENTS = 40_001
VERSION, VERSION_TEXT = 1, "version"
MOMENT = "2024-05-06 07:08:09"
ANOTHER_WAS_FIRST = {ER.LOCK_DEADLOCK, ER.LOCK_WAIT_TIMEOUT, ER.CHECKREAD, ER.TABLE_DEF_CHANGED}

#: (table, id, row), the row None where it is deleted; or ("add", movement, centavos), ("move", movement, card).
Effect = tuple[str, str, Any]
#: What each committed transaction did, by its version.
Log = dict[int, list[Effect]]


@dataclass
class Books:
    """Rows of the four tables by id; a movement is (centavos, description, card)."""

    associado: dict[str, SourceRow] = field(default_factory=dict)
    conta: dict[str, SourceRow] = field(default_factory=dict)
    cartao: dict[str, SourceRow] = field(default_factory=dict)
    movimento: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Tables) -> "Books":
        """Rows as they were extracted -> the books; an id that comes twice is an error."""
        books = cls()
        for name in ("associado", "conta", "cartao"):
            getattr(books, name).update((row.id, row) for row in getattr(tables, name))
        for row in tables.movimento:
            centavos = int(str(row.vlr_transacao).replace(".", ""))
            books.movimento[str(row.id)] = centavos, str(row.des_transacao), str(row.id_cartao)
        assert all(len(rows) == len(getattr(tables, name)) for name, rows in vars(books).items())
        return books

    @property
    def version(self) -> int:
        """The number of committed transactions."""
        return self.movimento[str(VERSION)][0]

    @property
    def centavos(self) -> int:
        """The sum of all amounts: that of the version alone, as long as no transaction is in it by half."""
        return sum(amount for amount, _, _ in self.movimento.values())

    def enter(self, effects: list[Effect]) -> None:
        """Do here what a transaction did in the database."""
        for what, identity, value in effects:
            if what in ("add", "move"):
                amount, text, card = self.movimento[identity]
                moved = (amount + value, text, card) if what == "add" else (amount, text, value)
                self.movimento[identity] = moved
            elif value is None:
                del getattr(self, what)[identity]
            else:
                getattr(self, what)[identity] = value

    def tables(self) -> Tables:
        """The same as rows of the four tables."""
        movements = [
            movimento(
                id=identity,
                vlr_transacao=_decimal(amount),
                des_transacao=text,
                data_movimento=MOMENT,
                id_cartao=card,
            )
            for identity, (amount, text, card) in self.movimento.items()
        ]
        return Tables(
            list(self.associado.values()), list(self.conta.values()), list(self.cartao.values()), movements
        )

    def differences(self, other: "Books") -> list[str]:
        """What the two do not have in common, some rows of it."""
        return [
            f"{name} {identity}: {mine.get(identity)} != {theirs.get(identity)}"
            for name, mine in vars(self).items()
            for theirs in [getattr(other, name)]
            for identity in mine.keys() | theirs.keys()
            if mine.get(identity) != theirs.get(identity)
        ][:10]


def open_bank(database: Database) -> Books:
    """Fill an empty schema; -> the books before the first transaction."""
    books = Books()
    for number in range(1, CARDS + 1):
        books.enter(_client(str(number), str(number), str(number)))
    for number in range(1, MOVEMENTS + 1):
        amount = (-1) ** number * (number // 2) * 100
        text = VERSION_TEXT if number == VERSION else "opening"
        books.movimento[str(number)] = (amount, text, str(number % CARDS + 1))
    database.create_tables()
    with database.server.connect(database=database.name) as admin, admin.cursor() as cursor:
        for name, rows in vars(books.tables()).items():
            cursor.executemany(_insertion(name), rows)
        admin.commit()
    return books


def without_foreign_keys(database: Database) -> None:
    """Let each table be swapped for a copy alone: a foreign key would go with the old one."""
    database.execute(
        *(
            f"ALTER TABLE {table} DROP FOREIGN KEY {key}"
            for table, key in database.query(
                "SELECT table_name, constraint_name FROM information_schema.table_constraints"
                f" WHERE table_schema = '{database.name}' AND constraint_type = 'FOREIGN KEY'"
            )
        )
    )


@contextmanager
def schema_changes(database: Database, stop: Path) -> Iterator[Future[int]]:
    """Somebody changes the definition of one table after the other, online, until the block ends.

    The future answers how many tables have been swapped for their copies.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        swaps = pool.submit(_change, str(database.server.socket), database.name, stop)
        try:
            yield swaps
        finally:
            stop.touch()


def _change(socket: str, database: str, stop: Path) -> int:
    connection = _connect(socket, database)
    connection.autocommit(True)
    cursor = connection.cursor()
    swaps = 0
    while not stop.exists():
        for table in TABLES:
            _swap(cursor, table.name, len(table.name) + swaps)
            swaps += 1
    connection.close()
    return swaps


def _swap(cursor: pymysql.cursors.Cursor, table: str, number: int) -> None:
    """As pt-online-schema-change does: triggers write to a copy what others write to the table, and the rest is copied.

    Then the two change their names in one step, and the old one is dropped, with its triggers.
    """
    cursor.execute(
        "SELECT GROUP_CONCAT(column_name) FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        (table,),
    )
    ((columns,),) = cursor.fetchall()
    new = ", ".join(f"NEW.{column}" for column in columns.split(","))
    replacement = f"REPLACE INTO copy ({columns}) VALUES ({new})"
    for statement in (
        f"CREATE TABLE copy LIKE {table}",
        f"ALTER TABLE copy COMMENT 'copy {number}', ADD INDEX another_{number} ({columns.split(',')[-1]})",
        # Deletions first: what the other triggers write to the copy must not stay there when it is deleted.
        f"CREATE TRIGGER deleted AFTER DELETE ON {table} FOR EACH ROW DELETE FROM copy WHERE id = OLD.id",
        f"CREATE TRIGGER updated AFTER UPDATE ON {table} FOR EACH ROW {replacement}",
        f"CREATE TRIGGER inserted AFTER INSERT ON {table} FOR EACH ROW {replacement}",
        f"INSERT INTO copy SELECT * FROM {table} LOCK IN SHARE MODE ON DUPLICATE KEY UPDATE copy.id = copy.id",
        f"RENAME TABLE {table} TO old, copy TO {table}",
        "DROP TABLE old",
    ):
        _until_nobody_is_first(cursor, statement)


def _until_nobody_is_first(cursor: pymysql.cursors.Cursor, statement: str) -> None:
    while True:
        try:
            cursor.execute(statement)
        except pymysql.MySQLError as error:
            if error.args[0] not in ANOTHER_WAS_FIRST:
                raise
        else:
            return


@contextmanager
def writers(database: Database, stop: Path) -> Iterator[list[Future[Log]]]:
    """Processes that move the money as fast as they can until the block ends; then each answers what it did."""
    with ProcessPoolExecutor(WRITERS, get_context("spawn")) as pool:
        socket = str(database.server.socket)
        logs = [pool.submit(_write, socket, database.name, number, stop) for number in range(WRITERS)]
        try:
            yield logs
        finally:
            stop.touch()


def _connect(socket: str, database: str) -> "Connection[Any]":
    """Who waits for a row may be waited for by who waits for a table: the server does not see that they are two."""
    connection = pymysql.connect(
        user="root", unix_socket=socket, database=database, charset="utf8mb4", autocommit=False
    )
    connection.query("SET SESSION lock_wait_timeout = 2, innodb_lock_wait_timeout = 2")
    return connection


def _write(socket: str, database: str, number: int, stop: Path) -> Log:
    connection = _connect(socket, database)
    writer, log = _Writer(connection.cursor(), random.Random(number)), Log()
    while not stop.exists():
        try:
            effects, version = writer.transaction()
            connection.commit()
        except pymysql.MySQLError as error:
            if error.args[0] not in ANOTHER_WAS_FIRST:
                raise
            connection.rollback()
        else:
            log[version] = effects
            writer.committed(effects)
    connection.close()
    return log


class _Writer:
    def __init__(self, cursor: pymysql.cursors.Cursor, choices: random.Random) -> None:
        self._cursor = cursor
        self._choices = choices
        self._inserted: list[list[Effect]] = []
        self._kinds = (self._transfer, self._transfer, self._move, self._pair, self._new_client, self._delete)

    def transaction(self) -> tuple[list[Effect], int]:
        """One transaction up to its commit -> what it did, the version that it makes."""
        effects = self._choices.choice(self._kinds)()
        self._execute("UPDATE movimento SET vlr_transacao = vlr_transacao + 0.01 WHERE id = %s", VERSION)
        self._execute("SELECT CAST(vlr_transacao * 100 AS SIGNED) FROM movimento WHERE id = %s", VERSION)
        row = self._cursor.fetchone()
        assert row
        return [*effects, ("add", str(VERSION), 1)], int(row[0])

    def committed(self, effects: list[Effect]) -> None:
        """Remember what has been inserted, and can be deleted; forget what has been deleted."""
        rows = [effect for effect in effects if effect[0] not in ("add", "move")]
        if rows and rows[0][2] is None:
            gone = {effect[:2] for effect in rows}
            self._inserted = [group for group in self._inserted if group[0][:2] not in gone]
        elif rows:
            self._inserted.append(rows)

    def _transfer(self) -> list[Effect]:
        giver, taker = self._choices.sample(range(VERSION + 1, MOVEMENTS + 1), 2)
        amount = self._choices.randint(1, 10_000)
        changes = sorted([(giver, -amount), (taker, amount)])
        for movement, change in changes:
            self._execute(
                "UPDATE movimento SET vlr_transacao = vlr_transacao + %s WHERE id = %s",
                _decimal(change),
                movement,
            )
        return [("add", str(movement), change) for movement, change in changes]

    def _move(self) -> list[Effect]:
        movement, card = self._choices.randint(VERSION + 1, MOVEMENTS), self._choices.randint(1, CARDS)
        self._execute("UPDATE movimento SET id_cartao = %s WHERE id = %s", card, movement)
        return [("move", str(movement), str(card))]

    def _pair(self) -> list[Effect]:
        return self._movements(*(str(card) for card in self._choices.sample(range(1, CARDS + 1), 2)))

    def _new_client(self) -> list[Effect]:
        """An associate with an account, a card, and two movements on it."""
        ids = ["", "", ""]
        for place in range(3):
            table, _, row = _client(*ids)[place]
            ids[place] = self._insert(table, row)
        return [*_client(*ids), *self._movements(ids[2], ids[2])]

    def _delete(self) -> list[Effect]:
        """What an earlier transaction inserted, the last row first."""
        if not self._inserted:
            return []
        rows = self._choices.choice(self._inserted)
        for table, identity, _ in reversed(rows):
            self._execute(f"DELETE FROM {table} WHERE id = %s", identity)
        return [(table, identity, None) for table, identity, _ in rows]

    def _movements(self, *cards: str) -> list[Effect]:
        amount = self._choices.randint(1, 10_000)
        effects: list[Effect] = []
        for card, centavos in zip(cards, (amount, -amount), strict=True):
            identity = self._insert("movimento", ("0", _decimal(centavos), "pair", MOMENT, card))
            effects.append(("movimento", identity, (centavos, "pair", card)))
        return effects

    def _insert(self, table: str, row: Row) -> str:
        self._execute(_insertion(table), None, *row[1:])
        return str(self._cursor.lastrowid)

    def _execute(self, statement: str, *values: Any) -> None:
        self._cursor.execute(statement, values)


def _client(associate: str, account: str, card: str) -> list[Effect]:
    """The rows of an associate, an account and a card."""
    return [
        ("associado", associate, associado(id=associate)),
        ("conta", account, conta(id=account, data_criacao=MOMENT, id_associado=associate)),
        ("cartao", card, cartao(id=card, data_criacao=MOMENT, id_conta=account, id_associado=associate)),
    ]


def _insertion(table: str) -> str:
    columns = next(found.column_names for found in TABLES if found.name == table)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"


def _decimal(centavos: int) -> str:
    return f"{'-' * (centavos < 0)}{abs(centavos) // 100}.{abs(centavos) % 100:02d}"
