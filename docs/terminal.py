"""Makes docs/terminal.svg: a real run on a real terminal (tmux), as it looks under way and at its end.

    .venv/bin/python docs/terminal.py          needs tmux; runs COMMAND in the checkout, and so writes ./out

The screens are tmux's own, with their colours; rich draws them. The picture loads nothing: fonts are the reader's.
"""

import os
import re
import subprocess
import time
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "terminal.svg"
COMMAND = "make run OUTPUT=./out ENGINE=local MOVEMENTS=1000000"
COLUMNS, LINES = 100, 24
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
#: When to look at it: about the middle of the join.
UNDER_WAY = re.compile(r"join: .* step 2 of 2: map 100% reduce [1-5]?\d%")
LOOK_SECONDS = 0.2
TMUX = ["tmux", "-f", "/dev/null", "-L", f"movimento-flat-{os.getpid()}"]


def tmux(*arguments: str) -> str:
    """-> what a tmux of our own prints."""
    return subprocess.run([*TMUX, *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def screens() -> list[str]:
    """-> the terminal under way and at the end, as text with escape sequences."""
    shell = f"printf '$ %s\\n' '{COMMAND}'; {COMMAND}; tmux wait-for -S end; cat"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), shell)
    try:
        with subprocess.Popen([*TMUX, "wait-for", "end"]) as end:
            under_way = ""
            while end.poll() is None:
                screen = tmux("capture-pane", "-e", "-p")
                if UNDER_WAY.search(screen):
                    under_way = screen
                time.sleep(LOOK_SECONDS)
        return [under_way, tmux("capture-pane", "-e", "-p")]
    finally:
        tmux("kill-server")


def picture(seen: list[str]) -> str:
    """-> the screens as one SVG, a line between them."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for number, screen in enumerate(seen):
        if number:
            console.rule(style="dim")
        console.print(Text.from_ansi(screen.rstrip()), soft_wrap=True)
    console.print()  # the last line would lose the lower ends of its letters
    form = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = re.sub(r"font-family: [^;]+;", f"font-family: {FONTS};", form)
    return console.export_svg(title="movimento-flat", code_format=form, unique_id="terminal")


if __name__ == "__main__":
    PICTURE.write_text(picture(screens()), "utf-8")
