"""Loads Polars as this program uses it: `pl`, with one thread in a process, and signals that are heard as before."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # tasks are processes, as many as there are cores

from movimento_flat.interrupts import held_during_import

with held_during_import():
    import polars as pl

__all__ = ["pl"]
