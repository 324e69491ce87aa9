"""Proposes a tables file for a database that calls the four tables otherwise: for a person to read and to correct.

Nothing is mapped by itself. Each line says why it is proposed: the name is the same or similar (difflib), the column is
the primary key, or a foreign key leads to the right table. Types must fit.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher

from extract.columns import TheirTable, fits
from extract.source import Source
from movimento_flat.schema import TABLES, Column, Kind, Table

#: How alike two names must be, from 0 to 1.
_ALIKE = 0.7


def propose(source: Source) -> str:
    """Return a tables file for a database, with comments that say why."""
    theirs = source.kind.tables_there(source)
    chosen = _choose(theirs)
    head = [
        f"# A tables file for {source}, to be read and corrected. Save it, and use it: --tables FILE.",
        f"# Tables and views there: {', '.join(theirs) or 'none that the account may read'}.",
    ]
    sections = ["\n".join(_section(table, chosen.get(table.name), chosen)) for table in TABLES]
    return "\n\n".join(["\n".join(head), *sections]) + "\n"


def _choose(theirs: Mapping[str, TheirTable]) -> dict[str, TheirTable]:
    """Return the table that is most alike each of ours, by our names; each of theirs once."""
    alike = sorted(
        (
            (-_likeness(_singular(name), (table.name, *table.known_as)), table.name, name)
            for table in TABLES
            for name in theirs
        ),
    )
    chosen: dict[str, TheirTable] = {}
    for likeness, ours, name in alike:
        if -likeness >= _ALIKE and ours not in chosen and theirs[name] not in chosen.values():
            chosen[ours] = theirs[name]
    return chosen


def _section(table: Table, theirs: TheirTable | None, chosen: Mapping[str, TheirTable]) -> Iterator[str]:
    yield f"[{table.name}] # {table.english}"
    if not theirs:
        yield '# table = "..."  # no name there is like this one'
        return
    if theirs.name != table.name:
        yield f'table = "{theirs.name}" # a similar name'
    taken: set[str] = set()
    for column in table.columns:
        name, why = _column(table, column, theirs, chosen, taken)
        if name is None and column.name == "id":
            yield f"# columns.id = ...  # {why}: a query with ROW_NUMBER() can make one"
        elif name is None:
            yield f"columns.{column.name} = false # {why}: always empty"
        else:
            taken.add(name)
            comment = "#" if name == column.name else ""
            yield f'{comment}columns.{column.name} = "{name}" # {why}; {theirs.columns[name].shown}'


def _column(
    table: Table, column: Column, theirs: TheirTable, chosen: Mapping[str, TheirTable], taken: Iterable[str]
) -> tuple[str | None, str]:
    """Return their column that may be ours, and why; None where none is."""
    fitting = [name for name, found in theirs.columns.items() if fits(column, found) and name not in taken]
    if column.name == "id" and len(theirs.key) == 1 and theirs.key[0] in fitting:
        return theirs.key[0], "the primary key"
    if column.points_to in chosen:
        leading = [name for name, other in theirs.leads_to.items() if other == chosen[column.points_to].name]
        if found := next((name for name in leading if name in fitting), None):
            return found, f"a foreign key leads to {chosen[column.points_to].name}"
    if column.name in fitting:
        return column.name, "the same name"
    others = set(theirs.key + list(theirs.leads_to)) if column.kind is not Kind.ID else set()
    names = list(_names(table, column))
    best = max(
        (
            (max(_likeness(name, names), _likeness(_without(theirs.name, name), names)), name)
            for name in fitting
            if name not in others
        ),
        default=(0.0, ""),
    )
    return (best[1], "a similar name") if best[0] >= _ALIKE else (None, f"nothing like it in {theirs.name}")


def _names(table: Table, column: Column) -> Iterator[str]:
    """Return the names that a column may have."""
    yield from filter(None, (column.name, column.flat, *column.known_as))
    parents = [other for other in TABLES if other.name == column.points_to]
    if column.name == "id":
        parents = [table]
    for parent in parents:
        for name in (parent.name, *parent.known_as):
            yield from (f"{name}_id", f"id_{name}")


def _likeness(name: str, others: Iterable[str]) -> float:
    plain = _plain(name)
    return max(SequenceMatcher(None, plain, _plain(other)).ratio() for other in others)


def _plain(name: str) -> str:
    """Return a name without capitals, accents and underscores."""
    letters = unicodedata.normalize("NFKD", name)
    return re.sub(r"[^a-z0-9]", "", letters.encode("ascii", "ignore").decode().lower())


def _singular(name: str) -> str:
    name = re.sub(r"^(tb|tbl|t)_", "", name.lower())
    for many, one in (("oes", "ao"), ("ies", "y"), ("s", "")):
        if name.endswith(many):
            return name.removesuffix(many) + one
    return name


def _without(table: str, name: str) -> str:
    """Return a column's name without that of its table at its end, as in `valor_movimento`."""
    shorter = re.sub(rf"_({re.escape(table)}|{re.escape(_singular(table))})$", "", name.lower())
    return shorter if shorter != "id" else name
