-- The lake in Trino, by its Hive connector, once the folder lies where the connector reads. No Trino has run this: a
-- parser of its dialect has read it. After each run of movimento-flat, call the procedure again: it finds new months.

CREATE TABLE hive.sicooperative.movements (
    -- made by make docs: columns
    nome_associado varchar,
    sobrenome_associado varchar,
    idade_associado bigint,
    vlr_transacao_movimento decimal(18,2),
    des_transacao_movimento varchar,
    data_movimento timestamp(6),
    numero_cartao varchar,
    nome_impresso_cartao varchar,
    data_criacao_cartao timestamp(6),
    tipo_conta varchar,
    data_criacao_conta timestamp(6),
    -- end of columns
    ano_mes varchar
)
WITH (
    external_location = 's3://bucket/lake',
    format = 'PARQUET',
    partitioned_by = ARRAY['ano_mes']
);

CALL hive.system.sync_partition_metadata('sicooperative', 'movements', 'FULL');
