"""Compares a delivery with its manifest, and with the database."""
