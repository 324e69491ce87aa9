"""Measures the project against PySpark, and its memory against its promise. See README.md in this folder."""
