"""Files and folders that only their owner may read, whatever the caller's umask is."""

from pathlib import Path


def make_private_file(path: Path) -> Path:
    """Make an empty file, and return its path.

    Raises:
        FileExistsError: something has that name.
        OSError: the file cannot be made.
    """
    path.touch(mode=0o600, exist_ok=False)
    return path


def make_private_folder(path: Path, exist_ok: bool = False) -> Path:
    """Make a folder with its parents, and return its path.

    Args:
        path: the folder.
        exist_ok: whether the folder may be there already; it keeps its mode then.

    Raises:
        FileExistsError: something has that name.
        OSError: the folder cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=exist_ok)
    return path
