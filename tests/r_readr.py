"""R with readr, of this machine's Debian: see `tests.debian`."""

import subprocess
from pathlib import Path

from tests.debian import unpacked

PACKAGE = "r-cran-readr"
R_SECONDS = 120


def run_r(script: str, state: Path, folder: Path) -> str:
    """Run a script of R in the folder where we are; -> what it printed. `folder` is for its own files."""
    root = unpacked(state, PACKAGE, lambda unfinished, final: None)
    home = root / "usr/lib/R"
    (libraries,) = root.glob("usr/lib/*-linux-gnu")
    file = folder / "script.R"
    file.write_text(script)
    # What R's shell scripts and its system-wide settings, which only an installed one has, would say.
    environment = {
        "R_HOME": str(home),
        "R_LIBS": str(home / "site-library"),
        "LD_LIBRARY_PATH": ":".join(
            map(str, (home / "lib", libraries, libraries / "blas", libraries / "lapack"))
        ),
        "EDITOR": "vi",
        "PAGER": "cat",
        "TZ": "America/Sao_Paulo",
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "PATH": "/usr/bin:/bin",
    }
    result = subprocess.run(
        [home / "bin/exec/R", "--no-echo", "--vanilla", f"--file={file}"],
        env=environment,
        timeout=R_SECONDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
