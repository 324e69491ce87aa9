"""What each reason of the lists means, in Portuguese: a title and a sentence or two for managers."""

from movimento_flat.problem_lists import Reject, Warn

REJECTED: dict[Reject, tuple[str, str]] = {
    Reject.NO_CARD: (
        "Movimento sem cartão",
        "O movimento não diz de que cartão é: id_cartao está vazio. Não há como ligá-lo a um associado.",
    ),
    Reject.UNKNOWN_CARD: (
        "Cartão desconhecido",
        "O movimento aponta para um cartão que não existe na tabela cartao.",
    ),
    Reject.NO_ACCOUNT: (
        "Cartão sem conta",
        "O cartão do movimento não tem conta, ou a conta para a qual aponta não existe na tabela conta.",
    ),
    Reject.NO_HOLDER: (
        "Cartão sem titular",
        "O cartão do movimento não tem titular, ou o titular não existe na tabela associado.",
    ),
    Reject.AMBIGUOUS: (
        "Cartão ambíguo",
        "O cartão, sua conta ou seu titular aparece mais de uma vez, com dados diferentes."
        " Nenhuma das versões foi escolhida.",
    ),
    Reject.MALFORMED: (
        "Linha malformada",
        "A linha não tem as colunas de sua tabela, ou um número ou valor nela não é um.",
    ),
    Reject.INVALID_UTF8: (
        "Texto ilegível",
        "Um texto da linha não é UTF-8 válido; publicá-lo seria alterá-lo.",
    ),
}

WARNINGS: dict[Warn, tuple[str, str]] = {
    Warn.LUHN: (
        "Número de cartão com dígito verificador errado",
        "O número não passa no teste de Luhn: deve ter sido digitado ou copiado com erro.",
    ),
    Warn.DUPLICATE: (
        "Número de cartão repetido",
        "O mesmo número está em mais de um cartão da tabela cartao.",
    ),
    Warn.AGE: ("Idade improvável", "A idade do associado está fora de 0 a 130 anos."),
    Warn.PRINTED_NAME: (
        "Nome impresso de outra pessoa",
        "O nome impresso no cartão não tem nenhuma palavra em comum com o nome do titular.",
    ),
    Warn.CARD_BEFORE_ACCOUNT: (
        "Cartão anterior à conta",
        "A data de criação do cartão é anterior à abertura da conta.",
    ),
    Warn.BEFORE_CARD: (
        "Movimento anterior ao cartão",
        "A data do movimento é anterior à criação do cartão.",
    ),
    Warn.BEFORE_ACCOUNT: (
        "Movimento anterior à conta",
        "A data do movimento é anterior à abertura da conta.",
    ),
    Warn.FUTURE: (
        "Movimento no futuro",
        "A data do movimento é posterior ao momento em que o banco de dados foi lido.",
    ),
    Warn.ZERO: ("Movimento de valor zero", "O valor do movimento é R$ 0,00."),
}
