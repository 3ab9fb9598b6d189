"""Fixtures of tests that look at what one connection is told."""

from collections.abc import Iterator

import pytest

from careapp import tenancy
from careapp.db import db
from tests.conftest import TestTenant


@pytest.fixture
def one_connection(tenant: TestTenant) -> Iterator[None]:
    """All of a test, in its tenant, has one connection, which has prepared nothing."""
    db.session.remove()
    db.engine.dispose()
    with tenancy.bound(tenant.id):
        yield
    db.session.remove()
