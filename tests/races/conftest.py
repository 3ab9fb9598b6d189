"""Many at once: an application whose pool has a connection for each of them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from apiflask import APIFlask

from careapp.db import db
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.races.crowd import Crowd

MOST = 64


@pytest.fixture(scope="session")
def wide_app(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application on this worker's database, with room for everybody of a race."""
    made = make_app(database, tmp_path_factory.mktemp("var"), database_pool_size=MOST)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def crowd(wide_app: APIFlask) -> Callable[..., Any]:
    """crowd([act, …]) runs all acts at once, each in a thread and application context of its own."""
    return Crowd(wide_app)
