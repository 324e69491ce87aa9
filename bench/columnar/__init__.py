"""The join's two steps on Polars: one path for all rows, in bounded memory. `bench/columnar_join.py` measures it."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # tasks are processes, as many as there are cores
