r"""Rows as frames of Polars, and as the records that travel between mappers and reducers.

A row is fields separated by tabs, escaped as in tagged TSV: it has no bare tab, line end or 0x1e of its own. A record
is `bucket \t tag \t rows`, the rows separated by 0x1e. A bucket is BUCKET consecutive ids: a few thousand large records
cost the shuffle far less than millions of small ones. Its key has leading zeros, so byte order is the order of ids.
"""

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from movimento_flat.columnar import pl
from movimento_flat.tagged_tsv import NULL, ROW_SEPARATOR

#: Ids that share a bucket.
BUCKET = 1000
#: Keys of rows whose id is NULL, which come first, and of reports about anything but movements, which come last.
NO_ID, REPORTS = b"-", b"~"
#: Bytes that a frame takes for a row beyond its text: short rows need more memory than their text says.
ROW_BYTES = 32
#: Bytes of rows, these included, that are looked at together, and of those of one bucket that are sorted in memory.
BATCH, ROOM = 4 << 20, 8 << 20
#: Bytes of rows, these included, that a task gathers before it sends them as records.
HELD = 10 << 20
#: Bytes of a record: whoever merges runs holds one of each.
PACK = 256 << 10


@dataclass(frozen=True)
class Sent:
    """Rows on their way to buckets.

    Attributes:
        rows: columns `bucket` and `row`; a bucket is a number, null for rows without an id, or a text.
        tag: of the rows.
        prefix: what stands before the buckets' keys.
    """

    rows: pl.DataFrame
    tag: bytes
    prefix: bytes = b""


#: A tag, and rows separated by 0x1e.
Pack = tuple[bytes, bytes]
#: The key of a bucket, and a pack: `tag \t rows`.
Record = tuple[bytes, bytes]

_KEY_DIGITS, _ID_DIGITS = 17, 20
NULL_TEXT, _SEPARATOR = NULL.decode(), ROW_SEPARATOR.decode()
_ID = r"^(?:0|[1-9][0-9]{0,19})$"
_QUOTED = r'[",\r]'
_LINE_END = r"^(?:[^\\]|\\[^nr])*\\[nr]"


def packs_in(values: Iterable[bytes]) -> Iterator[Pack]:
    r"""Return what values `tag \t rows` have."""
    for value in values:
        tag, _, rows = value.partition(b"\t")
        yield tag, rows


def size_of(rows: bytes) -> int:
    """Return about the bytes of memory that rows of a pack take."""
    return len(rows) + ROW_BYTES * (rows.count(ROW_SEPARATOR) + 1)


def lines_of(block: bytes) -> pl.Series:
    """Return the lines of a block as they are: with a carriage return, an empty field or a BOM.

    Raises:
        ComputeError: it is no UTF-8.
    """
    return pl.Series("line", [block], pl.Binary).cast(pl.String).str.split("\n").explode()


def fields_of(lines: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """Return a column of text for each name. A missing field is null; surplus ones stay in the last one."""
    return lines.str.splitn("\t", len(names)).struct.rename_fields(list(names)).struct.unnest()


def frame_of(packs: Sequence[bytes], names: Sequence[str]) -> pl.DataFrame:
    """Return the rows of packs, which have exactly these fields."""
    if not packs:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    rows = pl.Series("row", [ROW_SEPARATOR.join(packs)], pl.Binary).cast(pl.String)
    return fields_of(rows.str.split(_SEPARATOR).explode(), names)


def is_id(name: str) -> pl.Expr:
    """Tell where a field is a whole number from 0 to 2^64-1 without leading zeros."""
    return pl.col(name).str.contains(_ID) & id_of(name).is_not_null()


def id_of(name: str) -> pl.Expr:
    """Return a field that is an id as a number; NULL is null."""
    return pl.col(name).cast(pl.UInt64, strict=False)


def bucket_of(name: str) -> pl.Expr:
    """Return the number of an id's bucket."""
    return (id_of(name) // BUCKET).alias("bucket")


def row_of(*fields: pl.Expr | str) -> pl.Expr:
    """Return fields as a row."""
    return pl.concat_str(*fields, separator="\t").alias("row")


def csv_text(fields: pl.Series) -> pl.Series:
    r"""Return fields of tagged TSV as CSV fields (RFC 4180), quoted only where needed, and escaped in the same way.

    Whether a text has a line end is read from its left: `\\n` is a backslash and an n.
    """
    may_change = fields.str.contains(r'[",\\\r]')
    if not may_change.any():
        return fields
    text = pl.col("text")
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""', literal=True), pl.lit('"'))
    must_be_quoted = text.str.contains(_QUOTED) | text.str.contains(_LINE_END)
    field = pl.when(text == NULL_TEXT).then(pl.lit("")).when(must_be_quoted).then(quoted).otherwise(text)
    changed = fields.filter(may_change).to_frame("text").select(field).to_series()
    return fields.scatter(may_change.arg_true(), changed)


class RecordBuffer:
    """Gathers sent rows up to some bytes, and returns them as records in order of buckets and tags.

    Few large records cost the shuffle less than many small ones.
    """

    def __init__(self, room: int = HELD) -> None:
        """Args:
        room: bytes of rows that are held.
        """
        self._room = room
        self._held: dict[tuple[bytes, bytes], list[pl.DataFrame]] = defaultdict(list)
        self._size = 0

    def add(self, sent: Iterable[Sent]) -> Iterator[Record]:
        """Hold rows; return the records of all that are held as soon as there is no more room."""
        for some in sent:
            if some.rows.is_empty():
                continue
            self._held[some.prefix, some.tag].append(some.rows)
            self._size += int(some.rows["row"].str.len_bytes().sum()) + ROW_BYTES * len(some.rows)
            if self._size > self._room:
                yield from self.flush()

    def flush(self) -> Iterator[Record]:
        """Return the records of all rows that are held, which are then forgotten."""
        held, self._held, self._size = self._held, defaultdict(list), 0
        found: list[Record] = []
        for (prefix, tag), frames in held.items():
            rows = pl.concat(frames).sort("bucket", maintain_order=True)
            found += ((prefix + key_of(bucket), pack) for bucket, pack in packs_of(rows, tag))
        found.sort()  # by bucket, then by tag
        yield from found


def key_of(bucket: int | str | None) -> bytes:
    """Return the key of a bucket."""
    if isinstance(bucket, str):
        return bucket.encode()
    return NO_ID if bucket is None else b"%0*d" % (_KEY_DIGITS, bucket)


def packs_of(rows: pl.DataFrame, tag: bytes) -> Iterator[tuple[int | str | None, bytes]]:
    """Return each run of one `bucket`, and its rows as packs of about PACK bytes."""
    _refuse_null(rows["row"])
    row = pl.col("row")
    run = pl.col("bucket").rle_id() + (row.str.len_bytes() + 1).cum_sum() // PACK
    packs = rows.group_by(run=run, maintain_order=True).agg(
        pl.col("bucket").first(), row.str.join(_SEPARATOR).cast(pl.Binary)
    )
    for bucket, pack in packs.select("bucket", "row").iter_rows():
        yield bucket, b"%b\t%b" % (tag, pack)


def bytes_of(rows: pl.Series, between: bytes) -> bytes:
    """Return rows as bytes, with `between` between them.

    Raises:
        ValueError: one is null, which would not be written: a movement would be lost.
    """
    _refuse_null(rows)
    text: bytes = rows.str.join(between.decode()).cast(pl.Binary).item()
    return text


def _refuse_null(rows: pl.Series) -> None:
    if rows.null_count():
        raise ValueError(f"{rows.null_count()} rows have a field that is null")


def few(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the different rows, two of each key at the most: two that differ are as good as all."""
    if not rows[key].is_duplicated().any():
        return rows
    return rows.unique(maintain_order=True).group_by(key, maintain_order=True).head(2)


def few_of_each(packs: Sequence[bytes]) -> list[bytes]:
    """Do the same with packs, whose rows begin with the key."""
    rows = frame_of(packs, ["key", "rest"])
    return [bytes_of(few(rows, "key").select(row_of("key", "rest")).to_series(), ROW_SEPARATOR)]


def padded(name: str) -> pl.Expr:
    """Return an id with leading zeros, so that byte order is the order of ids. NULL stays, and comes after them."""
    field = pl.col(name)
    return pl.when(field == NULL_TEXT).then(field).otherwise(field.str.zfill(_ID_DIGITS)).alias(name)


def unpadded(name: str) -> pl.Expr:
    """Return what `padded` has got."""
    return id_of(name).cast(pl.String).fill_null(pl.col(name)).alias(name)


def sorted_on_disk(blocks: Iterable[bytes], size: int = BATCH) -> Iterator[bytes]:
    """Sort lines by their bytes with sort(1), which spills to the task's folder, and return blocks of whole lines.

    Args:
        blocks: lines with their line ends.
        size: about the bytes of a block that is returned.

    Raises:
        RuntimeError: sort(1) failed.
    """
    command = ["sort", f"--buffer-size={ROOM}b", "--temporary-directory=."]
    environment = {**os.environ, "LC_ALL": "C"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as sort:
        assert sort.stdin and sort.stdout
        for block in blocks:
            sort.stdin.write(block)
        sort.stdin.close()
        while block := sort.stdout.read(size):
            yield (block + sort.stdout.readline()).removesuffix(b"\n")
    if sort.returncode:
        raise RuntimeError(f"{command} ended with status {sort.returncode}")
