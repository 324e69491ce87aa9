r"""Step 1: what is known about each card, before any movement is seen.

A card needs its holder and its account, which lie in other buckets. So it goes out to both, meets the associate or the
account there, and two parts of its profile come back to the card's own bucket:

    tag A, its holder      card \t holder \t columns of associado
    tag C, its account     card \t owner  \t account's id \t columns of cartao and of conta

Where there is no such associate or account, everything after the card is empty. The account's id is there only where
the delivery has ids. A card's number is a third place where it goes, to meet others of the same number. Tags sort
A < C < K: associates and accounts come before the cards that name them.
"""

from collections.abc import Callable, Iterable, Iterator

import polars as pl

from bench.columnar.frames import (
    BATCH,
    REPORTS,
    ROOM,
    Pack,
    Record,
    bucket_of,
    bytes_of,
    csv_text,
    few,
    few_of_each,
    fields_of,
    frame_of,
    lines_of,
    records,
    row_of,
    sorted_on_disk,
)
from bench.columnar.quality_checks import fails_luhn, is_odd_age, warning_row
from movimento_flat.privacy import Privacy
from movimento_flat.problem_lists import WARNING, Warn
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, FLAT_TABLE, Table
from movimento_flat.tagged_tsv import NULL, ROW_SEPARATOR

#: Stands before the key of a bucket of card numbers.
NUMBERS = b"N"
#: Characters of a number by whose end its bucket is chosen.
_NUMBER_KEY = 3
_NULL = NULL.decode()
_CARD_ID, _PARENT, _OWNER = "id", "parent", "owner"


def shown(table: Table, privacy: Privacy) -> list[str]:
    """Return the names of a table's columns in the flat table that the delivery has; ids are not among them."""
    return [flat.name for flat in FLAT_TABLE if flat.table is table and flat.name in privacy.columns]


def in_csv(table: Table, rows: pl.DataFrame, privacy: Privacy) -> pl.DataFrame:
    """Return a table's rows with the columns that the delivery has, as CSV fields by their names in the flat table."""
    names = {flat.name: flat.source.name for flat in FLAT_TABLE if flat.table is table}
    return rows.with_columns(csv_text(rows[names[name]]).alias(name) for name in shown(table, privacy))


def send_associates(rows: pl.DataFrame, privacy: Privacy) -> Iterator[Record]:
    """Send associates to their buckets: id, columns."""
    row = row_of("id", *shown(ASSOCIADO, privacy))
    tag = ASSOCIADO.tag
    yield from records(in_csv(ASSOCIADO, rows, privacy).select(bucket_of("id"), row), tag, tag)


def send_accounts(rows: pl.DataFrame, privacy: Privacy) -> Iterator[Record]:
    """Send accounts to their buckets: id, owner, columns."""
    row = row_of("id", "id_associado", *shown(CONTA, privacy))
    yield from records(in_csv(CONTA, rows, privacy).select(bucket_of("id"), row), CONTA.tag, CONTA.tag)


def send_cards(rows: pl.DataFrame, privacy: Privacy) -> Iterator[Record]:
    """Send cards to their holders' buckets (holder, id) and to their accounts' (account, id, columns)."""
    holders = rows.select(bucket_of("id_associado"), row_of("id_associado", "id"))
    yield from records(holders, CARTAO.tag, ASSOCIADO.tag)
    row = row_of("id_conta", "id", *shown(CARTAO, privacy))
    yield from records(
        in_csv(CARTAO, rows, privacy).select(bucket_of("id_conta"), row), CARTAO.tag, CONTA.tag
    )


def send_numbers(rows: pl.DataFrame, fingerprints: Callable[[pl.Series], pl.Series]) -> Iterator[Record]:
    """Send cards by their numbers, or by what `fingerprints` makes of these: number, id."""
    rows = rows.filter(pl.col("num_cartao") != _NULL)
    rows = rows.with_columns(num_cartao=fingerprints(rows["num_cartao"]))
    bucket = pl.col("num_cartao").str.tail(_NUMBER_KEY).alias("bucket")
    yield from records(rows.select(bucket, row_of("num_cartao", "id")), CARTAO.tag, NUMBERS)


def check_associates(rows: pl.DataFrame, shown: pl.DataFrame) -> Iterator[Record]:
    """Report ages that no person has, as they may show."""
    odd = shown.filter(rows.select((pl.col("idade") != _NULL) & is_odd_age("idade")).to_series())
    yield from report(odd.select(warning_row(Warn.AGE, ASSOCIADO, "id", pl.lit(""), "idade")))


def check_cards(rows: pl.DataFrame) -> Iterator[Record]:
    """Report numbers whose check digit is wrong. The number itself is in no report."""
    numbered = rows.filter(pl.col("num_cartao") != _NULL)
    wrong = numbered.filter(fails_luhn(numbered["num_cartao"]))
    yield from report(wrong.select(warning_row(Warn.LUHN, CARTAO, "id", "id", pl.lit(""))))


def report(rows: pl.DataFrame) -> Iterator[Record]:
    """Return warnings as a record of the bucket of reports."""
    if len(rows):
        yield REPORTS, b"%b\t%b" % (WARNING, bytes_of(rows.to_series(), ROW_SEPARATOR)[:-1])


class Profiles:
    """Lets cards meet their associates (tag A) or accounts (tag C), the rows of many buckets at once."""

    def __init__(self, table: Table, privacy: Privacy, batch: int = BATCH, room: int = ROOM) -> None:
        """Args:
        table: ASSOCIADO or CONTA.
        privacy: what shows.
        batch: bytes of rows that are looked at together.
        room: bytes of a bucket's own rows, beyond which it is looked for rows that are there twice.
        """
        self._batch, self._room = batch, room
        self._tag = table.tag
        own, of_card = shown(table, privacy), shown(CARTAO, privacy)
        account = [_PARENT] if privacy.ids else []
        if table is ASSOCIADO:
            self._parent_fields = [_PARENT, *own]
            self._card_fields = [_PARENT, _CARD_ID]
            self._profile_fields = [_PARENT, *own]
        else:
            self._parent_fields = [_PARENT, _OWNER, *own]
            self._card_fields = [_PARENT, _CARD_ID, *of_card]
            self._profile_fields = [_OWNER, *account, *of_card, *own]
        self._parents: list[bytes] = []
        self._cards: list[bytes] = []
        self._size = 0

    def add(self, packs: Iterable[Pack]) -> Iterator[Record]:
        """Take a bucket's packs, the associates or accounts before the cards; return the profiles that are full.

        However many cards a bucket has, no more than BATCH bytes of them are held.
        """
        own: list[bytes] = []
        own_size = 0
        for tag, rows in packs:
            self._size += len(rows)
            if tag == self._tag:
                own.append(rows)
                own_size += len(rows)
                if own_size > self._room:
                    own = few_of_each(own)
                    own_size = sum(map(len, own))
                continue
            self._cards.append(rows)
            if self._size > self._batch:
                yield from self.flush(own)
        self._parents += own
        if self._size > self._batch:
            yield from self.flush()

    def flush(self, own: list[bytes] = []) -> Iterator[Record]:  # noqa: B006  # it is not changed
        """Return the profiles of the cards that are held, which are then forgotten.

        `own` are the associates or accounts of the bucket that is being read, if one is.
        """
        parents, cards = [*self._parents, *own], self._cards
        self._parents, self._cards, self._size = [], [], 0
        if not cards:
            return
        frame = few(frame_of(parents, self._parent_fields), _PARENT).with_columns(found=pl.lit(True))
        joined = frame_of(cards, self._card_fields).join(frame, on=_PARENT, how="left")
        found = pl.col("found").fill_null(False)
        profile = [
            pl.when(found).then(name).otherwise(pl.lit("")).alias(name) for name in self._profile_fields
        ]
        rows = joined.select(_CARD_ID, *profile)
        yield from records(rows.select(bucket_of(_CARD_ID), row_of(*rows.columns)), self._tag)


class CardNumbers:
    """Reports cards whose number another one has, the rows of many buckets at once."""

    def __init__(self, batch: int = BATCH, room: int = ROOM) -> None:
        """Args:
        batch: bytes of rows that are looked at together.
        room: bytes of a bucket beyond which it is sorted on disk.
        """
        self._batch, self._room = batch, room
        self._packs: list[bytes] = []
        self._size = 0

    def add(self, packs: Iterable[Pack]) -> Iterator[Record]:
        """Take a bucket's packs; return the reports that are full."""
        own: list[bytes] = []
        size = 0
        packs = iter(packs)
        for _, rows in packs:
            own.append(rows)
            size += len(rows)
            if size > self._room:
                yield from self._of_large_bucket(own, (rows for _, rows in packs))
                return
        self._packs += own
        self._size += size
        if self._size > self._batch:
            yield from self.flush()

    def flush(self) -> Iterator[Record]:
        """Return the reports of the cards that are held, which are then forgotten."""
        rows = frame_of(self._packs, ["number", "id"]).unique()
        self._packs, self._size = [], 0
        yield from _report_duplicates(rows.filter(pl.col("number").is_duplicated()))

    def _of_large_bucket(self, packs: list[bytes], more: Iterable[bytes]) -> Iterator[Record]:
        """Do the same with more rows than there is room for, sorted on disk: the last of those before is enough."""
        last = pl.DataFrame(schema={"number": pl.String, "id": pl.String, "is_reported": pl.Boolean})
        lines = (rows.replace(ROW_SEPARATOR, b"\n") + b"\n" for part in (packs, more) for rows in part)
        for block in sorted_on_disk(lines, self._batch):
            rows = fields_of(lines_of(block), ["number", "id"]).with_columns(is_reported=pl.lit(False))
            rows = pl.concat([last, rows]).unique(["number", "id"], keep="first", maintain_order=True)
            rows = rows.with_columns(is_duplicate=pl.col("number").is_duplicated())
            yield from _report_duplicates(rows.filter(pl.col("is_duplicate") & ~pl.col("is_reported")))
            last = rows.tail(1).select(
                "number", "id", is_reported=pl.col("is_reported") | pl.col("is_duplicate")
            )


def _report_duplicates(rows: pl.DataFrame) -> Iterator[Record]:
    yield from report(rows.select(warning_row(Warn.DUPLICATE, CARTAO, "id", "id", pl.lit(""))))
