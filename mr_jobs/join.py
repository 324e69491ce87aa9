#!/usr/bin/env python3
r"""Joins movements with their cards, accounts and associates: a reduce-side join in two steps.

    python mr_jobs/join.py -r inline docs/sample/*.tsv
    python mr_jobs/join.py -r spark --spark-master 'local[2]' --output-dir /tmp/parts docs/sample/*.tsv
    python mr_jobs/join.py -r hadoop --output-dir hdfs:///user/me/parts hdfs:///user/me/tagged_tsv

Input is tagged TSV (`movimento_flat.tagged_tsv`), in files of any number and order. Records between mappers and
reducers are `bucket \t tag \t rows` (`mr_jobs.frames`), and a bucket's come in order of their tags.

Output, in order of the cards within each part: `bucket of cards \t kind \t rows`, the rows separated by 0x1e and
otherwise escaped as in tagged TSV. Kinds are F, rows of the flat table as CSV; R, rejected rows; D, cards whose holder
is not their account's owner; W, warnings (`movimento_flat.problem_lists` has their columns). Spark does not sort:
`LC_ALL=C sort -s -t TAB -k 1,1 part-*` makes one part of its parts.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

# A task on a cluster finds packages in its working folder (`mr_jobs.shipping`), a plain checkout beside this folder.
sys.path[1:1] = [".", "site-packages", str(Path(__file__).resolve().parent.parent)]
sys.path += filter(None, [os.environ.get("MOVIMENTO_FLAT_SITE")])
import_module("mr_jobs")  # gives mrjob modules that it needs

from mrjob.protocol import BytesProtocol
from mrjob.step import MRStep

from movimento_flat.processes import keep_freed_memory
from mr_jobs.blocks import BlockJob, parted
from mr_jobs.flat_rows import FlatRows
from mr_jobs.frames import Record, RecordBuffer, packs_in
from mr_jobs.job_options import JobOptions
from mr_jobs.mapping import Mapping
from mr_jobs.profiles import Profiles


class MovimentoFlat(BlockJob):
    """One row of the flat table for each movement that has a card, an account and a holder."""

    INTERNAL_PROTOCOL = OUTPUT_PROTOCOL = BytesProtocol
    SORT_VALUES = True  # by their tags: parents before cards, profiles before movements

    def steps(self) -> list[MRStep]:
        """Make the profiles of cards, then join each movement with its card's profile."""
        return [
            MRStep(
                mapper_init=self.start_mapping,
                mapper=self.mapper_send_rows,
                mapper_final=self.flush_records,
                reducer_init=self.start_profiles,
                reducer=self.reducer_make_profiles,
                reducer_final=self.flush_profiles,
                jobconf=self.properties(),
            ),
            MRStep(
                mapper_init=self.start_mapping,
                mapper=self.mapper_send_movements,
                mapper_final=self.flush_records,
                reducer_init=self.start_flat_rows,
                reducer=self.reducer_make_flat_rows,
                reducer_final=self.flush_flat_rows,
                jobconf=self.properties(),
            ),
        ]

    def start_mapping(self) -> None:
        """Prepare what reads tagged TSV and hides what must not show."""
        self.mapping = Mapping(JobOptions.of(self.options))

    def mapper_send_rows(self, _: None, block: bytes) -> Iterator[Record]:
        """Send each row of a block of tagged TSV to every bucket that must see it.

        associado (id, columns) and conta (id, owner, columns) go to the bucket of their id; cartao to those of its
        holder (holder, id), of its account (account, id, columns) and of its number (number, id); movimento to that
        of its card (card, id, columns).
        """
        return self.mapping.send(block)

    def flush_records(self) -> Iterator[Record]:
        """Send the rows that a map task still holds."""
        return self.mapping.flush()

    def start_profiles(self) -> None:
        """Prepare the buckets of associates, of accounts and of card numbers."""
        self.profiles = Profiles(JobOptions.of(self.options).privacy)
        self.buffer = RecordBuffer()

    def reducer_make_profiles(self, bucket: bytes, values: Iterable[bytes]) -> Iterator[Record]:
        """Give each card what it finds in a bucket, sent to the card's own bucket.

        A bucket of associates: (card, holder, columns of associado). One of accounts: (card, owner, columns of cartao
        and conta). One of numbers: a warning about each card whose number another has. Movements go on as they are.
        """
        if self.profiles.knows(bucket):
            return self._marked(self.buffer.add(self.profiles.add(bucket, packs_in(values))))
        return self._marked((bucket, value) for value in values)

    def flush_profiles(self) -> Iterator[Record]:
        """Send the profiles that a reduce task still holds."""
        yield from self._marked(self.buffer.add(self.profiles.flush()))
        yield from self._marked(self.buffer.flush())

    def mapper_send_movements(self, _: None, block: bytes) -> Iterator[Record]:
        """Send movements (card, id, columns) to the bucket of their card; hand on what step 1 has made."""
        records, lines = parted(block, self.options.record_mark.encode())
        yield from records
        yield from self.mapping.send(lines)

    def start_flat_rows(self) -> None:
        """Prepare the buckets of cards."""
        options = JobOptions.of(self.options)
        self.flat_rows = FlatRows(options.privacy, options.now)

    def reducer_make_flat_rows(self, bucket: bytes, values: Iterable[bytes]) -> Iterator[Record]:
        """Join the movements of a bucket of cards with the cards' profiles: rows of the CSV, and of the lists."""
        return self.flat_rows.add(bucket, packs_in(values))

    def flush_flat_rows(self) -> Iterator[Record]:
        """Join what a reduce task still holds."""
        return self.flat_rows.flush()

    def _marked(self, records: Iterable[Record]) -> Iterator[Record]:
        """Mark records of step 1 where movements come beside them in step 2, none of which has the mark."""
        mark = self.options.record_mark.encode()
        return ((mark + key, value) for key, value in records)

    def configure_args(self) -> None:
        """Declare mrjob's options, those of `mr_jobs.job_options` and the mark of records."""
        super().configure_args()
        JobOptions.add_options(self.add_passthru_arg)
        self.add_passthru_arg(
            "--record-mark", default="", help="What records of step 1 begin with in step 2."
        )


if __name__ == "__main__":
    keep_freed_memory()
    MovimentoFlat.run()
