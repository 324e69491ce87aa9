-- movements: the lake in DuckDB, run in the folder that `lake` lies in. A condition on ano_mes opens the files of its
-- months alone.

CREATE OR REPLACE VIEW movements AS
SELECT * FROM read_parquet('lake/ano_mes=*/*.parquet', hive_partitioning = true);
