"""manifest.json: what lies beside a CSV to say what it is, as of when, and that nothing is missing."""

import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from extract.extraction import Extraction
from extract.window import Window
from merge.csv_audit import Audit
from merge.parts import Merged
from movimento_flat import __version__
from movimento_flat.money import Totals
from movimento_flat.privacy import Privacy
from movimento_flat.schema import MOVIMENTO

MANIFEST_NAME = "manifest.json"
EXTRACTION_NAME = "extraction.json"
FORMAT = 2


@dataclass(frozen=True)
class Delivery:
    """Everything that is known about a run when its CSV is about to be published."""

    extraction: Extraction
    audit: Audit
    merged: Merged
    privacy: Privacy
    engine: str
    source: str
    seconds: dict[str, float]

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
            },
            "rejected": {
                **totals_as_json(rejected.movements),
                "by_reason": dict(sorted(rejected.reasons.items())),
            },
            "disagreements": self.merged.disagreements,
            "warnings": {"by_reason": dict(sorted(self.merged.warnings.items()))},
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
        """Write MANIFEST_NAME into `folder`."""
        path = folder / MANIFEST_NAME
        path.touch(mode=0o600)
        path.write_bytes(as_json(self.as_json()))


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


def as_json(content: dict[str, Any]) -> bytes:
    """-> indented UTF-8 JSON."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
