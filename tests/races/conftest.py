"""Many at once: an application whose pool has a connection for each of them."""

from collections.abc import Iterator

import pytest
from apiflask import APIFlask
from sqlalchemy import event

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
def crowd(wide_app: APIFlask) -> Iterator[Crowd]:
    """crowd([act, …]) runs all acts at once, each in a thread and application context of its own.

    No race may deadlock, not even where a retry hides it: a deadlock costs everybody in it a second.
    """
    made = Crowd(wide_app)
    with wide_app.app_context():
        engine = db.engine
    event.listen(engine, "handle_error", made.notice)
    yield made
    event.remove(engine, "handle_error", made.notice)
    assert made.deadlocks == 0
