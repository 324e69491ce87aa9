"""The audit beside the merge: other processes read the CSV while the merge still writes it."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

from movimento_flat.errors import UserError
from movimento_flat.lake.months import Split, Splitter
from movimento_flat.money import Totals
from movimento_flat.publish.accounting import Audit
from movimento_flat.publish.csv_audit import frames, moments_in, pieces, totals_of
from movimento_flat.report.figures import COLUMNS, Figures, figures_in
from movimento_flat.schema import AMOUNT
from movimento_flat.workers import Workers

#: Bytes of a file that are audited by one task.
SPAN = 8 << 20
_READ = 1 << 20


@dataclass(frozen=True)
class _Audited:
    """What the rows of a span are.

    Attributes:
        totals: of the rows.
        figures: of the rows, where they are wanted.
        split: where they are by month, where a lake is wanted.
    """

    totals: Totals
    figures: Figures | None
    split: Split | None


class Auditing:
    """Audits a CSV, adds up its figures, and splits it by months.

    Attributes:
        splits: of the spans, in their order, once there is a result and if a lake is wanted.
    """

    def __init__(
        self,
        csv: Path,
        columns: tuple[str, ...],
        with_figures: bool,
        workers: Workers,
        split_into: Path | None = None,
        now: str | None = None,
    ) -> None:
        """Args:
        csv: the file; it need not be there before `has_written` is called.
        columns: that it must have.
        with_figures: whether its figures are wanted as well.
        workers: what audits it.
        split_into: folder for its pieces by month, where a lake is wanted.
        now: the clock of the source, after which dates cannot be true.
        """
        self._csv = csv.resolve()
        self._with_figures = with_figures
        self._audit = partial(_audit, self._csv, columns, with_figures, split_into, now)
        self.splits: list[Split] = []
        self._workers = workers
        self._hashing = ThreadPoolExecutor(1)
        self._digest = hashlib.sha256()
        self._hashed: list[Future[None]] = []
        self._audited: list[Future[_Audited]] = []
        self._begun = 0

    def __enter__(self) -> "Auditing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hashing.shutdown(cancel_futures=True)

    def has_written(self, size: int) -> None:
        """Audit what is new when so many bytes of the file can be read, the last of which ends a row.

        Raises:
            UserError: a process has ended.
        """
        if size - self._begun >= SPAN:
            self._hand_out(size)

    def result(self, progress: Callable[[int], None]) -> tuple[Audit, Figures | None]:
        """Return what the file holds, which is complete; `progress` is told of its rows.

        Raises:
            UserError: it is no flat CSV, or a process has failed or ended.
            OSError: the file cannot be read.
        """
        size = self._csv.stat().st_size
        self._hand_out(size)
        totals, figures = Totals(), Figures()
        for future in self._audited:
            audited = self._result(future)
            progress(audited.totals.rows)
            totals += audited.totals
            if audited.figures:
                figures.add(audited.figures)
            if audited.split:
                self.splits.append(audited.split)
        for hashed in self._hashed:
            hashed.result()
        audit = Audit(totals, size, self._digest.hexdigest())
        return audit, figures.finish() if self._with_figures else None

    def _hand_out(self, end: int) -> None:
        """Have everything before `end` audited and hashed that is not yet."""
        self._audited.append(self._workers.submit(self._audit, self._begun, end))
        self._hashed.append(self._hashing.submit(self._hash, self._begun, end))
        self._begun = end

    def _result(self, audited: "Future[_Audited]") -> _Audited:
        try:
            return self._workers.result(audited)
        except (UserError, OSError):
            raise
        except Exception as error:
            raise UserError(
                f"The audit of the CSV failed, so nothing is published: {error!r}.",
                "If memory was short, free some and run again; otherwise please report this.",
            ) from error

    def _hash(self, start: int, end: int) -> None:
        with self._csv.open("rb") as file:
            file.seek(start)
            for at in range(start, end, _READ):
                self._digest.update(file.read(min(_READ, end - at)))


def _audit(
    csv: Path,
    columns: tuple[str, ...],
    with_figures: bool,
    split_into: Path | None,
    now: str | None,
    start: int,
    end: int,
) -> _Audited:
    """Audit the rows in these bytes of the file."""
    wanted = [AMOUNT, *(name for name in COLUMNS if with_figures and name in columns)]
    totals, figures = Totals(), Figures()
    splitter = Splitter(split_into / f"{start}.arrows") if split_into else None
    with csv.open("rb") as file:
        file.seek(start)

        def read(length: int) -> bytes:
            return file.read(min(length, end - file.tell()))

        for rows in frames(read, columns, columns if splitter else wanted, has_header=start == 0):
            amounts, at = pieces(rows[AMOUNT]), moments_in(rows)
            totals += totals_of(amounts)
            if with_figures:
                figures.add(figures_in(rows.select(wanted), amounts, at, now))
            if splitter:
                splitter.add(rows, amounts, at)
    split = splitter.close(end - start) if splitter else None
    return _Audited(totals, figures if with_figures else None, split)
