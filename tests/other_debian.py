"""Newer programs than this machine's, from other releases of Debian: unpacked into a folder, never installed.

Servers of Debian unstable run as they lie there; a release's Python runs in a folder as in a machine (chroot, root).
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.debian import once, run

MIRROR, KEYRING = "http://deb.debian.org/debian", "/usr/share/keyrings/debian-archive-keyring.gpg"
NETWORK = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
#: Beside a kernel. Each real machine has the last one: apt needs it, and so do Python's wheels.
SMALLEST = ("base-files", "coreutils", "dash", "libstdc++6")
PROGRAMS = ("usr/bin/*", "usr/sbin/*", "usr/lib/postgresql/*/bin/*")
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
#: A program of another Debian must not meet this machine's libraries: its own loader starts it with its own.
WRAPPER = """#!/bin/sh
exec '{loader}' --library-path '{libraries}' '{program}' "$@"
"""


def unpacked(state: Path, *packages: str, suite: str = "unstable") -> Path:
    """-> folder where packages of a release lie, with all that they need down to the C library; fetched once.

    Their programs run as they lie there.
    """
    return _once(state, suite, packages, _wrap_programs)


def machine(state: Path, suite: str, *packages: str) -> Path:
    """-> folder that is a machine with packages of a release, unpacked and not configured; fetched once."""
    return _once(state, suite, (*SMALLEST, *packages), _as_machine)


def in_machine(tree: Path, shared: Path, command: str, **environment: str) -> str:
    """Run a shell's command in a machine, as root; -> its standard output. `shared` lies at /mnt there.

    Mounts and processes end with it. What this machine's network asks of a client, the other one does, too.
    """
    mounts = 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount --bind "$2" "$1/mnt"'
    network = {name: value for name, value in os.environ.items() if name in NETWORK or name[:4] == "PIP_"}
    settings = {"HOME": "/root", "USER": "root", "PATH": "/usr/bin", "SSL_CERT_FILE": f"/{CERTIFICATES}"}
    variables = [f"{name}={value}" for name, value in (network | settings | environment).items()]
    enter = f'{mounts}; tree=$1; shift 2; cd /; exec chroot "$tree" env -i "$@"'
    shell = ("sh", "-euc")
    unshared = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
    return run(
        [*unshared, *shell, enter, "-", str(tree), str(shared), *variables, *shell, f"cd /mnt; {command}"]
    )


def _once(state: Path, suite: str, packages: tuple[str, ...], finish: Callable[[Path, Path], None]) -> Path:
    folder = state / f"debian-{suite}" / "+".join(packages)

    def make(unfinished: Path) -> None:
        _fetch(suite, packages, unfinished)
        finish(unfinished, folder)

    return once(folder, make)


def _fetch(suite: str, packages: tuple[str, ...], folder: Path) -> None:
    apt = folder / "apt"
    for name in ("lists/partial", "archives/partial"):
        (apt / name).mkdir(parents=True)
    (apt / "sources.list").write_text(_source(suite))
    (apt / "status").touch()  # nothing is installed, so everything is fetched
    options = {
        "Dir::Etc::sourcelist": apt / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": apt / "lists",
        "Dir::State::status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "DPkg::Post-Invoke": "",
    }
    command = ["apt-get", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    run([*command, "--quiet", "update"])
    run([*command, "--quiet", "--yes", "--no-install-recommends", "--download-only", "install", *packages])
    for archive in (apt / "archives").glob("*.deb"):
        run(["dpkg", "-x", str(archive), str(folder)])
    shutil.rmtree(apt)


def _source(suite: str) -> str:
    """This machine's own mirror of Debian, for another release; Debian's where the machine is none."""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"]
    )
    mirrors = [line.split()[2] for line in targets.splitlines() if line.startswith("Debian Debian ")]
    mirror = mirrors[0] if mirrors else MIRROR
    return f"deb [signed-by={KEYRING}] {mirror} {suite} main\n"


def _as_machine(folder: Path, final: Path) -> None:
    """What the packages' scripts would make, as far as a program needs it."""
    for name in ("bin", "sbin", "lib", "lib64"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    for name in ("dev", "mnt", "proc", "root", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
    for file in (Path("etc/resolv.conf"), Path("etc/hosts"), CERTIFICATES):
        shutil.copy(Path("/") / file, folder / file)


def _wrap_programs(folder: Path, final: Path) -> None:
    """Put a wrapper where each program was; `final` is the name that the folder will have."""
    (loader,) = (final / path.relative_to(folder) for path in folder.glob("usr/lib/*/ld-linux-*.so.*"))
    for program in (path for name in PROGRAMS for path in folder.glob(name)):
        if program.is_symlink() or program.read_bytes()[:4] != b"\x7fELF":
            continue
        real = program.rename(program.with_name(f"{program.name}.real"))
        program.write_text(
            WRAPPER.format(loader=loader, libraries=loader.parent, program=final / real.relative_to(folder))
        )
        program.chmod(0o755)
