"""Measures the project's speed against baselines such as PySpark, and its memory. See README.md in this folder."""
