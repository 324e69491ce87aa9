"""movements: movimento_flat.csv in Polars, run in the CSV's folder. A column left out by --drop hinders nothing."""

import polars as pl
import polars.selectors as cs

movements = pl.read_csv("movimento_flat.csv", infer_schema=False).with_columns(
    cs.by_name("idade_associado", require_all=False).cast(pl.Int64),
    cs.starts_with("id_").cast(pl.UInt64),  # of --with-ids
    cs.by_name("vlr_transacao_movimento").cast(pl.Decimal(38, 2)),  # exact, as no float is
    # A date that no calendar has, as 0000-00-00, becomes null.
    cs.starts_with("data_").str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False),
)
