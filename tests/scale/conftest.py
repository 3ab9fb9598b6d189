"""Fixtures of the tests of many machines: a database of their own, as relays send whatever waits in one."""

from tests.conftest import app, database
from tests.web.conftest import desk

__all__ = ["app", "database", "desk"]  # made anew for these tests, as they are fixtures of this file
