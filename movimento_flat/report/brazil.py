"""Numbers, money and dates as they are written in Brazil. Amounts are whole centavos."""

from datetime import date

_MONTHS = ("jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez")
_SCALES = ((10**14, "tri"), (10**11, "bi"), (10**8, "mi"), (10**5, "mil"))
#: A blank that does not break a line.
NO_BREAK = "\u00a0"
WEEKDAYS = ("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo")


def number(value: int) -> str:
    """Return 1234567 as `1.234.567`."""
    return f"{value:,}".replace(",", ".")


def movements(count: int) -> str:
    """Return 1234 as `1.234 movimentos`."""
    return f"{number(count)} {'movimento' if count == 1 else 'movimentos'}"


def money(centavos: int) -> str:
    """Return -123456 as `-R$ 1.234,56`."""
    return f"{'-' if centavos < 0 else ''}R${NO_BREAK}{plain_money(abs(centavos))}"


def plain_money(centavos: int) -> str:
    """Return -123456 as `-1.234,56`."""
    sign = "-" if centavos < 0 else ""
    return f"{sign}{number(abs(centavos) // 100)},{abs(centavos) % 100:02d}"


def short_money(centavos: int) -> str:
    """Return 250000000 as `2,5 mi`, for an axis; what is below a thousand reais is rounded to reais."""
    sign = "-" if centavos < 0 else ""
    for unit, name in _SCALES:
        if abs(centavos) >= unit:
            tenths = round(10 * abs(centavos) / unit)
            return f"{sign}{number(tenths // 10)}{f',{tenths % 10}' if tenths % 10 else ''} {name}"
    return f"{sign}{round(abs(centavos) / 100)}"


def percent(part: int, whole: int) -> str:
    """Return 1 of 8 as `12,5%`."""
    return f"{100 * part / whole:.1f}%".replace(".", ",") if whole else "-"


def day(value: date) -> str:
    """Return a day as `31/12/2024`."""
    return f"{value.day:02d}/{value.month:02d}/{value.year:04d}"


def moment(text: str) -> str:
    """Return `2024-12-31 23:59:59.123` as `31/12/2024 23:59:59`."""
    year, month, rest = text[:19].split("-", 2)
    return f"{rest[:2]}/{month}/{year}{rest[2:]}"


def month(text: str) -> str:
    """Return `2024-03` as `mar/2024`; a year alone stays."""
    year, _, number_of_month = text.partition("-")
    return f"{_MONTHS[int(number_of_month) - 1]}/{year}" if number_of_month else year


def seconds(value: float) -> str:
    """Return 1.25 as `1,25 s`."""
    return f"{value:.2f}{NO_BREAK}s".replace(".", ",")
