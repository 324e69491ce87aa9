"""A real MariaDB server for the tests that need one; and no silent skip where CI=true."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from movimento_flat.private_server import PrivateServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    """A server of the tests' own; its programs are fetched once into the project's state folder if need be."""
    from movimento_flat.private_server.programs import get_programs
    from movimento_flat.state import state_dir

    programs = get_programs(state_dir(), print)
    with PrivateServer(tmp_path_factory.mktemp("server"), print, programs) as running:
        yield running


@pytest.fixture
def database(server: PrivateServer) -> Iterator[str]:
    """An empty schema."""
    name = f"test_{next(_numbers)}"
    with server.connect() as admin:
        admin.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        yield name
        admin.query(f"DROP DATABASE {name}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where CI=true a test that cannot run has failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"


@pytest.fixture
def root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parent.parent
