r"""Whether the database still holds what a delivered CSV does: counted, added up and hashed by the server in plain SQL.

Both sides write a row as text, its fields separated by 0x1f with NULL as an empty one, and add up the first 64 bits
of the rows' SHA-256. So a row that is missing, doubled or changed shows, wherever in the file it is.

Where card numbers are hidden, the server sends the rows in whose texts one may have been masked; of these texts only
the letters are compared, by Python on both sides. Which texts they are is told by their digits, asterisks and bytes
beyond ASCII: where anything is masked, the text has as many of them as a card number, before and afterwards.

The server's side is the join of sql/expected.sql; it shares nothing with the
extraction and the MapReduce join.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from extract.server_kind import Comparison as Session
from extract.source import Source
from extract.tables_file import TablesFile
from movimento_flat.card_numbers import SHORTEST, letters
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.privacy import COARSE, FULL, MASK, TOKEN
from movimento_flat.problem_lists import Reject
from movimento_flat.publish.accounting import Audit
from movimento_flat.publish.csv_rows import read_rows
from movimento_flat.publish.manifest import Manifest
from movimento_flat.publish.output_folder import RUN_NAME
from movimento_flat.publish.parts import CSV_NAME, REJECTED_NAME
from movimento_flat.schema import AMOUNT, CARD, FLAT_BY_NAME, MOMENT, MOVIMENTO, PEOPLE, Kind
from movimento_flat.sql_files import flat_join
from movimento_flat.verify.delivery import Comparison

_SEPARATOR = "\x1f"
_HASH_BYTES = 8
_IDS_AT_ONCE = 1000
_ROWS_AT_ONCE = 4096
#: In a database it may be negative; the program rejects such a row.
_is_id = re.compile(r"-?\d+(\.\d+)?", re.ASCII).fullmatch
#: What counts as a digit that may have been masked, beside what is beyond ASCII.
_DIGITS = "0123456789*"
#: An id in the list of rejected rows that may be a card number, where these are hidden.
_is_masked_id = re.compile(r"-?\d{6}\*+\d{4}", re.ASCII).fullmatch

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Content:
    """What one side holds: rows and centavos, and the sum of the rows' hashes."""

    totals: Totals = Totals()  # noqa: RUF009  # it is frozen
    hashes: int = 0

    def without(self, other: "Content") -> "Content":
        """Return the same but for other rows, which are in it."""
        rows, centavos = self.totals.rows - other.totals.rows, self.totals.centavos - other.totals.centavos
        return Content(Totals(rows, centavos), self.hashes - other.hashes)


def verify_database(
    output: Path,
    manifest: Manifest,
    audited: Audit,
    source: Source,
    comparison: Comparison,
    progress: Progress = lambda rows: None,
) -> None:
    """Compare a delivery's CSV with the database; `progress` is told of the CSV's rows read.

    Raises:
        UserError: the database cannot be read.
        OSError: a file cannot be read.
    """
    rejected = output / RUN_NAME / REJECTED_NAME
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(content_of_database, source, manifest, rejected)
        try:
            hashes = hashes_of_csv(output / CSV_NAME, manifest, progress)
        except (ValueError, csv.Error) as error:
            comparison.note(f"{CSV_NAME} cannot be read as rows in UTF-8: {error}.")
            return
        database = asked.result()
    comparison.same_totals(CSV_NAME, database.totals, audited.totals, by="the database")
    if hashes != database.hashes:
        comparison.note(f"{CSV_NAME} has other rows than the database.")


def compared_columns(manifest: Manifest) -> tuple[str, ...]:
    """Return the CSV's columns but those of tokens, whose key is not asked for."""
    tokens = {CARD} if manifest.privacy.card == TOKEN else set()
    tokens |= set(PEOPLE) if manifest.privacy.people == TOKEN else set()
    return tuple(name for name in manifest.csv.columns if name not in tokens)


def masked_columns(manifest: Manifest) -> tuple[str, ...]:
    """Return the compared columns in which card numbers may have been masked; that of card numbers is none."""
    if manifest.privacy.card == FULL:
        return ()
    kinds = (Kind.TEXT, Kind.WHOLE)
    return tuple(
        name for name in compared_columns(manifest) if FLAT_BY_NAME[name].kind in kinds and name != CARD
    )


def _comparable(text: str) -> str:
    """Return what of a text of the database or of the CSV masking cannot have changed."""
    digits = sum(map(text.count, _DIGITS)) + len(text.encode()) - len(text)
    return text if digits < SHORTEST else letters(text)


def hashes_of_csv(path: Path, manifest: Manifest, progress: Progress = lambda rows: None) -> int:
    """Return the sum of its rows' hashes; a few thousand rows are held at once.

    Raises:
        ValueError, csv.Error: it is no CSV.
        OSError: it cannot be read.
    """
    rows = read_rows(path)
    header, columns = next(rows), compared_columns(manifest)
    places = [header.index(name) for name in columns]
    masked = [header.index(name) for name in masked_columns(manifest)]
    total = 0
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        for row in chunk:
            for place in masked:
                row[place] = _comparable(row[place])
            total += _hash([row[place] for place in places])
        progress(len(chunk))
    return total


def content_of_database(source: Source, manifest: Manifest, rejected: Path) -> Content:
    """Return what the CSV must hold, by one snapshot of the database as it is now.

    Rows that the program rejected though the join has them are taken off, by the ids in the list of rejected rows.

    Raises:
        UserError: the database cannot be read.
        OSError: the list cannot be read.
    """
    as_of = manifest.source.window.as_of
    with source.kind.comparison(replace(source, time_zone=manifest.source.time_zone), as_of) as session:
        tables = source.tables if source.tables.text else TablesFile.parse(manifest.source.tables)
        tables = tables.without(manifest.source.absent)
        content = _ask(session, tables, manifest, "TRUE")
        rejected_ids = _ids_in_the_join(rejected)
        while ids := list(islice(rejected_ids, _IDS_AT_ONCE)):
            of_them = f"movimento.id IN ({', '.join(ids)})"
            content = content.without(_ask(session, tables, manifest, of_them))
        return content


def _ids_in_the_join(rejected: Path) -> Iterator[str]:
    """Return the ids of the rejected movements that the database's join may have.

    Those are movements that are no valid rows; and, where a row of a small table is none, its movements, which
    were rejected for missing it.

    Raises:
        UserError: one of these ids is masked.
    """
    invalid = {Reject.MALFORMED.value, Reject.INVALID_UTF8.value}
    if any(table != MOVIMENTO.name for _, table, _ in _rejected_rows(rejected)):
        invalid = {reason.value for reason in Reject}
    for reason, table, identity in _rejected_rows(rejected):
        if reason not in invalid or table != MOVIMENTO.name:
            continue
        if _is_masked_id(identity):
            raise UserError(
                f"{rejected} has masked ids, which may be card numbers: the database cannot be asked for these rows.",
                "Compare a delivery of --card full with the database.",
            )
        if _is_id(identity):
            yield identity


def _rejected_rows(rejected: Path) -> Iterator[tuple[str, str, str]]:
    """Return reason, table and id of each."""
    with rejected.open("rb") as lines:
        next(lines, b"")
        for line in lines:
            reason, table, identity, _ = line.decode(errors="replace").split("\t", 3)
            yield reason, table, identity


def _ask(session: Session, tables: TablesFile, manifest: Manifest, condition: str) -> Content:
    window = replace(manifest.source.window, as_of=None)
    moment = session.wall_clock(f"{MOVIMENTO.name}.{FLAT_BY_NAME[MOMENT].source.name}")
    relations = {source.table.name: session.relation(source) for source in tables}
    conditions = f"{condition} AND {window.condition(moment)}"
    flat = f"FROM ({session.join(flat_join(conditions, manifest.shown.ids, relations))}) AS flat"
    fields = {name: _field(session, name, manifest) for name in compared_columns(manifest)}
    masked = masked_columns(manifest)
    may_be_masked = " OR ".join(session.may_be_masked(fields[name]) for name in masked) or "FALSE"
    hashes = f"CASE WHEN {may_be_masked} THEN 0 ELSE {session.hash(list(fields.values()))} END"
    query = f"SELECT COUNT(*), SUM({session.centavos(f'flat.{AMOUNT}')}), SUM({hashes}) {flat}"
    ((rows, centavos, total),) = ([int(value or 0) for value in row] for row in session.rows(query))
    if masked:
        of_masked = f"SELECT {', '.join(fields.values())} {flat} WHERE {may_be_masked}"
        total += sum(_hash_of_masked(row, list(fields), masked) for row in session.rows(of_masked))
    return Content(Totals(rows, centavos), total)


def _hash_of_masked(row: Sequence[bytes], names: Sequence[str], masked: Sequence[str]) -> int:
    """Return the hash of a row that the server has sent."""
    texts = (field.decode(errors="replace") for field in row)
    return _hash(
        [_comparable(text) if name in masked else text for name, text in zip(names, texts, strict=True)]
    )


def _hash(fields: Sequence[str]) -> int:
    """Return the hash of a row's fields."""
    return int.from_bytes(hashlib.sha256(_SEPARATOR.join(fields).encode()).digest()[:_HASH_BYTES])


def _field(session: Session, name: str, manifest: Manifest) -> str:
    kind = FLAT_BY_NAME[name].kind
    text = session.field(kind, f"flat.{name}")
    if kind is Kind.MOMENT and manifest.privacy.dates != FULL:
        return session.coarse(text, *COARSE[manifest.privacy.dates])
    return session.masked(text) if name == CARD and manifest.privacy.card == MASK else text
