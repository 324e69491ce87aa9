-- The account that the program reads with: it sees the four tables and can change nothing.
-- LOCK TABLES is for the moment in which several connections begin one common snapshot; without it
-- the program reads with one connection. SHOW VIEW is for tables that are views: what they read must be InnoDB.
--
-- {reader}, {password} and {database} are filled in, quoted, by sql.reader_statements: no password lies here.
-- By hand: replace them, for example with 'movimento_reader'@'%', a long random password, and `sicooperative`.

CREATE USER IF NOT EXISTS {reader} IDENTIFIED BY {password};
ALTER USER {reader} IDENTIFIED BY {password};
GRANT SELECT, LOCK TABLES, SHOW VIEW ON {database}.* TO {reader};
