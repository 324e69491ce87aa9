-- The flat table as a plain join in the database: what movimento_flat.csv must hold, in its order.
-- Written by hand, slow and simple on purpose: the tests, the benchmark and `verify --source` compare with it.

SELECT
    associado.nome AS nome_associado,
    associado.sobrenome AS sobrenome_associado,
    CAST(associado.idade AS CHAR) AS idade_associado,
    CAST(movimento.vlr_transacao AS CHAR) AS vlr_transacao_movimento,
    movimento.des_transacao AS des_transacao_movimento,
    CAST(movimento.data_movimento AS CHAR) AS data_movimento,
    cartao.num_cartao AS numero_cartao,
    cartao.nom_impresso AS nome_impresso_cartao,
    CAST(cartao.data_criacao AS CHAR) AS data_criacao_cartao,
    CAST(conta.tipo AS CHAR) AS tipo_conta,
    CAST(conta.data_criacao AS CHAR) AS data_criacao_conta
    /* --with-ids
    , CAST(movimento.id AS CHAR) AS id_movimento
    , CAST(cartao.id AS CHAR) AS id_cartao
    , CAST(conta.id AS CHAR) AS id_conta
    , CAST(associado.id AS CHAR) AS id_associado
    */
FROM movimento
INNER JOIN cartao ON cartao.id = movimento.id_cartao
INNER JOIN conta ON conta.id = cartao.id_conta
INNER JOIN associado ON associado.id = cartao.id_associado
ORDER BY cartao.id, movimento.id;
