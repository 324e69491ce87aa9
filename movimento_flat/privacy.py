"""What of the people shows in a delivery: whole card numbers and names, or less (LGPD; PCI DSS 3.4).

Applied where a mapper first sees a row, so that what is not to show reaches no shuffle, output or log.
"""

import hmac
from dataclasses import dataclass
from hashlib import blake2b

from movimento_flat.errors import UserError
from movimento_flat.schema import AMOUNT, CARD, FLAT_COLUMNS, FLAT_TABLE, ID_COLUMNS, Table

FULL, MASK, TOKEN = "full", "mask", "token"
CARDS, PEOPLE = (FULL, MASK, TOKEN), (FULL, TOKEN)

#: Hex digits of a token: 128 bits of an HMAC-SHA-256.
TOKEN_LENGTH = 32
_CARD_TOKEN, _PERSON_TOKEN = b"t", b"p"


@dataclass(frozen=True)
class Privacy:
    """What a delivery shows.

    Attributes:
        card: `full` card numbers; `mask`, their first six and last four digits; or `token`, an HMAC-SHA-256.
        people: `full` names; or `token`, an HMAC-SHA-256 of the associate's id in the place of the given name,
            with no surname and no printed name.
        dropped: columns of the flat table that the CSV does not have; at least two stay.
        ids: whether the CSV has the ids of the four tables, too.

    Raises:
        UserError: no such column, or the amounts, without which nothing could be proved; or no other column is left,
            since a row whose only field is empty would be an empty line, which many readers skip; or ids where
            something is hidden. An id is the same in each delivery and in the database, so it leads back to whatever
            was hidden: such data would be no pseudonyms (LGPD, art. 13, § 4).
    """

    card: str = FULL
    people: str = FULL
    dropped: frozenset[str] = frozenset()
    ids: bool = False

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
                "Ids lead back to what --card, --people and --drop hide, by the database or by another delivery.",
                "Leave out --with-ids; or hide nothing, for those who may see everything.",
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the CSV has, in order."""
        shown = tuple(name for name in FLAT_COLUMNS if name not in self.dropped)
        return shown + ID_COLUMNS if self.ids else shown

    @property
    def hides(self) -> bool:
        """Whether anything does not show."""
        return (self.card, self.people) != (FULL, FULL) or bool(self.dropped)

    @property
    def needs_key(self) -> bool:
        """Whether there are tokens, which are the same in each run with the same key."""
        return TOKEN in (self.card, self.people)

    @property
    def hides_numbers(self) -> bool:
        """Whether whole card numbers are not in the CSV, so that none may travel: cards meet by a fingerprint of it."""
        return self.card != FULL or CARD in self.dropped

    def shows(self, table: Table) -> tuple[bool, ...]:
        """For each of a table's columns whether the CSV has it, but for ids."""
        shown = {
            flat.source.name for flat in FLAT_TABLE if flat.table == table and flat.name not in self.dropped
        }
        return tuple(column in shown for column in table.column_names)


def card_token(key: bytes, number: bytes) -> bytes:
    """The same for the same number and key, and without the key as good as random."""
    return _CARD_TOKEN + _token(key, b"cartao " + number)


def person_token(key: bytes, associate: bytes) -> bytes:
    """Of an associate's id."""
    return _PERSON_TOKEN + _token(key, b"associado " + associate)


def fingerprint_key(key: bytes) -> bytes:
    """Return, from the key of tokens, that of fingerprints, which are no tokens.

    Raises:
        ValueError: there is no key. Then anybody could try which number has a fingerprint.
    """
    if not key:
        raise ValueError("Fingerprints need a key.")
    return hmac.digest(key, b"fingerprint", "sha256")


def fingerprint(fingerprint_key: bytes, text: bytes) -> bytes:
    """128 bits of keyed BLAKE2b, as hex digits: for tasks only, and quicker than a token."""
    return blake2b(text, digest_size=TOKEN_LENGTH // 2, key=fingerprint_key).hexdigest().encode()


def _token(key: bytes, text: bytes) -> bytes:
    """128 bits of HMAC-SHA-256, as hex digits."""
    return hmac.digest(key, text, "sha256").hex()[:TOKEN_LENGTH].encode()
