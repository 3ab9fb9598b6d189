"""Fixtures of the attacks: an application that does not tire of many requests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor, Role
from careapp.db import db
from careapp.identity.actors import actor_of_email
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.identity.people import a_user
from tests.rules.pages import signed_in_as

UNTIRED = {"rate_limit_person": 1_000_000, "rate_limit_service": 1_000_000}


@pytest.fixture(scope="session")
def app(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application; only the limits of requests are out of reach."""
    made = make_app(database, tmp_path_factory.mktemp("attacked"), **UNTIRED)
    yield made
    with made.app_context():
        db.engine.dispose()


@pytest.fixture
def browser(app: APIFlask, god: Actor) -> Callable[[], FlaskClient]:
    """browser() has a new member of staff signed in who has every role."""

    def make(**fields: Any) -> FlaskClient:
        somebody = actor_of_email(a_user(god, *Role, **fields).email)
        assert somebody
        return signed_in_as(app, somebody)

    return make
