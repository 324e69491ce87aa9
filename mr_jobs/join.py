#!/usr/bin/env python3
r"""Joins movements with their cards, accounts and associates: a reduce-side join in two steps.

    python mr_jobs/join.py -r inline docs/sample/*.tsv
    python mr_jobs/join.py -r spark --spark-master 'local[2]' --output-dir /tmp/parts docs/sample/*.tsv
    python mr_jobs/join.py -r hadoop --output-dir hdfs:///user/me/parts hdfs:///user/me/tagged_tsv

Input is tagged TSV (`movimento_flat.tagged_tsv`), in files of any number and order. All records between mappers
and reducers are `bucket \t pack of rows` (`mr_jobs.buckets`, `mr_jobs.rows`).

1. The small tables. A card goes out to its account's bucket and to its holder's; what is found there,
   or that nothing is, makes two half profiles of the card, sent to the card's own bucket. A third time it goes
   to its number's fingerprint, where it meets others of the same number.
   Movements pass through, unless the runner brings them to step 2 itself. Then records of this step begin with a mark
   of the run (--record-mark), so that no line of the movements can be taken for one.
2. A card's bucket receives its half profiles and its movements. Profiles sort before movements (A < C < M).

Output, sorted within each part: `bucket of cards \t kind \t rows`, the rows in order of the cards, separated by 0x1e
and the rest escaped as in tagged TSV.

    F  rows of the flat table, as CSV, in order of the movements' ids
    R  rejected rows              (the columns of this and the following stand in movimento_flat.problem_lists)
    D  a card whose holder is not its account's owner
    W  warnings: what looks wrong and is delivered all the same

Spark does not sort: `LC_ALL=C sort -s -t TAB -k 1,1 part-*` makes one part of its parts for the merge.

What shows of cards and people, and the key of tokens, are options: --card, --people, --drop, --key-file.
--with-ids writes the ids of the four tables, too.
"""

import atexit
import secrets
import sys
from collections.abc import Iterable, Iterator
from glob import escape as escape_pattern
from itertools import chain
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from zipfile import ZipFile

from mrjob.job import MRJob
from mrjob.protocol import BytesProtocol
from mrjob.step import MRStep

# A task on a cluster finds the packages in its working folder, a plain checkout beside this file's folder.
sys.path[1:1] = [".", str(Path(__file__).resolve().parent.parent)]

from movimento_flat.processes import keep_freed_memory  # noqa: E402
from movimento_flat.schema import ASSOCIADO, CONTA  # noqa: E402
from mr_jobs.buckets import NUMBERS_TAG, Packer, Record  # noqa: E402
from mr_jobs.cards import Flattener  # noqa: E402
from mr_jobs.job_options import Rules  # noqa: E402
from mr_jobs.masters import Halver, duplicate_numbers  # noqa: E402
from mr_jobs.rows import Rows  # noqa: E402

try:
    from mr_jobs.spans import SpanPacker
    from mr_jobs.usual_lines import Lines
    from mr_jobs.usual_movements import take_movements
    from mr_jobs.usual_tables import take_small_tables
except ModuleNotFoundError:  # a cluster's node without NumPy goes line by line
    SpanPacker = None  # type: ignore[assignment,misc]

#: mrjob's runner that needs its packages in another form.
SPARK = "spark"
PACKAGES = [Path(__file__).resolve().parent.parent / name for name in ("movimento_flat", "mr_jobs")]
#: Bytes of input that a mapper takes at once.
BLOCK = 1 << 20
#: Stands behind a block, since mrjob takes line ends off: a carriage return would be lost, and a bad line pass.
BLOCK_END = b"\0"
#: A row of the small tables is more work than a movement, so its map tasks are not made as large (39 s of 42 s for
#: 5 M movements, hadoop-docker/etc/mapred-site.xml).
SPLIT_SMALL_TABLES = {"mapreduce.input.fileinputformat.split.minsize": "1"}
#: By default Hadoop ends a line at a carriage return also, and takes it away: elsewhere the line is another row.
LINE_ENDS = {"textinputformat.record.delimiter": "\n"}
#: Keys of step 1: the bucket of an account or of an associate, behind its table's tag.
MASTERS = (ASSOCIADO.tag, CONTA.tag)


class BlockProtocol:
    """Input of mappers: a block of whole lines, tagged TSV or records of step 1, as the value."""

    def read(self, block: bytes) -> tuple[None, bytes]:
        """Block -> (None, block)."""
        return None, block.removesuffix(BLOCK_END)


class MovimentoFlat(MRJob):  # type: ignore[misc]  # mrjob has no type hints
    """One line of the flat table for each movement that has a card, an account and a holder."""

    INTERNAL_PROTOCOL = BytesProtocol
    OUTPUT_PROTOCOL = BytesProtocol

    def configure_args(self) -> None:
        """mrjob's options, those of `mr_jobs.job_options` and the mark of records, which each task is given, too."""
        super().configure_args()
        Rules.add_options(self.add_passthru_arg)
        self.add_passthru_arg(
            "--record-mark",
            default="",
            help="What a record of step 1 begins with in step 2, and no movement does.",
        )

    def make_runner(self) -> Any:
        """As mrjob does, with the folder that its Spark harness takes for granted (mrjob 0.7.4)."""
        runner = super().make_runner()
        if self.options.runner == SPARK:
            runner.fs.mkdir(runner._spark_tmp_dir)
        return runner

    def pick_protocols(self, step_num: int, step_type: str) -> tuple[Any, Any]:
        """As mrjob does, but every mapper reads blocks."""
        read, write = super().pick_protocols(step_num, step_type)
        return (BlockProtocol().read if step_type == "mapper" else read), write

    def _read_input(self) -> Iterator[bytes]:
        """Standard input of a mapper in blocks, everything else line by line as mrjob does."""
        if not self.options.run_mapper or self.options.args:
            yield from super()._read_input()
            return
        while block := self.stdin.read(BLOCK):
            yield block + self.stdin.readline() + BLOCK_END

    def steps(self) -> list[MRStep]:
        """The two steps; each reducer's work is described in the module's docstring."""
        return [
            MRStep(
                mapper_init=self.start_mapping,
                mapper=self.pack_tables,
                mapper_final=self.flush_all,
                reducer_init=self.start_halving,
                reducer=self.halve_profiles,
                reducer_final=self.flush_profiles,
                jobconf=self._properties(SPLIT_SMALL_TABLES),
            ),
            MRStep(
                mapper_init=self.start_mapping,
                mapper=self.pack_movements,
                mapper_final=self.flush_all,
                reducer_init=self.start_flattening,
                reducer=self.flatten,
                reducer_final=self.flush_cards,
                jobconf=self._properties({}),
            ),
        ]

    def _properties(self, more: dict[str, str]) -> dict[str, str] | None:
        """A step's properties for Hadoop.

        mrjob 0.7.4 gives Spark two jobs where steps differ in them, and the second one no step.
        """
        return None if self.options.runner == SPARK else LINE_ENDS | more

    def dirs(self) -> list[str]:
        """Packages that tasks need in their working folders; the inline runner imports them where they are."""
        return [] if self.options.runner in (None, "inline", SPARK) else [str(path) for path in PACKAGES]

    def _runner_kwargs(self) -> dict[str, Any]:
        """Give Spark the packages in an archive, and every runner files that are there by no pattern."""
        options: dict[str, Any] = super()._runner_kwargs()
        options["input_paths"] = [
            escape_pattern(path) if Path(path).exists() else path for path in options["input_paths"]
        ]
        if self.options.runner == SPARK:
            options["py_files"] = [*(options["py_files"] or ()), str(_archive(PACKAGES))]
        return options

    def start_packing(self) -> None:
        """A task's packs, empty."""
        self.packer = Packer()

    def start_mapping(self) -> None:
        """Packs, and what makes rows by this job's rules."""
        self.start_packing()
        rules = Rules.of(self.options)
        self.rows = Rows(rules.privacy, rules.key())
        self.spans = SpanPacker() if SpanPacker is not None else None

    def start_halving(self) -> None:
        """Packs, and what makes half profiles."""
        self.start_packing()
        self.halver = Halver()

    def start_flattening(self) -> None:
        """What makes lines of the flat table by this job's rules."""
        rules = Rules.of(self.options)
        self.flattener = Flattener(rules.privacy, rules.now)

    def flush_all(self) -> Iterator[Record]:
        """-> the packs that a map task still holds."""
        yield from self.packer.flush()
        if self.spans:
            yield from self.spans.flush()

    def flush_profiles(self) -> Iterator[Record]:
        """-> the packs that a reduce task of step 1 still holds."""
        yield from self._marked(self.packer.add(self.halver.flush()))
        yield from self._marked(self.packer.flush())

    def pack_tables(self, _: None, block: bytes) -> Iterable[Record]:
        r"""Step 1. Tagged TSV of all four tables -> `bucket \t pack`: of masters behind their tag, of cards bare."""
        return self._pack(block)

    def halve_profiles(self, key: bytes, packs: Iterable[bytes]) -> Iterator[Record]:
        r"""Step 1. A bucket of accounts or associates, with their cards -> `bucket of cards \t half profiles`."""
        tag = key[:1]
        if tag in MASTERS:
            yield from self._marked(self.packer.add(self.halver.add(key, packs)))
        elif tag == NUMBERS_TAG:
            yield from self._marked(self.packer.add(duplicate_numbers(packs)))
        else:
            yield from self._marked((key, pack) for pack in packs)

    def pack_movements(self, _: None, block: bytes) -> Iterator[Record]:
        r"""Step 2. Tagged TSV of movements -> `bucket \t pack`; a record of step 1 goes on as it is."""
        yield from self._pack(block, takes_records=True)

    def _pack(self, block: bytes, takes_records: bool = False) -> Iterator[Record]:
        """Tagged TSV, and records of step 1 if it may hold some -> packs; such a record goes on as it is."""
        is_plain = self.rows.are_plain(block)
        if is_plain and self.spans:
            lines = Lines(block)
            if self.rows.show_all and not takes_records:
                take_small_tables(lines, self.spans)
            take_movements(lines, self.spans, self.rows.hides_cards)  # it writes into their text
            others = list(lines.left())
            if self.spans.is_full:
                yield from self.spans.flush()
        else:
            others = block.split(b"\n")
        if takes_records:
            records, others = _parted(others, self._mark())
            yield from records
        of_line = self.rows.of_plain_line if is_plain else self.rows.of_line
        yield from self.packer.add(chain.from_iterable(map(of_line, others)))

    def _mark(self) -> bytes:
        return bytes(self.options.record_mark, "ascii")

    def _marked(self, records: Iterable[Record]) -> Iterator[Record]:
        mark = self._mark()
        return ((mark + key, pack) for key, pack in records)

    def flatten(self, bucket: bytes, packs: Iterable[bytes]) -> Iterator[Record]:
        r"""Step 2. A bucket of cards, half profiles and movements -> `bucket \t kind \t rows`, card by card."""
        return self.flattener.add(bucket, packs)

    def flush_cards(self) -> Iterable[Record]:
        """-> what the buckets give that a reduce task still holds."""
        return self.flattener.flush()


def new_record_mark() -> str:
    """Return a mark for one run, which whoever wrote the movements cannot have known."""
    return secrets.token_hex(8)


def _parted(lines: Iterable[bytes], mark: bytes) -> tuple[list[Record], list[bytes]]:
    """Lines -> the records of step 1 among them, and all others. Without a mark there is nothing but records."""
    records: list[Record] = []
    others: list[bytes] = []
    for line in filter(None, lines):
        if line.startswith(mark):
            key, _, pack = line[len(mark) :].partition(b"\t")
            records.append((key, pack))
        else:
            others.append(line)
    return records, others


def _archive(packages: Iterable[Path]) -> Path:
    """Packages' sources -> a zip, which goes away with this process."""
    folder = Path(mkdtemp(prefix="movimento-flat-"))
    atexit.register(rmtree, folder)
    archive = folder / "packages.zip"
    with ZipFile(archive, "w") as file:
        for package in packages:
            for path in sorted(package.rglob("*.py")):
                file.write(path, path.relative_to(package.parent))
    return archive


if __name__ == "__main__":
    keep_freed_memory()
    MovimentoFlat.run()
