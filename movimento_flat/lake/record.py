"""_lake.json: what a lake holds, month by month, and by which options it was made.

The classes here declare its keys, as `movimento_flat.publish.manifest` does for a delivery.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.publish.manifest import Counted, FileEntry, PrivacyEntry, entry_of, json_bytes

RECORD_NAME = "_lake.json"
#: Of the only file of a month.
FILE_NAME = "movimentos.parquet"
#: Column of the table that its folders are named by, and the value of rows whose moment is none.
PARTITION, UNDATED = "ano_mes", "__HIVE_DEFAULT_PARTITION__"
FORMAT = 1


@dataclass(frozen=True)
class MonthEntry(Counted):
    """The rows of a month, and of which CSV they are.

    Attributes:
        files: by name.
        snapshot_utc: moment of the database.
        csv_sha256: of the CSV that the rows are from.
    """

    files: Mapping[str, FileEntry]
    snapshot_utc: str
    csv_sha256: str

    def is_in(self, folder: Path) -> bool:
        """Return whether a folder has these files, and no others, byte by byte.

        Raises:
            OSError: one cannot be read.
        """
        return names_in(folder) == self.files.keys() and all(
            FileEntry.of(folder / name) == file for name, file in self.files.items()
        )


@dataclass(frozen=True)
class LakeRecord:
    """What is known of a lake.

    Attributes:
        columns: the type of each column, as SQL has it.
        source: address of the database.
        tables: text of the tables file; empty where there was none.
        time_zone: in which TIMESTAMP columns were read.
        months: by their name, as 2024-02, or UNDATED.
    """

    format: int
    columns: Mapping[str, str]
    privacy: PrivacyEntry
    source: str
    tables: str
    time_zone: str
    months: Mapping[str, MonthEntry]

    @classmethod
    def of_bytes(cls, content: bytes, lake: str) -> Self:
        """Return the record that a lake has.

        Raises:
            UserError: it is damaged, or a later version has written it.
        """
        try:
            record = entry_of(cls, json.loads(content))
            if record.format != FORMAT:
                raise ValueError(f"format {record.format}")
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"{RECORD_NAME} of the lake {lake} is damaged, or of a later version: {error!r}.",
                "Take the lake from a backup, or name a new folder.",
            ) from error
        return record

    def as_bytes(self) -> bytes:
        """Return it as JSON."""
        return json_bytes(asdict(self))

    def with_months(self, months: Mapping[str, MonthEntry]) -> Self:
        """Return the same with these months alone, in their order."""
        return replace(self, months=dict(sorted(months.items())))

    @property
    def totals(self) -> Totals:
        """Rows and centavos of all months."""
        return sum((month.totals for month in self.months.values()), Totals())


def folder_of(month: str) -> str:
    """Return the name of a month's folder."""
    return f"{PARTITION}={month}"


def is_shown(name: str) -> bool:
    """Return whether readers take what has this name for data, as they do not take `_lake.json`."""
    return not name.startswith(("_", "."))


def names_in(folder: Path) -> set[str]:
    """Return the names in a folder that readers see; none where it is not there."""
    if not folder.is_dir():
        return set()
    return {path.name for path in folder.iterdir() if is_shown(path.name)}
