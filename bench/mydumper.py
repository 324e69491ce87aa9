"""mydumper to measure against: Debian's package, unpacked for this folder alone."""

import os
from pathlib import Path

from bench.databases import HOST, Database
from bench.measure import STATE, Timing, fresh, run
from bench.session import said_version
from movimento_flat.sql_files import READER
from tests.debian import unpacked

PACKAGE = "mydumper"
#: Rows of movements in a file, few enough that each connection has files to write.
ROWS_A_FILE = 250_000


def mydumper() -> Path:
    """Return the program's path; it is fetched at the first call."""
    return unpacked(STATE, PACKAGE, lambda unfinished, final: None) / "usr" / "bin" / "mydumper"


def version() -> str:
    """Return its version."""
    return said_version(["env", f"LD_LIBRARY_PATH={_libraries()}", str(mydumper()), "--version"])


def dump(database: Database, output: Path, connections: int) -> Timing:
    """Measure one run: every table as INSERT statements, of one snapshot, by so many connections."""
    command = [str(mydumper()), f"--host={HOST}", f"--port={database.port}", f"--user={READER}"]
    command += [f"--database={database.name}", f"--outputdir={fresh(output)}", f"--threads={connections}"]
    command += [f"--rows={ROWS_A_FILE}", "--lock-all-tables"]
    return run(command, {**database.environment, "LD_LIBRARY_PATH": _libraries()}, database.process)


def _libraries() -> str:
    """Return where the libraries lie that this machine may lack: beside the program."""
    folders = {library.parent for library in mydumper().parents[2].glob("**/lib*.so*")}
    return os.pathsep.join(map(str, sorted(folders)))
