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

from movimento_flat.columnar import pl
from movimento_flat.privacy import Privacy
from movimento_flat.problem_lists import WARNING, Warn
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, FLAT_BY_NAME, FLAT_TABLE, Table
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from mr_jobs.frames import (
    BATCH,
    NULL_TEXT,
    REPORTS,
    ROOM,
    Pack,
    Sent,
    bucket_of,
    csv_text,
    few,
    few_of_each,
    fields_of,
    frame_of,
    lines_of,
    row_of,
    size_of,
    sorted_on_disk,
)
from mr_jobs.quality_checks import fails_luhn, is_odd_age, warning_row
from mr_jobs.source_rows import (
    ACCOUNT_OF_CARD,
    AGE_OF_ASSOCIATE,
    HOLDER_OF_CARD,
    NUMBER_OF_CARD,
    OWNER_OF_ACCOUNT,
)

#: Stands before the key of a bucket of card numbers.
NUMBERS = b"N"
#: Characters of a number by whose end its bucket is chosen.
_NUMBER_KEY = 3
_CARD_ID, _PARENT, _OWNER = "id", "parent", "owner"


def shown(table: Table, privacy: Privacy) -> list[str]:
    """Return the names of a table's columns in the flat table that the delivery has; ids are not among them."""
    return [flat.name for flat in FLAT_TABLE if flat.table is table and flat.name in privacy.columns]


def in_csv(table: Table, rows: pl.DataFrame, privacy: Privacy) -> pl.DataFrame:
    """Return a table's rows with the columns that the delivery has, as CSV fields by their names in the flat table."""
    return rows.with_columns(
        csv_text(rows[FLAT_BY_NAME[name].source.name]).alias(name) for name in shown(table, privacy)
    )


def send_associates(rows: pl.DataFrame, privacy: Privacy) -> Sent:
    """Send associates to their buckets: id, columns."""
    row = row_of("id", *shown(ASSOCIADO, privacy))
    return Sent(in_csv(ASSOCIADO, rows, privacy).select(bucket_of("id"), row), ASSOCIADO.tag, ASSOCIADO.tag)


def send_accounts(rows: pl.DataFrame, privacy: Privacy) -> Sent:
    """Send accounts to their buckets: id, owner, columns."""
    row = row_of("id", OWNER_OF_ACCOUNT, *shown(CONTA, privacy))
    return Sent(in_csv(CONTA, rows, privacy).select(bucket_of("id"), row), CONTA.tag, CONTA.tag)


def send_cards_to_holders(rows: pl.DataFrame) -> Sent:
    """Send cards to their holders' buckets: holder, id."""
    row = row_of(HOLDER_OF_CARD, "id")
    return Sent(rows.select(bucket_of(HOLDER_OF_CARD), row), CARTAO.tag, ASSOCIADO.tag)


def send_cards_to_accounts(rows: pl.DataFrame, privacy: Privacy) -> Sent:
    """Send cards to their accounts' buckets: account, id, columns."""
    row = row_of(ACCOUNT_OF_CARD, "id", *shown(CARTAO, privacy))
    return Sent(in_csv(CARTAO, rows, privacy).select(bucket_of(ACCOUNT_OF_CARD), row), CARTAO.tag, CONTA.tag)


def send_cards_to_numbers(rows: pl.DataFrame, fingerprints: Callable[[pl.Series], pl.Series]) -> Sent:
    """Send cards to the buckets of their numbers, or of what `fingerprints` makes of these: number, id."""
    rows = rows.filter(pl.col(NUMBER_OF_CARD) != NULL_TEXT)
    rows = rows.with_columns(fingerprints(rows[NUMBER_OF_CARD]).alias(NUMBER_OF_CARD))
    bucket = pl.col(NUMBER_OF_CARD).str.tail(_NUMBER_KEY).alias("bucket")
    return Sent(rows.select(bucket, row_of(NUMBER_OF_CARD, "id")), CARTAO.tag, NUMBERS)


def check_associates(rows: pl.DataFrame, shown: pl.DataFrame) -> Sent:
    """Report ages that no person has, as they may show."""
    is_odd = (pl.col(AGE_OF_ASSOCIATE) != NULL_TEXT) & is_odd_age(AGE_OF_ASSOCIATE)
    odd = shown.filter(rows.select(is_odd).to_series())
    return report(odd.select(warning_row(Warn.AGE, ASSOCIADO, "id", pl.lit(""), AGE_OF_ASSOCIATE)))


def check_cards(rows: pl.DataFrame) -> Sent:
    """Report numbers whose check digit is wrong. The number itself is in no report."""
    numbered = rows.filter(pl.col(NUMBER_OF_CARD) != NULL_TEXT)
    wrong = numbered.filter(fails_luhn(numbered[NUMBER_OF_CARD]))
    return report(wrong.select(warning_row(Warn.LUHN, CARTAO, "id", "id", pl.lit(""))))


def report(rows: pl.DataFrame, kind: bytes = WARNING) -> Sent:
    """Send rows of a list, such as warnings, to the bucket of reports."""
    return Sent(rows.select(pl.lit(REPORTS.decode()).alias("bucket"), "row"), kind)


class ParentsAndCards:
    """Joins cards with their associates (tag A) or accounts (tag C), the rows of many buckets together."""

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

    def add(self, packs: Iterable[Pack]) -> Iterator[Sent]:
        """Take a bucket's packs, the associates or accounts before the cards; return the profiles that are full.

        However many cards a bucket has, no more than BATCH bytes of them are held.
        """
        own: list[bytes] = []
        own_size = 0
        for tag, rows in packs:
            self._size += size_of(rows)
            if tag == self._tag:
                own.append(rows)
                own_size += size_of(rows)
                if own_size > self._room:
                    own = few_of_each(own)
                    own_size = sum(map(size_of, own))
                continue
            self._cards.append(rows)
            if self._size > self._batch:
                yield from self.flush(own)
        self._parents += own
        if self._size > self._batch:
            yield from self.flush()

    def flush(self, own: list[bytes] = []) -> Iterator[Sent]:  # noqa: B006  # it is not changed
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
        yield Sent(rows.select(bucket_of(_CARD_ID), row_of(*rows.columns)), self._tag)


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

    def add(self, packs: Iterable[Pack]) -> Iterator[Sent]:
        """Take a bucket's packs; return the reports that are full."""
        own: list[bytes] = []
        size = 0
        packs = iter(packs)
        for _, rows in packs:
            own.append(rows)
            size += size_of(rows)
            if size > self._room:
                yield from self._of_large_bucket(own, (rows for _, rows in packs))
                return
        self._packs += own
        self._size += size
        if self._size > self._batch:
            yield from self.flush()

    def flush(self) -> Iterator[Sent]:
        """Return the reports of the cards that are held, which are then forgotten."""
        rows = frame_of(self._packs, ["number", "id"]).unique()
        self._packs, self._size = [], 0
        yield _report_duplicates(rows.filter(pl.col("number").is_duplicated()))

    def _of_large_bucket(self, packs: list[bytes], more: Iterable[bytes]) -> Iterator[Sent]:
        """Do the same with more rows than there is room for, sorted on disk: the last of those before is enough."""
        last = pl.DataFrame(schema={"number": pl.String, "id": pl.String, "is_reported": pl.Boolean})
        lines = (rows.replace(ROW_SEPARATOR, b"\n") + b"\n" for part in (packs, more) for rows in part)
        for block in sorted_on_disk(lines, self._batch):
            rows = fields_of(lines_of(block), ["number", "id"]).with_columns(is_reported=pl.lit(False))
            rows = pl.concat([last, rows]).unique(["number", "id"], keep="first", maintain_order=True)
            rows = rows.with_columns(is_duplicate=pl.col("number").is_duplicated())
            yield _report_duplicates(rows.filter(pl.col("is_duplicate") & ~pl.col("is_reported")))
            last = rows.tail(1).select(
                "number", "id", is_reported=pl.col("is_reported") | pl.col("is_duplicate")
            )


def _report_duplicates(rows: pl.DataFrame) -> Sent:
    return report(rows.select(warning_row(Warn.DUPLICATE, CARTAO, "id", "id", pl.lit(""))))


class Profiles:
    """Makes the profiles of cards from buckets of associates, of accounts and of card numbers."""

    def __init__(self, privacy: Privacy, batch: int = BATCH, room: int = ROOM) -> None:
        """Args:
        privacy: what shows.
        batch, room: bytes; see the classes above.
        """
        self._kinds: dict[bytes, ParentsAndCards | CardNumbers] = {
            ASSOCIADO.tag: ParentsAndCards(ASSOCIADO, privacy, batch, room),
            CONTA.tag: ParentsAndCards(CONTA, privacy, batch, room),
            NUMBERS: CardNumbers(batch, room),
        }

    def knows(self, bucket: bytes) -> bool:
        """Tell whether a bucket is one of these."""
        return bucket[:1] in self._kinds

    def add(self, bucket: bytes, packs: Iterable[Pack]) -> Iterator[Sent]:
        """Take a bucket's packs in order of their tags; return what is full."""
        return self._kinds[bucket[:1]].add(packs)

    def flush(self) -> Iterator[Sent]:
        """Return what is left."""
        for kind in self._kinds.values():
            yield from kind.flush()
