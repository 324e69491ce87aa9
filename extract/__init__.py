"""Reads the four tables of a MySQL or MariaDB database, as of one moment, into tagged TSV."""
