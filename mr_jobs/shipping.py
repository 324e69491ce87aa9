"""What a task needs of this program, for runners whose tasks do not find this checkout."""

import atexit
import platform
from importlib.metadata import distribution
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop

PACKAGES = [Path(__file__).resolve().parent.parent / name for name in ("movimento_flat", "mr_jobs")]
#: Folder of a task in which the archive of Polars is unpacked, and a variable with one of this machine that has it.
SITE, SITE_VARIABLE = "site-packages", "MOVIMENTO_FLAT_SITE"
_DISTRIBUTIONS = ("polars", "polars-runtime-32")
_QUICK = 1


def archive_of_packages() -> Path:
    """Return a zip of the program's sources, which goes away with this process."""
    archive = _new_archive("packages.zip")
    with ZipFile(archive, "w") as file:
        for package in PACKAGES:
            for path in sorted(package.rglob("*.py")):
                file.write(path, path.relative_to(package.parent))
    return archive


def archive_of_polars() -> Path:
    """Return a zip of Polars, which goes away with this process."""
    archive = _new_archive("polars.zip")
    with archive.open("wb") as file:
        _write_polars(file)
    return archive


def installed_packages() -> Path:
    """Return the folder that this Python has Polars in."""
    return Path(str(distribution(_DISTRIBUTIONS[0]).locate_file("")))


def ship_polars(hadoop: Hadoop, folder: str) -> str:
    """Return the URI of an archive of Polars in a folder of HDFS; it is put there once for each version.

    A node keeps it between jobs, since its name and time stay the same.

    Raises:
        UserError: HDFS does not take it.
    """
    name = f"polars-{distribution(_DISTRIBUTIONS[0]).version}-{platform.machine()}.zip"
    uri = f"{folder}/{name}"
    if _is_there(hadoop, uri):
        return uri
    hadoop.fs("-mkdir", "-p", folder)
    try:
        with hadoop.write(uri) as file:
            _write_polars(file)
    except UserError:
        if not _is_there(hadoop, uri):  # else another run has put it there
            raise
    return uri


def _is_there(hadoop: Hadoop, uri: str) -> bool:
    try:
        return bool(hadoop.fs("-ls", "-C", uri))
    except UserError:
        return False


def _new_archive(name: str) -> Path:
    folder = Path(mkdtemp(prefix="movimento-flat-"))
    atexit.register(rmtree, folder)
    return folder / name


def _write_polars(file: BinaryIO) -> None:
    with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=_QUICK) as archive:
        for found in _DISTRIBUTIONS:
            for path in distribution(found).files or ():
                if ".." not in path.parts and path.suffix != ".pyc":
                    archive.write(str(path.locate()), str(path))
