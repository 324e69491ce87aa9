"""What the join costs on one columnar library: processor seconds of each phase, and whether it gives the same files.

.venv/bin/python bench/columnar_join.py TAGGED_TSV_FOLDER

The folder is one of `movimento-flat extract --to`. Both joins run here: the program's own by the local runner, and
`bench/columnar`, one task after the other in this process, with the program's own shuffle in memory between them.
Exit status 1: a file differs.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

sys.path[1:1] = [str(Path(__file__).resolve().parent.parent)]

from bench.columnar.flat_rows import FlatRows, send_movements  # noqa: E402
from bench.columnar.frames import REPORTS, Record, packs_in  # noqa: E402
from bench.columnar.profiles import (  # noqa: E402
    NUMBERS,
    CardNumbers,
    Profiles,
    check_associates,
    check_cards,
    send_accounts,
    send_associates,
    send_cards,
    send_numbers,
)
from bench.columnar.source_rows import SourceRows  # noqa: E402
from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER  # noqa: E402
from movimento_flat.privacy import Privacy  # noqa: E402
from movimento_flat.problem_lists import REJECTED  # noqa: E402
from movimento_flat.publish.parts import merge_parts  # noqa: E402
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO  # noqa: E402
from mr_jobs.local_runner import join_locally  # noqa: E402
from mr_jobs.task_server import TaskServer  # noqa: E402

BLOCK = 4 << 20
REDUCERS = 2

#: Of each reducer, runs of lines `key \t pack` that are in order.
Shuffled = list[list[list[bytes]]]


def blocks(file: Path) -> Iterator[bytes]:
    """Return a file in blocks of whole lines."""
    with file.open("rb") as lines:
        while block := lines.read(BLOCK):
            yield block + lines.readline()


def mapped(source: SourceRows, block: bytes, privacy: Privacy) -> Iterator[Record]:
    """Send each row of a block of tagged TSV to all buckets that must see it."""
    frames, rejected = source.read(block)
    for table, rows in frames.items():
        shown = source.hide(table, rows)
        if table is ASSOCIADO:
            yield from check_associates(rows, shown)
            yield from send_associates(shown, privacy)
        elif table is CONTA:
            yield from send_accounts(shown, privacy)
        elif table is CARTAO:
            yield from check_cards(rows)
            yield from send_numbers(rows, source.fingerprints)
            yield from send_cards(shown, privacy)
        elif table is MOVIMENTO:
            yield from send_movements(shown, privacy)
    for row in rejected:
        yield REPORTS, b"%b\t%b" % (REJECTED, row)


def map_files(files: Iterable[Path], privacy: Privacy) -> Shuffled:
    """Run a map task for each file."""
    shuffled: Shuffled = [[] for _ in range(REDUCERS)]
    for file in files:
        source = SourceRows(privacy, b"")
        run: list[list[bytes]] = [[] for _ in range(REDUCERS)]
        for block in blocks(file):
            for key, pack in mapped(source, block, privacy):
                run[crc32(key) % REDUCERS].append(b"%b\t%b" % (key, pack))
        for reducer, lines in enumerate(run):
            shuffled[reducer].append(sorted(lines))
    return shuffled


def by_key(runs: list[list[bytes]]) -> Iterator[tuple[bytes, Iterator[bytes]]]:
    """Return each key of merged runs, and its packs."""
    pairs = (line.partition(b"\t") for line in merge(*runs))
    for key, group in groupby(pairs, key=itemgetter(0)):
        yield key, (pack for _, _, pack in group)


def make_profiles(runs: list[list[bytes]], privacy: Privacy) -> list[bytes]:
    """Run a reduce task of step 1."""
    meetings: dict[bytes, Profiles | CardNumbers] = {
        ASSOCIADO.tag: Profiles(ASSOCIADO, privacy),
        CONTA.tag: Profiles(CONTA, privacy),
        NUMBERS: CardNumbers(),
    }
    found: list[Record] = []
    for key, packs in by_key(runs):
        meeting = meetings.get(key[:1])
        found += meeting.add(packs_in(packs)) if meeting else ((key, pack) for pack in packs)
    for meeting in meetings.values():
        found += meeting.flush()
    return [b"%b\t%b" % record for record in found]


def make_flat_rows(runs: list[list[bytes]], privacy: Privacy, part: Path, now: str | None) -> None:
    """Run a reduce task of step 2."""
    flat_rows = FlatRows(privacy, now)
    with part.open("wb") as file:
        for key, packs in by_key(runs):
            file.writelines(b"%b\t%b\n" % record for record in flat_rows.add(key, packs_in(packs)))
        file.writelines(b"%b\t%b\n" % record for record in flat_rows.flush())


def join_by_columns(
    folder: Path,
    parts: Path,
    privacy: Privacy,
    now: str | None = None,
    tell: Callable[[str, float], None] = lambda phase, seconds: None,
) -> list[Path]:
    """Join tagged TSV, and return the parts; `tell` is told of each phase's processor seconds."""
    parts.mkdir()
    started = time.process_time()

    def told(phase: str) -> None:
        nonlocal started
        tell(phase, time.process_time() - started)
        started = time.process_time()

    shuffled = map_files(sorted((folder / SMALL_TABLES_FOLDER).glob("*.tsv")), privacy)
    told("map 1")
    profiles = [make_profiles(runs, privacy) for runs in shuffled]
    told("reduce 1")
    shuffled = map_files(sorted((folder / MOVEMENTS_FOLDER).glob("*.tsv")), privacy)
    told("map 2")
    for lines in profiles:
        own: list[list[bytes]] = [[] for _ in range(REDUCERS)]
        for line in lines:
            own[crc32(line.partition(b"\t")[0]) % REDUCERS].append(line)
        for reducer in range(REDUCERS):
            shuffled[reducer].append(sorted(own[reducer]))
    made = [parts / f"part-{reducer}" for reducer in range(REDUCERS)]
    for runs, part in zip(shuffled, made, strict=True):
        make_flat_rows(runs, privacy, part, now)
    told("reduce 2")
    return made


def join_by_rows(folder: Path, parts: Path, work: Path) -> list[Path]:
    """Join the same by the program's own job, and return the parts."""
    small = sorted((folder / SMALL_TABLES_FOLDER).glob("*.tsv"))
    movements = sorted((folder / MOVEMENTS_FOLDER).glob("*.tsv"))
    with TaskServer() as server:
        return join_locally(
            small, lambda: movements, parts, work, server, tell=lambda phase: print(f"  {phase.step} {phase}")
        )


def merged(parts: list[Path], folder: Path) -> dict[str, bytes]:
    """Return the files that parts are merged into."""
    folder.mkdir()
    merge_parts(parts, folder)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def main() -> None:
    """Measure both, and compare what they give."""
    folder = Path(sys.argv[1])
    with TemporaryDirectory(prefix="movimento-flat-bench-") as name:
        work = Path(name)
        print("the program's join, seconds of its tasks:")
        rows = merged(join_by_rows(folder, work / "rows", work), work / "merged-rows")
        print("on Polars, processor seconds:")
        parts = join_by_columns(
            folder,
            work / "columns",
            Privacy(),
            tell=lambda phase, seconds: print(f"  {phase}: {seconds:.1f} s"),
        )
        columns = merged(parts, work / "merged-columns")
    different = [file for file in rows if rows[file] != columns[file]]
    print("different:", ", ".join(different) or "nothing")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
