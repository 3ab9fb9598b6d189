"""Signing in, sessions and their ends, and the waits after failures, on the database."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Row, event, select, update

from careapp import clock, tenancy
from careapp.access import Actor
from careapp.audit.models import AuditEvent
from careapp.db import db, table_of
from careapp.errors import TooMany, Unauthenticated
from careapp.identity import attempts, passwords, sessions, users
from careapp.identity.models import SignInAttempts, User, UserSession
from careapp.identity.sign_in import sign_in
from tests.conftest import TestTenant
from tests.identity.people import PASSWORD, a_user, address

PEERS = iter(f"192.0.{block}.{host}" for block in range(3, 200) for host in range(1, 250))


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = datetime.now().astimezone()

    def now(self) -> datetime:
        return self.moment

    def go(self, **how_far: float) -> None:
        self.moment += timedelta(**how_far)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moving = Clock()
    monkeypatch.setattr(clock, "now", moving.now)
    return moving


@pytest.fixture
def peer() -> str:
    """A network address no other test uses."""
    return next(PEERS)


@pytest.fixture
def user(app: APIFlask, admin: Actor) -> Iterator[users.UserView]:
    return a_user(admin)


def who(app: APIFlask, tenant: TestTenant, sid: str, *, poll: bool = False) -> Actor | None:
    found = sessions.session_actor(tenant.id, sid, settings=app.config["SETTINGS"], poll=poll)
    return found[0] if found else None


def test_a_session_knows_its_user(app: APIFlask, user: users.UserView, tenant: TestTenant, peer: str) -> None:
    tenant_id, sid = sign_in(f" {user.email.upper()} ", PASSWORD, address=peer)
    actor = who(app, tenant, sid)
    assert tenant_id == tenant.id
    assert actor
    assert actor.user_id == user.id
    assert who(app, tenant, sid + "x") is None


def test_the_sid_is_not_kept(user: users.UserView, tenant: TestTenant, peer: str) -> None:
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    with tenancy.bound(tenant.id):
        kept = db.session.execute(select(UserSession.sid_hash)).scalar_one()
        db.session.rollback()
    assert len(sid) >= 43
    assert sid.encode() not in kept
    assert len(kept) == 32


def test_a_session_of_another_tenant_is_nobodys(
    app: APIFlask, user: users.UserView, new_tenant: object, peer: str
) -> None:
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    assert who(app, new_tenant(), sid) is None  # type: ignore[operator]


def test_an_ended_session_stays_ended(app: APIFlask, user: users.UserView, tenant: TestTenant, peer: str) -> None:
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    for _ in range(2):
        sessions.end_session(tenant.id, sid, "signed out", address=peer)
        assert who(app, tenant, sid) is None
    rows = [row for row in audit(tenant) if row.action == "user.sign_out"]
    assert [(row.actor, row.detail["reason"]) for row in rows] == [(f"user:{user.id}", "signed out")]


def test_an_idle_session_runs_out_and_polls_do_not_keep_it(
    app: APIFlask, user: users.UserView, tenant: TestTenant, peer: str, time: Clock
) -> None:
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    time.go(minutes=14)
    assert who(app, tenant, sid, poll=True)
    time.go(minutes=2)
    assert who(app, tenant, sid, poll=True) is None
    assert who(app, tenant, sid) is None


def test_use_keeps_a_session_but_not_past_twelve_hours(
    app: APIFlask, user: users.UserView, tenant: TestTenant, peer: str, time: Clock
) -> None:
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    for _ in range(71):
        time.go(minutes=10)
        assert who(app, tenant, sid)
    time.go(minutes=10)
    assert who(app, tenant, sid) is None


def test_it_is_written_at_most_once_a_minute_that_a_session_was_seen(
    app: APIFlask, user: users.UserView, tenant: TestTenant, peer: str, time: Clock
) -> None:
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    seen = [last_seen(tenant)]
    for _ in range(4):
        time.go(seconds=30)
        assert who(app, tenant, sid)
        seen.append(last_seen(tenant))
    assert [later - earlier for earlier, later in itertools.pairwise(seen)] == [
        timedelta(0), timedelta(0), timedelta(seconds=90), timedelta(0),
    ]  # fmt: skip


def last_seen(tenant: TestTenant) -> datetime:
    with tenancy.bound(tenant.id):
        found: datetime = db.session.execute(select(UserSession.last_seen_at)).scalar_one()
        db.session.rollback()
    return found


def test_a_new_password_and_disabling_end_every_session(
    app: APIFlask, admin: Actor, user: users.UserView, tenant: TestTenant, peer: str
) -> None:
    sids = [sign_in(user.email, PASSWORD, address=peer).sid for _ in range(3)]
    users.set_password(admin, user.id, password="quite another sentence")
    assert not any(who(app, tenant, sid) for sid in sids)
    _, sid = sign_in(user.email, "quite another sentence", address=peer)
    users.disable(admin, user.id)
    assert who(app, tenant, sid) is None


def audit(tenant: TestTenant) -> list[Row[Any]]:
    with tenancy.bound(tenant.id):
        rows = list(db.session.execute(select(table_of(AuditEvent)).order_by(AuditEvent.id)))
        db.session.rollback()
    return rows


def test_sign_ins_and_failures_are_audited(user: users.UserView, tenant: TestTenant, peer: str) -> None:
    with pytest.raises(Unauthenticated):
        sign_in(user.email, "the wrong words entirely", address=peer)
    sign_in(user.email, PASSWORD, address=peer)
    rows = [(row.actor, row.outcome, row.subject, row.detail) for row in audit(tenant) if row.action == "user.sign_in"]
    me = f"user:{user.id}"
    assert rows == [
        ("nobody", "refused", me, {"address": peer}),
        (me, "done", me, {"address": peer, "factor": "password"}),
    ]


def test_a_stranger_hears_the_same_and_costs_a_hash(
    user: users.UserView, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str | None] = []
    verify = passwords.verify
    monkeypatch.setattr(passwords, "verify", lambda kept, given: checked.append(kept) or verify(kept, given))
    said = set()
    for email in (user.email, address(), "", "no address", "nul\0@clinic.example"):
        with pytest.raises(Unauthenticated) as refusal:
            sign_in(email, "the wrong words entirely", address=peer)
        said.add(refusal.value.detail)
    assert len(said) == 1
    assert len(checked) == 5


def test_nobody_learns_from_the_work_done_who_is_known(
    user: users.UserView, admin: Actor, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the clock is asked but what takes time: the statements, which are the same, and the hashes."""
    disabled = a_user(admin)
    users.disable(admin, disabled.id)
    done: list[str] = []
    verify = passwords._hasher.verify

    def hashing(kept: str, given: str) -> bool:
        done.append("argon2")
        return bool(verify(kept, given))

    monkeypatch.setattr(passwords, "_hasher", SimpleNamespace(verify=hashing, hash=passwords._hasher.hash))
    listen = (db.engine, "before_cursor_execute", lambda *told: done.append(told[2]))
    event.listen(*listen)
    work: dict[str, list[str]] = {}
    wrong = "the wrong words entirely"
    cases = {"known": (user.email, wrong), "unknown": (address(), wrong), "shut out": (disabled.email, PASSWORD)}
    try:
        for case, (email, password) in cases.items():
            done.clear()
            with pytest.raises(Unauthenticated):
                sign_in(email, password, address=peer)
            work[case] = list(done)
    finally:
        event.remove(*listen)
    assert work["known"].count("argon2") == 1
    assert work["known"] == work["unknown"] == work["shut out"]


def test_nobody_is_locked_out_for_good(user: users.UserView, time: Clock) -> None:
    """A stranger who keeps trying delays the owner by a quarter of an hour at most, however long he goes on."""
    waits = []
    for _ in range(40):
        with pytest.raises((Unauthenticated, TooMany)):
            sign_in(user.email, "the wrong words entirely", address=next(PEERS))
        with pytest.raises(TooMany) if len(waits) >= 4 else nullcontext() as refusal:
            if len(waits) >= 4:
                sign_in(user.email, PASSWORD, address=next(PEERS))
        waits.append(refusal.value.retry_after if refusal else 0)
        time.go(seconds=waits[-1])
    assert max(waits) == 15 * 60
    assert waits == sorted(waits), "it only slows"
    assert sign_in(user.email, PASSWORD, address=next(PEERS))


def test_old_sessions_are_deleted_and_younger_ones_stay(
    app: APIFlask, user: users.UserView, tenant: TestTenant, peer: str, time: Clock
) -> None:
    sign_in(user.email, PASSWORD, address=peer)
    time.go(days=29)
    _, sid = sign_in(user.email, PASSWORD, address=peer)
    assert sessions.forget_old(tenant.id) == 0
    time.go(days=2)
    assert sessions.forget_old(tenant.id) == 1
    time.go(days=-2)
    assert who(app, tenant, sid)


def fail(email: str, peer: str) -> int:
    """Fail once; the seconds to wait where even trying was refused, else 0."""
    try:
        sign_in(email, "the wrong words entirely", address=peer)
    except TooMany as refusal:
        return refusal.retry_after
    except Unauthenticated:
        return 0
    raise AssertionError("signed in with the wrong words")


@pytest.mark.parametrize("known", [True, False])
def test_after_five_failures_an_address_waits_also_with_the_right_password(
    user: users.UserView, peer: str, time: Clock, known: bool
) -> None:
    email = user.email if known else address()
    assert [fail(email, next(PEERS)) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    with pytest.raises(TooMany):
        sign_in(email, PASSWORD, address=peer)
    time.go(seconds=1)
    assert [fail(email, next(PEERS)) for _ in range(2)] == [0, 2]
    time.go(seconds=2)
    if known:
        sign_in(email, PASSWORD, address=peer)
        assert [fail(email, next(PEERS)) for _ in range(2)] == [0, 0]


def test_waiting_is_not_made_longer_by_trying(user: users.UserView, time: Clock) -> None:
    for _ in range(50):
        fail(user.email, next(PEERS))
    time.go(seconds=1)
    sign_in(user.email, PASSWORD, address=next(PEERS))


def test_guesses_sent_together_are_all_counted(app: APIFlask, user: users.UserView) -> None:
    peers, waits = [next(PEERS) for _ in range(12)], []

    def guess(peer: str) -> None:
        with app.app_context():
            waits.append(fail(user.email, peer))

    threads = [threading.Thread(target=guess, args=(peer,)) for peer in peers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waits.count(0) <= attempts.FREE_FAILURES + 1


def test_a_network_address_waits_after_twenty_failures_and_successes_do_not_count(
    user: users.UserView, peer: str, time: Clock
) -> None:
    for _ in range(25):
        sign_in(user.email, PASSWORD, address=peer)
    assert not any(fail(address(), peer) for _ in range(20))
    assert fail(address(), peer) == 60
    with pytest.raises(TooMany):
        sign_in(user.email, PASSWORD, address=peer)
    time.go(minutes=1)
    sign_in(user.email, PASSWORD, address=peer)


def test_old_counts_are_deleted(user: users.UserView, peer: str, time: Clock) -> None:
    fail(user.email, peer)
    time.go(days=1, minutes=1)
    assert attempts.forget_old() >= 2
    mine = SignInAttempts.subject.in_([attempts._email_key(user.email), attempts._address_key(peer)])
    assert db.session.execute(select(SignInAttempts.failures).where(mine)).first() is None
    db.session.rollback()


def test_a_hash_with_other_costs_is_replaced_at_sign_in(user: users.UserView, tenant: TestTenant, peer: str) -> None:
    from argon2 import PasswordHasher

    cheap = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    users_table = table_of(User)
    with tenancy.bound(tenant.id):
        db.session.execute(update(users_table).where(users_table.c.id == user.id).values(password_hash=cheap))
        db.session.commit()
        sign_in(user.email, PASSWORD, address=peer)
        kept = db.session.execute(select(User.password_hash).where(User.id == user.id)).scalar_one()
        db.session.rollback()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    sign_in(user.email, PASSWORD, address=peer)


def test_a_password_changed_while_it_is_checked_starts_no_session(
    admin: Actor, user: users.UserView, peer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = passwords.verify

    def changed_meanwhile(kept: str | None, given: str) -> bool:
        right = verify(kept, given)
        users.set_password(admin, user.id, password="quite another sentence")
        return right

    monkeypatch.setattr(passwords, "verify", changed_meanwhile)
    with pytest.raises(Unauthenticated):
        sign_in(user.email, PASSWORD, address=peer)
