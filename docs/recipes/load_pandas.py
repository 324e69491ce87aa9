"""movements: movimento_flat.csv in pandas, run in the CSV's folder. A column left out by --drop hinders nothing."""

import pandas as pd
import pyarrow as pa

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

# All as text first: card numbers would lose digits and zeros as numbers. And only an empty field is null: there are
# people whose name is Null or NA.
movements = pd.read_csv("movimento_flat.csv", dtype="string", keep_default_na=False, na_values=[""])

exact = pd.ArrowDtype(pa.decimal128(38, 2))  # as no float is
movements = movements.astype({"vlr_transacao_movimento": exact})
# For statistics and plots, which do not know exact numbers; sums are right in the other column.
movements["valor_float"] = movements["vlr_transacao_movimento"].astype("Float64")
for name in movements.columns.intersection(whole_numbers):
    movements[name] = movements[name].astype("Int64")
for name in movements.columns.intersection(ids):  # of --with-ids
    movements[name] = movements[name].astype("UInt64")
for name in movements.columns.intersection(moments):
    # A date that no calendar has, as 0000-00-00, becomes NaT.
    movements[name] = pd.to_datetime(movements[name], format="%Y-%m-%d %H:%M:%S", errors="coerce")
