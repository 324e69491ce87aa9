"""Reads MySQL and MariaDB; see `extract.server_kind.ServerKind`."""

from extract.mysql.comparison import comparison
from extract.mysql.examination import examine
from extract.mysql.session import connect
from extract.mysql.snapshot import open_snapshot
from extract.mysql.tables_there import tables_there
from movimento_flat.sample_data.load import fill_source as fill

__all__ = ["comparison", "connect", "examine", "fill", "open_snapshot", "tables_there"]
