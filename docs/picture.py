"""Makes docs/relatorio.png, the READMEs' picture of the page for managers, with Chromium.

.venv/bin/python docs/picture.py ./out/relatorio.html          a page of fictitious data: `make run OUTPUT=./out`
"""

import subprocess
import sys
from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "relatorio.png"
SIZE = "1280,1500"


def main() -> None:
    """Take the picture of the page that is named."""
    page = Path(sys.argv[1]).resolve()
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}"]
    subprocess.run(["chromium", *options, f"--screenshot={PICTURE}", page.as_uri()], check=True)  # noqa: S607


if __name__ == "__main__":
    main()
