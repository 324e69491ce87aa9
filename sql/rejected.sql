-- The movements that the flat table cannot hold, each with the first reason that applies.

SELECT
    CASE
        WHEN movimento.id_cartao IS NULL THEN 'movement_without_card'
        WHEN cartao.id IS NULL THEN 'unknown_card'
        WHEN conta.id IS NULL THEN 'card_without_account'
        ELSE 'card_without_holder'
    END AS reason,
    CAST(movimento.id AS CHAR) AS id_movimento
FROM movimento
LEFT JOIN cartao ON cartao.id = movimento.id_cartao
LEFT JOIN conta ON conta.id = cartao.id_conta
LEFT JOIN associado ON associado.id = cartao.id_associado
WHERE conta.id IS NULL OR associado.id IS NULL
ORDER BY reason, id_movimento;
