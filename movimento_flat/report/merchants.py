"""What was moved at each merchant: sums by description, exact while there are not more than a limit."""

from dataclasses import dataclass, field
from heapq import nsmallest
from math import ceil

from movimento_flat.columnar import pl
from movimento_flat.money import Totals
from movimento_flat.publish.csv_audit import PIECES, in_floats, of_pieces
from movimento_flat.schema import DESCRIPTION

TOP_MERCHANTS = 10
#: So many merchants are told apart, by so many characters. It bounds the memory.
MOST_MERCHANTS, LONGEST_MERCHANT = 50_000, 60


@dataclass
class Merchants:
    """Sums by merchant; the first three attributes are known once there are all.

    Attributes:
        top: those with the largest sums, the largest first.
        unnamed: rows without a description.
        count: how many merchants there are, as far as they are told apart.
        may_lack: centavos by which a sum may be wrong, since some were left out.
        sums: frames with `name`, `rows` and PIECES; a name may be in several.
    """

    top: list[tuple[str, Totals]] = field(default_factory=list)
    unnamed: Totals = Totals()  # noqa: RUF009  # it is frozen
    count: int = 0
    may_lack: int = 0
    sums: list[pl.DataFrame] = field(default_factory=list)

    @classmethod
    def of(cls, table: pl.DataFrame) -> "Merchants":
        """Return those of some rows, which have DESCRIPTION and PIECES."""
        texts = table.group_by(DESCRIPTION).agg(pl.len().alias("rows"), PIECES.sum().cast(pl.Int128))
        return cls(sums=[texts.with_columns(name=_plain(DESCRIPTION)).drop(DESCRIPTION)])

    def add(self, more: "Merchants") -> None:
        """Add those of other rows."""
        self.sums += more.sums
        self.may_lack += more.may_lack
        if sum(map(len, self.sums)) > 2 * MOST_MERCHANTS:
            self._unite()

    def finish(self) -> None:
        """Rank them, since no more rows come."""
        if not self.sums:
            return
        self._unite()
        columns = self.sums.pop().select("name", "rows", PIECES)
        totals = {name: Totals(rows, of_pieces(sums)) for name, rows, *sums in columns.iter_rows()}
        self.unnamed = totals.pop("", Totals())
        self.count = len(totals)
        self.top = nsmallest(TOP_MERCHANTS, totals.items(), key=lambda item: (-item[1].centavos, item[0]))

    def _unite(self) -> None:
        """Add up the sums of each name; beyond the limit leave out those that are nearest to zero."""
        all_sums = (
            pl.concat(self.sums, how="diagonal").group_by("name").agg(pl.col("rows").sum(), PIECES.sum())
        )
        if len(all_sums) > MOST_MERCHANTS:
            ranked = all_sums.with_columns(size=in_floats(all_sums).abs())
            ranked = ranked.sort("size", "name", descending=True)
            self.may_lack += ceil(ranked["size"][MOST_MERCHANTS])
            all_sums = ranked.head(MOST_MERCHANTS).drop("size")
        self.sums = [all_sums]


def _plain(text: str) -> pl.Expr:
    """Return a text in capitals without accents, with single blanks, and cut to LONGEST_MERCHANT."""
    letters = pl.col(text).str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_uppercase()
    return letters.str.replace_all(r"[\p{Z}\p{C}]+", " ").str.strip_chars().str.head(LONGEST_MERCHANT)
