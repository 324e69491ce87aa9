"""`verify`: whatever is not as it was is found, offline by the manifest and, where that is forged, by the database."""

import csv
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from movimento_flat.cli.progress import Console
from movimento_flat.cli.verify_command import verify_delivery
from movimento_flat.errors import UserError
from movimento_flat.money import centavos
from movimento_flat.publish.manifest import checksum
from movimento_flat.sample_data.private_server import PrivateServer
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS
from movimento_flat.verify import database as verify_database
from tests.brute_force import Row, as_csv
from tests.conftest import ROOT, Database, new_database
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO
from tests.test_run import CSV, PUBLISHED, RUN, Result, assert_user_error, command, run
from tests.test_window import now

AMOUNT_PLACE = FLAT_COLUMNS.index(AMOUNT)


@pytest.fixture(scope="session")
def published(filled: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delivery of `filled`; to be copied, not changed."""
    output = tmp_path_factory.mktemp("published")
    result = run(filled, output)
    assert result.returncode == 0, result.stderr
    return output


@pytest.fixture
def output(published: Path, tmp_path: Path) -> Path:
    """A copy of `published`."""
    return Path(shutil.copytree(published, tmp_path / "output"))


def verify(output: Path, database: Database | None = None) -> Result:
    return command("verify", output, *(("--source", database.url()) if database else ()))


def manifest(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / RUN / "manifest.json").read_text("utf-8"))
    return content


def write_manifest(output: Path, content: object) -> None:
    """With the checksum that fits it."""
    data = json.dumps(content).encode()
    (output / RUN / "manifest.json").write_bytes(data)
    (output / RUN / "manifest.json.sha256").write_bytes(checksum(data))


def rows_of(output: Path) -> tuple[list[str], list[Row]]:
    header, *rows = csv.reader(io.StringIO((output / CSV).read_bytes().decode(), newline=""))
    return header, [tuple(row) for row in rows]


def write_rows(output: Path, header: list[str], rows: list[Row]) -> None:
    (output / CSV).write_bytes(as_csv(header, rows))


def forge(output: Path) -> None:
    """Let the manifest say what the CSV holds, and the accounts balance."""
    content, (header, rows) = manifest(output), rows_of(output)
    place = header.index(AMOUNT)
    data = (output / CSV).read_bytes()
    content["csv"] |= {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "rows": len(rows),
        "centavos": sum(centavos((row[place] or "").encode()) for row in rows),
    }
    forge_files(output, content)
    content["source"]["rows"]["movimento"] = content["csv"]["rows"] + content["rejected"]["rows"]
    content["source"]["movement_centavos"] = content["csv"]["centavos"] + content["rejected"]["centavos"]
    write_manifest(output, content)


def forge_files(output: Path, content: dict[str, Any]) -> None:
    for name, file in content["files"].items():
        data = ((output if (output / name).exists() else output / RUN) / name).read_bytes()
        file |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def changed(row: Row, place: int, value: str | None) -> Row:
    return (*row[:place], value, *row[place + 1 :])


def flip_a_byte(rows: list[Row]) -> None:
    """The lowest bit of a letter, in a name."""
    name = rows[300][0] or ""
    rows[300] = changed(rows[300], 0, chr(ord(name[0]) ^ 1) + name[1:])


def leave_out_a_row(rows: list[Row]) -> None:
    del rows[300]


def double_a_row(rows: list[Row]) -> None:
    rows.insert(300, rows[300])


def change_an_amount(rows: list[Row]) -> None:
    rows[300] = changed(rows[300], AMOUNT_PLACE, "123456.78")


def swap_two_amounts(rows: list[Row]) -> None:
    one, other = 300, next(i for i in range(301, 999) if rows[i][AMOUNT_PLACE] != rows[300][AMOUNT_PLACE])
    amounts = rows[one][AMOUNT_PLACE], rows[other][AMOUNT_PLACE]
    rows[one] = changed(rows[one], AMOUNT_PLACE, amounts[1])
    rows[other] = changed(rows[other], AMOUNT_PLACE, amounts[0])


def double_one_row_and_leave_out_another_of_its_amount(rows: list[Row]) -> None:
    places: dict[str | None, int] = {}
    for place, row in enumerate(rows):
        first = places.setdefault(row[AMOUNT_PLACE], place)
        if rows[first] != row:
            rows[place] = rows[first]
            return
    raise AssertionError("no two rows of one amount")


CHANGED = "movimento_flat.csv is not as it was published"
OTHER_ROWS = "movimento_flat.csv has other rows than the database"
DAMAGES = [
    (flip_a_byte, CHANGED, OTHER_ROWS),
    (leave_out_a_row, "movimento_flat.csv has", "rows; by the database"),
    (double_a_row, "movimento_flat.csv has", "rows; by the database"),
    (change_an_amount, "The amounts of movimento_flat.csv add up to", "; by the database it must be R$"),
    (swap_two_amounts, CHANGED, OTHER_ROWS),
    (double_one_row_and_leave_out_another_of_its_amount, CHANGED, OTHER_ROWS),
]


def test_what_was_published_is_right_and_the_database_agrees(filled: Database, output: Path) -> None:
    result = verify(output)
    assert result.returncode == 0, result.stderr
    assert "as its manifest says" in result.stderr
    assert "holds the same rows" not in result.stderr
    result = verify(output, filled)
    assert result.returncode == 0, result.stderr
    assert "holds the same rows now" in result.stderr


@pytest.mark.parametrize(("damage", "said", "said_by_the_database"), DAMAGES)
def test_each_damage_is_found_offline_and_with_a_forged_manifest_by_the_database(
    filled: Database,
    output: Path,
    damage: Callable[[list[Row]], None],
    said: str,
    said_by_the_database: str,
) -> None:
    header, rows = rows_of(output)
    damage(rows)
    write_rows(output, header, rows)
    assert_user_error(verify(output), said)
    forge(output)
    assert verify(output).returncode == 0
    result = verify(output, filled)
    assert_user_error(result, said_by_the_database)
    assert "may have changed since" in result.stderr


def test_a_byte_that_makes_it_no_utf8_is_found_by_both(filled: Database, output: Path) -> None:
    data = bytearray((output / CSV).read_bytes())
    data[data.index(b"corrente")] ^= 0x80
    (output / CSV).write_bytes(data)
    result = verify(output, filled)
    assert_user_error(result, CHANGED)
    assert "rows in UTF-8" in result.stderr


def test_a_csv_that_is_cut_or_missing_is_found(output: Path) -> None:
    data = (output / CSV).read_bytes()
    (output / CSV).write_bytes(data[:-20])
    assert_user_error(verify(output), "ends in the middle of a row")
    (output / CSV).unlink()
    assert_user_error(verify(output), "movimento_flat.csv is missing")


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        (
            "rejected.tsv",
            b"malformed\tmovimento\t1\t1\t0.01\tx\n",
            "rejected.tsv, of the reason malformed, has 1 row; by the manifest it must have 0",
        ),
        (
            "holder_owner_mismatches.tsv",
            b"1\t1\t2\t0\t0\n",
            "rows; by the manifest it must have",
        ),
        ("warnings.tsv", b"luhn\tcartao\t1\t1\t\n", "warnings.tsv, of the reason luhn, has"),
    ],
)
def test_a_list_that_is_missing_has_another_row_or_is_damaged_is_found(
    output: Path, name: str, row: bytes, said: str
) -> None:
    path = output / RUN / name
    content = path.read_bytes()
    path.write_bytes(content + row)
    assert_user_error(verify(output), said)
    path.write_bytes(content + b"x\n")
    assert_user_error(verify(output), f"{name} has a line that is no row of")
    path.write_bytes(content[1:])
    assert_user_error(verify(output), f"{name} does not begin with the names of its columns")
    path.unlink()
    assert_user_error(verify(output), f"{name} is missing")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"", "rejected.tsv does not begin with the names"),
        (lambda data: data.replace(b"\t", b" "), "rejected.tsv has a line that is no row of"),
        (lambda data: data[:-1], "rejected.tsv has a line that is no row of"),
        (
            lambda data: data + b"\xff\tmovimento\t1\t1\t1.00\tx\n",
            "rejected.tsv has a line that is no row of",
        ),
        (
            lambda data: data + b"malformed\t\xff\t\xff\t\xff\t1.00\tx\n",
            "rejected.tsv, of the reason malformed",
        ),
        (lambda data: None, "rejected.tsv is missing"),
    ],
)
def test_a_damaged_list_is_one_message_also_where_a_database_is_asked(
    filled: Database, output: Path, damage: Callable[[bytes], bytes | None], said: str
) -> None:
    path = output / RUN / "rejected.tsv"
    content = damage(path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=said) as found:
        verify_delivery(output, filled.reader(), Console())
    assert ("The database was not asked" in str(found.value)) == ("is missing" in said or "no row of" in said)


def test_a_letter_of_a_rejected_row_that_is_no_utf8_hinders_nothing(filled: Database, output: Path) -> None:
    path = output / RUN / "rejected.tsv"
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\n")
    forge(output)
    assert "holds the same rows now" in verify_delivery(output, filled.reader(), Console()).as_text(None)


def test_every_difference_is_named(output: Path) -> None:
    header, rows = rows_of(output)
    del rows[0]
    write_rows(output, header, rows)
    (output / RUN / "holder_owner_mismatches.tsv").unlink()
    result = verify(output)
    for said in (
        CHANGED,
        "movimento_flat.csv has",
        "The amounts of movimento_flat.csv add up to",
        "holder_owner_mismatches.tsv is missing",
        "movimento_flat.csv with rejected.tsv has",
    ):
        assert_user_error(result, said)


def test_accounts_of_the_manifest_that_do_not_balance_are_found(output: Path) -> None:
    content = manifest(output)
    content["source"]["movement_centavos"] += 1
    write_manifest(output, content)
    assert_user_error(verify(output), "The amounts of movimento_flat.csv with rejected.tsv add up to")


@pytest.fixture
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a delivery of an earlier version."""
    return Path(shutil.copytree(ROOT / "tests" / "data" / "deliveries" / request.param, tmp_path / "earlier"))


EARLIER = pytest.mark.parametrize("earlier", ["format_1", "format_2", "format_3"], indirect=True)


@EARLIER
def test_a_delivery_of_an_earlier_version_is_verified_as_far_as_its_manifest_says(earlier: Path) -> None:
    result = verify(earlier)
    assert result.returncode == 0, result.stderr
    known = {CSV, *(manifest(earlier).get("files", {}))}
    has_a_checksum = (earlier / RUN / "manifest.json.sha256").exists()
    for file in files_of(earlier):
        content = file.read_bytes()
        flip(file, len(content) // 2)
        if file.name in known:
            assert f"{file.name} is not as it was published" in difference(earlier)
        file.write_bytes(content)
        file.unlink()
        assert file.name in difference(earlier)
        file.write_bytes(content)
    for name in (f"{RUN}/relatorio.html", f"{RUN}/holder_owner_mismatches.tsv", "movimento_flat.parquet"):
        (earlier / name).write_text("")
        assert f"{name} is no part of it" in difference(earlier)
        (earlier / name).unlink()
    (earlier / "relatorio.html").write_text("of its user")
    assert verify(earlier).returncode == 0
    if not has_a_checksum:
        (earlier / RUN / "manifest.json.sha256").write_text("")
        assert "manifest.json.sha256 is no part of it" in difference(earlier)


def difference(output: Path) -> str:
    """Return what `verify` says is wrong; its function alone takes a fraction of the command's time."""
    with pytest.raises((UserError, OSError)) as error:
        verify_delivery(output, None, Console(quiet=True))
    return str(error.value)


@EARLIER
def test_a_delivery_of_an_earlier_version_is_replaced(
    earlier: Path, filled: Database, key_of_the_tests: Path
) -> None:
    has_tokens_without_a_key = manifest(earlier)["format"] == 2
    result = run(filled, earlier, "--card", "token")
    assert result.returncode == 0, result.stderr
    assert ("does not say by which key" in result.stderr) == has_tokens_without_a_key
    assert manifest(earlier)["format"] == 4
    assert [path.name for path in sorted(earlier.iterdir())] == PUBLISHED
    assert verify(earlier).returncode == 0


@EARLIER
@pytest.mark.parametrize("is_new", [False, True])
def test_what_a_killed_run_of_an_earlier_version_left_is_settled(earlier: Path, is_new: bool) -> None:
    """As it was between the two renames of the CSV's neighbours: the previous ones away, the new ones not there yet."""
    work = earlier / ".movimento_flat.work"
    work.mkdir()
    (work / "pid").write_text("1\n")
    package = earlier / "datapackage.json"
    if is_new:
        (earlier / RUN).rename(work / "new.run")
        (work / "previous.run").mkdir()
        if package.exists():
            package.rename(work / "new.datapackage.json")
    else:
        (earlier / RUN).rename(work / "previous.run")
        (work / "new.run").mkdir()
        (work / "new.csv").touch()
        if package.exists():
            package.rename(work / "previous.datapackage.json")
    result = verify(earlier)
    assert result.returncode == 0, result.stderr


def files_of(output: Path) -> list[Path]:
    return sorted(file for file in output.rglob("*") if file.is_file())


def flip(file: Path, place: int) -> None:
    """The lowest bit of a byte."""
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


@pytest.fixture(scope="module")
def with_everything(database_of_few_rows: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delivery with every optional file."""
    output = tmp_path_factory.mktemp("everything") / "out"
    result = run(database_of_few_rows, output, "--card", "token", "--people", "token", "--excel", "--parquet")
    assert result.returncode == 0, result.stderr
    return output


@pytest.fixture(scope="module")
def database_of_few_rows(server: PrivateServer) -> Database:
    database = new_database(server)
    with_rows(database)
    return database


def test_each_delivered_file_is_in_the_manifest_and_sha256sum_finds_the_manifest_right(
    with_everything: Path,
) -> None:
    names = {file.name for file in files_of(with_everything)}
    assert names >= {
        "movimento_flat.xlsx",
        "movimento_flat.parquet",
        "relatorio.html",
        "datapackage.json",
    }
    for name in ("movimento_flat.parquet", "relatorio.html"):
        assert (with_everything / name).is_file()
    assert names - {CSV, "manifest.json", "manifest.json.sha256"} == manifest(with_everything)["files"].keys()
    run_folder = with_everything / RUN
    subprocess.run(["sha256sum", "--check", "--strict", "manifest.json.sha256"], cwd=run_folder, check=True)
    written = subprocess.run(["sha256sum", "manifest.json"], cwd=run_folder, check=True, capture_output=True)
    assert (run_folder / "manifest.json.sha256").read_bytes() == written.stdout


def test_one_flipped_bit_of_any_delivered_file_is_found(with_everything: Path) -> None:
    """At its begin, in its middle and at its end. The checksum's every bit: nothing in it is free."""
    assert verify_delivery(with_everything, None, Console())
    files = files_of(with_everything)
    assert len(files) == 10
    for file in files:
        content = file.read_bytes()
        everywhere = file.name == "manifest.json.sha256"
        for place in range(len(content)) if everywhere else (0, len(content) // 2, len(content) - 1):
            for bit in range(8) if everywhere else (0, 5, 7):
                damaged = bytearray(content)
                damaged[place] ^= 1 << bit
                file.write_bytes(damaged)
                with pytest.raises(UserError, match=re.escape(file.name)):
                    verify_delivery(with_everything, None, Console())
        file.write_bytes(content)
    assert verify_delivery(with_everything, None, Console())


def test_every_bit_of_a_manifest_counts(output: Path) -> None:
    """Also those that make it one of an earlier format, with another name for a field, or with a blank less."""
    file = output / RUN / "manifest.json"
    content = file.read_bytes()
    chance = random.Random(15)
    said = b'"format": 4'
    assert content.count(said) == 1
    others = [content.replace(said, said[:-1] + b"%d" % number) for number in (1, 2, 3, 5)]
    for _ in range(40):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        others.append(bytes(damaged))
    for other in others:
        file.write_bytes(other)
        with pytest.raises(UserError, match=r"manifest\.json"):
            verify_delivery(output, None, Console())


def test_a_removed_file_is_found(with_everything: Path) -> None:
    for file in files_of(with_everything):
        content = file.read_bytes()
        file.unlink()
        expected = "There is no" if file.name == "manifest.json" else f"{file.name} is missing"
        with pytest.raises(UserError, match=expected):
            verify_delivery(with_everything, None, Console())
        file.mkdir()
        with pytest.raises(UserError, match=r"There is no|is no file"):
            verify_delivery(with_everything, None, Console())
        file.rmdir()
        file.write_bytes(content)
    assert verify_delivery(with_everything, None, Console())


@pytest.mark.parametrize(
    "name",
    [
        f"{RUN}/notes.txt",
        f"{RUN}/.hidden",
        f"{RUN}/movimento_flat.excel-2.csv",
        f"{RUN}/datapackage.json",
        f"{RUN}/folder/",
        f"{RUN}/relatorio.html",
        f"{RUN}/report.html",
        f"{RUN}/disagreements.tsv",
        f"{RUN}/movimento_flat.parquet",
        "movimento_flat.parquet",
        "movimento_flat.csv.bak",
        "movimento_flat.old/",
    ],
)
def test_an_added_file_under_the_programs_names_is_found(output: Path, name: str) -> None:
    (output / name).mkdir() if name.endswith("/") else (output / name).write_text("x")
    assert_user_error(verify(output), f"{name.rstrip('/')} is no part of it: the manifest does not know it")


def test_files_of_the_user_beside_a_delivery_are_nobody_elses_affair(output: Path) -> None:
    (output / "notes.txt").write_text("x")
    (output / "movimentos.xlsx").write_text("x")
    (output / "report.html").write_text("x")
    (output / "movimento_flat.refused").mkdir()
    (output / ".movimento_flat.work").mkdir()
    assert verify(output).returncode == 0


def test_a_page_that_the_manifest_does_not_know_is_found(filled: Database, tmp_path: Path) -> None:
    assert run(filled, tmp_path, "--no-report").returncode == 0
    (tmp_path / "relatorio.html").write_text("x")
    assert_user_error(verify(tmp_path), "relatorio.html is no part of it")


@pytest.mark.parametrize("earlier", ["format_1"], indirect=True)
def test_a_data_package_that_the_manifest_does_not_know_is_found(output: Path, earlier: Path) -> None:
    shutil.copy(output / "datapackage.json", earlier)
    assert_user_error(verify(earlier), "datapackage.json is no part of it")
    (earlier / "datapackage.json").write_text('{"name": "of its user"}')
    assert verify(earlier).returncode == 0


def test_a_pipe_in_the_place_of_a_file_does_not_hold_the_check_up(output: Path) -> None:
    (output / RUN / "rejected.tsv").unlink()
    os.mkfifo(output / RUN / "rejected.tsv")
    with pytest.raises(UserError, match=r"rejected\.tsv is no file"):
        verify_delivery(output, None, Console())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        ('{"format": 2}', "is damaged"),
        ('{"format": "2"}', "is damaged"),
        ('{"format": 3}', "is damaged"),
        ('{"format": 4}', "is damaged"),
        ('{"format": 99}', "has format 99; this version knows formats up to 4"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_message(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / RUN).mkdir()
    (tmp_path / RUN / "manifest.json").write_text(content)
    assert_user_error(verify(tmp_path), said)


@pytest.mark.parametrize(
    "damage",
    [
        {"csv": None},
        {"csv": {"rows": "1", "centavos": 1, "sha256": "", "bytes": 1, "columns": [AMOUNT]}},
        {"csv": {"rows": 1, "centavos": 1, "sha256": "", "bytes": 1, "columns": ["other"]}},
        {"privacy": {"card": "full", "people": "full", "dropped": [AMOUNT]}},
        {"holder_owner_mismatches": True},
        {"source": {"since": 5}},
        {"source": {"until": {}}},
        {"source": {"as_of": "2024-13-01 00:00:00"}},
        {"source": {"time_zone": None}},
        {"source": {"snapshot_utc": []}},
        {"warnings": {}},
        {"privacy": {"card": "full", "people": "full", "dropped": []}},
        {"privacy": {"card": "token", "people": "full", "dropped": [], "key_fingerprint": 5}},
    ],
)
def test_a_damaged_field_of_a_manifest_is_one_message(output: Path, damage: dict[str, Any]) -> None:
    content = manifest(output)
    if "source" in damage:
        damage = {"source": content["source"] | damage["source"]}
    write_manifest(output, content | damage)
    assert_user_error(verify(output), "manifest.json is damaged")


def test_a_folder_without_a_manifest_is_one_message(tmp_path: Path) -> None:
    assert_user_error(verify(tmp_path), "There is no ")
    assert command("verify", tmp_path / "nowhere").returncode == 2


def test_a_database_that_has_changed_since_is_reported_as_such(database: Database, tmp_path: Path) -> None:
    with_rows(database)
    assert run(database, tmp_path).returncode == 0
    assert verify(tmp_path, database).returncode == 0
    database.execute("UPDATE associado SET nome = 'Anna' WHERE id = 1")
    result = verify(tmp_path, database)
    assert_user_error(result, OTHER_ROWS)
    assert "may have changed since" in result.stderr


def test_empty_tables_are_the_same(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    assert run(database, tmp_path).returncode == 0
    result = verify(tmp_path, database)
    assert result.returncode == 0, result.stderr


def with_rows(database: Database) -> None:
    """A few rows, of which one is unusual in each way."""
    database.create_tables()
    database.execute(
        "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
        "ALTER TABLE movimento MODIFY des_transacao VARBINARY(100), MODIFY vlr_transacao DECIMAL(20, 2) NULL,"
        " MODIFY data_movimento DATETIME(3) NULL",
        "ALTER TABLE associado MODIFY idade INT(5) ZEROFILL, MODIFY sobrenome VARBINARY(20)",
        "ALTER TABLE conta MODIFY data_criacao DATE",
        "ALTER TABLE cartao DROP CONSTRAINT cartao_num_cartao, MODIFY data_criacao TIMESTAMP NULL,"
        " MODIFY nom_impresso VARCHAR(50) CHARACTER SET latin1",
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Ré\"is, x', 7, NULL), (2, 'Ivo', X'E9', 30, NULL),"
        " (3, 'Zoé', NULL, NULL, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-02-29', 1), (2, 'salario', '0000-00-00', 2)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'AÇÃO', '2021-01-01 12:00:00', 1, 1),"
        " (2, '4111111111111112', NULL, NULL, 2, 2), (3, '1234567890', 'X', '2022-01-01', 2, 3),"
        " (4, 'çã345678901', 'Y', '2022-01-01', 1, 3), (5, '1234', 'Z', '2022-01-01', 1, 3)",
        f"{INTO_MOVIMENTO} VALUES (1, 1.00, 'x\n\t,\"\\\\', '2024-01-01 10:11:12.999', 1),"
        " (2, -2.50, '', '0000-00-00 00:00:00', 1), (3, NULL, NULL, NULL, 1),"
        " (4, 99999999999999.99, X'C3A9E9', '2024-01-02', 1), (5, 5, 'of a damaged associate', '2024-01-02', 2),"
        " (6, 6, 'no card', '2024-01-02', NULL), (7, 7, 'unknown card', '2024-01-02', 77),"
        " (8, 8, 'cartão 4111 1111-11111111, -9 * 5', '2024-01-02', 3), (9, 9, '😀', '2024-01-03', 4),"
        " (10, 0.01, 'x', '2024-01-04', 5)",
    )


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--card", "mask"),
        ("--card", "token", "--people", "token"),
        ("--drop", "numero_cartao", "--drop", "nome_associado"),
        ("--card", "mask", "--drop", "des_transacao_movimento"),
        ("--dates", "day"),
        ("--dates", "month", "--card", "token", "--people", "token"),
    ],
)
def test_unusual_rows_are_compared_as_the_delivery_shows_them(
    database: Database, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with_rows(database)
    result = run(database, tmp_path / "out", "--time-zone", "+05:30", *options)
    assert result.returncode == 0, result.stderr
    assert manifest(tmp_path / "out")["csv"]["rows"] == 6
    assert manifest(tmp_path / "out")["rejected"]["by_reason"]["invalid_utf8"] == 2
    result = verify(tmp_path / "out", database)
    assert result.returncode == 0, result.stderr
    compared = set(rows_of(tmp_path / "out")[0])
    if "token" in options:
        compared -= {"numero_cartao", "nome_associado", "sobrenome_associado", "nome_impresso_cartao"}
        assert "compared without the tokens of nome_associado, " in result.stderr
    assert ("the digits of texts that may hold card numbers" in result.stderr) == ("--card" in options)
    assert_each_column_matters(tmp_path / "out", database, compared)


def assert_each_column_matters(output: Path, database: Database, compared: set[str]) -> None:
    header, rows = rows_of(output)
    for place, name in enumerate(header):
        damaged = changed(rows[0], place, "7.77" if name == AMOUNT else f"{rows[0][place]}x")
        write_rows(output, header, [damaged, *rows[1:]])
        forge(output)
        found = (
            pytest.raises(UserError, match=r"(by|than) the database") if name in compared else nullcontext()
        )
        with found:
            verify_delivery(output, database.reader(), Console())


def few_rows(database: Database, *movements: str) -> None:
    """Movements of the one card there is."""
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY id BIGINT, MODIFY vlr_transacao DECIMAL(12, 2) NULL,"
        " MODIFY des_transacao VARBINARY(100)",
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Reis', 7, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-02-29', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ANA REIS', '2021-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES {', '.join(movements)}",
    )


def test_a_rejected_row_with_a_negative_id_is_left_out_on_both_sides(
    database: Database, tmp_path: Path
) -> None:
    few_rows(database, "(-5, 1, 'x', '2024-01-01', 1)", "(2, 1, 'x', '2024-01-01', 1)")
    assert run(database, tmp_path).returncode == 0
    assert manifest(tmp_path)["rejected"]["by_reason"] == {"malformed": 1}
    assert "holds the same rows now" in verify_delivery(tmp_path, database.reader(), Console()).as_text(None)


def test_however_many_rejected_rows_are_left_out_on_both_sides(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows(database, *(f"({identity}, 1, 'x', '2024-01-01', 1)" for identity in range(-5, 3)))
    assert run(database, tmp_path).returncode == 0
    assert manifest(tmp_path)["rejected"]["by_reason"] == {"malformed": 5}
    for at_once in (1, 2, 3, 4, 5, 6):
        monkeypatch.setattr(verify_database, "_IDS_AT_ONCE", at_once)
        said = verify_delivery(tmp_path, database.reader(), Console()).as_text(None)
        assert "holds the same rows now" in said


def test_a_rejected_row_whose_id_is_masked_cannot_be_left_out(database: Database, tmp_path: Path) -> None:
    few_rows(database, "(4111111111111111, 1, X'FF', '2024-01-01', 1)", "(2, 1, 'x', '2024-01-01', 1)")
    assert run(database, tmp_path, "--card", "mask").returncode == 0
    assert_user_error(verify(tmp_path, database), "masked ids, which may be card numbers")
    assert run(database, tmp_path).returncode == 0
    assert verify(tmp_path, database).returncode == 0


def test_texts_of_as_many_digits_as_the_shortest_number_agree(database: Database, tmp_path: Path) -> None:
    """Of thirteen, of twelve, of other scripts, masked before, and what is left when something was masked."""
    texts = [
        "4222222222222",
        "422222222222",
        "422222***2222",
        "4222.222.222.222 x",
        "٤222222222222",
        "é" * 13,
        "*" * 13,
    ]
    few_rows(
        database, *(f"({n}, 1, X'{text.encode().hex()}', '2024-01-01', 1)" for n, text in enumerate(texts, 1))
    )
    assert run(database, tmp_path, "--card", "mask").returncode == 0
    assert "holds the same rows now" in verify_delivery(tmp_path, database.reader(), Console()).as_text(None)


def test_control_characters_and_blanks_are_the_same_on_both_sides(database: Database, tmp_path: Path) -> None:
    texts = (
        "\r",
        "\n",
        "\r\n",
        "\0",
        "\x1a",
        "\x1e",
        "\x1f",
        "\b",
        " x ",
        "\\N",
        "NULL",
        "\u2028\x85\ufeff",
        '"',
    )
    few_rows(
        database,
        *(
            f"({identity}, 1, X'{text.encode().hex()}', '2024-01-01', 1)"
            for identity, text in enumerate(texts, 1)
        ),
    )
    assert run(database, tmp_path).returncode == 0
    assert manifest(tmp_path)["csv"]["rows"] == len(texts)
    assert "holds the same rows now" in verify_delivery(tmp_path, database.reader(), Console()).as_text(None)


def test_a_delivery_of_two_columns_with_an_amount_that_is_null(database: Database, tmp_path: Path) -> None:
    few_rows(database, "(1, NULL, 'x', '2024-01-01', 1)", "(2, 1, 'x', '2024-01-01', 1)")
    kept = {AMOUNT, "nome_impresso_cartao"}
    drop = [option for name in FLAT_COLUMNS if name not in kept for option in ("--drop", name)]
    result = run(database, tmp_path, "--excel", *drop)
    assert result.returncode == 0, result.stderr
    assert (
        tmp_path / CSV
    ).read_bytes() == f"{AMOUNT},nome_impresso_cartao\n,ANA REIS\n1.00,ANA REIS\n".encode()
    assert "holds the same rows now" in verify_delivery(tmp_path, database.reader(), Console()).as_text(None)


def test_a_window_is_compared_with_the_same_window(database: Database, tmp_path: Path) -> None:
    with_rows(database)
    window = ("--since", "2024-01-01 10:11:12", "--until", "2024-01-03")
    assert run(database, tmp_path, *window).returncode == 0
    assert manifest(tmp_path)["csv"]["rows"] == 2
    result = verify(tmp_path, database)
    assert result.returncode == 0, result.stderr
    content = manifest(tmp_path)
    others: list[tuple[dict[str, str | None], int]] = [
        ({"since": "2024-01-01 10:11:13"}, 1),
        ({"until": "2024-01-03 00:00:01"}, 3),
        ({"until": None}, 4),
    ]
    for other, rows in others:
        write_manifest(tmp_path, content | {"source": content["source"] | other})
        assert_user_error(
            verify(tmp_path, database), f"movimento_flat.csv has 2 rows; by the database it must have {rows}."
        )


def test_an_earlier_moment_is_compared_with_that_moment(database: Database, tmp_path: Path) -> None:
    """MariaDB only."""
    with_rows(database)
    tables = ("associado", "conta", "cartao", "movimento")
    database.execute(*(f"ALTER TABLE {table} ADD SYSTEM VERSIONING" for table in tables))
    as_of = now(database, "-03:00")
    database.execute(
        "UPDATE movimento SET vlr_transacao = 7 WHERE id = 1", "UPDATE associado SET nome = 'x' WHERE id = 3"
    )
    assert run(database, tmp_path, "--as-of", as_of, "--time-zone", "-03:00").returncode == 0
    result = verify(tmp_path, database)
    assert result.returncode == 0, result.stderr
    content = manifest(tmp_path)
    assert content["source"]["as_of"] == as_of
    content["source"]["as_of"] = None
    write_manifest(tmp_path, content)
    assert_user_error(verify(tmp_path, database), "The amounts of movimento_flat.csv add up to")
