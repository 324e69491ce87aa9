"""Limits of a run: exact shares, known reasons, and a refused run that publishes nothing and keeps its lists."""

from collections import Counter
from pathlib import Path

import pytest

from movimento_flat.publish.limits import Limit, Limits, Strict, too_few_rows
from tests.conftest import FILLED, Database
from tests.rows import INTO_ASSOCIADO, INTO_CARTAO, INTO_CONTA, INTO_MOVIMENTO
from tests.test_run import CSV, PUBLISHED, RUN, assert_user_error, command, run

REFUSED = "movimento_flat.refused"


@pytest.mark.parametrize(
    ("text", "allowed", "refused", "movements"),
    [
        ("0", 0, 1, 100),
        ("20", 20, 21, 100),
        ("0%", 0, 1, 100),
        ("1%", 0, 1, 99),
        ("1%", 1, 2, 100),
        ("100%", 100, 101, 100),
        ("0.1%", 1, 2, 1000),
        # In floats 0.07 * 100 is more than 7, and 0.29 * 100 less than 29.
        ("7%", 7, 8, 100),
        ("29%", 29, 30, 100),
        ("33.3333333333333333333%", 33333333333333333333, 33333333333333333334, 10**20),
        ("5%", 0, 1, 0),
    ],
)
def test_a_limit_is_exact(text: str, allowed: int, refused: int, movements: int) -> None:
    limit = Limit.parse(text)
    assert limit.allows(allowed, movements)
    assert not limit.allows(refused, movements)


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "%", "1,5%", "1e3", "1 %", " 1", "٣"])
def test_what_is_no_limit_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number of rows"):
        Limit.parse(text)


def test_a_reason_without_a_limit_allows_none() -> None:
    assert Strict.parse("luhn") == Strict("luhn", Limit("0"))
    assert Strict.parse("malformed=0.5%").limit == Limit.parse("0.5%")
    for text, said in (("luhnn", "There are movement_without_card, "), ("luhn=", "''"), ("", "no reason")):
        with pytest.raises(ValueError, match=said):
            Strict.parse(text)


def test_each_broken_limit_is_a_line() -> None:
    strict = (Strict.parse("luhn"), Strict.parse("malformed=2"), Strict.parse("unknown_card=1%"))
    limits = Limits(Limit.parse("1%"), strict)
    assert limits.broken(100, 1, Counter(malformed=2, unknown_card=1, other=50)) == []
    assert limits.broken(100, 2, Counter(luhn=1, malformed=3, unknown_card=2)) == [
        "rejected: 2, with 100 movements read; --max-rejected allows 1%",
        "luhn: 1, with 100 movements read; --strict luhn allows 0",
        "malformed: 3, with 100 movements read; --strict malformed allows 2",
        "unknown_card: 2, with 100 movements read; --strict unknown_card allows 1%",
    ]
    assert Limits().broken(100, 100, Counter(luhn=100)) == []


def test_nine_tenths_of_the_previous_rows_are_enough() -> None:
    assert too_few_rows(0, 0) == []
    assert too_few_rows(100, 90) == []
    assert too_few_rows(101, 91) == []
    (line,) = too_few_rows(101, 90)
    assert "rows: 90, where the previous delivery of the same window has 101" in line
    assert line.endswith("if the drop is expected: --allow-shrink")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_beyond_its_limits_publishes_nothing_and_keeps_its_lists(
    filled: Database, tmp_path: Path
) -> None:
    (tmp_path / CSV).write_text("the previous file")
    options = (
        "--max-rejected",
        "1%",
        "--strict",
        "unknown_card=3",
        "--strict",
        "malformed",
        "--strict",
        "luhn",
    )
    rejected = len(filled.rejected())
    for _ in range(2):
        result = run(filled, tmp_path, *options)
        assert_user_error(result, "beyond its limits, so nothing is published")
        assert (
            f"rejected: {rejected:,}, with {FILLED:,} movements read; --max-rejected allows 1%"
            in result.stderr
        )
        assert "--strict unknown_card allows 3" in result.stderr
        assert "--strict malformed" not in result.stderr
        assert str(tmp_path / REFUSED) in result.stderr
        assert (tmp_path / CSV).read_text() == "the previous file"
        assert names(tmp_path) == [CSV, REFUSED]
        assert names(tmp_path / REFUSED) == ["holder_owner_mismatches.tsv", "rejected.tsv", "warnings.tsv"]
        assert (tmp_path / REFUSED).stat().st_mode & 0o777 == 0o700
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / REFUSED).iterdir())
    lists = {path.name: path.read_bytes() for path in (tmp_path / REFUSED).iterdir()}
    assert run(filled, tmp_path, "--max-rejected", "10%", "--strict", "malformed").returncode == 0
    assert names(tmp_path) == PUBLISHED
    assert lists == {name: (tmp_path / RUN / name).read_bytes() for name in lists}


def test_a_warning_has_its_limit_too(database: Database, tmp_path: Path) -> None:
    """Rejected rows are none here: the reasons of both lists count."""
    database.create_tables()
    database.execute(
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Reis', 7, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-02-29', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111112', 'ANA REIS', '2021-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES (1, 0, 'x', '2024-01-01', 1), (2, 0, 'x', '2024-01-01', 1)",
    )
    for limit in ("luhn", "zero_amount=1", "zero_amount=50%"):
        result = run(database, tmp_path, "--strict", limit)
        assert_user_error(result, f"--strict {limit.partition('=')[0]} allows")
        assert names(tmp_path) == [REFUSED]
    assert run(database, tmp_path, "--strict", "zero_amount=2", "--strict", "luhn=1").returncode == 0


def test_a_delivery_that_lost_rows_is_refused_unless_it_may_shrink(
    database: Database, tmp_path: Path
) -> None:
    database.create_tables()
    database.execute(
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Reis', 7, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-02-29', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ANA REIS', '2021-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES " + ", ".join(f"({i}, 1, 'x', '2024-01-01', 1)" for i in range(1, 21)),
    )
    assert run(database, tmp_path).returncode == 0
    database.execute("DELETE FROM movimento WHERE id > 18")
    assert run(database, tmp_path).returncode == 0
    database.execute("DELETE FROM movimento WHERE id > 16")
    published = (tmp_path / CSV).read_bytes()
    result = run(database, tmp_path)
    assert_user_error(result, "rows: 16, where the previous delivery of the same window has 18")
    assert (tmp_path / CSV).read_bytes() == published
    assert names(tmp_path) == sorted([*PUBLISHED, REFUSED])
    assert run(database, tmp_path, "--allow-shrink").returncode == 0
    assert (tmp_path / CSV).read_bytes().count(b"\n") == 17
    assert names(tmp_path) == PUBLISHED


def test_another_window_is_no_shrinking(database: Database, tmp_path: Path) -> None:
    database.create_tables()
    database.execute(
        f"{INTO_ASSOCIADO} VALUES (1, 'Ana', 'Reis', 7, NULL)",
        f"{INTO_CONTA} VALUES (1, 'corrente', '2020-02-29', 1)",
        f"{INTO_CARTAO} VALUES (1, '4111111111111111', 'ANA REIS', '2021-01-01', 1, 1)",
        f"{INTO_MOVIMENTO} VALUES (1, 1, 'x', '2024-01-01', 1), (2, 1, 'x', '2024-02-01', 1)",
    )
    for window in (
        (),
        ("--since", "2024-02-01"),
        ("--since", "2024-02-01", "--until", "2024-02-01 00:00:01"),
    ):
        assert run(database, tmp_path, *window).returncode == 0, window
    database.execute("DELETE FROM movimento WHERE id = 2")
    assert_user_error(run(database, tmp_path, *window), "rows: 0, where the previous delivery")


def test_a_damaged_previous_manifest_does_not_hinder_and_is_told(database: Database, tmp_path: Path) -> None:
    """A page, which a damaged manifest does not name, would be taken for somebody's own: tests/test_publishing.py."""
    database.create_tables()
    assert run(database, tmp_path, "--no-report").returncode == 0
    (tmp_path / RUN / "manifest.json").write_text("{")
    result = run(database, tmp_path, "--no-report")
    assert result.returncode == 0, result.stderr
    assert "are not compared with those of the previous delivery" in result.stderr


@pytest.mark.server
def test_the_programs_own_database_may_be_smaller_than_before(tmp_path: Path) -> None:
    home = {"MOVIMENTO_FLAT_HOME": str(tmp_path / "state")}
    for movements in ("500", "20"):
        result = command("run", "--output", tmp_path / "out", "--movements", movements, environment=home)
        assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / CSV).read_bytes().count(b"\n") < 100


def test_the_merge_stage_has_the_same_limits(filled: Database, tmp_path: Path) -> None:
    filled.reader()
    tsv, parts = tmp_path / "tsv", tmp_path / "parts"
    assert command("extract", "--source", filled.url(), "--to", tsv).returncode == 0
    assert command("join", "--from", tsv, "--to", parts).returncode == 0
    merge = ("merge", "--from", parts, "--tsv", tsv, "--output", tmp_path / "out")
    rejected = len(filled.rejected())
    assert_user_error(command(*merge, "--max-rejected", str(rejected - 1)), f"rejected: {rejected:,}")
    assert command(*merge, "--max-rejected", str(rejected)).returncode == 0


def test_limits_that_are_none_are_usage_errors(tmp_path: Path) -> None:
    for options, said in [
        (("--max-rejected", "many"), "neither a number of rows"),
        (("--max-rejected", ""), "neither a number of rows"),
        (("--strict", "no_such_reason"), "There are movement_without_card, unknown_card, "),
        (("--strict", "luhn=x%"), "neither a number of rows"),
    ]:
        result = command("run", "--output", tmp_path, *options)
        assert result.returncode == 2, result.stderr
        assert said in " ".join(result.stderr.split())
    assert names(tmp_path) == []
