"""february: a month of the lake in pandas, run in the folder that `lake` lies in; without filters, all months."""

import pandas as pd

february = pd.read_parquet("lake", filters=[("ano_mes", "==", "2024-02")], dtype_backend="pyarrow")
