"""Private embedded clusters for the tests of the launcher; nothing here touches the application's own database."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from careapp.localdb import Addresses, lease
from careapp.localdb.place import Place
from careapp.localdb.server import OPTIONS_VARIABLE

from .helpers import Holder, discard


@pytest.fixture
def holder() -> Iterator[Callable[..., Holder]]:
    """Start holders; whatever is left of them is killed after the test."""
    started: list[Holder] = []

    def start(directory: Path, *arguments: str) -> Holder:
        started.append(Holder(directory, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OPTIONS_VARIABLE, "-c fsync=off")


@pytest.fixture
def room() -> Iterator[Path]:
    """An empty directory with a short path, open to the unprivileged user that runs the server for root."""
    path = Path(tempfile.mkdtemp(prefix="localdb-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    for directory in path.iterdir():
        discard(directory)
    path.rmdir()


@pytest.fixture
def place(room: Path) -> Place:
    """A place in which no server has run yet."""
    return Place.at(room / "pg")


@pytest.fixture(scope="session")
def server() -> Iterator[Addresses]:
    """One running cluster for the tests that only need a database."""
    path = Path(tempfile.mkdtemp(prefix="localdb-", dir="/tmp"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(OPTIONS_VARIABLE, "-c fsync=off")
        yield lease(path)
    discard(path)
