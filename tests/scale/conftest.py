"""Fixtures of the tests of many machines: a database of their own, as relays send whatever waits in one."""

from collections.abc import Iterator

import pytest
from apiflask import APIFlask

from careapp.db import db
from tests.conftest import ROOT, make_app
from tests.database import TestDatabase
from tests.web.conftest import desk

__all__ = ["desk"]  # the fixture of the tests of pages


@pytest.fixture(scope="session")
def database() -> Iterator[TestDatabase]:
    """A database of their own."""
    made = TestDatabase.make(ROOT / "var" / "tests")
    yield made
    made.drop()


@pytest.fixture(scope="session")
def app(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application on that database, as the app role."""
    made = make_app(database, tmp_path_factory.mktemp("var"))
    yield made
    with made.app_context():
        db.engine.dispose()
