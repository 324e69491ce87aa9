"""Where a lake lies: in a folder of this machine, or in HDFS."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from movimento_flat.lake.folder import Store
from movimento_flat.lake.hdfs_store import hdfs_store
from movimento_flat.lake.local_store import LocalStore, group_id

#: How a lake in HDFS is named.
HDFS_SCHEME = "hdfs"


def is_in_hdfs(lake: str) -> bool:
    """Return whether a lake is named by a URI of HDFS."""
    return lake.lower().startswith(f"{HDFS_SCHEME}:/")


@contextmanager
def store_of(lake: str, group: str | None, work: Path, say: Callable[[str], object]) -> Iterator[Store]:
    """Give the store of a lake.

    Args:
        lake: its folder, or its URI in HDFS.
        group: name of the group that may read it; None: nobody else may.
        work: a new private folder of this machine, for what is to be copied to HDFS or from there.
        say: told what a run must wait for.

    Raises:
        UserError: HDFS does not answer.
        ValueError: this machine has no such group.
    """
    if is_in_hdfs(lake):
        with hdfs_store(lake.rstrip("/"), group, work, say) as store:
            yield store
    else:
        yield LocalStore(Path(lake).resolve(), group_id(group) if group else None)
