"""Shared fixtures: one database a worker, made from a template; one tenant a test; actors, clients and tokens."""

import asyncio
import gc
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from apiflask import APIFlask
from argon2 import PasswordHasher

from careapp import create_app, crypto
from careapp.access import Actor, Permission, Role, permissions_of
from careapp.db import db
from careapp.identity import passwords
from careapp.localdb import libpq_url
from careapp.operations.tenants import create_tenant
from careapp.overviews.marks import QUARTER
from careapp.surface.sessions import set_keys
from tests.database import TestDatabase
from tests.factories import begin_a_test
from tests.sending import Sent, watched

if TYPE_CHECKING:
    from tools.kafka.broker import Broker

ROOT = Path(__file__).resolve().parent.parent
os.environ["CAREAPP_ENV"] = "development"
os.environ["RATE_LIMIT_ADDRESS"] = "1000000"  # all tests come from one
# One key for every application of a run: two on one database read the same values.
os.environ.setdefault("ENCRYPTION_KEYS", f"tests:{'QUJD' * 10}QUI=")
# Each test makes people of its own, and the hash of a password costs more than all else about them. It costs what it
# does in use in every process that a test starts, where a cheap one would be made anew at the first sign-in; and so in
# the folders below, whose tests are about it or sign somebody in to such a process.
DEAR_HASHES = passwords._hasher
passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ABOUT_HASHES = {"identity", "races", "processes", "chaos", "scale", "upstream"}

QUARTER_ENDS = 10  # seconds: longer than any test that shows a board and asks whether it has changed

NEED_MORE = {
    "chaos",
    "journeys",
    "jobs",
    "localdb",
    "migrations",
    "processes",
    "scale",
}  # folders of tests that need a browser, Kafka or a server of their own


@pytest.hookimpl(tryfirst=True)  # before groups are read from the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what PostgreSQL alone is enough for, and keep tests that share something dear on one worker: the broker, or
    what a file makes once for all its tests.
    """
    for item in items:
        folder = _folder(item.path)
        if "database" in getattr(item, "fixturenames", ()) and folder not in NEED_MORE:
            item.add_marker(pytest.mark.database)
        if "kafka_address" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("kafka"))
        elif not item.get_closest_marker("xdist_group") and _has_something_of_its_file(item):
            item.add_marker(pytest.mark.xdist_group(f"{folder}/{item.path.stem}"))


def _folder(path: Path) -> str:
    return path.relative_to(ROOT / "tests").parts[0]


def _has_something_of_its_file(item: pytest.Item) -> bool:
    variants = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return any(one.scope == "module" for made in variants for one in made)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the modules and tests, which stay: some tests collect after each of them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_loop_of_a_browser() -> Iterator[None]:
    """Let a test after one in a browser run event loops of its own: Playwright's stays marked as running in the thread.

    Tests that drive the browser need that mark; their conftest has a fixture of this name that leaves it alone.
    """
    left = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(left)


@pytest.fixture(autouse=True)
def same_hour() -> None:
    """Let the times a test makes hang on the hour it begins in, and begin none as a quarter ends: with it boards change
    though nobody wrote, and a screen that was to hear that nothing is new hears that something is.
    """
    left = QUARTER - time.time() % QUARTER
    if left < QUARTER_ENDS:
        time.sleep(left)
    begin_a_test()


@pytest.fixture(autouse=True)
def same_keys() -> Iterator[None]:
    """Put back the keys of encrypted columns: a test that makes an application with its own replaces the process's."""
    kept = crypto._ring
    yield
    if kept is not None:
        crypto._ring = kept


@pytest.fixture(autouse=True)
def password_costs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords at the cost they are hashed at in use, in tests that are about it."""
    if _folder(request.path) in ABOUT_HASHES:
        monkeypatch.setattr(passwords, "_hasher", DEAR_HASHES)
        passwords._nobody.cache_clear()  # a stranger costs as much as somebody known


@pytest.fixture(scope="session")
def database() -> Iterator[TestDatabase]:
    """This worker's own database, migrated, on the embedded PostgreSQL or the one CAREAPP_TEST_SUPERUSER_URL names."""
    with TestDatabase.apart() as made:
        yield made


@pytest.fixture(scope="session")
def app(database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    """The application on this worker's database, as the app role."""
    with application(database, tmp_path_factory.mktemp("var")) as made:
        yield made


@contextmanager
def application(database: TestDatabase, var: Path) -> Iterator[APIFlask]:
    """An application on the given database, whose connections are closed at the end of the block."""
    made = make_app(database, var)
    try:
        yield made
    finally:
        with made.app_context():
            db.engine.dispose()


def make_app(database: TestDatabase, var: Path, **settings: object) -> APIFlask:
    """An application on the given database; keyword arguments override settings."""
    made = create_app(
        CAREAPP_VAR=var,
        database_url=database.app,
        database_owner_url=database.owner,
        database_relay_url=database.relay,
        **{"internal_tokens": "", "database_pool_size": 16, **settings},
    )
    made.testing = True
    return made


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Broker"]:
    """A broker of our own, which a test may stop, kill or freeze as long as it leaves it running."""
    from tools.kafka.broker import Broker  # here, because few tests need Kafka and its client takes a while to load

    foreign = os.environ.get("CAREAPP_TEST_KAFKA")
    if foreign:
        pytest.skip(f"NOT TESTED: CAREAPP_TEST_KAFKA={foreign} names a broker that a test may not stop, kill or freeze")
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def kafka_address(request: pytest.FixtureRequest) -> str:
    """Where a real Kafka answers (host:port): the one CAREAPP_TEST_KAFKA names, otherwise our own."""
    address: str = os.environ.get("CAREAPP_TEST_KAFKA") or request.getfixturevalue("broker").bootstrap
    return address


@pytest.fixture(autouse=True)
def app_context(request: pytest.FixtureRequest) -> Iterator[None]:
    """An application context around each test that uses the application, so that it can call services directly."""
    if "app" not in request.fixturenames:
        yield
        return
    with request.getfixturevalue("app").app_context():
        yield
        db.session.remove()


@pytest.fixture
def years_go(database: TestDatabase) -> Iterator[None]:
    """The years a test made go after it, as other tests look at all tables there are."""
    yield
    db.session.rollback()
    with psycopg.connect(libpq_url(database.whole)) as connection:
        years = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'care.appointments'::regclass"
            " AND inhrelid <> 'care.appointments_present'::regclass"
        ).fetchall()
        for (year,) in years:
            connection.execute(f"DROP TABLE {year}")


@pytest.fixture
def use_keys(app: APIFlask) -> Iterator[Callable[..., None]]:
    """use_keys(newest, *older) are the application's secret keys until the end of the test."""
    names = ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "WTF_CSRF_SECRET_KEY")
    before = {name: app.config[name] for name in names}
    yield lambda newest, *older: set_keys(app, newest, list(older))
    app.config.update(before)


@dataclass(frozen=True)
class TestTenant:
    """A tenant of one test: its id and key."""

    __test__ = False

    id: int
    key: str


@pytest.fixture
def new_tenant(app: APIFlask) -> Callable[..., TestTenant]:
    """new_tenant(buffer_minutes=0, time_zone="Asia/Yangon") makes a tenant nobody else uses."""

    def make(**settings: object) -> TestTenant:
        key = f"t{uuid.uuid4().hex[:12]}"
        options = {"time_zone": "Asia/Yangon", **settings}
        return TestTenant(
            create_tenant(app.config["DATABASE_OWNER_URL"], key=key, name=f"Tenant {key}", **options), key
        )

    return make


@pytest.fixture
def tenant(new_tenant: Callable[..., TestTenant]) -> TestTenant:
    """The tenant of this test."""
    return new_tenant()


@pytest.fixture
def actor_of(tenant: TestTenant) -> Callable[..., Actor]:
    """actor_of(Role.CLINICIAN, tenant=…, **fields) is an actor with that role, in this test's tenant."""

    def make(role: Role | str, *, tenant: TestTenant = tenant, **fields: object) -> Actor:
        roles = frozenset({Role(role)})
        return Actor(tenant.id, tenant.key, f"test:{Role(role).value}", permissions_of(roles), roles, **fields)

    return make


@pytest.fixture
def front_desk(actor_of: Callable[..., Actor]) -> Actor:
    """Somebody at the front desk."""
    return actor_of(Role.FRONT_DESK)


@pytest.fixture
def clinician(actor_of: Callable[..., Actor]) -> Actor:
    """Somebody who treats patients."""
    return actor_of(Role.CLINICIAN)


@pytest.fixture
def admin(actor_of: Callable[..., Actor]) -> Actor:
    """Somebody who runs the clinic."""
    return actor_of(Role.ADMIN)


@pytest.fixture
def god(tenant: TestTenant) -> Actor:
    """Somebody who may do everything in this test's tenant."""
    return everything(tenant)


def everything(tenant: TestTenant) -> Actor:
    """An actor who may do everything in a tenant; factories use it to set a scene."""
    return Actor(tenant.id, tenant.key, "test:everything", frozenset(Permission), frozenset(Role))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What goes to the server past the driver, and together with what."""
    return watched(monkeypatch)
