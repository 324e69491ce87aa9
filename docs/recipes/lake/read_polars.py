"""movements: the lake in Polars, run in the folder that `lake` lies in. A filter of ano_mes reads its months alone."""

import polars as pl

movements = pl.scan_parquet("lake", hive_partitioning=True, hidden_file_prefix="_")
