"""What a mapper does with a block of tagged TSV: checks its rows, hides what must not show, and sends them on."""

from collections.abc import Iterator

from movimento_flat.columnar import pl
from movimento_flat.problem_lists import REJECTED
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, Table
from mr_jobs.flat_rows import send_movements
from mr_jobs.frames import Record, RecordBuffer, Sent
from mr_jobs.job_options import JobOptions
from mr_jobs.profiles import (
    check_associates,
    check_cards,
    report,
    send_accounts,
    send_associates,
    send_cards_to_accounts,
    send_cards_to_holders,
    send_cards_to_numbers,
)
from mr_jobs.source_rows import SourceRows


class Mapping:
    """Turns blocks of tagged TSV into records."""

    def __init__(self, options: JobOptions) -> None:
        """Args:
        options: of the job.
        """
        self._privacy = options.privacy
        self._check_digits = options.check_digits
        self._source = SourceRows(options.privacy, options.key())
        self._buffer = RecordBuffer()

    def send(self, block: bytes) -> Iterator[Record]:
        """Take a block; return the records that are full."""
        tables, rejected = self._source.read(block)
        for table, rows in tables.items():
            yield from self._buffer.add(self._send(table, rows))
        if rejected:
            rows = pl.DataFrame({"row": [row.decode() for row in rejected]})
            yield from self._buffer.add([report(rows, REJECTED)])

    def flush(self) -> Iterator[Record]:
        """Return the records that are left."""
        return self._buffer.flush()

    def _send(self, table: Table, rows: pl.DataFrame) -> Iterator[Sent]:
        shown = self._source.hide(table, rows)
        if table is ASSOCIADO:
            yield check_associates(rows, shown)
            yield send_associates(shown, self._privacy)
        elif table is CONTA:
            yield send_accounts(shown, self._privacy)
        elif table is CARTAO:
            if self._check_digits:
                yield check_cards(rows)
            yield send_cards_to_numbers(rows, self._source.fingerprints)
            yield send_cards_to_holders(shown)
            yield send_cards_to_accounts(shown, self._privacy)
        else:
            yield send_movements(shown, self._privacy)
