"""Money moves at full speed, and each extraction holds exactly one committed state of the bank, row by row."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.extraction import extract
from extract.mysql import pages as pages_module
from extract.sink import FolderSink
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.schema import FLAT_COLUMNS, TABLES
from movimento_flat.state import state_dir
from tests.brute_force import Tables, as_csv, flat_rows
from tests.conftest import Database, new_database
from tests.mysql9 import MySQL9
from tests.soak import EXTRACTIONS, TIMEOUT_SECONDS, WHOLE_RUN_EVERY
from tests.soak.bank import (
    VERSION_TEXT,
    Books,
    Log,
    open_bank,
    schema_changes,
    without_foreign_keys,
    writers,
)
from tests.test_run import CSV, run

#: The more there are, the longer until all have begun their transactions, and the more could be committed between.
CONNECTIONS = (8, 2, 3)
MYSQL9 = pytest.param("MySQL 9", marks=pytest.mark.machine)


@pytest.fixture(params=["MariaDB", MYSQL9])
def bank(
    request: pytest.FixtureRequest, server: PrivateServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """An empty schema on a server of the kind."""
    if request.param == "MariaDB":
        yield new_database(server)
    else:
        with MySQL9(tmp_path_factory.mktemp("mysql"), state_dir()) as mysql:
            yield new_database(mysql)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_each_extraction_is_one_committed_state(
    bank: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 1000)
    books = open_bank(bank)
    said: list[str] = []
    extracted: list[Books] = []
    published: dict[int, bytes] = {}
    with writers(bank, tmp_path / "stop") as logs:
        for number in range(EXTRACTIONS):
            extracted.append(extraction(bank, tmp_path / str(number), number, said))
            if number % WHOLE_RUN_EVERY == 0:
                content = published_csv(bank, tmp_path / "out")
                published[version_in(content)] = content
    assert len({found.version for found in extracted}) == EXTRACTIONS  # money moved between any two
    assert said == []  # as where the tables could not be locked
    assert_committed(books, merged([log.result() for log in logs]), extracted, published)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_beside_online_schema_changes_each_extraction_is_one_committed_state_or_refused(
    bank: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most are delivered, and so is the first after the changes."""
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 1000)
    books = open_bank(bank)
    without_foreign_keys(bank)
    said: list[str] = []
    extracted: list[Books] = []
    refused: list[str] = []
    with writers(bank, tmp_path / "stop") as logs:
        with schema_changes(bank, tmp_path / "unchanged") as changing:
            for number in range(EXTRACTIONS):
                try:
                    extracted.append(extraction(bank, tmp_path / str(number), number, said))
                except UserError as error:
                    refused.append(str(error))
        swaps = changing.result()
        extracted.append(extraction(bank, tmp_path / "last", 0, said))
    assert swaps >= len(TABLES)
    assert len(refused) <= EXTRACTIONS // 5, refused
    assert_committed(books, merged([log.result() for log in logs]), extracted, {})
    print(f"{swaps} tables swapped, {len(said)} extractions by one connection, refused: {refused}")


def extraction(bank: Database, folder: Path, number: int, said: list[str]) -> Books:
    """What an extraction has written, by one of several numbers of connections."""
    connections = CONNECTIONS[number % len(CONNECTIONS)]
    result = extract(bank.reader(), FolderSink(folder), connections, said.append)
    found = books_in(folder)
    assert result.tables["movimento"] == Totals(len(found.movimento), found.centavos)
    return found


def assert_committed(books: Books, log: Log, extracted: list[Books], published: dict[int, bytes]) -> None:
    """Each state is what the bank had at its version, and so is each CSV; `books` are those of the opening."""
    states = {found.version: found for found in extracted}
    assert list(states) == sorted(states)
    for version in sorted(log):
        books.enter(log[version])
        if version in states:
            assert states[version].centavos == version
            assert states[version].differences(books) == []
        if version in published:
            rows, rejected = flat_rows(books.tables())
            assert rejected == []
            assert published[version] == as_csv(FLAT_COLUMNS, rows)


def published_csv(bank: Database, output: Path) -> bytes:
    """The whole program, while money moves."""
    finished = run(bank, output, "--engine", "local", "--connections", "2")
    assert finished.returncode == 0, finished.stderr
    assert "Reading by one connection" not in finished.stderr
    return (output / CSV).read_bytes()


def books_in(folder: Path) -> Books:
    return Books.of(Tables.parse(b"".join(file.read_bytes() for file in folder.glob("*/*.tsv"))))


def version_in(content: bytes) -> int:
    rows = csv.DictReader(content.decode().splitlines())
    (amount,) = (
        row["vlr_transacao_movimento"] for row in rows if row["des_transacao_movimento"] == VERSION_TEXT
    )
    return int(amount.replace(".", ""))


def merged(logs: list[Log]) -> Log:
    """What the writers did, by version; each commit made one of its own, and none is missing."""
    log = {version: effects for each in logs for version, effects in each.items()}
    assert sorted(log) == list(range(1, sum(map(len, logs)) + 1))
    return log
