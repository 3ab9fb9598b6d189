"""The database behind a proxy that hangs, cuts and refuses: requests are refused clearly, and serving begins again."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import event, make_url
from werkzeug.test import TestResponse

from careapp.access import Actor, Role
from careapp.db import db
from careapp.identity.request_limits import Limiter
from careapp.localdb import libpq_url
from careapp.operations.database_health import Answer, ask
from careapp.surface.tokens import own_token
from chaos.proxy import Proxy
from tests.conftest import make_app
from tests.database import TestDatabase
from tests.web.conftest import signed_in
from tests.web.test_polls import Screen

PATIENCE_SECONDS = 60


@pytest.fixture
def proxy(database: TestDatabase) -> Iterator[Proxy]:
    """The way to the database, which a test may disturb."""
    url = make_url(database.app)
    host, port = url.query.get("host") or url.host, url.query.get("port") or url.port or 5432
    target = Path(str(host)) / f".s.PGSQL.{port}" if str(host).startswith("/") else (str(host), int(str(port)))
    with Proxy(target) as made:
        yield made


@pytest.fixture
def address(database: TestDatabase, proxy: Proxy) -> str:
    """The app role's address through the proxy."""
    url = make_url(database.app).difference_update_query(["host", "port"])
    return url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)


@pytest.fixture
def behind(database: TestDatabase, address: str, tmp_path: Path) -> Iterator[APIFlask]:
    """The application with its database behind the proxy."""
    through = TestDatabase(**{**vars(database), "app": address})
    made = make_app(through, tmp_path, database_pool_size=2)
    yield made
    with made.app_context():
        db.engine.dispose()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; AssertionError when it never does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for has not happened"
        time.sleep(0.05)


def readiness(app: APIFlask) -> int:
    """What /readyz answers; a refusal is a problem document that says when to try again."""
    answer = app.test_client().get("/readyz")
    if answer.status_code != 200:
        assert answer.content_type == "application/problem+json"
        assert answer.headers["Retry-After"]
        assert answer.json["code"] == "NOT_READY"
    return answer.status_code


def asked(app: APIFlask) -> int:
    """The status of a request that needs the database."""
    return ask_for_episodes(app).status_code


def ask_for_episodes(app: APIFlask) -> TestResponse:
    """The answer to a request that needs the database: whose token this is, is looked up there."""
    stranger = Actor(0, "nowhere", "token:nobody", frozenset())
    token = own_token(stranger, app.config["SETTINGS"])
    return app.test_client().get("/api/v1/episodes", headers={"Authorization": f"Bearer {token}"})


def test_readiness_waits_for_no_connection_of_the_pool(behind: APIFlask) -> None:
    with behind.app_context(), ExitStack() as held:
        for _ in range(2):
            held.enter_context(db.engine.connect())
        wait_until(lambda: readiness(behind) == 200)  # all are in use, and it needs none


@pytest.mark.parametrize("fault", ["freeze", "refuse"])
def test_readiness_goes_red_and_green_again(behind: APIFlask, proxy: Proxy, fault: str) -> None:
    wait_until(lambda: readiness(behind) == 200)  # it has a second and a half, in which a machine may stand still
    getattr(proxy, fault)()
    assert readiness(behind) == 503
    proxy.restore()
    wait_until(lambda: readiness(behind) == 200)


def test_a_question_ends_in_time_at_every_stage(address: str, proxy: Proxy) -> None:
    assert ask(address, PATIENCE_SECONDS) is Answer.READY
    for size in (0, 1, 40, 300):  # somewhere in the greeting, or in the answer itself
        proxy.drop_after(size)
        assert ask(address, 0.3) is Answer.SILENT
    proxy.refuse()
    assert ask(address) is Answer.REFUSED


def test_a_schema_that_waits_for_migrations_is_not_ready_and_a_later_one_is(database: TestDatabase) -> None:
    with TestDatabase.apart() as made:
        for revision, answer in (("0001", Answer.OLD_SCHEMA), ("9999", Answer.READY)):
            with psycopg.connect(libpq_url(made.owner)) as connection:
                connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
            assert ask(made.app, 30) is answer


def test_connections_the_server_closed_are_replaced_before_anybody_is_refused(
    behind: APIFlask, database: TestDatabase, proxy: Proxy
) -> None:
    for _ in range(3):
        assert asked(behind) == 401
        proxy.cut()
    assert asked(behind) == 401


def test_connections_that_end_as_soon_as_they_are_made_are_no_fault_of_ours(behind: APIFlask, proxy: Proxy) -> None:
    with behind.app_context():
        event.listen(db.engine, "connect", lambda connection, record: proxy.cut())
    assert asked(behind) == 503


def test_who_waits_for_a_database_that_hangs_is_told_and_others_are_refused_at_once(
    behind: APIFlask, proxy: Proxy
) -> None:
    wait_until(lambda: readiness(behind) == 200)
    health = behind.extensions["careapp.database_health"]
    with behind.app_context(), db.engine.connect():
        pass
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(hanging_statement, behind, proxy)
        error = waiting.result(PATIENCE_SECONDS)
    assert isinstance(error, Exception)
    assert health.away
    assert asked(behind) == 503
    assert behind.test_client().get("/healthz").status_code == 200
    proxy.restore()
    wait_until(lambda: not health.away)
    assert asked(behind) == 401


def hanging_statement(app: APIFlask, proxy: Proxy) -> Exception | None:
    """Run a statement in a request, in the middle of which the database freezes; the error it ends with."""
    with app.test_request_context("/"):
        connection = db.engine.connect()
        proxy.freeze()
        try:
            connection.exec_driver_sql("SELECT 1")
        except Exception as error:
            return error
        finally:
            connection.close()
    return None


def test_while_it_is_away_no_request_tries_to_connect(behind: APIFlask, proxy: Proxy) -> None:
    health, tried = behind.extensions["careapp.database_health"], 0

    def count(*_: object) -> None:
        nonlocal tried
        tried += 1

    with behind.app_context():
        event.listen(db.engine, "do_connect", count)
        assert asked(behind) == 401
        assert tried, "what counts is heard"
        proxy.freeze()
        wait_until(lambda: readiness(behind) == 503 and health.away)
        db.engine.dispose()  # as when all have been cut: the pool is empty
        tried = 0
        assert asked(behind) == 503
        assert tried == 0
        proxy.restore()
        wait_until(lambda: asked(behind) == 401)


def test_with_every_connection_in_use_who_asks_is_told_to_come_again(
    behind: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pool itself, exhausted by connections that are really out; what waited for one in vain holds none."""
    monkeypatch.setattr(
        Limiter, "spend", lambda *_: None
    )  # whose share may end meanwhile: a new one needs a connection
    assert asked(behind) == 401
    with behind.app_context():
        pool: Any = db.engine.pool
        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(db.engine.connect())
            answer = ask_for_episodes(behind)
            assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
            assert answer.headers["Retry-After"].isdigit()
            assert "Nothing was changed. Try again in a moment." in answer.json["detail"]
            page = behind.test_client().get("/sign-in")
            assert page.status_code == 200, "what needs no database is served"
            assert pool.checkedout() == 2
        assert [asked(behind) for _ in range(3)] == [401] * 3
        assert pool.checkedout() == 0


def test_a_poll_that_is_looked_up_waits_no_longer_than_other_requests(
    behind: APIFlask, god: Actor, proxy: Proxy
) -> None:
    """Polls are looked up before there is a request (polls.py), a thread for each tenant: four hold a worker."""
    screen = Screen(signed_in(behind, god, Role.FRONT_DESK))
    assert [screen.status(), screen.status()] == [204, 204]
    memory_is_over = time.monotonic() + 1.2
    wait_until(lambda: readiness(behind) == 200 and time.monotonic() > memory_is_over)
    proxy.freeze()
    with ThreadPoolExecutor(1) as waiting:
        first = waiting.submit(screen.status)
        try:
            assert first.result(PATIENCE_SECONDS) == 503
            wait_until(lambda: readiness(behind) == 503)
            assert screen.status() == 503, "refused at once: nothing of it waits for the database"
        finally:
            proxy.restore()
    wait_until(lambda: screen.status() in (200, 204))  # served again, changed or not: a quarter may have ended


def test_nobody_waits_long_for_a_lock(behind: APIFlask) -> None:
    with behind.app_context(), db.engine.connect() as connection:
        row = connection.exec_driver_sql("SHOW lock_timeout").one()
    assert row[0] == "5s"
