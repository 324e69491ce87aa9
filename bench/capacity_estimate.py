"""The capacity estimate of docs/growth.md: a month of a national card network, calculated from the records."""

from bench.records import Session, Sessions
from mr_jobs.hadoop_runner import SPLIT_BYTES

MISSING = "(not measured)"
MOVEMENTS = 1_000_000_000
NODES, CORES = 20, 14
TASKS = NODES * CORES
#: The share of all movements that the hot card of the text has.
HOT_SHARE = 0.01
MILLION = 1e6

Figure = float | None


def constants(sessions: Sessions) -> dict[str, str]:
    """Return the text for each name in the template; MISSING where no session has the figure."""
    joins = sessions.of("cluster_join")
    few, many = (joins[0], joins[-1]) if len(joins) > 1 else (None, None)
    extractions = sessions.of("extraction")
    input_row = _per_movement(many, "movements_bytes")
    csv_row = _per_movement(many, "csv_bytes")
    cpu = _slope(few, many, "cpu_seconds")
    shuffled = _slope(few, many, "shuffled_bytes")
    extract = _slope(extractions[0], extractions[-1], "seconds") if len(extractions) > 1 else None
    merge = _merge_per_movement(sessions)
    join = _times(cpu, MOVEMENTS / TASKS)
    stages = {
        "the extraction": _times(extract, MOVEMENTS),
        "the join": join,
        "the merge": _times(merge, MOVEMENTS),
    }
    known = {name: seconds for name, seconds in stages.items() if seconds is not None}
    whole = sum(known.values()) if len(known) == len(stages) else None
    largest = many.contestants[0].most("peak_bytes") if many else None
    return {
        "nodes": str(NODES),
        "cores": str(CORES),
        "tasks": str(TASKS),
        "input_per_row": _number(input_row),
        "input": _bytes(_times(input_row, MOVEMENTS)),
        "maps": MISSING if input_row is None else f"{-(-input_row * MOVEMENTS // SPLIT_BYTES):,.0f}",
        "shuffled_per_row": _number(shuffled),
        "shuffled": _bytes(_times(shuffled, MOVEMENTS)),
        "per_reduce": _bytes(_times(shuffled, MOVEMENTS / TASKS)),
        "cpu_per_million": _number(_times(cpu, MILLION)),
        "cpu": _duration(_times(cpu, MOVEMENTS)),
        "join": _duration(join),
        "fixed": _number(_fixed(few, many)),
        "extract_per_million": _number(_times(extract, MILLION), 2),
        "extract": _duration(stages["the extraction"]),
        "csv_per_row": _number(csv_row),
        "csv": _bytes(_times(csv_row, MOVEMENTS)),
        "merge_per_million": _number(_times(merge, MILLION), 2),
        "merge": _duration(stages["the merge"]),
        "peak": _number(_times(largest, 1e-6)),
        "sizes": f"{few.movements:,} and {many.movements:,}" if few and many else MISSING,
        "total": _duration(whole),
        "longest": max(known, key=lambda name: known[name]) if whole else MISSING,
        "disk": _bytes(_times(csv_row, 3 * MOVEMENTS)),
        "hot_card": _duration(_times(cpu, MOVEMENTS * HOT_SHARE)),
    }


def _per_movement(session: Session | None, fact: str) -> Figure:
    if not session or fact not in session.facts:
        return None
    return float(session.facts[fact]) / session.movements


def _slope(few: Session | None, many: Session | None, figure: str) -> Figure:
    """Return what one movement more costs the first contestant."""
    if not few or not many or few.movements == many.movements:
        return None
    less, more = few.contestants[0].median(figure), many.contestants[0].median(figure)
    # Where more movements cost less, the machine was busy with something else.
    if less is None or more is None or more < less:
        return None
    return (more - less) / (many.movements - few.movements)


def _fixed(few: Session | None, many: Session | None) -> Figure:
    """Return the seconds that the first contestant needs whatever the number of movements."""
    slope = _slope(few, many, "seconds")
    seconds = few.contestants[0].median("seconds") if few else None
    return None if slope is None or seconds is None or not few else seconds - slope * few.movements


def _merge_per_movement(sessions: Sessions) -> Figure:
    """Return the seconds of the merge, the audit and the page in the largest run on the cluster."""
    runs = sessions.of("cluster_run")
    seconds = runs[-1].contestants[0].stages("merge", "audit", "report") if runs else None
    return None if seconds is None else seconds / runs[-1].movements


def _times(figure: Figure, factor: float) -> Figure:
    return None if figure is None else figure * factor


def _number(figure: Figure, digits: int = 1) -> str:
    return MISSING if figure is None else f"{figure:,.{digits}f}"


def _bytes(figure: Figure) -> str:
    return _in_units(figure, (1e12, "TB"), (1e9, "GB"), (1e6, "MB"))


def _duration(seconds: Figure) -> str:
    return _in_units(seconds, (3600, "h"), (60, "min"), (1, "s"))


def _in_units(figure: Figure, *units: tuple[float, str]) -> str:
    """Return a figure in the largest of some units that it reaches, else in the last."""
    if figure is None:
        return MISSING
    size, name = next(((size, name) for size, name in units if figure >= size), units[-1])
    return f"{figure / size:,.1f} {name}"
