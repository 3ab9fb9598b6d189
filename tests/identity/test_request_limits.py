"""Request limits: they hold over many workers, end with the minute, and cost one statement in many requests."""

import threading
import uuid
from collections.abc import Callable

import pytest
from apiflask import APIFlask
from sqlalchemy import event, text

from careapp import commands
from careapp.access import Actor, Role
from careapp.db import db
from careapp.errors import TooMany
from careapp.identity.request_limits import SHARES, WINDOW_SECONDS, Limiter, forget_old
from careapp.surface.request_limits import LIMITER
from tests.api.client import is_problem, speaking_for
from tests.conftest import TestTenant
from tests.identity.people import a_user

LIMIT = 100


@pytest.fixture
def subject(app: APIFlask) -> str:
    """Somebody nobody has counted yet."""
    return uuid.uuid4().hex


def spend(limiter: Limiter, subject: str, times: int, limit: int = LIMIT) -> int:
    """Make so many requests and say how many went through."""
    through = 0
    for _ in range(times):
        try:
            limiter.spend(subject, limit)
            through += 1
        except TooMany:
            pass
    return through


@pytest.mark.parametrize("limit", [1, 7, LIMIT])
def test_one_worker_lets_the_limit_through_and_no_more(subject: str, limit: int) -> None:
    assert spend(Limiter(), subject, 2 * limit, limit) == limit


def test_workers_share_one_limit(subject: str) -> None:
    workers = [Limiter() for _ in range(4)]
    assert sum(spend(worker, subject, LIMIT) for worker in workers) == LIMIT


def test_workers_that_race_share_one_limit(app: APIFlask, subject: str) -> None:
    through: list[int] = []
    ready = threading.Barrier(8)

    def work() -> None:
        limiter = Limiter()
        ready.wait()
        with app.app_context():
            through.append(spend(limiter, subject, LIMIT))
            db.session.remove()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(through) == LIMIT


def test_threads_of_one_worker_share_its_lease(app: APIFlask, subject: str) -> None:
    """Two that find the lease empty at once both take a share; the limit holds all the same."""
    limiter, through = Limiter(), []
    ready = threading.Barrier(8)

    def work() -> None:
        ready.wait()
        with app.app_context():
            through.append(spend(limiter, subject, LIMIT))
            db.session.remove()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert LIMIT - 8 * (LIMIT // SHARES) <= sum(through) <= LIMIT


def test_a_minute_later_there_is_room_again(subject: str) -> None:
    now = [0.0]
    limiter = Limiter(clock=lambda: now[0])
    assert spend(limiter, subject, LIMIT + 1) == LIMIT
    with pytest.raises(TooMany) as refused:
        limiter.spend(subject, LIMIT)
    assert 0 < refused.value.retry_after <= WINDOW_SECONDS
    _a_minute_passes()
    now[0] = WINDOW_SECONDS + 1
    assert spend(limiter, subject, LIMIT + 1) == LIMIT


def test_one_statement_in_many(subject: str) -> None:
    seen: list[str] = []

    def note(_: object, __: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    limiter = Limiter()
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        spend(limiter, subject, LIMIT)
        asked = len(seen)
        spend(limiter, subject, LIMIT)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert asked == SHARES
    assert len(seen) == SHARES + 1, "who is refused costs no statement until the minute ends"


def test_others_are_not_held(subject: str) -> None:
    limiter = Limiter()
    assert spend(limiter, subject, LIMIT + 1) == LIMIT
    assert spend(limiter, subject + "x", 5) == 5


def test_old_counts_go(subject: str) -> None:
    Limiter().spend(subject, LIMIT)
    forget_old()
    assert _counts() > 0
    with commands.system_transaction(None):
        db.session.execute(text("UPDATE rate_limits SET window_start = window_start - interval '2 h'"))
    forget_old()
    assert _counts() == 0


def test_the_api_refuses_with_a_wait(
    app: APIFlask, actor_of: Callable[..., Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(app, monkeypatch, rate_limit_service=3)
    busy, calm = speaking_for(app, actor_of(Role.FRONT_DESK)), speaking_for(app, actor_of(Role.CLINICIAN))
    assert [busy.get("/clinics").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = busy.get("/clinics")
    is_problem(refused, 429, "RATE_LIMITED")
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW_SECONDS
    assert calm.get("/clinics").status_code == 200


def test_a_person_has_his_own_limit(
    app: APIFlask, god: Actor, tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(app, monkeypatch, rate_limit_person=2)
    user = a_user(god, Role.FRONT_DESK)
    person = Actor(tenant.id, tenant.key, f"user:{user.id}", frozenset(), frozenset({Role.FRONT_DESK}))
    client = speaking_for(app, person)
    assert [client.get("/clinics").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/clinics", "/episodes"])
def test_strangers_are_counted_by_their_network(app: APIFlask, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    _limit(app, monkeypatch, rate_limit_address=2)
    first, same, other = ({"REMOTE_ADDR": one} for one in ("2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1"))
    with app.app_context():
        client = app.test_client(use_cookies=False)
        wanted = client.get(path, environ_base=first).status_code
        assert wanted in (200, 303, 401)
        assert client.get(path, environ_base=same).status_code == wanted
        assert client.get(path, environ_base=first).status_code == 429
        assert client.get(path, environ_base=other).status_code == wanted
        assert client.get("/healthz", environ_base=first).status_code == 200
    _a_minute_passes()


def test_orders_to_end_sessions_are_never_refused_for_their_number(
    app: APIFlask, monkeypatch: pytest.MonkeyPatch
) -> None:
    _limit(app, monkeypatch, rate_limit_address=2)
    with app.app_context():
        client = app.test_client(use_cookies=False)
        answers = [client.post("/sign-in/oidc/backchannel-logout").status_code for _ in range(5)]
    assert answers == [404] * 5, "no provider is set, and no order is counted"


def _limit(app: APIFlask, monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    """Set limits, with nothing counted yet in this process."""
    monkeypatch.setitem(app.config, "SETTINGS", app.config["SETTINGS"].model_copy(update=limits))
    monkeypatch.setitem(app.extensions, LIMITER, Limiter())


def _a_minute_passes() -> None:
    """Move all counts into the minute before."""
    with commands.system_transaction(None):
        db.session.execute(text(f"UPDATE rate_limits SET window_start = window_start - interval '{WINDOW_SECONDS} s'"))


def _counts() -> int:
    with commands.system_transaction(None):
        return int(db.session.execute(text("SELECT count(*) FROM rate_limits")).scalar_one())
