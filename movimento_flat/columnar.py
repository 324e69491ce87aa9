"""Loads Polars as this program uses it: `pl`, with one thread in a process, and signals that end waits as before."""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # tasks are processes, as many as there are cores

import polars as pl

from movimento_flat.interrupts import hear_signals_after_import

hear_signals_after_import()

__all__ = ["pl"]
