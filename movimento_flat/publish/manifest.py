"""manifest.json: what lies beside a CSV to say what it is, as of when, and that nothing is missing.

Its own checksum lies beside it, as `sha256sum -c` reads it.
"""

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from extract.extraction import Extraction
from extract.window import Window
from movimento_flat import __version__
from movimento_flat.money import Totals
from movimento_flat.privacy import Privacy
from movimento_flat.publish.accounting import Audit, sha256
from movimento_flat.publish.parts import Merged
from movimento_flat.schema import MOVIMENTO

MANIFEST_NAME = "manifest.json"
CHECKSUM_NAME = f"{MANIFEST_NAME}.sha256"
EXTRACTION_NAME = "extraction.json"
FORMAT = 4


@dataclass(frozen=True)
class FurtherFile:
    """A file that is delivered with the CSV, and must stay as it is.

    Attributes:
        left_out: fields of the CSV that its format cannot hold, by column.
    """

    sha256: str
    bytes: int
    left_out: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, path: Path) -> Self:
        """What lies there.

        Raises:
            OSError: it cannot be read.
        """
        return cls(sha256(path), path.stat().st_size)

    def as_json(self) -> dict[str, Any]:
        """-> what the manifest says of it."""
        return {
            "sha256": self.sha256,
            "bytes": self.bytes,
            "left_out": dict(sorted(self.left_out.items())),
        }


@dataclass(frozen=True)
class Delivery:
    """Everything that is known about a run when its CSV is about to be published.

    Attributes:
        further: every file that is delivered, by name, but the CSV, the manifest and its checksum.
        key_fingerprint: of the key of tokens; None where there are none.
    """

    extraction: Extraction
    audit: Audit
    merged: Merged
    privacy: Privacy
    engine: str
    source: str
    seconds: dict[str, float]
    further: Mapping[str, FurtherFile] = field(default_factory=dict)
    key_fingerprint: str | None = None

    def as_json(self) -> dict[str, Any]:
        """-> the manifest's content; amounts are in centavos, times in seconds."""
        rejected = self.merged.rejected
        return {
            "format": FORMAT,
            "csv": {
                "columns": list(self.privacy.columns),
                "sha256": self.audit.sha256,
                "bytes": self.audit.bytes,
                **totals_as_json(self.audit.totals),
            },
            "privacy": {
                "card": self.privacy.card,
                "people": self.privacy.people,
                "dropped": sorted(self.privacy.dropped),
                "key_fingerprint": self.key_fingerprint,
            },
            "rejected": {
                **totals_as_json(rejected.movements),
                "by_reason": dict(sorted(rejected.reasons.items())),
            },
            "holder_owner_mismatches": self.merged.mismatches,
            "warnings": {"by_reason": dict(sorted(self.merged.warnings.items()))},
            "files": {name: file.as_json() for name, file in self.further.items()},
            "source": {"address": self.source, **extraction_as_json(self.extraction)},
            "engine": self.engine,
            "seconds": self.seconds,
            "versions": {
                "movimento-flat": __version__,
                "mrjob": version("mrjob"),
                "PyMySQL": version("PyMySQL"),
                "Python": platform.python_version(),
            },
        }

    def write(self, folder: Path) -> None:
        """Write MANIFEST_NAME and CHECKSUM_NAME into `folder`."""
        content = as_json(self.as_json())
        _write(folder / MANIFEST_NAME, content)
        _write(folder / CHECKSUM_NAME, checksum(content))


def checksum(manifest: bytes) -> bytes:
    """Return what CHECKSUM_NAME holds beside a manifest with this content."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST_NAME}\n".encode()


def totals_as_json(totals: Totals) -> dict[str, int]:
    """-> rows, and the sum of their amounts in centavos."""
    return {"rows": totals.rows, "centavos": totals.centavos}


def extraction_as_json(extraction: Extraction) -> dict[str, Any]:
    """-> what was extracted, as of when."""
    rows = {name: totals.rows for name, totals in extraction.tables.items()}
    return {
        "rows": rows,
        "movement_centavos": extraction.tables[MOVIMENTO.name].centavos,
        "snapshot_utc": extraction.taken_at,
        "clock": extraction.clock,
        "time_zone": extraction.time_zone,
        "server": extraction.server,
        "connections": extraction.connections,
        **extraction.window.as_json(),
    }


def extraction_from_json(content: dict[str, Any]) -> Extraction:
    """The inverse of `extraction_as_json`."""
    tables = {name: Totals(rows) for name, rows in content["rows"].items()}
    tables[MOVIMENTO.name] = Totals(content["rows"][MOVIMENTO.name], content["movement_centavos"])
    return Extraction(
        tables,
        content["snapshot_utc"],
        content["clock"],
        content["server"],
        content["time_zone"],
        content["connections"],
        Window.from_json(content),
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a new file that only its owner may read."""
    _write(path, as_json(content))


def _write(path: Path, content: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)


def as_json(content: dict[str, Any]) -> bytes:
    """-> indented UTF-8 JSON."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
