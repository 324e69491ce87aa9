"""The check digit of card numbers: every second digit from the right counts twice, digits added (ISO/IEC 7812-1)."""

_DIGITS = b"0123456789"
_VALUES = bytes.maketrans(_DIGITS, bytes(range(10)))
_TWICE = bytes.maketrans(_DIGITS, bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def is_luhn(number: bytes) -> bool:
    """Return whether a number consists of digits, the last of which is its check digit."""
    return number.isdigit() and _sum(number) % 10 == 0


def check_digit(payload: bytes) -> bytes:
    """Return the digit that makes a valid number of digits when it follows them."""
    return b"%d" % (-_sum(payload + b"0") % 10)


def _sum(number: bytes) -> int:
    return sum(number[::-2].translate(_VALUES)) + sum(number[-2::-2].translate(_TWICE))
