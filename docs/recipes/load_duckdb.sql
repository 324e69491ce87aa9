-- movements: movimento_flat.csv in DuckDB, run in the CSV's folder, as in: duckdb movements.db < load_duckdb.sql
-- Take out the columns that --drop left out, and with --with-ids the dashes before its columns. All other options need no change.
-- A date that no calendar has, as 0000-00-00, becomes NULL.

CREATE OR REPLACE TABLE movements AS
SELECT * REPLACE (
    -- made by make docs: moments
    try_strptime(data_movimento, '%Y-%m-%d %H:%M:%S') AS data_movimento,
    try_strptime(data_criacao_cartao, '%Y-%m-%d %H:%M:%S') AS data_criacao_cartao,
    try_strptime(data_criacao_conta, '%Y-%m-%d %H:%M:%S') AS data_criacao_conta
    -- end of moments
)
FROM read_csv(
    'movimento_flat.csv', auto_detect = false, header = true, delim = ',', quote = '"', escape = '"', new_line = '\n',
    columns = {
        -- made by make docs: columns
        nome_associado: 'VARCHAR',
        sobrenome_associado: 'VARCHAR',
        idade_associado: 'BIGINT',
        vlr_transacao_movimento: 'DECIMAL(38, 2)',
        des_transacao_movimento: 'VARCHAR',
        data_movimento: 'VARCHAR',
        numero_cartao: 'VARCHAR',
        nome_impresso_cartao: 'VARCHAR',
        data_criacao_cartao: 'VARCHAR',
        tipo_conta: 'VARCHAR',
        data_criacao_conta: 'VARCHAR'
        -- , id_movimento: 'UBIGINT', id_cartao: 'UBIGINT', id_conta: 'UBIGINT', id_associado: 'UBIGINT'
        -- end of columns
    }
);
