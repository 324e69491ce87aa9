"""What a task needs of this program, for runners whose tasks do not find this checkout."""

import atexit
from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from zipfile import ZipFile

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
