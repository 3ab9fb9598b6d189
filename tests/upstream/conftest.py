"""Fixtures: the other side of a call."""

from collections.abc import Iterator

import pytest

from tests.upstream.server import Other, other_side


@pytest.fixture
def other() -> Iterator[Other]:
    """A server that does as it is told."""
    with other_side() as running:
        yield running
