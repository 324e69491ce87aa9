"""Merges the sorted parts into one CSV, audits the finished file and publishes it with its manifest."""
