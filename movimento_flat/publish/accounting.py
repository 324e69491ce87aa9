"""The accounting identity: nothing is published unless each row and each centavo is accounted for."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.money import Totals, reais


@dataclass(frozen=True)
class Audit:
    """What the file at hand holds."""

    totals: Totals
    bytes: int
    sha256: str


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_identity(source: Totals, published: Totals, rejected: Totals) -> None:
    """Movements of the database = rows of the CSV + rejected movements, and the same for their centavos.

    Raises:
        UserError: it does not hold.
    """
    if source == published + rejected:
        return
    raise UserError(
        "The accounts do not balance, so nothing is published.\n"
        f"  database   {_line(source)}\n  CSV        {_line(published)}\n  rejected   {_line(rejected)}",
        "If the tagged TSV was edited by hand, extract it again; otherwise please report this.",
    )


def _line(totals: Totals) -> str:
    return f"{totals.rows:>12,} rows  {reais(totals.centavos):>24}"
