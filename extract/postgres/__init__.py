"""Reads PostgreSQL; see `extract.server_kind.ServerKind`."""

from extract.postgres.comparison import comparison
from extract.postgres.examination import examine
from extract.postgres.filling import fill
from extract.postgres.session import connect
from extract.postgres.snapshot import open_snapshot
from extract.postgres.tables_there import tables_there

__all__ = ["comparison", "connect", "examine", "fill", "open_snapshot", "tables_there"]
