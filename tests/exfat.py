"""A real exFAT, which has no permissions and no links: Debian's exfat-fuse on a file, for root. See `tests.debian`."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.debian import run, unpacked

SIZE = 256 << 20


@contextmanager
def mounted(state: Path, folder: Path, options: str) -> Iterator[Path]:
    """An empty one, by these options of mount; -> where it is, below `folder`."""
    driver, tools = (unpacked(state, package, _no_set_up) for package in ("exfat-fuse", "exfatprogs"))
    image, place = folder / "image", folder / "mounted"
    with image.open("wb") as file:
        file.truncate(SIZE)
    place.mkdir()
    run([str(tools / "usr/sbin/mkfs.exfat"), str(image)])
    device = run(["losetup", "--find", "--show", str(image)]).strip()
    try:
        libraries = ":".join(map(str, driver.glob("lib/*-linux-gnu*")))
        mount = ["env", f"LD_LIBRARY_PATH={libraries}", str(driver / "sbin/mount.exfat-fuse")]
        run([*mount, "-o", options, device, str(place)])
        try:
            yield place
        finally:
            subprocess.run(["umount", str(place)], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def _no_set_up(unfinished: Path, folder: Path) -> None:
    """Programs that run as they lie there."""
