"""A lake: one run at a time, and a reader sees each month as it was or as it is.

The files of all months are made first, where no reader looks. The change is written to a journal then: a run that is
killed before that changes nothing, and one that is killed later is finished by the next run, or by `verify`. A store
knows how that is done where the lake lies.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, Self

from movimento_flat.errors import UserError
from movimento_flat.lake.record import RECORD_NAME, LakeRecord, MonthEntry, folder_of
from movimento_flat.private_files import make_private_file, make_private_folder
from movimento_flat.publish.manifest import PrivacyEntry, entry_of, json_bytes

WORK_NAME, JOURNAL_NAME = "_work", "journal.json"
#: What a Parquet file's name ends with until its month is published: a pattern of readers does not match it.
UNFINISHED = ".new"


@dataclass(frozen=True)
class Change:
    """What a run does to a lake.

    Attributes:
        record: of the lake afterwards.
        replaced: months whose files are new.
        removed: months that have no rows any more.
    """

    record: LakeRecord
    replaced: tuple[str, ...]
    removed: tuple[str, ...]

    def as_bytes(self) -> bytes:
        """Return a journal."""
        return json_bytes(asdict(self))

    @classmethod
    def of_bytes(cls, journal: bytes) -> Self:
        """Read a journal."""
        return entry_of(cls, json.loads(journal))


class Store(Protocol):
    """Where a lake lies, and how its months change there."""

    @property
    def name(self) -> str:
        """Return what the user calls the lake."""

    @property
    def work(self) -> Path:
        """Return a private folder of this machine for what a run makes."""

    @property
    def has_one_file(self) -> bool:
        """Return whether a month must be one file, however many rows it has."""

    def hold(self) -> AbstractContextManager[None]:
        """Hold the lake, which is made if need be: this process alone may change it.

        Raises:
            UserError: another run holds it, or it cannot be made or held.
        """

    def is_in_use(self) -> bool:
        """Return whether a run is changing the lake, or was killed while it did."""

    def names(self, folder: str = "") -> set[str]:
        """Return the names in the lake, or in a folder of it, that readers see; none where there is no such folder."""

    def record(self) -> bytes | None:
        """Return the record's content; None where there is none."""

    def journal(self) -> bytes | None:
        """Return the journal's content; None where there is none."""

    def fetched(self, month: str, file: str) -> AbstractContextManager[Path]:
        """Give a month's file, to be read on this machine; where there is none, a path without a file."""

    def begin(self) -> None:
        """Make the place for everything unfinished.

        Raises:
            UserError: the lake lies where its months could not be changed as they must be.
        """

    def prepare(self, change: Change) -> None:
        """Bring the new files to where they can take their places, and then write the journal."""

    def replace(self, month: str, entry: MonthEntry, is_again: bool) -> None:
        """Put a month's new files in place, in one step. With `is_again` that may have been done before."""

    def remove(self, month: str, is_again: bool) -> None:
        """Remove a month, in one step."""

    def put_record(self, change: Change, is_again: bool) -> None:
        """Put the new record in place, in one step."""

    def end(self) -> None:
        """Remove everything unfinished, first the journal."""


@dataclass(frozen=True)
class LakeFolder:
    """A lake that this process alone may change.

    Attributes:
        store: where it lies.
        record: what the lake holds; None where it is new.
    """

    store: Store
    record: LakeRecord | None

    @property
    def name(self) -> str:
        """Return what the user calls it."""
        return self.store.name

    @property
    def work(self) -> Path:
        """Return a private folder of this machine for everything unfinished; removed at the end."""
        return self.store.work

    def refuse_other(
        self,
        columns: Sequence[str],
        privacy: PrivacyEntry,
        source: str,
        tables: str,
        time_zone: str | None = None,
    ) -> None:
        """Refuse what has other columns, or is made otherwise, than what the lake has.

        Args:
            columns: the run's.
            privacy, source, tables, time_zone: as `LakeRecord` has them; the zone is None where it is not known yet.

        Raises:
            UserError: it has or is.
        """
        if not self.record:
            return
        new = {"columns": [*columns], **asdict(privacy), "source": source, "tables": tables}
        lake = asdict(self.record)
        ours = {**lake, **lake["privacy"], "columns": [*self.record.columns]}
        if time_zone:
            new["time_zone"] = time_zone
        if differences := [
            f"  {name}: the lake has {ours[name]!r}, the run {value!r}"
            for name, value in new.items()
            if ours[name] != value
        ]:
            raise UserError(
                "\n".join([f"The lake {self.name} was made otherwise, and is one table.", *differences]),
                "Run by the lake's options, or name a new folder.",
            )

    def new_file(self, month: str, name: str) -> Path:
        """Make an empty file of a month that is to be published, and return its path."""
        folder = make_private_folder(self.work / folder_of(month), exist_ok=True)
        return make_private_file(folder / f"{name}{UNFINISHED}")

    def publish(self, change: Change) -> None:
        """Let readers see the months that were made, each in one step; a killed run is finished later.

        Raises:
            OSError: the disk does not take the journal; the lake is as it was.
            UserError: HDFS does not.
        """
        self.store.prepare(change)
        _finish(self.store, change, is_again=False)
        self.store.end()


@contextmanager
def open_lake(store: Store) -> Iterator[LakeFolder]:
    """Hold a lake for this process, made if need be; what a killed run left is finished or removed.

    Raises:
        UserError: it is no folder of a lake, another run holds it, or where it lies cannot do what is needed.
    """
    with store.hold():
        _settle(store)
        record = _record_of(store)
        _refuse_foreign(store, record)
        store.begin()
        try:
            yield LakeFolder(store, record)
        finally:
            _settle(store)


def settle(store: Store) -> LakeRecord:
    """Finish or undo what a killed run has left, and return the lake's record.

    Raises:
        UserError: a run holds the lake now, or it is none.
    """
    if store.is_in_use():
        with store.hold():
            _settle(store)
    record = _record_of(store)
    if not record:
        raise UserError(
            f"{store.name} is no lake: it has no {RECORD_NAME}.", "Name a folder that --lake has written."
        )
    return record


def foreign_names(store: Store, record: LakeRecord | None) -> list[str]:
    """Return what lies in a lake and is none of its files; readers would take it for its data."""
    months = {folder_of(month): entry for month, entry in record.months.items()} if record else {}
    found = store.names() - months.keys()
    found |= {
        f"{folder}/{name}"
        for folder, entry in months.items()
        for name in store.names(folder) - entry.files.keys()
    }
    return sorted(found)


def _record_of(store: Store) -> LakeRecord | None:
    content = store.record()
    return LakeRecord.of_bytes(content, store.name) if content else None


def _settle(store: Store) -> None:
    if journal := store.journal():
        _finish(store, Change.of_bytes(journal), is_again=True)
    store.end()


def _finish(store: Store, change: Change, is_again: bool) -> None:
    """Do what the journal says. With `is_again` each step may have been done before."""
    for month in change.replaced:
        store.replace(month, change.record.months[month], is_again)
    for month in change.removed:
        store.remove(month, is_again)
    store.put_record(change, is_again)


def _refuse_foreign(store: Store, record: LakeRecord | None) -> None:
    if foreign := foreign_names(store, record):
        raise UserError(
            f"The folder {store.name} has what is not of this lake: {', '.join(foreign[:5])}.",
            "Name another folder, or move it away.",
        )
