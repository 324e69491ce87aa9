"""--since, --until and --as-of: the rows asked for and no others, counted alike, and read page by page."""

import json
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection

from extract.mysql import pages as pages_module
from extract.mysql import session as session_module
from extract.mysql.columns import inspect
from extract.mysql.pages import PageBook
from extract.source import Source
from extract.window import Window
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.publish.parts import REJECTED_NAME
from movimento_flat.schema import FLAT_COLUMNS, TABLES
from tests.brute_force import as_csv
from tests.conftest import Database
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO
from tests.test_extract import expected_lines, extracted
from tests.test_run import CSV, RUN, command, run

DATE = FLAT_COLUMNS.index("data_movimento")


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def window(since: str | None = None, until: str | None = None, as_of: str | None = None) -> Window:
    return Window(moment(since), moment(until), moment(as_of))


def movements_read(source: Source, folder: Path) -> list[int]:
    """Ids of the movements that the extraction writes; they are as many as it counts."""
    extraction, lines = extracted(source, folder)
    ids = sorted(int(line.split(b"\t")[1]) for line in lines if line.startswith(b"M"))
    assert extraction.tables["movimento"].rows == len(ids)
    return ids


@pytest.mark.parametrize("data_type", ["DATETIME", "TIMESTAMP NULL", "DATETIME(6)", "TIMESTAMP(6) NULL"])
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (window(), [1, 2, 3, 4, 5, 6]),
        (window("2024-01-01"), [2, 3, 4, 5]),
        (window(until="2024-01-01"), [1]),
        (window("2024-01-01", "2024-01-02"), [2, 3, 4]),
        (window("2024-01-01 00:00:01", "2024-01-01 23:59:59"), [3]),
        (window("2024-01-02 00:00:01", "2030-01-01"), []),
        (window(until="2000-01-01"), []),
    ],
)
def test_since_is_inside_until_is_outside_and_null_is_nowhere(
    database: Database, tmp_path: Path, data_type: str, limits: Window, expected: list[int]
) -> None:
    """In the wall clock of the CSV, which for a TIMESTAMP is that of the time zone asked for."""
    zone = "+05:00"
    database.create_tables()
    database.execute(
        f"ALTER TABLE movimento MODIFY data_movimento {data_type}",
        f"SET SESSION time_zone = '{zone}'",
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2023-12-31 23:59:59', 1), (2, 2, 'x', '2024-01-01', 1),"
        " (3, 4, 'x', '2024-01-01 00:00:01', 1), (4, 8, 'x', '2024-01-01 23:59:59', 1),"
        " (5, 16, 'x', '2024-01-02', 1), (6, 32, 'x', NULL, 1)",
    )
    source = replace(database.reader(), time_zone=zone, window=limits)
    assert movements_read(source, tmp_path) == expected
    extraction, _ = extracted(source, tmp_path / "again")
    assert extraction.tables["movimento"] == Totals(len(expected), sum(100 << (i - 1) for i in expected))
    assert extraction.window == limits


def test_fractions_of_a_second_are_cut_as_in_the_csv(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY data_movimento TIMESTAMP(6) NULL",
        "SET SESSION time_zone = '-03:00'",
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2023-12-31 23:59:59.999999', 1),"
        " (2, 1, 'x', '2024-01-01 00:00:00.000001', 1)",
    )
    source = replace(database.reader(), time_zone="-03:00")
    assert movements_read(replace(source, window=window("2024-01-01")), tmp_path / "1") == [2]
    assert movements_read(replace(source, window=window(None, "2024-01-01")), tmp_path / "2") == [1]


#: A zone with a night, from the 17th to the 18th of February 2018, of which the hour before midnight comes twice.
SUMMER = "Test/Summer"
ZONE = 4711
SUMMER_TIME = (
    f"REPLACE INTO mysql.time_zone VALUES ({ZONE}, 'N')",
    f"REPLACE INTO mysql.time_zone_name VALUES ('{SUMMER}', {ZONE})",
    f"REPLACE INTO mysql.time_zone_transition_type VALUES ({ZONE}, 0, -10800, 0, '-03'), ({ZONE}, 1, -7200, 1, '-02')",
    f"REPLACE INTO mysql.time_zone_transition VALUES ({ZONE}, 1508036400, 1), ({ZONE}, 1518919200, 0)",
)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (window("2018-02-17 23:30:00", "2019-01-01"), [2, 4, 5]),
        (window("2018-02-17 23:00:00", "2019-01-01"), [1, 2, 3, 4, 5]),
        (window(until="2018-02-17 23:30:00"), [1, 3]),
        (window("2018-02-17 23:30:00", "2018-02-18"), [2, 4]),
    ],
)
def test_an_hour_that_comes_twice_is_inside_or_outside_both_times(
    database: Database, tmp_path: Path, limits: Window, expected: list[int]
) -> None:
    """What counts is the text that the CSV shows, not which of the two moments the server takes it for in an index."""
    database.create_tables()
    later = ", ".join(f"({number}, 1, 'x', '2020-01-01', 1)" for number in range(6, 3000))
    database.execute(
        *SUMMER_TIME,
        "ALTER TABLE movimento MODIFY data_movimento TIMESTAMP NULL, ADD INDEX (data_movimento)",
        "SET SESSION time_zone = '+00:00'",
        f"{INTO_MOVIMENTO} VALUES {later}",
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2018-02-18 01:15', 1), (2, 1, 'x', '2018-02-18 01:45', 1),"
        " (3, 1, 'x', '2018-02-18 02:15', 1), (4, 1, 'x', '2018-02-18 02:45', 1), (5, 1, 'x', '2018-02-18 03:00', 1)",
        "ANALYZE TABLE movimento",
    )
    source = replace(database.reader(), time_zone=SUMMER, window=limits)
    _, lines = extracted(source, tmp_path / "lines")
    assert movements_read(source, tmp_path) == expected
    times = {int(line.split(b"\t")[1]): line.split(b"\t")[4] for line in lines if line.startswith(b"M")}
    shown = {1: "17 23:15", 2: "17 23:45", 3: "17 23:15", 4: "17 23:45", 5: "18 00:00"}
    assert times == {id: f"2018-02-{shown[id]}:00".encode() for id in expected}


def test_a_date_is_its_midnight(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY data_movimento DATE",
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2023-12-31', 1), (2, 1, 'x', '2024-01-01', 1),"
        " (3, 1, 'x', '2024-01-02', 1), (4, 1, 'x', NULL, 1)",
    )
    source = database.reader()
    for number, (limits, expected) in enumerate(
        [
            (window("2024-01-01", "2024-01-02"), [2]),
            (window("2024-01-01 00:00:01"), [3]),
            (window(None, "2024-01-01 00:00:01"), [1, 2]),
        ]
    ):
        assert movements_read(replace(source, window=limits), tmp_path / str(number)) == expected


def test_a_zero_date_is_before_every_other(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute("SET SESSION sql_mode = ''", f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', 0, 1)")
    source = database.reader()
    assert movements_read(replace(source, window=window(None, "2024-01-01")), tmp_path / "1") == [1]
    assert movements_read(replace(source, window=window("0001-01-01")), tmp_path / "2") == []


def test_all_of_the_small_tables_is_read(filled: Database, tmp_path: Path) -> None:
    _, lines = extracted(replace(filled.reader(), window=window("3000-01-01")), tmp_path)
    assert lines == [line for line in expected_lines(filled) if not line.startswith(b"M")]


def test_a_page_that_the_server_would_cut_is_divided(
    filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where most rows of the page are not asked for."""
    session = session_module._SESSION.replace(
        f"group_concat_max_len = {pages_module.PAGE_BYTES}", "group_concat_max_len = 3000"
    )
    monkeypatch.setattr(session_module, "_SESSION", session)
    limits = window("2024-03-01", "2024-03-05")
    expected = filled.query(
        "SELECT id FROM movimento WHERE data_movimento >= '2024-03-01' AND data_movimento < '2024-03-05' ORDER BY id"
    )
    assert len(expected) > 20
    read = movements_read(replace(filled.reader(), window=limits), tmp_path)
    assert read == [id for (id,) in expected]


@pytest.mark.parametrize("index", [False, True])
def test_a_window_costs_three_walks_along_the_table_at_most(
    database: Database, monkeypatch: pytest.MonkeyPatch, index: bool
) -> None:
    """Whatever the gaps between the ids, and with an index on the date that a server might like better."""
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 50)
    database.create_tables()
    rows = 5000
    database.execute(
        f"{INTO_MOVIMENTO} VALUES "
        # Two rows of ten lie in the window; ids leave gaps of a million.
        + ", ".join(
            f"({number * 1_000_000}, 1, 'x', '2024-01-{number % 10 + 1:02}', 1)"
            for number in range(1, rows + 1)
        ),
        *(["CREATE INDEX by_date ON movimento (data_movimento)"] if index else []),
        "ANALYZE TABLE movimento",
    )
    with database.reader().connect() as connection:
        movements = inspect(connection, window("2024-01-03", "2024-01-05"))[-1]
        before = handler_reads(connection)
        pages = [found for _, found in PageBook([movements]).read(connection)]
        looked_at = handler_reads(connection) - before
    assert sum(pages) == rows / 5
    assert len(pages) <= rows / 50 + 1
    assert looked_at <= 3.2 * rows  # one to find the first and the last, one to cut, one to read


def test_a_window_at_the_end_of_the_table_is_one_page(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 50)
    database.create_tables()
    values = ", ".join(f"({n}, 1, 'x', '2024-01-01' + INTERVAL {n} MINUTE, 1)" for n in range(1, 3001))
    database.execute(f"{INTO_MOVIMENTO} VALUES {values}")
    start = datetime(2024, 1, 1) + timedelta(minutes=2980)
    with database.reader().connect() as connection:
        movements = inspect(connection, Window(since=start))[-1]
        before = handler_reads(connection)
        assert [rows for _, rows in PageBook([movements]).read(connection)] == [21]
        assert handler_reads(connection) - before <= 3000 + 100
        empty = inspect(connection, window("2030-01-01"))[-1]
        assert list(PageBook([empty]).read(connection)) == []


def test_ids_without_gaps_are_walked_along_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with gaps behind them twice, where pages of ids alone would be thousands of millions."""
    monkeypatch.setattr(pages_module, "ROWS_PER_PAGE", 50)
    database.create_tables()
    rows = 3000

    def looked_at() -> int:
        with database.reader().connect() as connection:
            movements = inspect(connection, Window())[-1]
            before = handler_reads(connection)
            read = sum(rows for _, rows in PageBook([movements]).read(connection))
            assert [(read,)] == list(database.query("SELECT COUNT(*) FROM movimento"))
            return handler_reads(connection) - before

    dense = ", ".join(f"({number}, 1, 'x', '2024-01-01', 1)" for number in range(1, rows + 1))
    database.execute(f"{INTO_MOVIMENTO} VALUES {dense}")
    assert looked_at() <= 1.1 * rows
    sparse = ", ".join(f"({number * 10**9}, 1, 'x', '2024-01-01', 1)" for number in range(1, rows + 1))
    database.execute(f"{INTO_MOVIMENTO} VALUES {sparse}")
    assert looked_at() <= 1.1 * rows + 2.2 * rows


def handler_reads(connection: "Connection[Any]") -> int:
    """Rows that the server has looked at for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
        return sum(int(value) for _, value in cursor.fetchall())


def test_a_run_publishes_the_movements_of_the_window_and_its_accounts_balance(
    filled: Database, tmp_path: Path
) -> None:
    since, until = "2024-02-29 12:00:00", "2024-07-01 00:00:00"
    result = run(filled, tmp_path, "--since", since, "--until", until[:10])
    assert result.returncode == 0, result.stderr
    rows = [row for row in filled.expected() if since <= row[DATE] < until]
    assert 0 < len(rows) < len(filled.expected())
    assert (tmp_path / CSV).read_bytes() == as_csv(FLAT_COLUMNS, rows)
    manifest = json.loads((tmp_path / RUN / "manifest.json").read_text())
    counted = filled.query(
        "SELECT COUNT(*), CAST(SUM(vlr_transacao) * 100 AS SIGNED) FROM movimento"
        f" WHERE data_movimento >= '{since}' AND data_movimento < '{until}'"
    )[0]
    source = manifest["source"]
    assert (source["rows"]["movimento"], source["movement_centavos"]) == counted
    assert (source["since"], source["until"], source["as_of"]) == (since, until, None)
    rejected = (tmp_path / RUN / REJECTED_NAME).read_text("utf-8").splitlines()[1:]
    assert len(rejected) + len(rows) == counted[0]


def test_the_stages_one_by_one_know_the_window(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    tsv, parts, output = tmp_path / "tsv", tmp_path / "parts", tmp_path / "out"
    for step in (
        ("extract", "--source", filled.url(), "--to", tsv, "--since", "2024-06-01T10:00:00"),
        ("join", "--from", tsv, "--to", parts),
        ("merge", "--from", parts, "--tsv", tsv, "--output", output),
    ):
        result = command(*step)
        assert result.returncode == 0, result.stderr
    rows = [row for row in filled.expected() if row[DATE] >= "2024-06-01 10:00:00"]
    assert (output / CSV).read_bytes() == as_csv(FLAT_COLUMNS, rows)
    manifest = json.loads((output / RUN / "manifest.json").read_text())
    assert manifest["source"]["since"] == "2024-06-01 10:00:00"


@pytest.mark.server
def test_the_programs_own_database_has_windows_too(tmp_path: Path) -> None:
    home = {"MOVIMENTO_FLAT_HOME": str(tmp_path / "state")}
    plan = ("--movements", "500", "--until", "2024-07-01")
    result = command("run", "--output", tmp_path / "out", *plan, environment=home)
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "out" / CSV).read_text("utf-8")
    assert 0 < len(lines.splitlines()) < 500
    manifest = json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())
    assert 0 < manifest["source"]["rows"]["movimento"] < 500
    assert manifest["source"]["until"] == "2024-07-01 00:00:00"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "yesterday"), "does not match the formats"),
        (("--since", "2024-02-30"), "does not match the formats"),
        (("--until", "2024-01-01 25:00:00"), "does not match the formats"),
        (("--as-of", ""), "does not match the formats"),
        (("--since", "2024-01-02", "--until", "2024-01-02"), "--since must be before --until"),
    ],
)
def test_a_time_that_is_none_is_named_before_anything_is_connected(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    source = ("--source", "mysql://reader@no-such-host.invalid/db")
    result = command("run", "--output", tmp_path, *source, *arguments)
    assert result.returncode == 2
    assert said in " ".join(result.stderr.split())


# --- --as-of


@pytest.fixture
def versioned(database: Database) -> Database:
    """The four tables, whose earlier rows the server keeps. MariaDB only."""
    database.create_tables()
    database.execute(*(f"ALTER TABLE {table.name} ADD SYSTEM VERSIONING" for table in TABLES))
    return database


def now(database: Database, zone: str) -> str:
    """The server's wall clock, as a moment in which nothing changes any more."""
    time.sleep(1.1)
    with database.server.connect() as admin, admin.cursor() as cursor:
        cursor.execute(f"SET SESSION time_zone = '{zone}'")
        cursor.execute("SELECT CAST(NOW() AS CHAR)")
        row = cursor.fetchone()
    assert row
    time.sleep(1.1)
    return str(row[0])


def test_as_of_reads_what_the_tables_were_then_and_without_it_what_they_are(
    versioned: Database, tmp_path: Path
) -> None:
    zone = "-03:00"
    rows = ", ".join(f"({number}, 1, 'x', '2024-01-01', 1)" for number in range(1, 101))
    versioned.execute(
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Sá', 30, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-01-01', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ANA', '2020-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES {rows}",
    )
    then = expected_lines(versioned)
    as_of = now(versioned, zone)
    versioned.execute(
        "UPDATE associado SET nome = 'Maria'",
        "DELETE FROM movimento WHERE id <= 50",
        "UPDATE movimento SET vlr_transacao = 7 WHERE id > 90",
        f"{INTO_MOVIMENTO} VALUES (500, 1, 'later', '2024-01-01', 1)",
    )
    today = expected_lines(versioned)
    source = replace(versioned.reader(), time_zone=zone)
    earlier, lines = extracted(replace(source, window=window(as_of=as_of)), tmp_path / "then")
    assert lines == then
    assert earlier.tables["movimento"] == Totals(100, 10_000)
    assert earlier.connections == 2
    assert extracted(source, tmp_path / "now")[1] == today
    result = run(versioned, tmp_path / "out", "--as-of", as_of, "--until", "2024-01-02", "--time-zone", zone)
    assert result.returncode == 0, result.stderr
    lines_of_csv = (tmp_path / "out" / CSV).read_text("utf-8").splitlines()
    assert len(lines_of_csv) == 101
    assert all(line.startswith("Ana,") for line in lines_of_csv[1:])
    manifest = json.loads((tmp_path / "out" / RUN / "manifest.json").read_text())
    assert manifest["source"]["as_of"] == as_of


def test_as_of_is_a_moment_of_the_time_zone_asked_for(versioned: Database, tmp_path: Path) -> None:
    versioned.execute(f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', NULL)")
    as_of = now(versioned, "+02:00")
    source = replace(versioned.reader(), window=window(as_of=as_of))
    assert movements_read(replace(source, time_zone="+02:00"), tmp_path / "1") == [1]
    with pytest.raises(UserError, match="no row is known of movimento"):  # an hour earlier
        movements_read(replace(source, time_zone="+03:00"), tmp_path / "2")
    with pytest.raises(UserError, match="lies in the future"):
        movements_read(replace(source, time_zone="+01:00"), tmp_path / "3")


def test_as_of_names_the_tables_that_have_no_history(database: Database, tmp_path: Path) -> None:
    """None has on MySQL."""
    database.create_tables()
    source = replace(database.reader(), window=window(as_of="2024-01-01"))
    with pytest.raises(UserError, match=r"of associado, cartao, conta, movimento\.\n.*SYSTEM VERSIONING"):
        extracted(source, tmp_path)


def test_as_of_a_time_before_the_history_is_no_empty_delivery(database: Database, tmp_path: Path) -> None:
    """The rows were there, but the server keeps their history only since a moment ago."""
    database.create_tables()
    database.execute(f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', NULL)")
    as_of = now(database, "-03:00")
    database.execute(*(f"ALTER TABLE {table.name} ADD SYSTEM VERSIONING" for table in TABLES))
    source = replace(database.reader(), time_zone="-03:00", window=window(as_of=as_of))
    with pytest.raises(UserError, match=r"no row is known of movimento: .*\n.*later moment"):
        extracted(source, tmp_path)
    source = replace(database.reader(), time_zone="-03:00", window=window(as_of=now(database, "-03:00")))
    assert movements_read(source, tmp_path) == [1]


def test_as_of_refuses_tables_versioned_by_transactions(versioned: Database, tmp_path: Path) -> None:
    """Of these the server answers with today's rows at times."""
    versioned.execute(
        "DROP TABLE movimento, conta",
        *(
            f"CREATE TABLE {name} (id BIGINT UNSIGNED PRIMARY KEY, {columns},"
            " first BIGINT UNSIGNED GENERATED ALWAYS AS ROW START, last BIGINT UNSIGNED GENERATED ALWAYS AS ROW END,"
            " PERIOD FOR SYSTEM_TIME (first, last)) WITH SYSTEM VERSIONING"
            for name, columns in (
                (
                    "movimento",
                    "vlr_transacao DECIMAL(10, 2), des_transacao TEXT, data_movimento DATETIME, id_cartao BIGINT",
                ),
                ("conta", "tipo TEXT, data_criacao DATETIME, id_associado BIGINT"),
            )
        ),
    )
    source = replace(versioned.reader(), window=window(as_of="2024-01-01"))
    with pytest.raises(UserError, match=r"Versions of conta, movimento have numbers .*\n.*TIMESTAMP\(6\)"):
        extracted(source, tmp_path)


def test_as_of_names_a_view(versioned: Database, tmp_path: Path) -> None:
    versioned.execute("RENAME TABLE conta TO base", "CREATE VIEW conta AS SELECT * FROM base")
    source = replace(versioned.reader(), window=window(as_of="2024-01-01"))
    with pytest.raises(UserError, match=r"of conta\.\n"):
        extracted(source, tmp_path)


def test_a_window_of_an_extraction_comes_back_from_its_description() -> None:
    for limits in (window(), window("2024-01-01", "2024-01-02 03:04:05", "2024-02-01 00:00:01")):
        assert Window.from_json(json.loads(json.dumps(limits.as_json()))) == limits
