"""Calls to another service that says nothing, or too little: nobody waits without end."""

import pytest

from careapp.errors import Upstream
from tests.upstream.server import Other
from tests.upstream.test_service import ask


def test_a_service_that_hangs_is_left(other: Other) -> None:
    other.behave = other.hang
    with pytest.raises(Upstream):
        ask(other)


def test_a_service_that_drips_is_left(other: Other) -> None:
    """No single read of it takes long, so only a limit on the whole call ends it."""
    other.behave = other.drip
    with pytest.raises(Upstream):
        ask(other)
