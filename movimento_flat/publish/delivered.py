"""The manifest of a delivery, read again: by who checks it later, and by the next run."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from extract.window import Window
from movimento_flat.errors import UserError
from movimento_flat.money import Totals
from movimento_flat.privacy import Privacy
from movimento_flat.publish.datapackage import PACKAGE_NAME
from movimento_flat.publish.manifest import FORMAT, FurtherFile
from movimento_flat.publish.parts import MISMATCHES_NAME, PARQUET_NAME, REPORT_NAME
from movimento_flat.schema import AMOUNT, FLAT_COLUMNS, ID_COLUMNS, MOVIMENTO

#: Manifests of this format know no privacy and no warnings.
OLDEST_FORMAT = 1
#: The first with the lists among its files, a checksum beside it, and the fingerprint of the key of tokens.
WHOLE_FORMAT = 3
#: The first with the page and the Parquet file beside the CSV, and with the word mismatches for disagreements.
BESIDE_FORMAT = 4


@dataclass(frozen=True)
class Delivered:
    """What a manifest says.

    Attributes:
        format: of the manifest.
        database: movements of the snapshot.
        csv, sha256, bytes, columns: of the CSV.
        privacy: what the CSV shows.
        rejected: movements that it does not hold.
        reasons: rejected rows by reason.
        warnings: by reason; None where the format had none.
        mismatches: cards whose holder is not their account's owner.
        further: files delivered with the CSV, by name; before WHOLE_FORMAT without the lists.
        key_fingerprint: of the key of tokens; None where there are none, and before WHOLE_FORMAT.
        snapshot: when the snapshot was taken, in UTC.
        time_zone: in which TIMESTAMP columns are written.
        window: which rows were asked for.
    """

    format: int
    database: Totals
    csv: Totals
    sha256: str
    bytes: int
    columns: tuple[str, ...]
    privacy: Privacy
    rejected: Totals
    reasons: Counter[str]
    warnings: Counter[str] | None
    mismatches: int
    further: Mapping[str, FurtherFile]
    key_fingerprint: str | None
    snapshot: str
    time_zone: str
    window: Window

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """Between which moments movements were asked for."""
        return self.window.since, self.window.until

    @property
    def beside(self) -> frozenset[str]:
        """Return the names of the further files that lie beside the CSV; the others lie in the run folder."""
        names = {PACKAGE_NAME, PARQUET_NAME, REPORT_NAME} if self.format >= BESIDE_FORMAT else {PACKAGE_NAME}
        return frozenset(names & self.further.keys())

    @property
    def mismatches_name(self) -> str:
        """Return the name of the list of mismatches."""
        return MISMATCHES_NAME if self.format >= BESIDE_FORMAT else "disagreements.tsv"

    @classmethod
    def read(cls, manifest: Path) -> Self:
        """Read a manifest of any format up to this program's.

        Raises:
            UserError: there is none, it is damaged, or a later version has written it.
        """
        try:
            content = json.loads(manifest.read_bytes())
        except (FileNotFoundError, IsADirectoryError) as error:
            raise UserError(
                f"There is no {manifest}.", "Name a folder that a run has published to."
            ) from error
        except ValueError as error:
            raise _damaged(manifest, error) from error
        number = content.get("format") if isinstance(content, dict) else None
        if not isinstance(number, int) or number < OLDEST_FORMAT:
            raise _damaged(manifest, "it does not say its format")
        if number > FORMAT:
            raise UserError(
                f"{manifest} has format {number}; this version knows formats up to {FORMAT}.",
                "Use the version that has written it, or a later one.",
            )
        try:
            return cls.of(content)
        except (LookupError, TypeError, ValueError, AttributeError, UserError) as error:
            raise _damaged(manifest, error) from error

    @classmethod
    def of(cls, content: dict[str, Any]) -> Self:
        """A manifest's content -> what it says.

        Raises:
            LookupError, TypeError, ValueError, AttributeError, UserError: it is no such content.
        """
        source, csv, rejected = content["source"], content["csv"], content["rejected"]
        columns = _columns(csv["columns"])
        privacy = Privacy(ids=not set(ID_COLUMNS).isdisjoint(columns))
        if hides := content.get("privacy"):
            privacy = replace(
                privacy, card=hides["card"], people=hides["people"], dropped=frozenset(hides["dropped"])
            )
        warnings = _counter(content["warnings"]) if content["format"] > OLDEST_FORMAT else None
        mismatches = "holder_owner_mismatches" if content["format"] >= BESIDE_FORMAT else "disagreements"
        key_fingerprint = None
        if content["format"] >= WHOLE_FORMAT and content["privacy"]["key_fingerprint"] is not None:
            key_fingerprint = _text(content["privacy"]["key_fingerprint"])
        return cls(
            content["format"],
            Totals(_integer(source["rows"][MOVIMENTO.name]), _integer(source["movement_centavos"])),
            _totals(csv),
            _text(csv["sha256"]),
            _integer(csv["bytes"]),
            columns,
            privacy,
            _totals(rejected),
            _counter(rejected),
            warnings,
            _integer(content[mismatches]),
            {name: _file(file) for name, file in content.get("files", {}).items()},
            key_fingerprint,
            _text(source["snapshot_utc"]),
            _text(source["time_zone"]),
            Window.from_json({"since": None, "until": None, "as_of": None} | source),
        )


def _damaged(manifest: Path, why: object) -> UserError:
    return UserError(f"{manifest} is damaged: {why!r}.", "Take it from a backup, or run again.")


def _columns(names: list[str]) -> tuple[str, ...]:
    if AMOUNT not in names or not set(names) <= {*FLAT_COLUMNS, *ID_COLUMNS}:
        raise ValueError(f"no columns of the flat table: {names}")
    return tuple(names)


def _file(content: dict[str, Any]) -> FurtherFile:
    return FurtherFile(_text(content["sha256"]), _integer(content["bytes"]))


def _totals(content: dict[str, Any]) -> Totals:
    return Totals(_integer(content["rows"]), _integer(content["centavos"]))


def _counter(content: dict[str, Any]) -> Counter[str]:
    return Counter({str(reason): _integer(count) for reason, count in content["by_reason"].items()})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value
