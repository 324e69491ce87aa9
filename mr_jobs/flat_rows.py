r"""Step 2: a card's profile meets its movements, and each movement becomes a row of the flat table, or a rejected one.

In the bucket of a card lie the two parts of its profile (`mr_jobs.profiles`), and its movements:

    tag M      card \t id \t columns of movimento, as CSV fields

Tags sort A < C < M: profiles come before movements. Where a table has no unique key, its rows may contradict each
other, and a card has several different parts of one kind. Nobody knows which one is right: its movements are rejected.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Self

from movimento_flat.columnar import pl
from movimento_flat.money import centavos
from movimento_flat.privacy import FULL, Privacy
from movimento_flat.problem_lists import FLAT, MISMATCH, REJECTED, WARNING, Reject, Warn, with_masked_ids
from movimento_flat.schema import (
    ACCOUNT_CREATED,
    AMOUNT,
    ASSOCIADO,
    CARD_CREATED,
    CARTAO,
    CONTA,
    FLAT_TABLE,
    MOMENT,
    MOVIMENTO,
    PEOPLE,
    PRINTED_NAME,
)
from movimento_flat.tagged_tsv import ROW_SEPARATOR
from mr_jobs.frames import (
    BATCH,
    BUCKET,
    REPORTS,
    ROOM,
    Pack,
    Record,
    Sent,
    bucket_of,
    bytes_of,
    few_of_each,
    fields_of,
    frame_of,
    id_of,
    key_of,
    lines_of,
    packs_of,
    padded,
    row_of,
    size_of,
    sorted_on_disk,
    unpadded,
)
from mr_jobs.profiles import in_csv, shown
from mr_jobs.quality_checks import is_before_account, movement_checks, unlike_names, warning_row
from mr_jobs.source_rows import CARD_OF_MOVEMENT

_A, _C, _M = (table.tag for table in (ASSOCIADO, CONTA, MOVIMENTO))


def send_movements(rows: pl.DataFrame, privacy: Privacy) -> Sent:
    """Send movements to their cards' buckets: card, id, columns."""
    row = row_of(CARD_OF_MOVEMENT, "id", *shown(MOVIMENTO, privacy))
    return Sent(in_csv(MOVIMENTO, rows, privacy).select(bucket_of(CARD_OF_MOVEMENT), row), _M)


class FlatRows:
    """Joins buckets of cards, the rows of many at once; what is too large in one goes through sort(1)."""

    def __init__(self, privacy: Privacy, now: str | None, batch: int = BATCH, room: int = ROOM) -> None:
        """Args:
        privacy: what shows.
        now: the clock of the source; movements after it lie in the future.
        batch: bytes of rows that are looked at together.
        room: bytes of one bucket beyond which it is sorted on disk, and about those of an output record.
        """
        self._batch, self._room = batch, room
        self._layout = _Layout.of(privacy, now)
        self._held: dict[bytes, list[bytes]] = {_A: [], _C: [], _M: []}
        self._size = 0

    def add(self, key: bytes, packs: Iterable[Pack]) -> Iterator[Record]:
        """Take a bucket's packs in order of their tags, and the buckets in order; return the records that are full."""
        if key == REPORTS:
            yield from self.flush()
            yield from self._sorted_reports(packs)
            return
        own: dict[bytes, list[bytes]] = {_A: [], _C: [], _M: []}
        sizes = dict.fromkeys(own, 0)
        packs = iter(packs)
        for tag, rows in packs:
            own[tag].append(rows)
            sizes[tag] += size_of(rows)
            if sizes[tag] <= self._room:
                continue
            if tag == _M:
                yield from self.flush()
                yield from self._join_large(own, (rows for _, rows in packs))
                return
            own[tag] = few_of_each(own[tag])
            sizes[tag] = sum(map(size_of, own[tag]))
        for tag, texts in own.items():
            self._held[tag] += texts
        self._size += sum(sizes.values())
        if self._size > self._batch:
            yield from self.flush()

    def flush(self) -> Iterator[Record]:
        """Return the records of the buckets that are held, which are then forgotten."""
        held, self._held, self._size = self._held, {_A: [], _C: [], _M: []}, 0
        if any(held.values()):
            join = _Join(self._layout, held, self._room)
            yield from join.rows(_in_order(frame_of(held[_M], self._layout.movement)))
            yield from join.rest()

    def _sorted_reports(self, packs: Iterable[Pack]) -> Iterator[Record]:
        """Return reports about anything but movements, sorted by their text within each tag."""
        for kind, of_kind in groupby(packs, key=itemgetter(0)):
            lines = (rows.replace(ROW_SEPARATOR, b"\n") + b"\n" for _, rows in of_kind)
            for block in sorted_on_disk(lines, self._batch):
                yield (
                    REPORTS,
                    self._layout.shown(kind, b"%b\t%b" % (kind, block.replace(b"\n", ROW_SEPARATOR))),
                )

    def _join_large(self, own: dict[bytes, list[bytes]], more: Iterable[bytes]) -> Iterator[Record]:
        """Do the same for one bucket whose movements are sorted on disk, a block of them at a time."""
        join = _Join(self._layout, own, self._room)
        fields = self._layout.movement
        line = row_of(padded("card"), padded("id"), *fields[2:])
        packs = chain(own[_M], more)
        lines = (bytes_of(frame_of([rows], fields).select(line).to_series(), b"\n") + b"\n" for rows in packs)
        for block in sorted_on_disk(lines, self._batch):
            rows = fields_of(lines_of(block), fields).with_columns(unpadded("card"), unpadded("id"))
            yield from join.rows(_numbered(rows))
        yield from join.rest()


@dataclass(frozen=True)
class _Layout:
    """Which fields rows have, by what the delivery shows.

    Attributes:
        holder, account, movement: fields of the rows of tags A, C and M.
        head, middle, tail: columns of the flat table before those of a movement, its own, and after them.
        ids: fields that stand after them all, where the delivery has ids.
        names: the holder's names with which a printed name is compared.
        checks: of movements.
        masks_ids: whether an id in a list is masked that may be a card number.
    """

    holder: list[str]
    account: list[str]
    movement: list[str]
    head: list[str]
    middle: list[str]
    tail: list[str]
    ids: list[str]
    names: list[str]
    checks: dict[Warn, pl.Expr]
    masks_ids: bool

    @classmethod
    def of(cls, privacy: Privacy, now: str | None) -> Self:
        """Return the layout; `now` is the clock of the source."""
        head, middle = shown(ASSOCIADO, privacy), shown(MOVIMENTO, privacy)
        tail = shown(CARTAO, privacy) + shown(CONTA, privacy)
        names = [flat.name for flat in FLAT_TABLE if flat.table is ASSOCIADO and flat.name in PEOPLE]
        has_names = privacy.people == FULL and {*names, PRINTED_NAME} <= {*head, *tail}
        return cls(
            holder=["card", "holder", *head],
            account=["card", "owner", *(["account"] if privacy.ids else []), *tail],
            movement=["card", "id", *middle],
            head=head,
            middle=middle,
            tail=tail,
            ids=["id", "card", "account", "holder"] if privacy.ids else [],
            names=names if has_names else [],
            checks=movement_checks(privacy.columns, now),
            masks_ids=privacy.card != FULL,
        )

    def shown(self, kind: bytes, pack: bytes) -> bytes:
        """Return a pack of a kind with as much of its ids as may show."""
        if kind == FLAT or not self.masks_ids:
            return pack
        return b"%b\t%b" % (kind, with_masked_ids(kind, pack[2:]))


class _Join:
    """The profiles of some cards, and what is found out about these while their movements come by, in order."""

    def __init__(self, layout: _Layout, packs: dict[bytes, list[bytes]], room: int) -> None:
        """Args:
        layout: of the rows.
        packs: with the parts of the profiles, by tag.
        room: bytes of rows that go out together.
        """
        self._room = room
        self._layout = layout
        profiles = _profiles(layout, packs)
        good = profiles.filter(pl.col("reason") == "")
        #: Of each card what its movements need.
        texts = [_csv(columns).alias(name) for name, columns in _sides(layout)]
        moments = [name for name in (CARD_CREATED, ACCOUNT_CREATED) if name in layout.tail]
        ids = [name for name in ("account", "holder") if name in layout.ids]
        is_mismatch = (pl.col("holder") != pl.col("owner")).alias("is_mismatch")
        self._cards = profiles.select("number", "reason", is_mismatch, *texts, *moments, *ids)
        #: What is reported of cards themselves, in their order, as soon as their movements have come by.
        self._mismatches = good.filter(is_mismatch).select("number", "holder", "owner").sort("number")
        self._odd = _odd_cards(layout, good)
        self._totals: defaultdict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def rows(self, movements: pl.DataFrame) -> Iterator[Record]:
        """Return the records of movements, which come in order; and those of the cards before the last of them."""
        if movements.is_empty():
            return
        joined = movements.join(self._cards, on="number", how="left", maintain_order="left")
        for some in _slices(joined, [name for name, _ in _sides(self._layout)], self._room):
            is_good = (some["reason"] == "").fill_null(False)
            good = some if is_good.all() else some.filter(is_good)
            self._add_up(good.filter("is_mismatch"))
            last = some["number"][-1]
            yield from self._records(
                {
                    FLAT: good.select("bucket", self._flat_row()),
                    REJECTED: self._rejected(some.filter(~is_good)),
                    MISMATCH: self._mismatches_before(last),
                    WARNING: self._warnings(good, last),
                }
            )

    def rest(self) -> Iterator[Record]:
        """Return what is to be said about the cards after the last movement, and about its own."""
        odd, self._odd = self._odd, self._odd.clear()
        yield from self._records(
            {MISMATCH: self._mismatches_before(None), WARNING: odd.select("bucket", "row")}
        )

    def _records(self, rows: dict[bytes, pl.DataFrame]) -> list[Record]:
        r"""Return records `bucket \t kind \t rows` in order of the buckets."""
        found = [
            (key_of(bucket), self._layout.shown(kind, pack))
            for kind, of_kind in rows.items()
            for bucket, pack in packs_of(of_kind, kind)
        ]
        return sorted(found, key=itemgetter(0))

    def _flat_row(self) -> pl.Expr:
        sides = dict(_sides(self._layout))
        before, after = ([side] if side in sides else [] for side in ("head", "tail"))
        return _csv([*before, *self._layout.middle, *after, *self._layout.ids]).alias("row")

    def _rejected(self, movements: pl.DataFrame) -> pl.DataFrame:
        """Return REJECTED_COLUMNS of movements; the last one is their text as CSV."""
        unknown = pl.when(pl.col("number").is_null()).then(pl.lit(Reject.NO_CARD.value))
        reason = pl.col("reason").fill_null(unknown.otherwise(pl.lit(Reject.UNKNOWN_CARD.value)))
        text = _csv(self._layout.middle)
        return movements.select("bucket", row_of(reason, pl.lit(MOVIMENTO.name), "id", "card", AMOUNT, text))

    def _add_up(self, movements: pl.DataFrame) -> None:
        """Count the movements of mismatching cards, and add up their centavos, which may have any number of digits."""
        amount = pl.col(AMOUNT).str.replace(".", "", literal=True).cast(pl.Int64, strict=False)
        sums = movements.group_by("number").agg(pl.len(), total=amount.cast(pl.Int128).sum())
        for card, count, total in sums.iter_rows():
            self._add(card, count, total)
        for card, long in movements.filter(amount.is_null()).select("number", AMOUNT).iter_rows():
            self._add(card, 0, centavos(long.encode()))

    def _add(self, card: int, count: int, total: int) -> None:
        before = self._totals[card]
        self._totals[card] = before[0] + count, before[1] + total

    def _mismatches_before(self, card: int | None) -> pl.DataFrame:
        """Return and forget the mismatches of cards before this one; of all where it is None."""
        number = pl.col("number")
        done = self._mismatches if card is None else self._mismatches.filter(number < card)
        self._mismatches = (
            self._mismatches.clear() if card is None else self._mismatches.filter(number >= card)
        )
        rows = [
            (card // BUCKET, "\t".join((str(card), holder, owner, *map(str, self._totals.pop(card, (0, 0))))))
            for card, holder, owner in done.iter_rows()
        ]
        return pl.DataFrame(rows, {"bucket": pl.UInt64, "row": pl.String}, orient="row")

    def _warnings(self, movements: pl.DataFrame, last: int | None) -> pl.DataFrame:
        """Return the warnings of movements; before each card's first one the card's own, up to the last card."""
        checks = self._layout.checks
        found = movements.with_row_index("position", 1).filter(pl.any_horizontal(*checks.values()))
        number = pl.col("number")
        due = self._odd.clear() if last is None else self._odd.filter(number <= last)
        self._odd = self._odd.filter(number > last) if last is not None else self._odd
        of_cards = due.select("bucket", "row", "number", position=pl.lit(0, pl.UInt32), rank="rank")
        of_movements = [
            found.filter(check).select(
                "bucket",
                warning_row(reason, MOVIMENTO, "id", "card", AMOUNT if reason is Warn.ZERO else MOMENT),
                "number",
                pl.col("position").cast(pl.UInt32),
                rank=pl.lit(rank),
            )
            for rank, (reason, check) in enumerate(checks.items())
        ]
        return pl.concat([of_cards, *of_movements]).sort("number", "position", "rank").select("bucket", "row")


def _sides(layout: _Layout) -> Iterator[tuple[str, list[str]]]:
    """Return the columns that stand before and after a movement's own, if there are any."""
    return ((name, columns) for name in ("head", "tail") if (columns := getattr(layout, name)))


def _csv(columns: Iterable[str]) -> pl.Expr:
    return pl.concat_str(*columns, separator=",")


def _profiles(layout: _Layout, packs: dict[bytes, list[bytes]]) -> pl.DataFrame:
    """Return of each card both parts of its profile, and why it cannot be joined: an empty `reason` where it can."""
    holders = _one_of_each(frame_of(packs[_A], layout.holder), "holder")
    accounts = _one_of_each(frame_of(packs[_C], layout.account), "owner")
    both = holders.join(accounts.drop("card"), on="number", how="full", coalesce=True, suffix="_of_account")
    reason = (
        pl.when(pl.col("is_missing_of_account").fill_null(True))
        .then(pl.lit(Reject.NO_ACCOUNT.value))
        .when(pl.col("is_missing").fill_null(True))
        .then(pl.lit(Reject.NO_HOLDER.value))
        .when(pl.col("is_several") | pl.col("is_several_of_account"))
        .then(pl.lit(Reject.AMBIGUOUS.value))
        .otherwise(pl.lit(""))
    )
    return both.with_columns(reason.alias("reason"))


def _one_of_each(parts: pl.DataFrame, other: str) -> pl.DataFrame:
    """Return one part of each card; whether it has several that differ; and whether nobody is there in all of them."""
    parts = parts.with_columns(number=id_of("card"), is_missing=pl.col(other) == "", is_several=pl.lit(False))
    if not parts["number"].is_duplicated().any():
        return parts
    flags = ("is_missing", "is_several")
    fields = pl.exclude("number", *flags).first()
    cards = parts.unique().group_by("number")
    return cards.agg(fields, pl.col("is_missing").all(), is_several=pl.len() > 1).select(parts.columns)


def _odd_cards(layout: _Layout, cards: pl.DataFrame) -> pl.DataFrame:
    """Return the reports about cards themselves, in order of the cards: of a card first that about its printed name."""
    reports = [
        frame.select(
            "number", bucket_of("card"), warning_row(reason, CARTAO, "card", "card", value), rank=rank
        )
        for rank, (reason, frame, value) in enumerate(
            (
                (Warn.PRINTED_NAME, _unlike_names(layout, cards), _unquoted(PRINTED_NAME)),
                (
                    Warn.CARD_BEFORE_ACCOUNT,
                    cards.filter(is_before_account(layout.tail)),
                    pl.col(CARD_CREATED),
                ),
            )
        )
        if not frame.is_empty()
    ]
    if not reports:
        return pl.DataFrame(
            schema={"number": pl.UInt64, "bucket": pl.UInt64, "row": pl.String, "rank": pl.Int32}
        )
    return pl.concat(reports).sort("number", "rank")


def _unlike_names(layout: _Layout, cards: pl.DataFrame) -> pl.DataFrame:
    """Return the cards whose printed names are unlike their holder's, where the delivery shows both."""
    return unlike_names(cards, PRINTED_NAME, layout.names) if layout.names else cards.clear()


def _unquoted(field: str) -> pl.Expr:
    """Return a CSV field without its quotes."""
    inner = pl.col(field).str.head(-1).str.tail(-1).str.replace_all('""', '"', literal=True)
    return pl.when(pl.col(field).str.starts_with('"')).then(inner).otherwise(pl.col(field))


def _numbered(movements: pl.DataFrame) -> pl.DataFrame:
    """Return movements with the numbers that their card's and their own id are, and their bucket; NULL is null."""
    numbered = movements.with_columns(number=id_of("card"), order=id_of("id"))
    return numbered.with_columns(bucket=pl.col("number") // BUCKET)


def _in_order(movements: pl.DataFrame) -> pl.DataFrame:
    """Return movements in order of their cards and ids; where these are the same, of their text."""
    number, order = pl.col("number"), pl.col("order")
    ordered = _numbered(movements).sort(number, order)
    is_again = number.eq_missing(number.shift()) & (order == order.shift())
    if ordered.select(is_again.any()).item():
        ordered = ordered.sort(number, order, row_of(*movements.columns[2:]))
    return ordered


def _slices(rows: pl.DataFrame, texts: list[str], room: int) -> Iterator[pl.DataFrame]:
    """Return the rows in slices of about so many bytes of these texts, which are long where a card's own are."""
    size = pl.sum_horizontal(pl.lit(0), *(pl.col(name).str.len_bytes().fill_null(0) for name in texts))
    part = rows.select((size.cum_sum() // room).alias("part")).to_series()
    if part[-1] == 0:
        yield rows
        return
    start = 0
    for length in part.rle().struct.field("len"):
        yield rows.slice(start, length)
        start += length
