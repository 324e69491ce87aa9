"""From the four tables of a MySQL or MariaDB database to tagged TSV, as of one moment, only reading."""
