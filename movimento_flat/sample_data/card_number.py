"""Makes card numbers (PAN): an issuer's prefix, the card's own digits, and the check digit of Luhn."""

from random import Random

from movimento_flat.luhn import check_digit

#: (prefix, length, how often): Visa of three lengths, Mastercard, Elo, American Express, Diners Club, Hipercard.
_SHARES = (
    ("4", 16, 30),
    ("4", 13, 3),
    ("4", 19, 3),
    ("53", 16, 30),
    ("636368", 16, 15),
    ("37", 15, 8),
    ("36", 14, 4),
    ("606282", 16, 7),
)
BRANDS = tuple((prefix, length) for prefix, length, share in _SHARES for _ in range(share))
#: Coprime to every power of ten, so identity * SCATTER mod 10**n differs for each identity below 10**n.
SCATTER = 98_765_432_109_877


def card_number(identity: int, numbers: Random) -> str:
    """Return a card number that is valid by Luhn, and unique for identities below a hundred million."""
    prefix, length = numbers.choice(BRANDS)
    digits = length - len(prefix) - 1
    payload = f"{prefix}{identity * SCATTER % 10**digits:0{digits}d}"
    return payload + check_digit(payload.encode()).decode()
