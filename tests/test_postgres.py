"""PostgreSQL: what is extracted is what plain SQL says, whatever lies in the tables; only readers read."""

import csv
import json
import os
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from extract.extraction import extract
from extract.postgres import columns, pages, snapshot
from extract.postgres.lines import Lines
from extract.sink import FolderSink
from extract.source import Source, parse_source
from extract.tls import VERIFY, Tls
from movimento_flat.errors import UserError
from movimento_flat.sample_data.plan import Plan
from movimento_flat.schema import FLAT_COLUMNS, FLAT_WITH_IDS
from movimento_flat.sql_files import READER, statements
from movimento_flat.state import state_dir
from tests import fake_server
from tests.brute_force import as_csv
from tests.certificates import Authority
from tests.postgres import PASSWORD, PostgresDatabase, PostgresServer
from tests.test_run import CSV, RUN, Result, command
from tests.test_run import assert_user_error as assert_one_error

#: A card with its holder and its account, both 1.
PARENTS = (
    "INSERT INTO associado VALUES (1, 'Ana', 'Souza', 30)",
    "INSERT INTO conta VALUES (1, 'corrente', '2020-01-01', 1)",
    "INSERT INTO cartao VALUES (1, '4111111111111111', 'ANA SOUZA', '2021-01-01', 1, 1)",
)
#: Everything that a text may hold.
TEXT = "".join(map(chr, range(1, 0x250))) + "\\N\\\\n\u2028\U0001f600e\u0301"


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer) -> PostgresDatabase:
    """A fictitious database with everything, damaged rows too."""
    database = postgres.new_database()
    database.admin().kind.fill(
        database.admin(), Plan(movements=30_000, seed=3, dirty=0.03), lambda rows: None
    )
    database.execute()
    return database


@pytest.fixture
def database(postgres: PostgresServer) -> PostgresDatabase:
    """The four tables, with one card."""
    database = postgres.new_database()
    database.execute(*statements("postgres/tables"), "ALTER TABLE associado DROP COLUMN email", *PARENTS)
    return database


def run(database: PostgresDatabase, output: Path, *arguments: str | Path) -> Result:
    options = ("--source", database.url(), "--engine", "local", "--cores", "1", *arguments)
    return command("run", "--output", output, *options, environment={"PGPASSWORD": PASSWORD})


def verify(database: PostgresDatabase, output: Path) -> Result:
    return command("verify", output, "--source", database.url(), environment={"PGPASSWORD": PASSWORD})


def delivered(database: PostgresDatabase, output: Path, *arguments: str | Path) -> list[dict[str, str]]:
    """Run and verify, and return the CSV's rows."""
    result = run(database, output, *arguments)
    assert result.returncode == 0, result.stderr
    verified = verify(database, output)
    assert verified.returncode == 0, verified.stderr
    with (output / CSV).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_user_error(result: Result, *said: str) -> None:
    assert_one_error(result, said[0])
    for text in said[1:]:
        assert text in result.stderr


def manifest(output: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((output / RUN / "manifest.json").read_text())
    return content


def extracted(source: Source, folder: Path, connections: int = 2) -> list[bytes]:
    """Return the lines of all tables."""
    extract(source, FolderSink(folder), connections, lambda sentence: None)
    return sorted(line for file in folder.glob("*/*.tsv") for line in file.read_bytes().splitlines())


def test_the_csv_is_what_a_plain_join_in_the_database_gives(filled: PostgresDatabase, tmp_path: Path) -> None:
    result = run(filled, tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / CSV).read_bytes() == as_csv(FLAT_COLUMNS, filled.expected())
    rejected = [
        line.split("\t") for line in (tmp_path / RUN / "rejected.tsv").read_text("utf-8").splitlines()
    ]
    query = statements("rejected")[0].replace(" AS CHAR)", " AS text)")
    assert sorted((row[0], row[2]) for row in rejected[1:]) == sorted(filled.query(query))
    verified = verify(filled, tmp_path)
    assert verified.returncode == 0, verified.stderr
    assert manifest(tmp_path)["source"]["server"].startswith("PostgreSQL")


@pytest.mark.parametrize(
    "options",
    [
        ("--with-ids",),
        ("--card", "mask"),
        ("--card", "token", "--people", "token"),
        ("--dates", "day"),
        ("--dates", "month", "--card", "token"),
    ],
)
def test_other_options_are_verified_too(
    options: tuple[str, ...], filled: PostgresDatabase, tmp_path: Path
) -> None:
    result = run(filled, tmp_path, *options, "--since", "2024-02-01", "--until", "2024-05-01 12:00:00")
    assert result.returncode == 0, result.stderr
    if options == ("--with-ids",):
        columns = tuple(flat.name for flat in FLAT_WITH_IDS)
        moment = FLAT_COLUMNS.index("data_movimento")
        rows = [
            row
            for row in filled.expected(with_ids=True)
            if "2024-02-01" <= row[moment] < "2024-05-01 12:00:00"
        ]
        assert (tmp_path / CSV).read_bytes() == as_csv(columns, rows)
    verified = verify(filled, tmp_path)
    assert verified.returncode == 0, verified.stderr


def test_a_changed_row_is_found(filled: PostgresDatabase, tmp_path: Path) -> None:
    assert run(filled, tmp_path).returncode == 0
    filled.execute("UPDATE movimento SET des_transacao = 'x' || des_transacao WHERE id = 4")
    try:
        assert verify(filled, tmp_path).returncode == 1
    finally:
        filled.execute("UPDATE movimento SET des_transacao = substr(des_transacao, 2) WHERE id = 4")


def test_a_second_filling_is_refused(filled: PostgresDatabase) -> None:
    with pytest.raises(UserError, match="holds rows already"):
        filled.admin().kind.fill(filled.admin(), Plan(movements=10), lambda rows: None)


def test_any_text_comes_as_it_is(database: PostgresDatabase, tmp_path: Path) -> None:
    with database.server.admin(database.name) as admin:
        admin.execute("ALTER TABLE movimento ALTER des_transacao TYPE text")
        for number, text in enumerate([TEXT, "", r"\N", "\t", "a\r\n", '"', None, "x" * 100_000], start=1):
            admin.execute("INSERT INTO movimento VALUES (%s, 1, %s, '2024-01-01', 1)", (number, text))
    rows = delivered(database, tmp_path)
    assert [row["des_transacao_movimento"] for row in rows] == [
        *(TEXT, "", r"\N", "\t", "a\r\n", '"', "", "x" * 100_000)
    ]


def test_values_that_no_amount_or_moment_has_are_rejected(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "ALTER TABLE movimento ALTER vlr_transacao TYPE numeric, ALTER data_movimento TYPE timestamp",
        "INSERT INTO movimento VALUES (1, 12.5, 'short', '2024-01-01 10:11:12.999999', 1),"
        " (2, 12.505, 'thirds', '2024-01-01', 1), (3, 'NaN', 'none', '2024-01-01', 1),"
        " (4, 'Infinity', 'endless', '2024-01-01', 1), (5, 1.500, 'long', 'infinity', 1),"
        " (6, 7, 'whole', '0044-03-15 BC', 1), (7, -0.01, 'late', '12024-01-01', 1),"
        " (8, 123456789012345678901234567890123456789.01, 'rich', '2024-12-31 23:59:59', 1)",
    )
    rows = delivered(database, tmp_path)
    amounts = {row["des_transacao_movimento"]: row["vlr_transacao_movimento"] for row in rows}
    moments = {row["des_transacao_movimento"]: row["data_movimento"] for row in rows}
    assert amounts["short"] == "12.50"
    assert moments["short"] == "2024-01-01 10:11:12"
    assert amounts["rich"] == "123456789012345678901234567890123456789.01"
    assert not amounts.keys() & {"thirds", "none", "endless"}
    assert manifest(tmp_path)["rejected"]["rows"] + len(rows) == 8


def test_other_types_have_an_exact_text(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "CREATE TYPE kind AS ENUM ('corrente', 'poupança')",
        "CREATE DOMAIN reais AS numeric(12, 2)",
        "CREATE DOMAIN amount AS reais",
        "ALTER TABLE conta DROP CONSTRAINT conta_tipo_check",
        "ALTER TABLE conta ALTER tipo TYPE kind USING 'poupança'::kind, ALTER data_criacao TYPE date",
        "ALTER TABLE cartao DROP CONSTRAINT cartao_num_cartao_check",
        "ALTER TABLE cartao ALTER num_cartao TYPE numeric(19, 0) USING num_cartao::numeric,"
        " ALTER nom_impresso TYPE char(20), ALTER id_conta TYPE numeric",
        "ALTER TABLE associado ALTER idade TYPE numeric(5)",
        "ALTER TABLE movimento ALTER vlr_transacao TYPE amount, ALTER data_movimento TYPE timestamptz",
        "INSERT INTO movimento VALUES (1, 1, 'x', '2024-01-01 00:30:00+00', 1)",
    )
    (row,) = delivered(database, tmp_path, "--time-zone", "-03:00")
    assert row["tipo_conta"] == "poupança"
    assert row["data_criacao_conta"] == "2020-01-01 00:00:00"
    assert (row["numero_cartao"], row["nome_impresso_cartao"]) == ("4111111111111111", "ANA SOUZA")
    assert (row["idade_associado"], row["nome_associado"]) == ("30", "Ana")
    assert row["data_movimento"] == "2023-12-31 21:30:00"


@pytest.mark.parametrize("zone", ["-03:00", "America/Sao_Paulo", None])
def test_moments_with_a_zone_are_those_that_psql_shows(
    zone: str | None, database: PostgresDatabase, tmp_path: Path
) -> None:
    database.execute(
        f"ALTER DATABASE {database.name} SET timezone = 'Asia/Tokyo'",
        "ALTER TABLE movimento ALTER data_movimento TYPE timestamptz",
        "INSERT INTO movimento VALUES (1, 1, 'x', '2024-01-01 00:30:00+00', 1)",
    )
    (row,) = delivered(database, tmp_path, *(("--time-zone", zone) if zone else ()))
    assert row["data_movimento"] == ("2023-12-31 21:30:00" if zone else "2024-01-01 09:30:00")
    if not zone:
        assert manifest(tmp_path)["source"]["time_zone"] == "Asia/Tokyo"


def test_texts_of_other_encodings(postgres: PostgresServer, tmp_path: Path) -> None:
    """A database in LATIN1 is converted; what SQL_ASCII has may be no UTF-8, and is rejected then."""
    for encoding, text in (("LATIN1", "chr(233)"), ("SQL_ASCII", r"E'\303\251'")):
        database = postgres.new_database(f"ENCODING '{encoding}' TEMPLATE template0")
        database.execute(*statements("postgres/tables"), "ALTER TABLE associado DROP COLUMN email", *PARENTS)
        database.execute(f"INSERT INTO movimento VALUES (1, 1, {text}, '2024-01-01', 1)")
        if encoding == "SQL_ASCII":
            database.execute(r"INSERT INTO movimento VALUES (2, 1, E'\351\\', '2024-01-01', 1)")
        delivered(database, tmp_path / encoding)
        rows = (tmp_path / encoding / CSV).read_text("utf-8").splitlines()[1:]
        assert [row.split(",")[4] for row in rows] == ["é"]
        rejected = (tmp_path / encoding / RUN / "rejected.tsv").read_bytes().splitlines()[1:]
        assert [line.split(b"\t")[0] for line in rejected] == [b"invalid_utf8"] * (encoding == "SQL_ASCII")


@pytest.mark.parametrize("size", [1 << 14, 1 << 20])
def test_long_texts_come_a_few_rows_at_a_time(
    size: int, database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_BYTES", size)
    database.execute(
        "ALTER TABLE movimento ALTER des_transacao TYPE text, ALTER des_transacao SET STORAGE EXTERNAL",
        "INSERT INTO movimento SELECT n, 1, repeat(chr(64 + n), 60000), '2024-01-01', 1 FROM generate_series(1, 26) n",
    )
    found = [line.split(b"\t")[3] for line in extracted(database.reader(), tmp_path) if line[:1] == b"M"]
    assert sorted(found) == [bytes([64 + number]) * 60_000 for number in range(1, 27)]


@pytest.mark.parametrize("connections", [1, 3])
def test_tables_of_any_kind_are_read_whole(
    connections: int, database: PostgresDatabase, tmp_path: Path
) -> None:
    """A partitioned table whose rows have moved, a view over a view, a materialized view, a name in capitals."""
    database.execute(
        "DROP TABLE movimento",
        "CREATE TABLE movimento (id bigint, vlr_transacao numeric(10, 2), des_transacao text,"
        " data_movimento timestamp, id_cartao bigint) PARTITION BY RANGE (id)",
        "CREATE TABLE m1 PARTITION OF movimento FOR VALUES FROM (0) TO (10000)",
        "CREATE TABLE m2 PARTITION OF movimento FOR VALUES FROM (10000) TO (1000000)",
        "INSERT INTO movimento SELECT n, n, 'x', '2024-01-01', 1 FROM generate_series(1, 60000) n",
        "UPDATE movimento SET des_transacao = 'y' WHERE id % 7 = 0",
        "DELETE FROM movimento WHERE id BETWEEN 20000 AND 30000",
        'ALTER TABLE associado RENAME TO "Associado"',
        "CREATE MATERIALIZED VIEW accounts AS SELECT * FROM conta",
        "ALTER TABLE conta RENAME TO conta_base",
        "CREATE VIEW conta AS SELECT * FROM accounts",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "PAGE_BYTES", 1 << 18)
        found = extracted(database.reader(), tmp_path, connections)
    movements = [line.split(b"\t") for line in found if line[:1] == b"M"]
    assert sorted(int(row[1]) for row in movements) == [*range(1, 20000), *range(30001, 60001)]
    assert {row[3] for row in movements if int(row[1]) % 7 == 0} == {b"y"}
    assert sum(line[:1] in (b"A", b"C", b"K") for line in found) == 3


def test_a_tables_file_and_a_schema_of_its_own(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "CREATE SCHEMA bank",
        "CREATE TABLE bank.transactions (txn_no int PRIMARY KEY, cents int, what text, at timestamp, card_no int,"
        " deleted_at timestamp)",
        "INSERT INTO bank.transactions VALUES (1, 1250, '100%', '2024-01-01', 1, NULL),"
        " (2, 1, 'x', '2024-01-01', 1, now())",
        "GRANT USAGE ON SCHEMA bank TO movimento_reader",
        "GRANT SELECT ON bank.transactions TO movimento_reader",
        "ALTER TABLE associado DROP COLUMN idade",
        "ALTER TABLE cartao DROP COLUMN data_criacao",
    )
    file = tmp_path / "tables.toml"
    file.write_text(
        "[associado]\ncolumns = { idade = false }\n[movimento]\nquery = '''SELECT txn_no AS id,"
        " (cents / 100.0)::numeric(15, 2) AS vlr_transacao, what AS des_transacao, at AS data_movimento,"
        " card_no AS id_cartao FROM bank.transactions WHERE deleted_at IS NULL AND what LIKE '%';'''\n"
    )
    (row,) = delivered(database, tmp_path / "out", "--tables", file)
    assert (row["vlr_transacao_movimento"], row["des_transacao_movimento"]) == ("12.50", "100%")
    assert (row["idade_associado"], row["data_criacao_cartao"]) == ("", "")
    proposed = command(
        "tables", "--source", database.url() + "?schema=bank", environment={"PGPASSWORD": PASSWORD}
    )
    assert 'columns.id = "txn_no" # the primary key' in proposed.stdout
    refused = command(
        *("run", "--output", tmp_path / "out2", "--source", database.url() + "?schema=bank"),
        environment={"PGPASSWORD": PASSWORD},
    )
    assert_user_error(refused, "Table associado lacks", "Tables and views there: transactions.")


def test_what_is_no_table_of_this_server_is_refused(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "CREATE EXTENSION file_fdw",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        "ALTER TABLE conta RENAME TO conta_base",
        "CREATE FOREIGN TABLE far (id bigint, tipo text, data_criacao timestamp, id_associado bigint)"
        " SERVER files OPTIONS (filename '/dev/null')",
        "CREATE VIEW conta AS SELECT * FROM far",
    )
    assert_user_error(run(database, tmp_path), "Foreign tables have no part in a snapshot: far")


def test_rows_that_a_policy_would_hide_are_an_error(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "ALTER TABLE movimento ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY few ON movimento FOR SELECT TO PUBLIC USING (id > 1)",
    )
    assert_user_error(run(database, tmp_path), "row-level security", "BYPASSRLS")


def test_types_without_an_exact_text_are_refused_all_at_once(
    database: PostgresDatabase, tmp_path: Path
) -> None:
    database.execute(
        "ALTER TABLE movimento ALTER vlr_transacao TYPE double precision",
        "ALTER TABLE conta ALTER data_criacao TYPE text",
        "DROP TABLE cartao",
    )
    refused = run(database, tmp_path)
    assert_user_error(
        refused, "movimento.vlr_transacao is float8", "conta.data_criacao is text", "Table cartao lacks"
    )
    assert "--tables" in refused.stderr


@pytest.mark.parametrize("name", ["associado", "movimento"])
def test_a_table_cannot_be_changed_once_the_reading_has_begun(
    name: str, database: PostgresDatabase, tmp_path: Path
) -> None:
    """Each reader holds all tables, so nobody needs another session to live on; who wants to alter one waits."""
    database.execute("INSERT INTO movimento VALUES (1, 1, 'x', '2024-01-01', 1)")
    altering: list[threading.Thread] = []

    def change(written: object) -> None:
        with database.server.admin(database.name) as admin:
            admin.execute("SET lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                admin.execute(f"TRUNCATE {name}")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND state = 'idle'",
                (READER,),
            )
        altering.append(
            threading.Thread(target=database.execute, args=(f"ALTER TABLE {name} ADD COLUMN y int",))
        )
        altering[0].start()
        while not database.query("SELECT 1 FROM pg_locks WHERE NOT granted"):
            pass

    source = database.reader()
    sink = FolderSink(tmp_path)
    extraction = extract(source, sink, 2, lambda sentence: None, small_tables_complete=change)
    altering[0].join()
    assert extraction.tables["movimento"].rows == 1


def test_names_in_capitals_are_read_and_verified(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        'ALTER TABLE movimento RENAME TO "Movimento"',
        'ALTER TABLE "Movimento" RENAME des_transacao TO "DES_TRANSACAO"',
        'ALTER TABLE "Movimento" ADD "VLR_TRANSACAO" numeric(10, 2) DEFAULT 99',
        """INSERT INTO "Movimento" VALUES (1, 1, 'x', '2024-01-01', 1)""",
    )
    (row,) = delivered(database, tmp_path)
    assert (row["vlr_transacao_movimento"], row["des_transacao_movimento"]) == ("1.00", "x")
    database.execute(
        'ALTER TABLE "Movimento" RENAME "DES_TRANSACAO" TO "Des_Transacao"',
        'ALTER TABLE "Movimento" ADD "deS_transacao" text',
    )
    assert_user_error(run(database, tmp_path / "other"), "columns is meant is not clear")


def test_rows_that_are_rejected_are_no_difference(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "ALTER TABLE movimento ALTER id DROP IDENTITY, ALTER vlr_transacao TYPE numeric",
        "ALTER TABLE movimento ALTER id TYPE numeric, ALTER data_movimento TYPE date",
        "INSERT INTO movimento VALUES (1, 12.50, 'x', '2024-01-01', 1), (2, -0.005, 'y', '2024-01-01', 1),"
        " (3.5, 1, 'z', '2024-01-01', 1), (4, 1, 'far', '5874897-12-31', 1)",
    )
    rows = delivered(database, tmp_path)
    assert [row["data_movimento"] for row in rows if row["des_transacao_movimento"] == "far"] == [
        "5874897-12-31 00:00:00"
    ]
    assert {row["des_transacao_movimento"] for row in rows} == {"x", "far"}


def test_a_row_without_an_id_is_said(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "ALTER TABLE movimento DROP CONSTRAINT movimento_pkey, ALTER id DROP IDENTITY",
        "ALTER TABLE movimento ALTER id DROP NOT NULL",
        "INSERT INTO movimento VALUES (NULL, 1, 'x', '2024-01-01', 1)",
    )
    assert_user_error(run(database, tmp_path), "Rows whose id is NULL cannot be read")


def test_what_a_row_holds_is_in_no_message(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "ALTER TABLE movimento RENAME TO base",
        "INSERT INTO base VALUES (1, 1, 'Ana 4111111111111111', '2024-01-01', 1)",
        "CREATE VIEW movimento AS SELECT id, des_transacao::numeric(10, 2) AS vlr_transacao, des_transacao,"
        " data_movimento, id_cartao FROM base",
    )
    result = run(database, tmp_path)
    assert_user_error(result, "invalid input syntax for type numeric", "correct it, or the value")
    assert "4111" not in result.stderr


def test_only_a_folder_is_a_socket_and_no_variable_says_where_the_server_is(
    database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("192.0.2.2", "/run,192.0.2.2", "%31"):
        with pytest.raises(UserError, match="is no folder of a socket"):
            parse_source(f"postgresql://a@h/d?host={host}")
    monkeypatch.setenv("PGHOSTADDR", "192.0.2.2")
    monkeypatch.setenv("PGOPTIONS", "-c row_security=on")
    assert len(extracted(database.reader(), tmp_path)) == 3
    assert (
        len(
            extracted(
                replace(
                    database.reader(),
                    unix_socket=str(database.server.folder),
                    user="postgres",
                    password="",
                    allow_writer=True,
                ),
                tmp_path / "socket",
            )
        )
        == 3
    )


def test_texts_that_are_small_on_the_disk_are_read_a_few_at_a_time(
    database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.execute(
        "ALTER TABLE movimento ALTER des_transacao TYPE text",
        "INSERT INTO movimento SELECT n, 1, repeat('x', 150000), '2024-01-01', 1 FROM generate_series(1, 300) n",
    )
    longest: list[int] = []

    def measured(text: bytes) -> bytes:
        longest.append(len(text))
        return b""

    monkeypatch.setattr(Lines, "lines", measured)
    with suppress(UserError):
        extracted(database.reader(), tmp_path)
    assert len(longest) > 3
    assert max(longest) < pages.PAGE_BYTES + 200_000


def test_a_server_that_is_silent_while_a_session_begins_is_given_up(
    database: PostgresDatabase, tmp_path: Path
) -> None:
    reader = database.reader()
    asked = (b"server_encoding",)
    with fake_server.stopping_proxy((reader.host, reader.port), asked, answered=1) as (port, stopped):
        source = replace(reader, port=port, limits=replace(reader.limits, login=2))
        with pytest.raises(UserError, match="has said nothing for 2 s"):
            extracted(source, tmp_path)
        assert stopped.is_set()


@pytest.mark.parametrize(
    "made",
    [
        ("CREATE ROLE {0} NOINHERIT LOGIN PASSWORD '{1}'", "GRANT movimento_writer TO {0}"),
        (
            "CREATE ROLE {0} LOGIN PASSWORD '{1}'",
            "ALTER TABLE movimento OWNER TO {0}",
            "REVOKE ALL ON movimento FROM {0}",
            "GRANT SELECT ON movimento TO {0}",
        ),
        ("CREATE ROLE {0} CREATEROLE LOGIN PASSWORD '{1}'",),
    ],
    ids=["may become a writer", "owns a table", "may make roles"],
)
def test_a_role_that_could_become_a_writer_is_refused(
    made: tuple[str, ...], database: PostgresDatabase, tmp_path: Path
) -> None:
    role = f"role_{database.name}"
    writer = "DO $$BEGIN CREATE ROLE movimento_writer; EXCEPTION WHEN duplicate_object THEN NULL; END$$"
    database.execute(
        writer,
        "GRANT INSERT ON movimento TO movimento_writer",
        *(statement.format(role, "x") for statement in made),
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )
    with pytest.raises(
        UserError, match=f"Role {role} (can change movimento|is a superuser, or may make roles)"
    ):
        extracted(replace(database.reader(), user=role, password="x"), tmp_path)


@pytest.mark.parametrize(
    "grant", ["INSERT ON movimento", "UPDATE (nome) ON associado", "TRUNCATE ON conta", "DELETE ON other"]
)
def test_a_role_that_can_change_rows_is_refused(
    grant: str, database: PostgresDatabase, tmp_path: Path
) -> None:
    database.execute("CREATE TABLE other (id int)", f"GRANT {grant} TO movimento_reader")
    table = grant.rsplit(maxsplit=1)[-1]
    assert_user_error(
        run(database, tmp_path), f"Role movimento_reader can change {table}", "GRANT SELECT ON ALL TABLES"
    )
    assert run(database, tmp_path, "--allow-writer").returncode == 0
    with pytest.raises(UserError, match="Role postgres is a superuser"):
        extracted(replace(database.admin(), allow_writer=False), tmp_path / "tsv")


def test_messages_say_what_to_do(database: PostgresDatabase, tmp_path: Path) -> None:
    source = database.reader()
    cases = [
        (replace(source, password="wrong"), "password", "PGPASSWORD"),
        (replace(source, database="nowhere"), "does not exist", "database's name"),
        (replace(source, port=1), "refused", "Check host and port"),
        (replace(source, time_zone="UTC-3"), "knows no time zone", "--time-zone"),
        (replace(source, password="\udcff"), "no text in UTF-8", "PGPASSWORD"),
        (replace(source, tls=Tls(VERIFY)), "SSL", "--tls off"),
    ]
    for wrong, what, step in cases:
        with pytest.raises(UserError) as refused:
            extracted(wrong, tmp_path / "tsv")
        assert what in refused.value.what
        assert step in (refused.value.next_step or "")
        assert "wrong" not in str(refused.value)
        assert len(str(refused.value).splitlines()) == 2


def test_an_address_has_its_own_parameters() -> None:
    source = parse_source("postgresql://a@h/d?schema=s%20x&host=/run/postgresql")
    assert (source.schema, source.unix_socket, source.port) == ("s x", "/run/postgresql", 5432)
    assert str(parse_source("postgres://a@h:1/d")) == "postgresql://a@h:1/d"
    for wrong in (
        "postgresql://a@h/d?unix_socket=/x",
        "postgresql://a@h/d?password=x",
        "postgresql://a:b@h/d",
    ):
        with pytest.raises(UserError):
            parse_source(wrong)


def test_a_password_file_of_the_server_is_read(database: PostgresDatabase, tmp_path: Path) -> None:
    file = tmp_path / ".pgpass"
    file.touch(mode=0o600)
    escaped = PASSWORD.replace("\\", r"\\").replace(":", r"\:")
    file.write_text(f"*:*:*:*:{escaped}\n")
    result = command(
        *("run", "--output", tmp_path / "out", "--source", database.url()),
        environment={"PGPASSFILE": str(file)},
    )
    assert result.returncode == 0, result.stderr


def test_the_time_limit_ends_the_reading(database: PostgresDatabase, tmp_path: Path) -> None:
    database.execute(
        "ALTER TABLE movimento RENAME TO base",
        "CREATE VIEW movimento AS SELECT base.* FROM base, pg_sleep(600)",
    )
    with pytest.raises(UserError, match=r"ended after 1 seconds \(--time-limit\)"):
        extracted(replace(database.reader(), time_limit=1), tmp_path)


def test_nothing_is_left_open_behind_it(database: PostgresDatabase, tmp_path: Path) -> None:
    extracted(database.reader(), tmp_path)
    query = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'movimento_reader' AND datname = current_database()"
    while database.query(query) != [(0,)]:
        pass


def writers(database: PostgresDatabase, stop: threading.Event) -> Iterator[threading.Thread]:
    """Move amounts between movements, and movements between tables' blocks, in transactions."""

    def work(seed: int) -> None:
        chance = random.Random(seed)
        with psycopg.connect(
            host=database.server.host, port=database.server.port, user="postgres", dbname=database.name
        ) as connection:
            while not stop.is_set():
                one, other = chance.sample(range(1, 2001), 2)
                try:
                    connection.execute(
                        "UPDATE movimento SET vlr_transacao = vlr_transacao - 1 WHERE id = %s", (one,)
                    )
                    connection.execute(
                        "UPDATE movimento SET vlr_transacao = vlr_transacao + 1 WHERE id = %s", (other,)
                    )
                    connection.execute("DELETE FROM movimento WHERE id = %s", (100_000 + seed,))
                    connection.execute(
                        "INSERT INTO movimento SELECT %s, 0, 'x', '2024-01-01', 1", (100_000 + seed,)
                    )
                    connection.commit()
                except psycopg.errors.DeadlockDetected:
                    connection.rollback()

    for seed in range(4):
        thread = threading.Thread(target=work, args=(seed,))
        thread.start()
        yield thread


def test_a_bank_under_writers_always_adds_up(
    database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty extractions by several connections: each sees one moment."""
    monkeypatch.setattr(pages, "PAGE_BYTES", 1 << 16)
    database.execute(
        "INSERT INTO movimento SELECT n, 100, 'x', '2024-01-01', 1 FROM generate_series(1, 2000) n",
        "INSERT INTO movimento SELECT 100000 + n, 0, 'x', '2024-01-01', 1 FROM generate_series(0, 3) n",
    )
    stop = threading.Event()
    threads = list(writers(database, stop))
    try:
        for number in range(50):
            found = extracted(database.reader(), tmp_path / str(number), 2 + number % 2)
            amounts = [line.split(b"\t")[2] for line in found if line[:1] == b"M"]
            assert len(amounts) == 2004
            assert sum(int(amount.replace(b".", b"")) for amount in amounts) == 200_000 * 100
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_what_stands_for_separators_is_a_text_all_the_same() -> None:
    assert Lines.lines(b"M\x01\x03\x01a\x04a\x04d\x04ca\\\x02") == b"M\t\\N\ta\x01\x04\x03a\\\\\n"


@pytest.mark.parametrize("name", ["associado", "movimento"])
def test_a_table_that_changes_while_the_snapshot_begins_is_looked_at_again(
    name: str, database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def changing(session: Any) -> Any:
        found = columns.inspect(session)
        if not seen:
            database.execute(
                f"ALTER TABLE {name} ALTER COLUMN id DROP IDENTITY",
                f"ALTER TABLE {name} ALTER COLUMN id TYPE numeric",
            )
        seen.append(1)
        return found

    monkeypatch.setattr(snapshot, "inspect", changing)
    assert len(extracted(database.reader(), tmp_path)) == 3
    assert len(seen) == 4


@pytest.mark.server
def test_the_certificate_of_a_server_is_verified(tmp_path: Path) -> None:
    authority, other = (Authority.make(tmp_path / name) for name in ("authority.pem", "other.pem"))
    server = PostgresServer(state_dir(), ("ssl=on",))
    files = {"ssl_cert_file": server.folder / "certificate.pem", "ssl_key_file": server.folder / "key.pem"}
    authority.sign(server.folder, addresses=["127.0.0.1"])
    for file in files.values():
        file.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(file, "nobody", "nogroup")
    server.settings = (*server.settings, *(f"{name}={file}" for name, file in files.items()))
    with server:
        database = server.new_database()
        database.execute(*statements("postgres/tables"), "ALTER TABLE associado DROP COLUMN email", *PARENTS)
        source = replace(database.reader(), tls=Tls(VERIFY, authority.file))
        assert len(extracted(source, tmp_path / "tsv")) == 3
        found = {finding.subject: finding.what for finding in source.kind.examine(source)}
        assert found["TLS"].startswith("TLSv1")
        for wrong in (replace(source, tls=Tls(VERIFY, other.file)), replace(source, host="localhost")):
            with pytest.raises(UserError, match="certificate") as refused:
                extracted(wrong, tmp_path / "refused")
            assert "--tls-ca FILE" in (refused.value.next_step or "")


@pytest.mark.parametrize("given", ["by PGPASSWORD", "by file"])
def test_nobody_sees_the_password(given: str, database: PostgresDatabase, tmp_path: Path) -> None:
    """It is in no argument, no environment of a child, no file and no message."""
    file = tmp_path / "password"
    file.touch(mode=0o600)
    file.write_text(PASSWORD)
    options = ("--password-file", file) if given == "by file" else ()
    environment = {"PGPASSWORD": PASSWORD} if given == "by PGPASSWORD" else {}
    out = tmp_path / "out"
    result = command("run", "--output", out, "--source", database.url(), *options, environment=environment)
    assert result.returncode == 0, result.stderr
    written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in content for content in [*written, result.stderr.encode()])
    assert PASSWORD not in (database.server.folder / "log").read_text()


@pytest.mark.machine
@pytest.mark.parametrize(("version", "suite"), [("17", "trixie"), ("18", "unstable")])
def test_newer_servers_are_read_too(version: str, suite: str, tmp_path: Path) -> None:
    with PostgresServer(state_dir(), version=version, suite=suite) as server:
        database = server.new_database()
        source = database.admin()
        source.kind.fill(source, Plan(movements=5000, seed=5, dirty=0.05), lambda rows: None)
        database.execute("ALTER TABLE movimento ALTER data_movimento TYPE timestamptz")
        delivered(database, tmp_path, "--time-zone", "-03:00")
        assert manifest(tmp_path)["source"]["server"] == f"PostgreSQL {server_version(database)}"
        assert not [
            finding for finding in database.reader().kind.examine(database.reader()) if finding.level != "ok"
        ]


def server_version(database: PostgresDatabase) -> str:
    return str(database.query("SELECT split_part(version(), ' ', 2)")[0][0])
