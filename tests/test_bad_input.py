"""Bad input from a real database to the command line: a rejected row with its reason, or one message and no CSV.

What is asked elsewhere: unknown hosts, wrong passwords, OUTPUT that is no folder and the file that may not grow
in `test_run`; missing tables, columns and privileges one by one in `test_extract`; lines of tagged TSV that are
no rows, and cards that lack something, in `test_join`.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from extract.mysql import session as session_module
from extract.mysql.pages import PAGE_BYTES
from extract.source import Source, parse_source
from movimento_flat.errors import UserError
from movimento_flat.schema import TABLES
from movimento_flat.sql_files import reader_statements
from tests.conftest import PASSWORD, Database, Server, new_database
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO
from tests.test_extract import extracted
from tests.test_run import COMMAND, CSV, RUN, assert_user_error, run

LARGEST_ID = 2**64 - 1


def test_bad_rows_are_rejected_with_their_reason_and_good_ones_are_not(
    database: Database, tmp_path: Path
) -> None:
    """Ids beyond 2**63, bytes that are no UTF-8, latin1 with all its bytes, and keys that lead nowhere."""
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY des_transacao VARBINARY(50)",
        "ALTER TABLE cartao MODIFY nom_impresso VARCHAR(50) CHARACTER SET latin1",
        f"{INTO_ASSOCIADO} VALUES ({LARGEST_ID}, 'Zoé', 'Sá', 30, NULL)",
        f"{INTO_CONTA} VALUES ({LARGEST_ID - 1}, 'corrente', '2020-01-01', {LARGEST_ID}),"
        f" (1, 'salario', '2020-01-01', NULL)",
        f"{INTO_CARTAO} VALUES"
        f" ({LARGEST_ID - 2}, '4111111111111111', X'C9812080', '2021-01-01', {LARGEST_ID - 1}, {LARGEST_ID}),"
        f" (2, '4111111111111112', 'NO ACCOUNT', '2021-01-01', 99, {LARGEST_ID}),"
        f" (3, '4111111111111113', 'NULL ACCOUNT', '2021-01-01', NULL, {LARGEST_ID}),"
        " (4, '4111111111111114', 'NO HOLDER', '2021-01-01', 1, 99),"
        " (5, '4111111111111115', 'NULL HOLDER', '2021-01-01', 1, NULL)",
        f"{INTO_MOVIMENTO} VALUES"
        f" ({LARGEST_ID}, 1.00, X'C3A9', '2024-01-01', {LARGEST_ID - 2}),"
        f" ({LARGEST_ID - 1}, 2.00, X'E9', '2024-01-01', {LARGEST_ID - 2}),"
        f" ({2**63}, 4.00, X'EDA080', '2024-01-01', {LARGEST_ID - 2}),"
        " (2, 8.00, 'x', '2024-01-01', 2), (3, 16.00, 'x', '2024-01-01', 3), (4, 32.00, 'x', '2024-01-01', 4),"
        " (5, 64.00, 'x', '2024-01-01', 5), (6, 128.00, 'x', '2024-01-01', NULL),"
        f" (7, -256.00, 'x', '2024-01-01', {LARGEST_ID})",
    )
    result = run(database, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / CSV).read_text("utf-8").splitlines()[1:] == [
        "Zoé,Sá,30,1.00,é,2024-01-01 00:00:00,4111111111111111,É\x81 €,2021-01-01 00:00:00,corrente,2020-01-01 00:00:00"
    ]
    rejected = (tmp_path / RUN / "rejected.tsv").read_text("utf-8").splitlines()[1:]
    assert sorted((row.split("\t")[0], int(row.split("\t")[2])) for row in rejected) == [
        ("card_without_account", 2),
        ("card_without_account", 3),
        ("card_without_holder", 4),
        ("card_without_holder", 5),
        ("invalid_utf8", 2**63),
        ("invalid_utf8", LARGEST_ID - 1),
        ("movement_without_card", 6),
        ("unknown_card", 7),
    ]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("DROP TABLE movimento", "Table movimento lacks"),
        ("CREATE TABLE Movimento LIKE movimento", "is not clear: Movimento, movimento"),
    ],
)
def test_a_database_that_is_not_as_it_must_be_is_one_message(
    database: Database, damage: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / CSV).write_text("the previous file")
    database.create_tables()
    database.execute(damage)
    assert_user_error(run(database, tmp_path), said)
    assert (tmp_path / CSV).read_text() == "the previous file"
    assert [path.name for path in tmp_path.iterdir()] == [CSV]


@pytest.mark.parametrize("password", ["a senha é ção", "пароль €", "\udcff is no UTF-8"])
def test_a_password_may_be_any_text(database: Database, password: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(password.encode(errors="surrogateescape") + b"\n")
    source = parse_source(database.url(), tmp_path / "password")
    assert source.password == password
    database.reader()
    if password.isprintable():
        database.execute(*reader_statements(database.name, password, host="localhost"))
        source.connect().close()
    else:
        with pytest.raises(UserError, match="Access denied"):
            source.connect()


@pytest.mark.parametrize("host", ["a" * 70, "..", "no-such-host.invalid"])
def test_a_host_that_cannot_be_is_named(host: str) -> None:
    with pytest.raises(UserError, match=r"Can't connect .*\n.*Check host and port"):
        Source("reader", "db", host=host).connect()


def account_of_columns(database: Database, movement_columns: str) -> Source:
    """An account that may read three tables, and some columns of the fourth."""
    tables = [
        f"GRANT SELECT ON {name} TO some_columns@localhost" for name in ("associado", "conta", "cartao")
    ]
    database.execute(
        "DROP USER IF EXISTS some_columns@localhost",
        f"CREATE USER some_columns@localhost IDENTIFIED BY '{PASSWORD}'",
        *tables,
        f"GRANT {movement_columns} ON movimento TO some_columns@localhost",
    )
    return Source("some_columns", database.name, unix_socket=str(database.server.socket), password=PASSWORD)


def test_an_account_that_may_not_read_a_column_is_told_which(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', NULL)")
    others = "SELECT (id, vlr_transacao, data_movimento, id_cartao)"
    with pytest.raises(UserError, match="movimento lacks des_transacao, or the account may not read it"):
        extracted(account_of_columns(database, others), tmp_path)
    # Here the column shows, since the account may write it.
    with pytest.raises(UserError, match=r"denied .*des_transacao"):
        writer = account_of_columns(database, f"{others}, INSERT (des_transacao)")
        extracted(replace(writer, allow_writer=True), tmp_path)


def test_an_account_that_may_read_the_columns_needs_no_more(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', NULL)")
    columns = "SELECT (id, vlr_transacao, des_transacao, data_movimento, id_cartao)"
    extraction, lines = extracted(account_of_columns(database, columns), tmp_path)
    assert lines == [b"M\t1\t1.00\tx\t2024-01-01 00:00:00\t\\N\n"]
    assert extraction.connections == 1


def test_views_whose_definer_may_not_lock_are_read_by_one_connection(
    database: Database, server: Server, tmp_path: Path
) -> None:
    database.create_tables()
    views = new_database(server)
    database.execute(
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', NULL)",
        "CREATE USER IF NOT EXISTS definer@localhost",
        f"GRANT SELECT ON {database.name}.* TO definer@localhost",
        *(
            f"CREATE DEFINER = definer@localhost VIEW {views.name}.{table.name} AS SELECT * FROM {table.name}"
            for table in TABLES
        ),
    )
    source = views.reader()
    # By SHOW VIEW it sees that the tables below are there, which is enough.
    (account,) = database.query(
        f"SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user = '{source.user}'"
    )[0]
    database.execute(*(f"GRANT SHOW VIEW ON {table.name} TO {account}" for table in TABLES))
    extraction, lines = extracted(source, tmp_path)
    assert lines == [b"M\t1\t1.00\tx\t2024-01-01 00:00:00\t\\N\n"]
    assert extraction.connections == 1


def test_filled_up_numbers_and_dates_without_a_day_are_written_as_they_are(
    database: Database, tmp_path: Path
) -> None:
    database.create_tables()
    database.execute(
        "SET SESSION sql_mode = ''",
        "ALTER TABLE movimento MODIFY vlr_transacao DECIMAL(10, 2) ZEROFILL, MODIFY data_movimento DATETIME(3)",
        "ALTER TABLE conta MODIFY data_criacao DATE",
        f"{INTO_MOVIMENTO} VALUES (1, 12.34, '', '2024-02-00 00:00:00.5', 7), (2, 0.5, '', 0, 7)",
        f"{INTO_CONTA} VALUES (1, 'corrente', 0, 7)",
    )
    _, lines = extracted(database.reader(), tmp_path)
    assert lines == [
        b"C\t1\tcorrente\t0000-00-00 00:00:00\t7\n",
        b"M\t1\t12.34\t\t2024-02-00 00:00:00\t7\n",
        b"M\t2\t0.50\t\t0000-00-00 00:00:00\t7\n",
    ]


@pytest.mark.parametrize("length", [1_048_570, 1_100_000])
def test_a_row_longer_than_the_server_may_send_is_named(
    database: Database, length: int, tmp_path: Path
) -> None:
    (largest,) = database.query("SELECT @@GLOBAL.max_allowed_packet")[0]
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY des_transacao LONGTEXT",
        f"{INTO_MOVIMENTO} VALUES (5, 1, REPEAT('x', {length}), '2024-01-01', NULL)",
        "SET GLOBAL max_allowed_packet = 1048576",
    )
    try:
        with pytest.raises(UserError, match=r"(?s)movimento holds under id 5 .* max_allowed_packet"):
            extracted(database.reader(), tmp_path)
    finally:
        database.execute(f"SET GLOBAL max_allowed_packet = {largest}")


def test_rows_of_one_id_are_read_though_they_do_not_fit_into_a_page(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table without a key: such rows cannot be told apart."""
    session = session_module._SESSION.replace(
        f"group_concat_max_len = {PAGE_BYTES}", "group_concat_max_len = 5000"
    )
    assert session != session_module._SESSION
    monkeypatch.setattr(session_module, "_SESSION", session)
    row = "(5, 1, REPEAT('x', 50), '2024-01-01', NULL)"
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY id BIGINT UNSIGNED, DROP PRIMARY KEY",
        f"{INTO_MOVIMENTO} VALUES (2, 1, 'x', '2024-01-01', NULL), " + ", ".join([row] * 200),
    )
    _, lines = extracted(database.reader(), tmp_path)
    assert lines.count(f"M\t5\t1.00\t{'x' * 50}\t2024-01-01 00:00:00\t\\N\n".encode()) == 200
    assert len(lines) == 201


@pytest.mark.parametrize(("rows", "length"), [(20_000, 8_000), (40, 4_000_000), (3, 20_000_000)])
def test_the_extractions_memory_does_not_grow_with_the_length_of_texts(
    database: Database, rows: int, length: int, tmp_path: Path
) -> None:
    database.create_tables()
    database.execute(
        "ALTER TABLE movimento MODIFY des_transacao LONGTEXT",
        f"{INTO_MOVIMENTO} SELECT seq, 1, REPEAT('x', {length}), '2024-01-01', NULL FROM seq_1_to_{rows}",
    )
    source = database.reader()
    measured = f"""
import re, sys
from pathlib import Path
from extract.extraction import extract
from extract.sink import FolderSink
from extract.source import Source
source = Source({source.user!r}, {source.database!r}, unix_socket={source.unix_socket!r}, password={source.password!r})
extraction = extract(source, FolderSink(Path(sys.argv[1])), 2, print)
# Not by getrusage(): what it says may be of the process that started this one.
print(extraction.tables["movimento"].rows, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    result = subprocess.run(
        [sys.executable, "-c", measured, str(tmp_path)], capture_output=True, text=True, check=True
    )
    extracted_rows, kilobytes = map(int, result.stdout.split())
    assert extracted_rows == rows
    assert kilobytes < 300_000


#: Runs a command with OUTPUT on a disk of its own; then tells what lies there.
ON_A_DISK = """
options=$1 output=$2; shift 2
mount -t tmpfs none "$output" && echo the previous file >"$output/movimento_flat.csv" || exit 9
mount -o "remount,$options" "$output" || exit 9
"$@"; status=$?
ls -A "$output"; cat "$output/movimento_flat.csv"
exit $status
"""


def can_mount() -> bool:
    """As root, but not in every container."""
    probe = ["unshare", "--mount", "true"]
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(probe, capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not can_mount(), reason="no disk can be mounted here")
@pytest.mark.parametrize(
    ("disk", "said"),
    [
        ("ro", "may not be written to"),
        *((f"size={size}", "No space left on device") for size in ("64k", "1m", "2m", "3m", "5m")),
    ],
)
def test_a_disk_that_takes_no_more_is_one_message_and_the_previous_csv_stays(
    filled: Database, disk: str, said: str, tmp_path: Path
) -> None:
    filled.reader()
    arguments = ["run", "--engine", "local", "--output", str(tmp_path), "--source", filled.url()]
    result = subprocess.run(
        ["unshare", "--mount", "sh", "-c", ON_A_DISK, "-", disk, str(tmp_path), *COMMAND, *arguments],
        env={**os.environ, "MYSQL_PWD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert_user_error(result, said)
    assert result.stdout == f"{CSV}\nthe previous file\n"
