"""Numbers, money and dates as they are written in Brazil. Amounts are whole centavos."""

from datetime import date, datetime, time, timedelta

_MONTHS = (
    *("janeiro", "fevereiro", "março", "abril", "maio", "junho"),
    *("julho", "agosto", "setembro", "outubro", "novembro", "dezembro"),
)
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
    """Return 1 of 8 as `12,5%`, and what is more than nothing and rounds to it as `<0,1%`."""
    if whole <= 0:
        return "-"
    text = f"{100 * part / whole:.1f}%".replace(".", ",")
    return "<0,1%" if part > 0 and text == "0,0%" else text


def change(now: int, before: int) -> str:
    """Return 9 after 8 as `+12,5%`."""
    if before <= 0:
        return "-"
    text = f"{100 * (now - before) / before:+.1f}%".replace(".", ",")
    return "0,0%" if text[1:] == "0,0%" else text.replace("-", "\u2212")


def day(value: date) -> str:
    """Return a day as `31/12/2024`."""
    return f"{value.day:02d}/{value.month:02d}/{value.year:04d}"


def moment(text: str) -> str:
    """Return `2024-12-31 23:59:59.123` as `31/12/2024 23:59:59`."""
    year, month, rest = text[:19].split("-", 2)
    return f"{rest[:2]}/{month}/{year}{rest[2:]}"


def span(since: str | None, until: str | None) -> str:
    """Return the moments from `since` to before `until` as `01/01/2024 a 31/01/2024`; None is no limit."""
    first = moment(since).removesuffix(" 00:00:00") if since else ""
    if not until:
        return f"desde {first}"
    last, before = datetime.fromisoformat(until), f"antes de {moment(until)}"
    if last.time() == time():
        before = f"{'a' if first else 'até'} {day(last.date() - timedelta(days=1))}"
    return f"{first} {before}".strip()


def month(months: int) -> str:
    """Return a number of months since the year 0 as `mar/2024`."""
    return f"{_MONTHS[months % 12][:3]}/{months // 12}"


def month_of(value: date) -> str:
    """Return the month of a day as `mar/2024`."""
    return month(12 * value.year + value.month - 1)


def long_month(months: int) -> str:
    """Return the same as `março de 2024`."""
    return f"{_MONTHS[months % 12]} de {months // 12}"
