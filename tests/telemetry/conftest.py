"""An application that logs nearly every statement."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from careapp.db import db
from tests.conftest import make_app
from tests.database import TestDatabase


@pytest.fixture
def slow_app(app: APIFlask, database: TestDatabase, tmp_path: Path) -> Iterator[APIFlask]:
    """An application beside the other one, to which a millisecond is long."""
    made = make_app(database, tmp_path, slow_query_ms=1, database_pool_size=2)
    yield made
    with made.app_context():
        db.engine.dispose()
