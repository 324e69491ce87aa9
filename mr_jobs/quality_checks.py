"""What looks wrong about cards and movements, and is delivered all the same: expressions that tell in which rows.

What a delivery does not show is not checked, but for the card number's check digit, which its mapper sees.
"""

from collections.abc import Sequence

from movimento_flat.columnar import pl
from movimento_flat.problem_lists import Warn
from movimento_flat.schema import ACCOUNT_CREATED, AMOUNT, CARD_CREATED, MOMENT, Table
from movimento_flat.tagged_tsv import ESCAPE_PATTERN

#: Sorts after each moment: no movement lies in the future of it.
NO_CLOCK = "~"

_ZEROS = ("0.00", "-0.00")
_USUAL_AGE = r"^(?:[0-9]{1,2}|1[0-2][0-9]|130)$"
#: Digits that fit into 64 bits, an even number of them: the same digits count twice in each piece.
_PIECE = 18
#: A letter, or a numeral that is no decimal digit, as in a Roman number.
_WORD = r"[\p{L}\p{N}--\p{Nd}]{2,}"


def warning_row(
    reason: Warn, table: Table, identity: str, card: pl.Expr | str, value: pl.Expr | str
) -> pl.Expr:
    """Return WARNING_COLUMNS of `movimento_flat.problem_lists`; `value` is what looks wrong, never a card number."""
    parts = (pl.lit(reason.value), pl.lit(table.name), identity, card, value)
    return pl.concat_str(*parts, separator="\t").alias("row")


def is_odd_age(age: str) -> pl.Expr:
    """Tell where an age, which is not NULL, is none from 0 to 130."""
    return ~pl.col(age).str.contains(_USUAL_AGE)


def fails_luhn(number: pl.Series) -> pl.Series:
    """Tell which numbers are not digits, or whose last one is not their check digit (ISO/IEC 7812-1)."""
    is_digits = number.str.contains("^[0-9]+$")
    left = pl.select(pl.when(is_digits).then(number).otherwise(pl.lit("0"))).to_series()
    total = pl.zeros(len(number), pl.UInt64, eager=True)
    while left.str.len_bytes().max():
        piece = left.str.tail(_PIECE).str.pad_start(1, "0").cast(pl.UInt64)
        left = left.str.head(-_PIECE)
        for place in range(_PIECE):
            digit = piece // 10**place % 10
            total += digit * 2 // 10 + digit * 2 % 10 if place % 2 else digit
    return ~is_digits | (total % 10 != 0)


def unlike_names(cards: pl.DataFrame, printed: str, names: Sequence[str]) -> pl.DataFrame:
    """Return the cards whose printed name has no word of two letters or more in common with the holder's names.

    Capitals and accents make no difference. The names are CSV fields, escaped as in tagged TSV. Most printed names
    begin with the first name as it is, which is found out at a tenth of the cost.
    """
    first = pl.col(names[0]).str.to_uppercase()
    begins = pl.col(printed).str.starts_with(first + " ") & first.str.contains(r"^\p{L}{2,}$")
    others = cards.filter((pl.col(printed) != "") & ~begins)
    words = pl.concat_str(names, separator=" ").pipe(_words)
    in_common = pl.col(printed).pipe(_words).list.set_intersection(words)
    return others.filter(in_common.list.len() == 0)


def _words(name: pl.Expr) -> pl.Expr:
    plain = name.str.replace_all(ESCAPE_PATTERN, " ").str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    return plain.str.to_uppercase().str.extract_all(_WORD)


def is_before_account(columns: Sequence[str]) -> pl.Expr:
    """Tell which cards were issued before their account was opened, where these columns of theirs have both moments."""
    if not {CARD_CREATED, ACCOUNT_CREATED} <= {*columns}:
        return pl.lit(False)
    issued = pl.col(CARD_CREATED)
    return (issued != "") & (issued < pl.col(ACCOUNT_CREATED))


def movement_checks(columns: tuple[str, ...], now: str | None) -> dict[Warn, pl.Expr]:
    """Return for each reason, in the order of the list, where a movement deserves the warning.

    Args:
        columns: of the flat table that the frame of movements has.
        now: the clock of the source; later movements lie in the future.
    """
    checks = {Warn.ZERO: pl.col(AMOUNT).is_in(_ZEROS)}
    if MOMENT not in columns:
        return checks
    moment = pl.col(MOMENT)
    for reason, created in ((Warn.BEFORE_CARD, CARD_CREATED), (Warn.BEFORE_ACCOUNT, ACCOUNT_CREATED)):
        if created in columns:
            checks[reason] = (moment != "") & (moment < pl.col(created))
    checks[Warn.FUTURE] = moment > (now or NO_CLOCK)
    return checks
