"""What a delivery shows of cards, people and moments: all of them, or less (LGPD; PCI DSS 3.4).

The mapper that first reads a row applies it, so that hidden values reach no shuffle, output or log.
"""

import hmac
from dataclasses import dataclass
from hashlib import blake2b

from movimento_flat.errors import UserError
from movimento_flat.schema import AMOUNT, CARD, FLAT_COLUMNS, ID_COLUMNS

FULL, MASK, TOKEN = "full", "mask", "token"
#: How card numbers, and people, may be shown.
CARD_MODES, PEOPLE_MODES = (FULL, MASK, TOKEN), (FULL, TOKEN)
DAY, MONTH = "day", "month"
#: How moments may be shown.
DATES_MODES = (FULL, DAY, MONTH)
#: How many characters of a moment show, and what stands behind them.
COARSE = {DAY: (len("2024-02-29"), " 00:00:00"), MONTH: (len("2024-02"), "-01 00:00:00")}

#: Hex digits of a token: 128 bits of an HMAC-SHA-256.
TOKEN_LENGTH = 32
_CARD_TOKEN, _PERSON_TOKEN = b"t", b"p"
#: Regular expressions of a whole token.
CARD_TOKEN_PATTERN, PERSON_TOKEN_PATTERN = (
    f"{letter.decode()}[0-9a-f]{{{TOKEN_LENGTH}}}" for letter in (_CARD_TOKEN, _PERSON_TOKEN)
)


@dataclass(frozen=True)
class Privacy:
    """What a delivery shows.

    Attributes:
        card: `full` card numbers; `mask`, their first six and last four digits; or `token`, an HMAC-SHA-256.
        people: `full` names; or `token`, an HMAC-SHA-256 of the associate's id instead of the given name,
            with no surname and no printed name.
        dropped: columns of the flat table that the CSV does not have; at least two stay.
        ids: whether the CSV also has the ids of the four tables.
        dates: `full` moments; or their `day` or `month`, written as its first second. All moments are of one kind:
            that of a movement, a card or an account, to the second, is enough to find it in a whole delivery.

    Raises:
        UserError: a dropped column does not exist, or is the amount, without which nothing could be proved; only the
            amount is left, since a row without an amount would be an empty line, which many readers skip; or there
            are ids where something is hidden. An id is the same in each delivery and in the database, so it leads
            back to what was hidden: such data would be no pseudonyms (LGPD, art. 13, § 4).
    """

    card: str = FULL
    people: str = FULL
    dropped: frozenset[str] = frozenset()
    ids: bool = False
    dates: str = FULL

    def __post_init__(self) -> None:
        if unknown := sorted(self.dropped - set(FLAT_COLUMNS)):
            raise UserError(
                f"The flat table has no column {', '.join(unknown)}.",
                f"Its columns are {', '.join(FLAT_COLUMNS)}.",
            )
        if AMOUNT in self.dropped:
            raise UserError(f"{AMOUNT} cannot be left out: by it the accounts are proved.")
        if len(self.columns) == 1:
            raise UserError(
                f"{AMOUNT} cannot be the only column: a row without an amount would be an empty line.",
                "Keep at least one column more: many programs that read CSV skip empty lines.",
            )
        if self.ids and self.hides:
            raise UserError(
                "Ids lead back to what --card, --people, --dates and --drop hide, by the database or another delivery.",
                "Leave out --with-ids; or hide nothing, for those who may see everything.",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that the CSV has, in order."""
        shown = tuple(name for name in FLAT_COLUMNS if name not in self.dropped)
        return shown + ID_COLUMNS if self.ids else shown

    @property
    def hides(self) -> bool:
        """Tell whether anything is hidden."""
        return {self.card, self.people, self.dates} != {FULL} or bool(self.dropped)

    @property
    def needs_key(self) -> bool:
        """Tell whether there are tokens, which are the same in each run with the same key."""
        return TOKEN in (self.card, self.people)

    @property
    def hides_numbers(self) -> bool:
        """Tell whether the CSV has no whole card numbers: then equal ones are found by fingerprints."""
        return self.card != FULL or CARD in self.dropped


def card_token(key: bytes, number: bytes) -> bytes:
    """Return a card number's token: the same for the same number and key, and unpredictable without the key."""
    return _CARD_TOKEN + _token(key, b"cartao " + number)


def person_token(key: bytes, associate: bytes) -> bytes:
    """Return the token of an associate's id."""
    return _PERSON_TOKEN + _token(key, b"associado " + associate)


def fingerprint_key(key: bytes) -> bytes:
    """Return the key of fingerprints, which is made from that of tokens, so that no fingerprint is a token.

    Raises:
        ValueError: there is no key. Without one anybody could find the number of a fingerprint by trying.
    """
    if not key:
        raise ValueError("Fingerprints need a key.")
    return hmac.digest(key, b"fingerprint", "sha256")


def fingerprint(fingerprint_key: bytes, text: bytes) -> bytes:
    """Return 128 bits of keyed BLAKE2b, as hex digits: only for tasks, and faster than a token."""
    return blake2b(text, digest_size=TOKEN_LENGTH // 2, key=fingerprint_key).hexdigest().encode()


def _token(key: bytes, text: bytes) -> bytes:
    """Return 128 bits of HMAC-SHA-256, as hex digits."""
    return hmac.digest(key, text, "sha256").hex()[:TOKEN_LENGTH].encode()
