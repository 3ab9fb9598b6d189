"""Fixtures for code lists: whoever replaces the list of medicines leaves the starter list behind for other tests."""

from collections.abc import Iterator

import psycopg
import pytest

from careapp import localdb
from careapp.terminology.loading import load_starter
from tests.database import TestDatabase


@pytest.fixture
def owner(database: TestDatabase) -> Iterator[str]:
    """The owner's address; afterwards the starter list stands again, and nothing else."""
    yield database.owner
    with psycopg.connect(localdb.libpq_url(database.owner)) as connection:
        connection.execute("DELETE FROM medicine_words")
        connection.execute("DELETE FROM medicines")
    load_starter(database.owner)
