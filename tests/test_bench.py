"""The benchmarks compare equal work, count what was used, and write into the documentation what was measured."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import capacity_estimate, page, session, targets
from bench.cluster import AND_USED, shuffled_bytes, without_used
from bench.content import content, movements_of_dump
from bench.measure import Timing, run
from bench.records import Sessions, read
from movimento_flat.money import Totals
from movimento_flat.publish.parts import CSV_NAME, merge_parts
from movimento_flat.schema import FLAT_COLUMNS
from movimento_flat.state import state_dir
from mr_jobs.phases import Phase
from tests.conftest import ROOT
from tests.test_join import SAMPLE, run_inline

MB = 1_000_000
BURNS = "import os, time\nwhile time.process_time() < {seconds}: pass\n"


def timing(seconds: float, peak: int = 80 * MB, **more: object) -> Timing:
    facts: dict[str, object] = {"cpu_seconds": seconds * 2, "largest": "x", "together": peak, "written": 0}
    return Timing(seconds, peak=peak, **{**facts, **more})  # type: ignore[arg-type]


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """Written as benchmarks write them, and read as the page does."""
    monkeypatch.setattr(session, "RECORDS", tmp_path)
    monkeypatch.setattr(session, "ROOT", tmp_path.parent)
    said = "  seconds        31.5 (extract 1.0, join 20.0, merge 5.0, audit 4.0, report 1.0)\n"
    for size in (1_000_000, 5_000_000):
        millions = size // 1_000_000
        join = {
            "movimento-flat": [
                timing(10 + 4 * millions, shuffled=size * 50),
                timing(11 + 4 * millions, shuffled=size * 50),
            ],
            "PySpark, broadcast": [timing(70), timing(60)],
            "identity sort": [timing(20), timing(20)],
        }
        facts = {"movements": size, "movements_bytes": size * 60, "csv_bytes": size * 150}
        session.record("cluster_join", join, {"Hadoop": "3.4.2"}, **facts)
        both = {"movimento-flat extract": [timing(0.5 + millions)], "mydumper": [timing(millions)]}
        session.record("extraction", both, {}, movements=size)
    session.record(
        "cluster_run",
        {"movimento-flat": [timing(40, said=said)]},
        {},
        movements=5_000_000,
    )
    sizes = {"flat 1000000": [timing(5)], "flat 20000000": [timing(90, 100 * MB)]}
    session.record("growth", sizes, {})
    return read(tmp_path.glob("*.json"))


def test_the_page_of_no_record_claims_nothing() -> None:
    nothing = Sessions([])
    assert not re.search(r"\| (?:not )?reached", page.benchmark_page(nothing))
    assert targets.table(nothing).count(targets.MISSING) == len(targets.TARGETS) + 2
    assert {capacity_estimate.MISSING} < set(capacity_estimate.constants(nothing).values())
    assert "{" not in page.growth_page(nothing)


def test_the_page_shows_medians_and_ratios_of_the_records(records: Sessions) -> None:
    text = page.benchmark_page(records)
    assert "| PySpark, broadcast | 65.0 | 60.0-70.0 | 0.47 | 130.0 |" in text
    assert "| cluster, join of 5 M in HDFS : PySpark's fastest | 0.60 | 0.47 | reached |" in text
    assert "| cluster, join of 5 M in HDFS : one sort of the movements | 1.20 | 1.52 | not reached |" in text
    assert "| extraction of 5 M : mydumper | 2.00 | 1.10 | reached |" in text
    assert "| largest process of ours, flat, 20 M : 1 M | 1.20 | 1.25 | not reached |" in text
    assert "Hadoop 3.4.2" in text


def test_the_capacity_estimate_is_calculated_from_the_records(records: Sessions) -> None:
    found = capacity_estimate.constants(records)
    assert found["shuffled"] == "50.0 GB"
    assert found["input"] == "60.0 GB"
    assert found["maps"] == "299"
    assert found["cpu_per_million"] == "8.0"
    assert found["join"] == "28.6 s"
    assert found["fixed"] == "10.5"
    assert found["extract"] == "16.7 min"
    assert found["merge"] == "33.3 min"
    assert found["longest"] == "the merge"
    assert capacity_estimate.MISSING not in found.values()


def test_every_plot_has_the_figures_of_its_record(records: Sessions) -> None:
    plots = {plot["file"]: plot["panels"] for plot in page.plots(records)}
    assert plots.keys() == {"cluster_join", "cluster_run", "extraction", "growth"}
    assert [bar["name"] for bar in plots["cluster_join"][0]["bars"]] == [
        "movimento-flat",
        "PySpark, broadcast",
        "identity sort",
    ]
    assert plots["growth"][1]["lines"] == [
        {"name": "flat", "points": [(1_000_000, 80.0), (20_000_000, 100.0)]}
    ]


def test_the_pages_of_the_repository_are_those_of_its_records() -> None:
    records = read((ROOT / "docs" / "benchmark").glob("*.json"))
    made = (
        {"benchmark.md": page.benchmark_page(records), "growth.md": page.growth_page(records)}
        if records.all
        else {}
    )
    for name in ("benchmark.md", "growth.md"):
        file = ROOT / "docs" / name
        assert (file.read_text("utf-8") if file.exists() else None) == made.get(name)


def test_the_textbook_join_writes_what_ours_does(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "bench" / "textbook_join.py"),
        "-r",
        "inline",
        "--no-conf",
        "--quiet",
    ]
    result = subprocess.run([*command, *map(str, SAMPLE)], capture_output=True, check=True)
    textbook, parts = tmp_path / "textbook.csv", tmp_path / "parts"
    textbook.write_bytes(",".join(FLAT_COLUMNS).encode() + b"\n" + result.stdout)
    parts.mkdir()
    for number, part in enumerate(run_inline([path.read_bytes() for path in SAMPLE])):
        (parts / f"part-{number}").write_bytes(part)
    merge_parts(sorted(parts.iterdir()), tmp_path)
    assert content([textbook]) == content([tmp_path / CSV_NAME])
    assert content([textbook]).rows > 50


def test_a_run_counts_processes_that_nobody_waits_for() -> None:
    folder = state_dir()
    folder.mkdir(exist_ok=True)
    file = folder / "written"
    orphan = f"{BURNS.format(seconds=0.4)}open({str(file)!r}, 'wb').write(bytes(5_000_000))"
    own = f"{BURNS.format(seconds=0.2)}import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {orphan!r}])"
    try:
        found = run([sys.executable, "-c", own])
    finally:
        file.unlink(missing_ok=True)
    assert 0.6 <= found.cpu_seconds < 2
    assert 5_000_000 <= found.written < 6_000_000


def test_a_run_knows_its_largest_process_and_the_sum() -> None:
    holds = "data = bytearray(60_000_000); print(flush=True); input()"
    # Both hold them for some sums, however slow the machine is.
    both = (
        "import subprocess, sys, time\n"
        "pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}\n"
        f"started = [subprocess.Popen([sys.executable, '-c', {holds!r}], **pipes) for _ in range(2)]\n"
        "for process in started: process.stdout.readline()\n"
        "time.sleep(2)\n"
        "for process in started: process.communicate(b'end\\n')\n"
    )
    found = run([sys.executable, "-c", both])
    assert 60 * MB < found.peak < 90 * MB
    assert 120 * MB < found.together < 180 * MB


def test_a_command_in_a_container_tells_what_it_has_used() -> None:
    command = f"{BURNS.format(seconds=0.3)}print('said')"
    found = run([*AND_USED, sys.executable, "-c", command])
    said, cpu_seconds, written = without_used(found.said)
    assert said.split() == ["said"]
    assert 0.26 <= cpu_seconds < 1  # four times of the kernel's, each cut to a hundredth
    assert written == found.written


def test_shuffled_bytes_are_found_in_what_each_program_says() -> None:
    phases = [
        Phase(1, "sort", 2, 0.0, 9, 1_500_000),
        Phase(2, "reduce", 2, 1.0, 7, 8),
        Phase(2, "sort", 2, 0.0, 9, 12_000_000_000),
    ]
    assert (
        shuffled_bytes("\n".join(f"{phase.name} {phase.step}: {phase}" for phase in phases)) == 12_001_500_000
    )
    assert (
        shuffled_bytes("".join(f"  {f'{phase.name} {phase.step}':15}{phase}\n" for phase in phases))
        == 12_001_500_000
    )
    assert shuffled_bytes("\t\tReduce shuffle bytes=77\n\t\tOther=5\n") == 77
    assert shuffled_bytes("[Stage 1:>  (0 + 1) / 1]\rshuffled=78\n") == 78
    assert shuffled_bytes("nothing") is None


def test_a_dump_is_counted_by_its_rows(tmp_path: Path) -> None:
    dump = tmp_path / "x.movimento.00000.sql"
    first, second = (
        '(1,40.62,"a\\n,(7,1.00,","2023-01-30 04:01:14",4)',
        '(2,-126.96,NULL,"2023-02-28 19:25:05",4)',
    )
    dump.write_text(f"INSERT INTO `movimento` VALUES{first}\n,{second};\n")
    assert movements_of_dump([dump]) == Totals(2, 4062 - 12696)
