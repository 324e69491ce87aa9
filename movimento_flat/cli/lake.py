"""The stage that makes the months of a lake from the finished CSV, and proves them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from extract.window import Window
from movimento_flat.cli.progress import Console
from movimento_flat.errors import UserError
from movimento_flat.lake.folder import Change, LakeFolder
from movimento_flat.lake.months import Piece, Split, column_types, write_month
from movimento_flat.lake.record import FILE_NAME, FORMAT, UNDATED, LakeRecord, MonthEntry
from movimento_flat.lake.window import covers
from movimento_flat.money import Totals
from movimento_flat.publish.manifest import FileEntry, Manifest, PrivacyEntry, SourceEntry
from movimento_flat.workers import Workers

#: Rows of one file at the most, where a month may have several: some 300 MB.
FILE_ROWS = 10_000_000


def record_of(privacy: PrivacyEntry, columns: Sequence[str], source: SourceEntry) -> LakeRecord:
    """Return the record of a lake that a run would make, yet without months."""
    types = column_types(columns)
    return LakeRecord(FORMAT, types, privacy, source.address, source.tables, source.zone, {})


def write_lake(
    lake: LakeFolder,
    record: LakeRecord,
    splits: Sequence[Split],
    manifest: Manifest,
    workers: Workers,
    console: Console,
) -> Change:
    """Make the files of the months, and return what they are to change in the lake.

    Args:
        lake: where they are made.
        record: of the lake, yet without months.
        splits: of the CSV.
        manifest: of the CSV.
        workers: what makes them.
        console: told how far it is.

    Raises:
        UserError: a value needs another type than the lake has, or what was written is not what the CSV has.
        OSError: a disk is full.
    """
    window = manifest.source.window
    record = _typed(record, lake, window, splits)
    with console.stage("lake", total=manifest.csv.rows) as progress:
        found = _write(lake, record, manifest, splits, workers, progress)
    left_out = sum((each.left_out for each in splits), Counter[str]())
    console.say_left_out(lake.name, left_out, "a lake has, and null in it")
    if any(window.span) and (undated := found.pop(UNDATED, None)):
        console.say(
            f"{lake.name}: {undated.rows:,} rows of the window have a date that is none; they change by a run"
            " without a window."
        )
    old = lake.record.months if lake.record else {}
    removed = [month for month in old if month not in found and covers(window, month)]
    kept = {month: entry for month, entry in old.items() if month not in removed}
    return Change(record.with_months({**kept, **found}), tuple(found), tuple(removed))


def _typed(record: LakeRecord, lake: LakeFolder, window: Window, splits: Sequence[Split]) -> LakeRecord:
    """Return the record with the types that the values need; those of other months stay as they are.

    Raises:
        UserError: a month needs another type than the months that stay.
    """
    wide = {name for each in splits for name in each.wide}
    types = column_types(record.columns, wide)
    if any(window.span) and lake.record:
        columns = lake.record.columns
        if odd := [name for name in wide if columns[name] != types[name]]:
            raise UserError(
                f"A value of {odd[0]} needs {types[odd[0]]}, and the lake has {columns[odd[0]]}.",
                "Run once without --since and --until: all months are written anew then.",
            )
        types = dict(columns)
    return replace(record, columns=types)


def _write(
    lake: LakeFolder,
    record: LakeRecord,
    manifest: Manifest,
    splits: Sequence[Split],
    workers: Workers,
    progress: Callable[[int], None],
) -> dict[str, MonthEntry]:
    """Write the files of all months, each read again, and return what is in them.

    Raises:
        UserError: it is not what the CSV has.
    """
    months = sorted({month for each in splits for month in each.months})
    widest = max((each.width for each in splits), default=0.0)
    snapshot, checksum = manifest.source.snapshot_utc, manifest.csv.sha256
    metadata = {"snapshot_utc": snapshot, "csv_sha256": checksum}
    tasks = []
    for month in months:
        pieces = [piece for each in splits for piece in each.months.get(month, ())]
        files = [pieces] if lake.store.has_one_file else list(_files_of(pieces))
        for number, of_file in enumerate(files, start=1):
            name = FILE_NAME if len(files) == 1 else _name(number, len(files), checksum)
            path = lake.new_file(month, name)
            expected = sum((piece.totals for piece in of_file), Totals())
            task = workers.submit(write_month, of_file, path, record.columns, widest, metadata)
            tasks.append((month, name, expected, task))
    entries: dict[str, dict[str, FileEntry]] = {}
    totals: dict[str, Totals] = {}
    for month, name, expected, task in tasks:
        found, entry = workers.result(task)
        if found != expected:
            raise UserError(
                f"{name} of {month} has {found}, the CSV {expected}, so nothing is published.",
                "Please report this, with the version of Polars.",
            )
        entries.setdefault(month, {})[name] = entry
        totals[month] = totals.get(month, Totals()) + found
        progress(found.rows)
    if (of_all := sum(totals.values(), Totals())) != manifest.csv.totals:
        raise UserError(
            f"The months have {of_all}, the CSV {manifest.csv.totals}, so nothing is published.",
            "Please report this.",
        )
    return {
        month: MonthEntry(totals[month].rows, totals[month].centavos, files, snapshot, checksum)
        for month, files in entries.items()
    }


def _files_of(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Yield the pieces of each file, FILE_ROWS rows at the most unless one piece has more."""
    held: list[Piece] = []
    rows = 0
    for piece in pieces:
        if held and rows + piece.totals.rows > FILE_ROWS:
            yield held
            held, rows = [], 0
        held.append(piece)
        rows += piece.totals.rows
    yield held


def _name(number: int, count: int, checksum: str) -> str:
    """Return the name of one of several files; no reader takes those of two runs for one month."""
    return f"movimentos-{number:04d}-of-{count:04d}-{checksum[:8]}.parquet"
