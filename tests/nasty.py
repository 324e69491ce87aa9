"""A database of rows that readers of a CSV like to get wrong, without being wrong themselves."""

from itertools import product

from tests.conftest import Database, Server, new_database

#: What some reader takes for NULL, for a number, a date, a truth value or a formula, or trims or ends a line at.
TEXTS = [
    "NA", "N/A", "nan", "NaN", "null", "NULL", "None", "#N/A", "-", "", " ", " x ", "'", '"', '""', 'a "b", c', "a,b",
    "a;b", "a\tb", "a\nb", "a\r\nb", "a\rb", "\r", "\n", "\\N", "\\", "c\\n", "0012", "1e5", "1,5", "5 mar",
    "2024-01-02", "true", "=1+1", "@x", "d'Ávila", "Conceição", "😀", "\ufeff", "\u2028", "日本", "inf", "<NA>",
]  # fmt: skip
CARDS = [
    "0000000000000012",
    "4111111111111",
    "4111111111111111",
    "4111111111111111999",
    "9999999999999999999",
]
AMOUNTS = ["0.01", "0.10", "0.20", "-0.01", "99999999.99", "-99999999.99", "0.00", "12345678.90"]
AGES = ["NULL", "0", "7", "-5", "32767"]
DATES = ["1000-01-01 00:00:00", "1969-12-31 23:59:59", "2024-02-29 23:59:59", "2263-01-01 00:00:00",
         "9999-12-31 23:59:59"]  # fmt: skip
NO_DATES = ["0000-00-00 00:00:00", "2024-00-10 00:00:00", "2024-10-00 00:00:00", "2023-02-31 00:00:00"]


def nasty_database(server: Server, no_dates: bool) -> Database:
    """Those rows: each text in each text column, and each amount and date many times.

    Args:
        server: where.
        no_dates: whether there are dates that no calendar has, too.
    """
    database = new_database(server)
    database.create_tables()
    dates = [*DATES, *(NO_DATES if no_dates else [])]
    people = [
        f"({i}, {_sql(text)}, {_sql(TEXTS[-i])}, {AGES[i % len(AGES)]})" for i, text in enumerate(TEXTS, 1)
    ]
    accounts = [f"({i}, {i % 4 + 1}, '{dates[i % len(dates)]}', {i})" for i in range(1, len(TEXTS) + 1)]
    cards = [
        f"({i}, '{CARDS[i % len(CARDS)]}', {_sql(text)}, '{dates[i // 2 % len(dates)]}', {i}, {i})"
        for i, text in enumerate(TEXTS, 1)
    ]
    movements = [
        f"({amount}, {_sql(text)}, '{dates[i % len(dates)]}', {i % len(TEXTS) + 1})"
        for i, (text, amount) in enumerate(product([*TEXTS, None], AMOUNTS * 7))
    ]
    with server.connect(database=database.name) as admin, admin.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'")
        for table, rows in {
            "associado (id, nome, sobrenome, idade)": people,
            "conta (id, tipo, data_criacao, id_associado)": accounts,
            "cartao (id, num_cartao, nom_impresso, data_criacao, id_conta, id_associado)": cards,
            "movimento (vlr_transacao, des_transacao, data_movimento, id_cartao)": movements,
        }.items():
            cursor.execute(f"INSERT INTO {table} VALUES {', '.join(rows)}")
        admin.commit()
    return database


def _sql(text: str | None) -> str:
    return "NULL" if text is None else f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)"
