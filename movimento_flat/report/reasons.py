"""What each reason of the lists means, in Portuguese: a title and a sentence for managers."""

from movimento_flat.problem_lists import Reject, Warn

REJECTED: dict[Reject, tuple[str, str]] = {
    Reject.NO_CARD: ("Movimento sem cartão", "Não diz de que cartão é: id_cartao está vazio."),
    Reject.UNKNOWN_CARD: ("Cartão desconhecido", "Aponta para um cartão que a tabela cartao não tem."),
    Reject.NO_ACCOUNT: ("Cartão sem conta", "A conta do cartão está vazia, ou a tabela conta não a tem."),
    Reject.NO_HOLDER: ("Cartão sem portador", "O portador está vazio, ou a tabela associado não o tem."),
    Reject.AMBIGUOUS: ("Cartão ambíguo", "O cartão, sua conta ou seu portador aparece com dados diferentes."),
    Reject.MALFORMED: ("Linha malformada", "Faltam ou sobram colunas, ou um número ou valor não é um."),
    Reject.INVALID_UTF8: ("Texto ilegível", "Um texto não é UTF-8 válido; publicá-lo seria alterá-lo."),
}

WARNINGS: dict[Warn, tuple[str, str]] = {
    Warn.LUHN: ("Número de cartão errado", "O dígito verificador não confere (teste de Luhn)."),
    Warn.DUPLICATE: ("Número de cartão repetido", "Mais de um cartão tem o mesmo número."),
    Warn.AGE: ("Idade improvável", "A idade do associado está fora de 0 a 130 anos."),
    Warn.PRINTED_NAME: ("Nome impresso de outra pessoa", "Não tem nenhuma palavra do nome do portador."),
    Warn.CARD_BEFORE_ACCOUNT: ("Cartão anterior à conta", "A data é anterior à abertura da conta."),
    Warn.BEFORE_CARD: ("Movimento anterior ao cartão", "A data é anterior à criação do cartão."),
    Warn.BEFORE_ACCOUNT: ("Movimento anterior à conta", "A data é anterior à abertura da conta."),
    Warn.FUTURE: ("Movimento no futuro", "A data é posterior ao momento em que o banco de dados foi lido."),
    Warn.ZERO: ("Movimento de valor zero", "O valor é R$ 0,00."),
}
