-- movements: movimento_flat.csv in DuckDB, run in the CSV's folder, as in: duckdb movements.db < load_duckdb.sql
-- It needs no change, whatever options made the CSV. A column that this CSV does not have is NULL in each row.
-- A date that no calendar has, as 0000-00-00, becomes NULL.

CREATE OR REPLACE TABLE movements AS
SELECT * REPLACE (
    -- made by make docs: types
    CAST(idade_associado AS BIGINT) AS idade_associado,
    CAST(vlr_transacao_movimento AS DECIMAL(38, 2)) AS vlr_transacao_movimento,
    try_strptime(data_movimento, '%Y-%m-%d %H:%M:%S') AS data_movimento,
    try_strptime(data_criacao_cartao, '%Y-%m-%d %H:%M:%S') AS data_criacao_cartao,
    try_strptime(data_criacao_conta, '%Y-%m-%d %H:%M:%S') AS data_criacao_conta,
    CAST(id_movimento AS UBIGINT) AS id_movimento,
    CAST(id_cartao AS UBIGINT) AS id_cartao,
    CAST(id_conta AS UBIGINT) AS id_conta,
    CAST(id_associado AS UBIGINT) AS id_associado
    -- end of types
)
FROM (
    SELECT
        -- made by make docs: columns
        CAST(NULL AS VARCHAR) AS nome_associado,
        CAST(NULL AS VARCHAR) AS sobrenome_associado,
        CAST(NULL AS VARCHAR) AS idade_associado,
        CAST(NULL AS VARCHAR) AS vlr_transacao_movimento,
        CAST(NULL AS VARCHAR) AS des_transacao_movimento,
        CAST(NULL AS VARCHAR) AS data_movimento,
        CAST(NULL AS VARCHAR) AS numero_cartao,
        CAST(NULL AS VARCHAR) AS nome_impresso_cartao,
        CAST(NULL AS VARCHAR) AS data_criacao_cartao,
        CAST(NULL AS VARCHAR) AS tipo_conta,
        CAST(NULL AS VARCHAR) AS data_criacao_conta,
        CAST(NULL AS VARCHAR) AS id_movimento,
        CAST(NULL AS VARCHAR) AS id_cartao,
        CAST(NULL AS VARCHAR) AS id_conta,
        CAST(NULL AS VARCHAR) AS id_associado
        -- end of columns
    WHERE false
    UNION ALL BY NAME
    FROM read_csv(
        'movimento_flat.csv',
        all_varchar = true, header = true, delim = ',', quote = '"', escape = '"', comment = '', new_line = '\n'
    )
);
