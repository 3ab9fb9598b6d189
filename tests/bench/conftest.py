"""Fixtures of the benchmark's tests: a database of their own with a hundred generated tenants."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

import psycopg
import pytest
from apiflask import APIFlask

from bench.generator import Size, fill
from careapp import localdb
from careapp.db import db
from careapp.localdb.bootstrap import clone_database
from careapp.surface.internal_credentials import CREDENTIALS
from tests.bench.visitor import PORTAL, Visitor
from tests.bench.visits import visit_all
from tests.conftest import ROOT, TestTenant, application, everything
from tests.database import TestDatabase

# Enough rows for each table that grows to fill many pages, so that the planner has a choice to make.
MIDDLE = Size(tenants=100, patients=60, providers=6, clinics=2, days=8, slots_a_day=4)


@dataclass(frozen=True)
class Generated:
    """A database of many tenants, as (id, key), that nobody changes, and a copy of it that pages are asked on."""

    database: TestDatabase
    copy: TestDatabase
    tenants: list[tuple[int, str]]


# As an installation has it for a week after an upgrade, so that plans over a large outbox are looked at as well.
MARKED_IN_PLACE = """
INSERT INTO care.outbox (tenant_id, event_id, topic, key, shard, sequence, envelope, created_at, published_at)
SELECT tenant_id, event_id, topic, key, id % 16, sequence, envelope, created_at, published_at FROM care.outbox_sent"""


@pytest.fixture(scope="session")
def generated() -> Iterator[Generated]:
    """A database filled by the generator, with the statistics that VACUUM ANALYZE gives it."""
    made = TestDatabase.make(ROOT / "var" / "tests")
    tenants = fill(localdb.libpq_url(made.whole), made.owner, MIDDLE)
    with psycopg.connect(localdb.libpq_url(made.whole), autocommit=True) as whole:
        whole.execute(MARKED_IN_PLACE)
        whole.execute("VACUUM ANALYZE care.outbox")
    with psycopg.connect(localdb.libpq_url(made.owner), autocommit=True) as owner:
        stored = owner.execute("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND"
                               " relnamespace = 'care'::regnamespace")  # fmt: skip
        for (table,) in stored.fetchall():  # the statistics stay as they are, so that the same plans come out
            owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
    copy = TestDatabase.at(made.superuser, f"{made.name}_copy")
    clone_database(made.superuser, made.name, copy.name)
    yield Generated(made, copy, tenants)
    copy.drop()
    made.drop()


@pytest.fixture(scope="session")
def large(generated: Generated, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application on the copy, as the app role."""
    with application(generated.copy, tmp_path_factory.mktemp("large")) as made:
        yield made


@pytest.fixture(scope="session")
def tenant(generated: Generated) -> TestTenant:
    """One of the many."""
    return TestTenant(*generated.tenants[7])


@pytest.fixture(scope="session")
def visitor(large: APIFlask, generated: Generated, tenant: TestTenant) -> Visitor:
    """Who has asked for everything there is, in that tenant."""
    large.extensions[CREDENTIALS] = [(tenant.key, sha256(PORTAL.encode()).digest())]
    with large.app_context():
        made = Visitor(large, everything(tenant), generated.copy)
        visit_all(made)
        db.session.remove()
    return made


@pytest.hookimpl(tryfirst=True)  # before groups are read from the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what needs the generated database on one worker, which makes it once."""
    for item in items:
        if "generated" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("generated"))
