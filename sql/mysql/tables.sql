-- The four tables of SiCooperative, as the company's diagram has them, with its three traps removed:
--   * cartao.num_cartao was an int, which cannot hold a card number: it is text with a check;
--   * cartao had no data_criacao, which the flat table needs: it has one;
--   * a card reaches an associate by two ways: its own id_associado is the holder, its account's is the owner.
--
-- Times are DATETIME, the wall clock of the cooperative: no 2038, no hour that daylight saving skips.
-- The extraction reads each table by ranges of its primary key and needs no other index.
-- The keys that point elsewhere may be NULL: old movements and cards exist that lost theirs, and the
-- report must name them instead of the load refusing them.
--
-- Runs unchanged on MySQL 8.4 and 9, and on MariaDB 10.11 and 11. Running it again changes nothing.

-- made by make docs: tables
CREATE TABLE IF NOT EXISTS associado (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'id of the card''s holder, as `nome_associado`; the account''s owner may be another',
    nome VARCHAR(100) NOT NULL COMMENT 'given name of the card''s holder',
    sobrenome VARCHAR(100) COMMENT 'surname',
    idade SMALLINT COMMENT 'age in years',
    email VARCHAR(255) COMMENT 'electronic mail; not part of the flat table',
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COMMENT = 'people who are members of the cooperative';

CREATE TABLE IF NOT EXISTS conta (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'id of the account that is charged',
    tipo ENUM('corrente', 'poupanca', 'salario', 'investimento') NOT NULL COMMENT 'kind of account',
    data_criacao DATETIME NOT NULL COMMENT 'when the account was opened',
    id_associado BIGINT UNSIGNED COMMENT 'owner of the account',
    PRIMARY KEY (id),
    CONSTRAINT conta_associado FOREIGN KEY (id_associado) REFERENCES associado (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COMMENT = 'accounts, each of one associate';

CREATE TABLE IF NOT EXISTS cartao (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'id of the card',
    num_cartao VARCHAR(19) NOT NULL COMMENT 'card number, 13 to 19 digits, as text',
    nom_impresso VARCHAR(100) COMMENT 'name embossed on the card',
    data_criacao DATETIME NOT NULL COMMENT 'when the card was issued',
    id_conta BIGINT UNSIGNED COMMENT 'account that is charged',
    id_associado BIGINT UNSIGNED COMMENT 'holder; the holder of an additional card is not the account''s owner',
    PRIMARY KEY (id),
    CONSTRAINT cartao_num_cartao CHECK (num_cartao REGEXP '^[0-9]{13,19}$'),
    CONSTRAINT cartao_conta FOREIGN KEY (id_conta) REFERENCES conta (id),
    CONSTRAINT cartao_associado FOREIGN KEY (id_associado) REFERENCES associado (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COMMENT = 'cards, each of one holder and one account';

CREATE TABLE IF NOT EXISTS movimento (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'id of the movement',
    vlr_transacao DECIMAL(10, 2) NOT NULL COMMENT 'amount in reais, a point and two digits; a refund is negative',
    des_transacao VARCHAR(255) COMMENT 'description as the shop sent it',
    data_movimento DATETIME NOT NULL COMMENT 'when it happened, `YYYY-MM-DD HH:MM:SS`',
    id_cartao BIGINT UNSIGNED COMMENT 'card that was used',
    PRIMARY KEY (id),
    CONSTRAINT movimento_cartao FOREIGN KEY (id_cartao) REFERENCES cartao (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COMMENT = 'what was paid with a card, or paid back';
-- end of tables
