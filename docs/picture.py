"""Makes docs/relatorio.png, the READMEs' picture of the page for managers, with Chromium.

.venv/bin/python -m docs.picture ./out/relatorio.html          a page of fictitious data: `make run OUTPUT=./out`

Beside it lies the SHA-256 of the code that made the page, by which a test tells when the picture is older than that.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from movimento_flat import report

PICTURE = Path(__file__).resolve().parent / "relatorio.png"
MADE_BY = PICTURE.with_suffix(".sha256")
SIZE = "1280,1500"


def sha256_of_code() -> str:
    """Return that of all files that make the page."""
    files = [path for path in Path(*report.__path__).iterdir() if path.is_file()]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()


def main() -> None:
    """Take the picture of the page that is named."""
    page = Path(sys.argv[1]).resolve()
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
    subprocess.run(["chromium", *options, f"--screenshot={PICTURE}", page.as_uri()], check=True)  # noqa: S607
    MADE_BY.write_text(f"{sha256_of_code()}\n")


if __name__ == "__main__":
    main()
