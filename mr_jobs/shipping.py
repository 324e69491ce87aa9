"""What a task needs of this program, for runners whose tasks do not find this checkout."""

import atexit
import platform
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path
from shutil import copyfileobj, rmtree
from tempfile import mkdtemp
from zipfile import ZIP_DEFLATED, ZipFile

from movimento_flat.errors import UserError
from movimento_flat.hadoop_commands import Hadoop

PACKAGES = [Path(__file__).resolve().parent.parent / name for name in ("movimento_flat", "mr_jobs")]


def archive_of_packages(packages: Iterable[Path] = PACKAGES) -> Path:
    """Return a zip of the packages' sources, which goes away with this process."""
    folder = Path(mkdtemp(prefix="movimento-flat-"))
    atexit.register(rmtree, folder)
    archive = folder / "packages.zip"
    with ZipFile(archive, "w") as file:
        for package in packages:
            for path in sorted(package.rglob("*.py")):
                file.write(path, path.relative_to(package.parent))
    return archive


#: Folder of a task in which the archive of Polars is unpacked, and a variable with one of this machine that has it.
SITE, SITE_VARIABLE = "site-packages", "MOVIMENTO_FLAT_SITE"
_DISTRIBUTIONS = ("polars", "polars-runtime-32")
_QUICK = 1


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
    hadoop.fs("-mkdir", "-p", folder)
    uri = f"{folder}/{name}"
    if uri not in hadoop.fs("-ls", "-C", folder).split():
        try:
            with hadoop.write(uri) as file, ZipFile(file, "w", ZIP_DEFLATED, compresslevel=_QUICK) as archive:
                for found in _DISTRIBUTIONS:
                    for path in distribution(found).files or ():
                        if ".." not in path.parts and path.suffix != ".pyc":
                            with (
                                Path(str(path.locate())).open("rb") as own,
                                archive.open(str(path), "w") as copy,
                            ):
                                copyfileobj(own, copy)
        except UserError:
            if uri not in hadoop.fs("-ls", "-C", folder).split():  # else another run has put it there
                raise
    return uri
