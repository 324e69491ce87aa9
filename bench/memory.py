"""Memory of the largest process of the join, for data that are hard on it. No case may need more than MOST_MEMORY.

    .venv/bin/python -m bench.memory
    .venv/bin/python -m bench.memory --case "one card" --case "one account"

The tagged TSV of each case is made here and removed afterwards; the largest has 1.3 GB.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from shutil import rmtree

from bench.measure import STATE, Timing, fresh, main, movimento_flat, run, say
from bench.session import MB, options, record, show
from extract.extraction import MOVEMENTS_FOLDER, SMALL_TABLES_FOLDER
from movimento_flat.schema import ASSOCIADO, CARTAO, CONTA, MOVIMENTO, Kind, Table
from movimento_flat.tagged_tsv import line

MOST_MEMORY = 300 * MB
_PEOPLE = 100_000
_AT_ONCE = 10_000

#: Lines of the small tables, and those of the movements.
Lines = tuple[Iterable[bytes], Iterable[bytes]]


def _row(table: Table, **changes: object) -> bytes:
    """Return a line of a table: the model's examples, but for these columns."""
    examples = {
        column.name: 1 if column.kind is Kind.ID else column.example or None for column in table.columns
    }
    values = (examples | changes).values()
    return line(table, tuple(None if value is None else str(value).encode() for value in values)) + b"\n"


def _people(count: int = _PEOPLE) -> Iterator[bytes]:
    """Yield associates, each with an account."""
    for number in range(1, count + 1):
        yield _row(ASSOCIADO, id=number)
        yield _row(CONTA, id=number, id_associado=number)


def _cards(count: int, **changes: Callable[[int], object]) -> Iterator[bytes]:
    """Yield cards of these people in turn, with columns that depend on the card's id."""
    usual: dict[str, Callable[[int], object]] = {
        "id": int,
        "num_cartao": lambda card: 4 * 10**15 + card,
        "id_conta": lambda card: card % _PEOPLE + 1,
        "id_associado": lambda card: card % _PEOPLE + 1,
    }
    for card in range(1, count + 1):
        yield _row(CARTAO, **{name: value(card) for name, value in (usual | changes).items()})


def _movements(cards: Iterable[int], **changes: object) -> Iterator[bytes]:
    """Yield a movement of each of these cards."""
    row = _row(MOVIMENTO, id="%(id)d", id_cartao="%(card)d", **changes)
    for identity, card in enumerate(cards, start=1):
        yield row % {b"id": identity, b"card": card}


def _spread(count: int, cards: int, skew: float) -> Iterator[int]:
    """Yield cards: one of rank r has a share like r ** -skew, all the same where that is 0."""
    numbers = Random(1)
    shares = list(accumulate(rank**-skew for rank in range(1, cards + 1)))
    while count > 0:
        yield from numbers.choices(range(1, cards + 1), cum_weights=shares, k=min(count, _AT_ONCE))
        count -= _AT_ONCE


def _of(cards: Iterable[bytes], movements: Iterable[bytes]) -> Lines:
    return (one for part in (_people(), cards) for one in part), movements


def _many_cards(**changes: Callable[[int], object]) -> Lines:
    return _of(_cards(3_000_000, **changes), _movements(range(1, 3_000_001, 100)))


CASES: dict[str, Callable[[], Lines]] = {
    "20 M movements, flat": lambda: _of(_cards(900_000), _movements(_spread(20_000_000, 900_000, 0))),
    "20 M movements, skewed": lambda: _of(_cards(900_000), _movements(_spread(20_000_000, 900_000, 0.9))),
    "5 M movements of one card": lambda: _of(_cards(1), _movements([1] * 5_000_000)),
    "3 M cards of one account": lambda: _many_cards(id_conta=lambda card: 1),
    "3 M cards of one holder": lambda: _many_cards(id_associado=lambda card: 1),
    "3 M cards without holder": lambda: _many_cards(id_associado=lambda card: None),
    "3 M cards of one number": lambda: _many_cards(num_cartao=lambda card: 4 * 10**15),
    "4,500 movements of 60 KB of one card": lambda: _of(
        _cards(1), _movements([1] * 4500, des_transacao="x, " * 20_000)
    ),
    "5,000 movements of a card with a printed name of 60 KB": lambda: _of(
        _cards(1, nom_impresso=lambda card: "ANA " * 15_000), _movements([1] * 5000)
    ),
    "66,000 descriptions of 8 KB": lambda: _of(
        _cards(900), _movements(_spread(66_000, 900, 0), des_transacao="é, " * 2000)
    ),
}


def _write(lines: Iterable[bytes], folder: Path) -> None:
    """Write lines in two files, as two connections do."""
    folder.mkdir(parents=True)
    with (folder / "0.tsv").open("wb") as one, (folder / "1.tsv").open("wb") as other:
        rest = iter(lines)
        while some := list(islice(rest, _AT_ONCE)):
            one.write(b"".join(some[::2]))
            other.write(b"".join(some[1::2]))


def _join(lines: Lines) -> Timing:
    """Measure the join of a case on this machine."""
    work = fresh(STATE / "memory")
    for of_tables, name in zip(lines, (SMALL_TABLES_FOLDER, MOVEMENTS_FOLDER), strict=True):
        _write(of_tables, work / name)
    timing = run(movimento_flat("join", "--from", str(work), "--to", str(work / "parts")))
    rmtree(work)
    return timing


def script() -> bool:
    """Measure the cases; return whether none needs more than MOST_MEMORY."""
    parser = options(__doc__, rounds=1)
    parser.add_argument("--case", action="append", choices=CASES, help="one of the cases; may be repeated")
    arguments = parser.parse_args()
    results: dict[str, list[Timing]] = {}
    for name in arguments.case or CASES:
        results[name] = [_join(CASES[name]())]
        say(f"{name}: {results[name][0].peak / MB:.0f} MB")
    show(results)
    large = [name for name, (timing,) in results.items() if timing.peak > MOST_MEMORY]
    for name in large:
        say(f"{name}: a process had more than {MOST_MEMORY / MB:.0f} MB.")
    if arguments.record and not large:
        record("memory", results, {})
    return not large


if __name__ == "__main__":
    main(script)
