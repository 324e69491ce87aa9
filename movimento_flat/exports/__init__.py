"""Writes the finished CSV once more in other formats."""
