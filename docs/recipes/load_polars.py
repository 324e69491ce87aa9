"""movements: movimento_flat.csv in Polars, run in the CSV's folder. A column left out by --drop hinders nothing."""

import polars as pl
import polars.selectors as cs

# made by make docs: kinds
whole_numbers = [
    "idade_associado",
]
moments = [
    "data_movimento",
    "data_criacao_cartao",
    "data_criacao_conta",
]
ids = [
    "id_movimento",
    "id_cartao",
    "id_conta",
    "id_associado",
]
# end of kinds

movements = pl.read_csv("movimento_flat.csv", infer_schema=False).with_columns(
    cs.by_name(whole_numbers, require_all=False).cast(pl.Int64),
    cs.by_name(ids, require_all=False).cast(pl.UInt64),  # of --with-ids
    cs.by_name("vlr_transacao_movimento").cast(pl.Decimal(38, 2)),  # exact, as no float is
    # A date that no calendar has, as 0000-00-00, becomes null.
    cs.by_name(moments, require_all=False).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False),
)
