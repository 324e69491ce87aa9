"""Card numbers in every spelling and every text column: none is whole in what a masked run leaves, or hands on."""

import random
from pathlib import Path

import pytest

from movimento_flat.cli.progress import Console
from movimento_flat.cli.verify_command import verify_delivery
from movimento_flat.errors import UserError
from movimento_flat.privacy import Privacy
from movimento_flat.schema import TABLES
from movimento_flat.state import state_dir
from movimento_flat.tagged_tsv import line
from mr_jobs.job_options import JobOptions
from tests.brute_force import Tables, as_csv
from tests.conftest import Database, Server, new_database
from tests.mysql9 import MySQL9
from tests.rows import associado, cartao, conta, movimento
from tests.spellings import SPELLINGS, SURVIVORS, numbers, numbers_in, plant, whole_numbers
from tests.test_join import run_task, simulate
from tests.test_run import CSV, run
from tests.test_verify import rows_of, verify

MASK = ("--card", "mask")
TOKEN = ("--card", "token")
PEOPLE = ("--card", "token", "--people", "token")


@pytest.fixture(scope="module")
def planted(server: Server) -> tuple[Database, list[str]]:
    """A database, and the numbers in it."""
    database = new_database(server)
    return database, plant(database)


@pytest.mark.parametrize("options", [MASK, TOKEN, PEOPLE], ids=" ".join)
def test_a_masked_run_leaves_no_number_in_any_spelling_anywhere(
    planted: tuple[Database, list[str]],
    options: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database, hidden = planted
    monkeypatch.setenv("MOVIMENTO_FLAT_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    output = tmp_path / "out"
    result = run(database, output, *options, "--excel", "--parquet", "--verbose")
    assert result.returncode == 0, result.stderr
    (tmp_path / "said").write_text(result.stdout + result.stderr)
    assert whole_numbers(tmp_path, hidden) == {}
    files = {file.name for file in output.rglob("*")}
    assert {"movimento_flat.parquet", "movimento_flat.xlsx", "relatorio.html", "rejected.tsv"} <= files
    header, rows = rows_of(output)
    assert len(rows) == len(SPELLINGS) + len(SURVIVORS)
    place = header.index("des_transacao_movimento")
    assert [row[place] for row in rows if row in rows[1 : 1 + len(SURVIVORS)]] == list(SURVIVORS)
    # Other options hide names or numbers themselves; descriptions and kinds are as with a mask.
    assert sum("*" in str(row[place]) for row in rows) == len(SPELLINGS) + SURVIVORS.count("411111******1111")
    checked = verify(output, database)
    assert checked.returncode == 0, checked.stderr


def test_the_search_finds_every_number_of_a_whole_delivery(
    planted: tuple[Database, list[str]], tmp_path: Path
) -> None:
    database, hidden = planted
    output = tmp_path / "out"
    assert run(database, output, "--excel", "--parquet").returncode == 0
    found = whole_numbers(output, hidden)
    assert {Path(file).name for file in found} >= {
        CSV, "movimento_flat.parquet", "movimento_flat.xlsx", "rejected.tsv", "warnings.tsv",
    }  # fmt: skip
    everywhere = {number for numbers in found.values() for number in numbers}
    assert everywhere == set(hidden)


def lines_of_every_kind() -> tuple[list[bytes], list[str]]:
    """Lines with a spelled number in each column that is no id, right rows and wrong ones; and the numbers."""
    unused = iter(numbers(len(SPELLINGS) * 60))
    lines, hidden = [], []
    for spell in SPELLINGS.values():
        for table in TABLES:
            good = {"A": "1 Ana Reis 30", "C": "1 corrente x 1", "K": "1 4111 ANA x 1 1", "M": "1 1.00 x x 1"}
            values = good[table.tag.decode()].split()
            for place in range(len(values)):
                for end in (b"\n", b"\t\n", b"\xff\n"):
                    hidden.append(next(unused))
                    spelled = [value.encode() for value in values]
                    spelled[place] = spell(hidden[-1]).encode()
                    lines.append(line(table, tuple(spelled)) + end)
    return lines, hidden


@pytest.mark.parametrize("options", [MASK, PEOPLE], ids=" ".join)
def test_no_number_leaves_the_mapper(options: tuple[str, ...], tmp_path: Path) -> None:
    """In any column of a right line, of one with a column too many, and of one that is no UTF-8."""
    (tmp_path / "key").write_text("0123456789abcdef" * 4)
    people = "token" if "--people" in options else "full"
    job_options = JobOptions(Privacy(options[1], people), key_file=tmp_path / "key")
    lines, hidden = lines_of_every_kind()
    # An id that is a plain number is a key of the join.
    keys = {word.decode() for text in lines for word in text.rstrip(b"\n").split(b"\t") if word.isdigit()}
    handed_on = run_task("--step-num=0", "--mapper", b"".join(lines), job_options)
    found = set(numbers_in(handed_on.decode("utf-8", "surrogateescape"), set(hidden) - keys))
    assert found == set()
    for part in simulate(lines, 2, 2, random.Random(1), job_options):
        ids = part.decode("utf-8", "surrogateescape")
        assert numbers_in(ids, hidden) == []


def test_the_shortest_number_is_masked_in_every_column_of_a_row(tmp_path: Path) -> None:
    """Of thirteen digits, which are all of the field."""
    number = "4222222222222"
    tables = Tables(
        [associado(nome=number, sobrenome=number, idade=number)],
        [conta(tipo=number, data_criacao=number)],
        [cartao(num_cartao=number, nom_impresso=number, data_criacao=number)],
        [movimento(des_transacao=number, data_movimento=number)],
    )
    (tmp_path / "key").write_text("0123456789abcdef" * 4)
    job_options = JobOptions(Privacy("mask"), key_file=tmp_path / "key")
    parts = b"".join(simulate(tables.lines(), 1, 1, random.Random(1), job_options)).decode()
    assert number not in parts
    assert parts.count("422222***2222") == 10 + 2  # two are warnings also


def test_a_text_is_masked_in_the_same_way_alone_and_among_others(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0123456789abcdef" * 4)
    job_options = JobOptions(Privacy("mask"), key_file=tmp_path / "key")
    texts = [
        *SURVIVORS,
        *(spell(number) for spell, number in zip(SPELLINGS.values(), numbers(99), strict=False)),
    ]
    moments = [
        "2024-02-29 23:59:59",
        "4111.1111.1111.1111",
        "30.56.93.09.0259.04",
        "2024-02-29 23:59:5x",
        "",
        "0000-00-00 00:00:00",
    ]
    lines = [
        movimento(id=str(place), des_transacao=text, data_movimento=moment, id_cartao="1234").line()
        for place, (text, moment) in enumerate((text, moment) for text in texts for moment in moments)
    ]
    together = run_task("--step-num=0", "--mapper", b"".join(lines), job_options)
    alone = [run_task("--step-num=0", "--mapper", b"\xff\n" + text, job_options) for text in lines]

    def rows_of(*outputs: bytes) -> list[bytes]:
        packs = [line.split(b"\t", 2) for output in outputs for line in output.splitlines()]
        return sorted(row for key, _, rows in packs if key != b"~" for row in rows.split(b"\x1e"))

    assert rows_of(together) == rows_of(*alone)
    assert len(rows_of(together)) == len(lines)


def altered_texts(database: Database, output: Path) -> None:
    """A letter of each masked text matters, and each character of the others."""
    header, rows = rows_of(output)
    for name in ("des_transacao_movimento", "tipo_conta", "nome_associado"):
        place = header.index(name)
        for row in (0, 1, len(rows) - 1):
            changed = [list(row) for row in rows]
            changed[row][place] = f"{changed[row][place]}x"
            (output / CSV).write_bytes(as_csv(header, [tuple(row) for row in changed]))
            with pytest.raises(UserError, match="other rows than the database"):
                verify_delivery(output, database.reader(), Console())
    (output / CSV).write_bytes(as_csv(header, rows))


def test_a_changed_letter_of_a_masked_text_is_found_by_the_database(
    planted: tuple[Database, list[str]], tmp_path: Path
) -> None:
    database, _ = planted
    assert run(database, tmp_path, *MASK, "--no-report").returncode == 0
    altered_texts(database, tmp_path)


def test_an_earlier_delivery_that_masked_less_still_agrees_with_the_database(
    planted: tuple[Database, list[str]], tmp_path: Path
) -> None:
    """Once only descriptions were masked, and only digits joined by single blanks and hyphens."""
    database, _ = planted
    assert run(database, tmp_path / "whole", "--no-report").returncode == 0
    assert run(database, tmp_path / "out", *MASK, "--no-report").returncode == 0
    header, masked = rows_of(tmp_path / "out")
    _, whole = rows_of(tmp_path / "whole")
    number = header.index("numero_cartao")
    earlier = [
        (*row[:number], hidden[number], *row[number + 1 :]) for row, hidden in zip(whole, masked, strict=True)
    ]
    (tmp_path / "out" / CSV).write_bytes(as_csv(header, earlier))
    with pytest.raises(UserError) as found:
        verify_delivery(tmp_path / "out", database.reader(), Console())
    assert "by the database" not in str(found.value)


@pytest.mark.machine
def test_mysql_agrees_with_a_masked_delivery(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with MySQL9(tmp_path_factory.mktemp("mysql"), state_dir()) as server:
        database = new_database(server)
        hidden = plant(database)
        output = tmp_path / "out"
        result = run(database, output, *MASK, "--tls", "off")
        assert result.returncode == 0, result.stderr
        assert whole_numbers(output, hidden) == {}
        assert "holds the same rows now" in verify_delivery(output, database.reader(), Console()).as_text(
            None
        )
        altered_texts(database, output)
