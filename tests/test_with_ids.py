"""--with-ids: the four ids behind the other columns, as the plain join in the database has them, wherever they go."""

import csv
import io
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import polars
import pytest
from frictionless import validate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from movimento_flat.cli.progress import Console
from movimento_flat.cli.verify_command import verify_delivery
from movimento_flat.errors import UserError
from movimento_flat.privacy import Privacy
from movimento_flat.publish.parts import PARQUET_NAME, REJECTED_NAME, WORKBOOK_NAME
from movimento_flat.schema import AMOUNT, FLAT_BY_NAME, FLAT_COLUMNS, ID_COLUMNS, TABLES
from mr_jobs.job_options import JobOptions
from tests.brute_force import Tables, as_csv, flat_rows
from tests.conftest import ROOT, Database, Server, examples, new_database
from tests.nasty import TEXTS
from tests.rows import (
    INTO_ASSOCIADO,
    INTO_CARTAO,
    INTO_CONTA,
    INTO_MOVIMENTO,
    associado,
    cartao,
    conta,
    movimento,
)
from tests.test_join import merged, nasty_tables, run_inline, simulate, with_little_room
from tests.test_manifest import VALIDATOR
from tests.test_run import CSV, RUN, assert_user_error, command, run
from tests.test_verify import changed, forge, manifest, rows_of, verify, write_rows

COLUMNS = (*FLAT_COLUMNS, *ID_COLUMNS)
RULES = JobOptions(Privacy(ids=True))
#: Small and large ones, and those beside the ends of a bucket and of what a float and an int64 hold.
HUGE = [1, 99, 100, 101, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 2]


@pytest.fixture(scope="module")
def huge(server: Server) -> Database:
    """Ids of all lengths, texts that a CSV must quote, additional cardholders, and a row for each rejection."""
    database = new_database(server)
    database.create_tables()
    texts = [f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)" for text in TEXTS]
    numbers = random.Random(5)
    ids = [*HUGE, *(numbers.randrange(2**62, 2**64 - 2) for _ in range(60))]

    def text() -> str:
        return numbers.choice(texts)

    def pointer() -> int:
        return numbers.choice(ids)

    def moment() -> str:
        return f"'2024-0{numbers.randint(1, 9)}-01 10:00:00'"

    tables = {
        INTO_ASSOCIADO: [f"({id}, {text()}, {text()}, 40, NULL)" for id in ids],
        INTO_CONTA: [f"({id}, 1, {moment()}, {pointer()})" for id in ids],
        INTO_CARTAO: [
            *(f"({id}, '4{id:018}', {text()}, {moment()}, {pointer()}, {pointer()})" for id in ids if id < 10**18),
            *(f"({id}, '{numbers.randint(10**15, 10**16 - 1)}', {text()}, {moment()}, {pointer()}, {pointer()})"
              for id in ids if id >= 10**18),
            f"({2**64 - 1}, '4111111111111111', 'NO ACCOUNT', '2024-01-01', NULL, 1)",
            "(7, '4111111111111111', 'NO HOLDER', '2024-01-01', 1, 7)",
        ],
        INTO_MOVIMENTO: [
            *(f"({id}, {numbers.randint(-9999, 9999)}.{numbers.randint(0, 99):02}, {text()}, {moment()}, {pointer()})"
              for id in {*ids, *(numbers.randrange(10**digits) for digits in range(1, 20) for _ in range(50))}),
            *(f"({10**7 + place}, 1, {text()}, {moment()}, {card})"
              for place, card in enumerate(("NULL", 5, 7, 2**64 - 1))),
        ],
    }  # fmt: skip
    database.execute(*(f"{into} VALUES {', '.join(rows)}" for into, rows in tables.items()))
    return database


@pytest.fixture(scope="module")
def deliveries(
    filled: Database, huge: Database, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Database, Path]]:
    """To be read only."""
    found = {}
    for name, database in {"filled": filled, "huge": huge}.items():
        output = tmp_path_factory.mktemp(name)
        result = run(database, output, "--with-ids", "--excel", "--parquet")
        assert result.returncode == 0, result.stderr
        assert "names, with the ids of the database;" in result.stderr
        found[name] = database, output
    return found


@pytest.fixture(params=["filled", "huge"])
def delivery(
    request: pytest.FixtureRequest, deliveries: dict[str, tuple[Database, Path]]
) -> tuple[Database, Path]:
    return deliveries[request.param]


def expected(database: Database) -> bytes:
    return as_csv(COLUMNS, database.expected(with_ids=True))


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tables=nasty_tables(views=True),
    seed=st.integers(0, 9),
    mappers=st.integers(1, 4),
    reducers=st.integers(1, 5),
)
def test_nasty_tables_in_any_order_equal_brute_force(
    tables: Tables, seed: int, mappers: int, reducers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = tables.lines()
    random.Random(seed).shuffle(lines)
    parts = simulate(lines, mappers, reducers, random.Random(seed), RULES)
    flat, rejected = flat_rows(tables, with_ids=True)
    assert merged(parts, tmp_path_factory.mktemp("merged"), COLUMNS) == (as_csv(COLUMNS, flat), rejected)


def test_a_card_of_two_equal_accounts_is_ambiguous_only_where_their_ids_show(tmp_path: Path) -> None:
    """A view may have a card twice, and the accounts differ in nothing but their ids."""
    lines = [
        associado().line(),
        *(conta(id=account).line() for account in "12"),
        *(cartao(id_conta=account).line() for account in "12"),
        movimento(id="5").line(),
    ]
    csv, rejected = merged(run_inline(lines, RULES), tmp_path, COLUMNS)
    assert csv.count(b"\n") == 1
    assert rejected == [("ambiguous_card", "5")]
    assert b"".join(run_inline(lines)).count(b"\tF\t") == 1


def test_the_csv_is_what_a_plain_join_in_the_database_gives(delivery: tuple[Database, Path]) -> None:
    database, output = delivery
    assert (output / CSV).read_bytes() == expected(database)
    rows = [row[: len(FLAT_COLUMNS)] for row in database.expected(with_ids=True)]
    assert rows == database.expected()
    rejected = [
        line.split("\t") for line in (output / RUN / REJECTED_NAME).read_text("utf-8").splitlines()[1:]
    ]
    assert sorted((row[0], row[2]) for row in rejected) == sorted(database.rejected())
    assert len({row[0] for row in rejected}) == 4


def test_the_ids_are_those_of_the_rows_that_the_columns_come_from(filled: Database) -> None:
    """Read one by one, without a join; some holder is not the account's owner."""
    rows = random.Random(1).sample(filled.expected(with_ids=True), 60)
    owners = set()
    for row in rows:
        movement, card, account, holder = row[-4:]
        assert filled.query(f"SELECT id_cartao, des_transacao FROM movimento WHERE id = {movement}") == [
            (int(card), row[4])
        ]
        assert filled.query(f"SELECT id_conta, id_associado, num_cartao FROM cartao WHERE id = {card}") == [
            (int(account), int(holder), row[6])
        ]
        assert filled.query(f"SELECT nome, sobrenome FROM associado WHERE id = {holder}") == [row[:2]]
        ((owner,),) = filled.query(f"SELECT id_associado FROM conta WHERE id = {account}")
        owners.add(owner == int(holder))
    assert owners == {True, False}


def test_without_it_the_bytes_are_those_of_before(filled: Database, tmp_path: Path) -> None:
    """Also where OUTPUT has a delivery with ids."""
    assert run(filled, tmp_path, "--with-ids").returncode == 0
    assert run(filled, tmp_path).returncode == 0
    assert (tmp_path / CSV).read_bytes() == as_csv(FLAT_COLUMNS, filled.expected())
    assert "ids" not in manifest(tmp_path)["privacy"]


def test_a_window_has_ids_and_is_verified(filled: Database, tmp_path: Path) -> None:
    since, until = "2024-02-29 12:00:00", "2024-07-01 00:00:00"
    result = run(filled, tmp_path, "--with-ids", "--since", since, "--until", until)
    assert result.returncode == 0, result.stderr
    rows = [row for row in filled.expected(with_ids=True) if since <= row[5] < until]
    assert 0 < len(rows) < len(filled.expected())
    assert (tmp_path / CSV).read_bytes() == as_csv(COLUMNS, rows)
    result = verify(tmp_path, filled)
    assert result.returncode == 0, result.stderr


def test_every_runner_and_the_stages_one_by_one_give_the_same_bytes(huge: Database, tmp_path: Path) -> None:
    huge.reader()
    tsv = tmp_path / "tsv"
    assert command("extract", "--source", huge.url(), "--to", tsv).returncode == 0
    files = sorted(map(str, tsv.glob("*/*.tsv")))
    for runner in ("inline", "local"):
        (folder := tmp_path / runner).mkdir()
        script = [sys.executable, "mr_jobs/join.py", "-r", runner, "--no-conf", "--quiet", "--with-ids"]
        subprocess.run([*script, "--output-dir", str(folder / "parts"), *files], cwd=ROOT, check=True)
        parts = [part.read_bytes() for part in (folder / "parts").glob("part-*")]
        assert merged(parts, folder, COLUMNS)[0] == expected(huge)
    stages = [
        ("join", "--from", tsv, "--to", tmp_path / "parts", "--with-ids"),
        ("merge", "--from", tmp_path / "parts", "--tsv", tsv, "--output", tmp_path / "out"),
    ]
    assert command(*stages[0]).returncode == 0
    assert_user_error(command(*stages[1]), "does not have 11 columns")
    assert not (tmp_path / "out" / CSV).exists()
    result = command(*stages[1], "--with-ids")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / CSV).read_bytes() == expected(huge)


def test_buckets_sorted_on_disk_and_small_records_change_nothing(
    huge: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge.reader()
    assert command("extract", "--source", huge.url(), "--to", tmp_path / "tsv").returncode == 0
    with_little_room(monkeypatch)
    lines = [file.read_bytes() for file in (tmp_path / "tsv").glob("*/*.tsv")]
    assert merged(run_inline(lines, RULES), tmp_path, COLUMNS)[0] == expected(huge)


def read_csv(file: Path, delimiter: str = ",", encoding: str = "utf-8") -> list[list[str]]:
    text = io.StringIO(file.read_bytes().decode(encoding), newline="")
    return list(csv.reader(text, delimiter=delimiter))


def test_the_other_files_have_each_id(delivery: tuple[Database, Path]) -> None:
    database, output = delivery
    ids = [[int(value) for value in row[-4:]] for row in database.expected(with_ids=True)]
    parquet = polars.read_parquet(output / PARQUET_NAME)
    assert parquet.columns == list(COLUMNS)
    assert set(parquet.select(ID_COLUMNS).dtypes) == {polars.UInt64}
    assert list(map(list, parquet.select(ID_COLUMNS).rows())) == ids
    header, *sheet = load_workbook(output / WORKBOOK_NAME).worksheets[0].iter_rows(values_only=True)
    assert header == tuple(FLAT_BY_NAME[name].heading for name in COLUMNS)
    assert [[int(str(cell)) for cell in row[-4:]] for row in sheet] == ids
    for row in sheet:
        assert all(isinstance(cell, str) == (len(str(cell)) > 15) for cell in row[-4:])


def test_the_manifest_is_valid_and_frictionless_finds_each_row(delivery: tuple[Database, Path]) -> None:
    database, output = delivery
    content = manifest(output)
    VALIDATOR.validate(content)
    assert content["csv"]["columns"] == list(COLUMNS)
    assert content["files"][PARQUET_NAME]["left_out"] == {}
    package = json.loads((output / "datapackage.json").read_text("utf-8"))
    fields = package["resources"][0]["schema"]["fields"]
    assert [(field["name"], field["type"]) for field in fields[-4:]] == [
        (name, "integer") for name in ID_COLUMNS
    ]
    report = validate(str(output / "datapackage.json"))
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:5]
    assert report.tasks[0].stats["rows"] == len(database.expected())


def test_the_report_is_that_of_the_delivery_without_ids(filled: Database, tmp_path: Path) -> None:
    """But for its moment, which stands above the first section, and what the last one says of the file."""
    pages = []
    for options in ((), ("--with-ids",)):
        assert run(filled, tmp_path, *options).returncode == 0
        pages.append((tmp_path / "relatorio.html").read_text("utf-8").split("<section"))
    assert len(pages[0]) == len(pages[1]) > 5
    differ = [place for place, (one, other) in enumerate(zip(*pages, strict=True)) if one != other]
    assert set(differ) <= {0, len(pages[0]) - 1}


def test_verify_agrees_and_finds_an_id_that_is_another(
    delivery: tuple[Database, Path], tmp_path: Path
) -> None:
    """Offline by the manifest, and by the database where that is forged; also where two ids are swapped."""
    database, published = delivery
    output = Path(shutil.copytree(published, tmp_path / "output"))
    assert verify(output).returncode == 0
    result = verify(output, database)
    assert result.returncode == 0, result.stderr
    assert "holds the same rows now" in result.stderr
    header, rows = rows_of(output)
    for name in ID_COLUMNS:
        place = header.index(name)
        ids = [row[place] or "" for row in rows]
        other = next(number for number, identity in enumerate(ids) if identity != ids[0])
        another = [changed(rows[0], place, str(int(ids[0]) ^ 1)), *rows[1:]]
        swapped = rows.copy()
        swapped[0], swapped[other] = (
            changed(rows[0], place, ids[other]),
            changed(rows[other], place, ids[0]),
        )
        for damaged in (another, swapped):
            (output / RUN / "manifest.json").write_text(json.dumps(manifest(published)))
            write_rows(output, header, damaged)
            with pytest.raises(UserError, match="csv is not as it was published"):
                verify_delivery(output, None, Console())
            forge(output)
            verify_delivery(output, None, Console())
            with pytest.raises(UserError, match="other rows than the database"):
                verify_delivery(output, database.reader(), Console())


def test_ids_that_the_database_fills_with_zeros_have_none(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        "ALTER TABLE conta DROP FOREIGN KEY conta_associado",
        "ALTER TABLE cartao DROP FOREIGN KEY cartao_conta, DROP FOREIGN KEY cartao_associado",
        "ALTER TABLE movimento DROP FOREIGN KEY movimento_cartao",
        *(f"ALTER TABLE {table.name} MODIFY id BIGINT UNSIGNED ZEROFILL NOT NULL" for table in TABLES),
        f"{INTO_ASSOCIADO} VALUES (8, 'Ana', 'Reis', 30, NULL)",
        f"{INTO_CONTA} VALUES (9, 1, '2020-01-01', 8)",
        f"{INTO_CARTAO} VALUES (10, '4111111111111111', 'ANA', '2021-01-01', 9, 8)",
        f"{INTO_MOVIMENTO} VALUES (7, 1, 'x', '2024-01-01', 10)",
    )
    assert run(database, tmp_path, "--with-ids").returncode == 0
    assert rows_of(tmp_path)[1][0][-4:] == ("7", "10", "9", "8")
    result = verify(tmp_path, database)
    assert result.returncode == 0, result.stderr


def test_empty_tables_give_a_header_only(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    assert run(database, tmp_path, "--with-ids", "--parquet", "--excel").returncode == 0
    assert (tmp_path / CSV).read_text() == ",".join(COLUMNS) + "\n"
    assert verify(tmp_path, database).returncode == 0


@pytest.mark.parametrize(
    "hiding",
    [
        ("--card", "mask"),
        ("--card", "token"),
        ("--people", "token"),
        ("--dates", "day"),
        ("--dates", "month"),
        ("--drop", "nome_associado"),
        ("--drop", "tipo_conta"),
    ],
)
def test_where_anything_is_hidden_ids_are_refused_before_anything_is_read(
    hiding: tuple[str, ...], tmp_path: Path
) -> None:
    source = ("--source", "mysql://reader@no-such-host.invalid/db")
    result = command("run", "--output", tmp_path / "out", *source, "--with-ids", *hiding)
    assert result.returncode == 2
    assert "Ids lead back to what --card, --people, --dates and --drop hide" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_id_is_no_column_to_be_dropped() -> None:
    for name in ID_COLUMNS:
        with pytest.raises(UserError, match=f"has no column {name}"):
            Privacy(dropped=frozenset([name]))
    assert Privacy(ids=True).columns == COLUMNS
    assert not Privacy(ids=True).hides
    assert AMOUNT in COLUMNS


def test_a_manifest_that_has_ids_and_hides_something_is_damaged(
    deliveries: dict[str, tuple[Database, Path]], tmp_path: Path
) -> None:
    output = Path(shutil.copytree(deliveries["huge"][1], tmp_path / "output"))
    content = manifest(output)
    content["privacy"]["people"] = "token"
    (output / RUN / "manifest.json").write_text(json.dumps(content))
    assert_user_error(verify(output), "is damaged")
