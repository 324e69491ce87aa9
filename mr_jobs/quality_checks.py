"""What looks wrong about a card and its movements, and is delivered all the same.

It is read from the CSV text that the join has at hand: what a delivery does not show is not checked.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from movimento_flat.privacy import FULL, Privacy
from movimento_flat.problem_lists import Warn, warning
from movimento_flat.schema import CARTAO, CONTA, FLAT_TABLE, MOMENT, MOVIMENTO, PEOPLE
from movimento_flat.tagged_tsv import unescape

csv.field_size_limit((1 << 31) - 1)  # a name may be longer than the module's own limit

_LATEST = b"~"
#: Of a name's words, how many names are remembered: given names are few.
NAMES = 4096
_ZERO = b"0.00"
_ZEROS = (_ZERO, b"-0.00")
_MOMENT = len(b"2024-02-29 23:59:59")
_LATER_ZEROS = (b"\n0.00", b"\n-0.00")
_find_words = re.compile(r"[^\W\d_]{2,}").findall


class Suspicions:
    """What to look at, and where it lies in the text before (`head`) and behind (`tail`) each movement of a card."""

    def __init__(self, privacy: Privacy, now: str | None) -> None:
        """Args:
        privacy: what shows.
        now: the clock of the source; without it no movement lies in the future.
        """
        self.now = now.encode() if now else _LATEST
        # Behind a movement each column follows a comma: before the first one lies an empty field, as of what is hidden.
        behind = [flat.name for flat in FLAT_TABLE if flat.table in (CARTAO, CONTA)]
        shown = ["", *(name for name in behind if name in privacy.columns)]
        self._card_created, self._account_created = (
            shown.index(name) if name in shown else 0
            for name in ("data_criacao_cartao", "data_criacao_conta")
        )
        self._has_moments = MOMENT in privacy.columns
        has_names = privacy.people == FULL and set(PEOPLE) <= set(privacy.columns)
        self._printed = shown.index("nome_impresso_cartao") if has_names else 0

    def unlike(self, head: bytes, tail: bytes) -> bytes:
        """-> the name that is printed on a card, where it is unlike its holder's."""
        return self._unlike(head, _fields(tail))

    def _unlike(self, head: bytes, columns: Sequence[bytes]) -> bytes:
        printed = columns[self._printed]
        return printed if printed and not _is_like(printed, head) else b""

    def of_card(self, card: bytes, head: bytes, tail: bytes) -> "CardSuspicions":
        """What is to be looked at for one card."""
        columns = _fields(tail)
        card_created, account_created = columns[self._card_created], columns[self._account_created]
        return CardSuspicions(
            card, self._unlike(head, columns), card_created, account_created, self.now, self._has_moments
        )


@dataclass(slots=True)
class CardSuspicions:
    """A card's id, its printed name where that is unlike its holder's, and between which moments it may be used."""

    card: bytes
    unlike: bytes
    card_created: bytes
    account_created: bytes
    now: bytes
    has_moments: bool

    def card_warnings(self) -> Iterator[bytes]:
        """-> reports about the card itself."""
        if self.unlike:
            yield warning(Warn.PRINTED_NAME, CARTAO, self.card, self.card, self.unlike)

    def any_of(self, movements: Sequence[bytes]) -> bool:
        """Whether some movement, as its fields, deserves a look; quick, for the many chunks in which none does."""
        texts = b"\n".join(movements)
        if _ZERO in texts and (texts.startswith(_ZEROS) or any(zero in texts for zero in _LATER_ZEROS)):
            return True
        if not self.has_moments:
            return False
        moments = [text[-_MOMENT:] for text in movements]
        return min(moments) < max(self.card_created, self.account_created) or max(moments) > self.now

    def movement_warnings(self, rows: Sequence[bytes]) -> Iterator[bytes]:
        """Rows of movements (slot, M, sortable id, and each field behind a tab) -> reports about them."""
        for row in rows:
            identity, _, text = row[4:].partition(b"\t")
            amount = text.partition(b"\t")[0]
            if amount in _ZEROS:
                yield warning(Warn.ZERO, MOVIMENTO, identity, self.card, amount)
            moment = text.rpartition(b"\t")[2] if self.has_moments else b""
            if not moment:
                continue
            for reason, wrong in (
                (Warn.BEFORE_CARD, moment < self.card_created),
                (Warn.BEFORE_ACCOUNT, moment < self.account_created),
                (Warn.FUTURE, moment > self.now),
            ):
                if wrong:
                    yield warning(reason, MOVIMENTO, identity, self.card, moment)


def _fields(text: bytes) -> Sequence[bytes]:
    """CSV text of one line, escaped as in tagged TSV -> its fields, still escaped."""
    if b'"' not in text:
        return text.split(b",")
    return [field.encode() for field in next(csv.reader([text.decode()]))]


def _is_like(printed: bytes, head: bytes) -> bool:
    """Whether the printed name and the holder's have a word of two letters or more in common.

    Capitals and accents make no difference. The quick look first: most cards begin with the given name.
    """
    given = head[
        : head.index(b",")
    ]  # of a name with a comma its beginning, which has no word that the name has not
    if _share_a_word(given, printed.partition(b" ")[0]):
        return True
    given, family = _fields(head)[:2]
    return not (_words(given) | _words(family)).isdisjoint(_words(printed))


@lru_cache(maxsize=NAMES)
def _share_a_word(one: bytes, other: bytes) -> bool:
    return not _words(one).isdisjoint(_words(other))


@lru_cache(maxsize=NAMES)
def _words(text: bytes) -> frozenset[str]:
    plain = unicodedata.normalize("NFKD", unescape(text).decode())
    return frozenset(_find_words("".join(c for c in plain if not unicodedata.combining(c)).upper()))
