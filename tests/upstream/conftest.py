"""Fixtures: the other side of a call."""

from collections.abc import Iterator

import pytest

from careapp import upstream
from tests.upstream.server import Other, other_side

IN_USE = {limit: getattr(upstream, limit) for limit in ("BUDGET", "ONE_TRY", "CONNECT")}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls wait long enough for a machine that stands still: for what is said within limits, not for the limits."""
    for limit in IN_USE:
        monkeypatch.setattr(upstream, limit, 30.0)


@pytest.fixture
def other() -> Iterator[Other]:
    """A server that does as it is told."""
    with other_side() as running:
        yield running
