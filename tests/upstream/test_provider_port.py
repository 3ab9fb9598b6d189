"""Booking asks the provider service before it locks anything; every way to a slot does."""

import threading
import time
from collections.abc import Callable, Iterator
from hashlib import sha256

import psycopg
import pytest
from apiflask import APIFlask

from careapp import localdb, upstream
from careapp.access import Actor, Role
from careapp.db import db
from careapp.providers.port import ProviderService
from careapp.signing import KEY, NONCE, SIGNATURE, TIME, canonical_text, signature
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from careapp.surface.provider_port import PORT
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, all_stored, is_problem, speaking_for
from tests.conftest import TestTenant, everything, make_app
from tests.database import TestDatabase
from tests.upstream.conftest import IN_USE
from tests.upstream.server import Other, answer
from tests.upstream.test_limits import BOOKING
from tests.web.conftest import Desk, desk  # noqa: F401  # a fixture

TOKEN = "provider-service-token-of-this-test-only"
BOOKS = ("api.book", "api.appointment_reschedule")


@pytest.fixture
def asking(
    database: TestDatabase, tenant: TestTenant, other: Other, tmp_path_factory: pytest.TempPathFactory, app: APIFlask,
    patient: None,
) -> Iterator[APIFlask]:  # fmt: skip
    """An application that asks the other side about providers; the limits themselves are tested in test_limits.py."""
    made = make_app(
        database, tmp_path_factory.mktemp("asking"), provider_service_url=other.address,
        provider_service_keys=f"{tenant.key}:key1:{TOKEN}", database_pool_size=2,
        jwt_secret=app.config["SETTINGS"].jwt_secret, secret_key=app.config["SETTINGS"].secret_key,
    )  # fmt: skip
    yield made
    with made.app_context():
        db.engine.dispose()


def say(other: Other, status: str) -> None:
    other.behave = lambda request: answer(request, {"networkStatus": status})


def test_who_takes_part_is_booked(asking: APIFlask, other: Other, god: Actor) -> None:
    say(other, "ACTIVE")
    call = CALLS["api.book"](god)
    made = speaking_for(asking, god).send(call.method, call.path, call.body)
    assert made.status_code == 201, made.text
    provider = other.asked[0].removeprefix("/internal/providers/")
    assert made.json["providerLocator"] == provider
    sent = other.headers[0]
    told = {"tenant": god.tenant_key, "key_id": "key1", "time": sent[TIME], "nonce": sent[NONCE]}
    text = canonical_text("GET", other.asked[0].encode(), "", b"", **told)
    assert (sent[KEY], sent[SIGNATURE]) == ("key1", signature(text, TOKEN))
    again = speaking_for(asking, god).patch(f"/appointments/{made.json['locator']}/confirm")
    assert again.status_code == 200
    assert len(other.asked) == 1, "only what takes a place asks"


@pytest.mark.parametrize("said", ["INACTIVE", "PENDING", "", None])
@pytest.mark.parametrize("name", BOOKS)
def test_who_does_not_is_not(asking: APIFlask, other: Other, god: Actor, name: str, said: str | None) -> None:
    other.behave = lambda request: answer(request, {"networkStatus": said})
    call = CALLS[name](god)
    refused = speaking_for(asking, god).send(call.method, call.path, call.body, **call.headers)
    is_problem(refused, 409, "PROVIDER_NOT_PARTICIPATING")


@pytest.mark.parametrize("name", BOOKS)
def test_without_an_answer_nothing_is_booked(
    asking: APIFlask, other: Other, god: Actor, database: TestDatabase, name: str
) -> None:
    call = CALLS[name](god)
    other.behave = lambda request: answer(request, {}, 500)
    before = all_stored(database)
    refused = speaking_for(asking, god).send(call.method, call.path, call.body, Idempotency_Key="k1", **call.headers)
    is_problem(refused, 503, "UPSTREAM_UNAVAILABLE")
    assert refused.headers["Retry-After"]
    assert all_stored(database) == before
    say(other, "ACTIVE")
    again = speaking_for(asking, god).send(call.method, call.path, call.body, Idempotency_Key="k1", **call.headers)
    assert again.status_code == call.status, again.text


@pytest.mark.parametrize("name", BOOKS)
def test_for_an_answer_given_again_nobody_is_asked(asking: APIFlask, other: Other, god: Actor, name: str) -> None:
    say(other, "ACTIVE")
    call, api = CALLS[name](god), speaking_for(asking, god)
    first = api.send(call.method, call.path, call.body, Idempotency_Key="k1", **call.headers)
    assert first.status_code == call.status, first.text
    other.behave = lambda request: answer(request, {}, 500)
    asking.extensions[PORT] = ProviderService.of(asking.config["SETTINGS"])  # which remembers no answer
    again = api.send(call.method, call.path, call.body, Idempotency_Key="k1", **call.headers)
    assert (again.status_code, again.text) == (first.status_code, first.text)
    assert len(other.asked) == 1


def test_a_form_sent_twice_asks_once(
    asking: APIFlask,
    other: Other,
    god: Actor,
    desk: Callable[..., Desk],  # noqa: F811
) -> None:
    say(other, "ACTIVE")
    page, address = _page_of(asking, desk(Role.FRONT_DESK)), f"/slots/{make.a_slot(god).locator}/book"
    form = page.forms(f"{address}?episode={make.an_episode(god).locator}")[address]
    first = page.send(form)
    assert first.status_code == 303, first.text
    other.behave = lambda request: answer(request, {}, 500)
    asking.extensions[PORT] = ProviderService.of(asking.config["SETTINGS"])
    again = page.send(form)
    assert (again.status_code, again.headers["Location"]) == (303, first.headers["Location"])
    assert len(other.asked) == 1


def _page_of(asking: APIFlask, front: Desk) -> Desk:
    """The same browser at the application that asks."""
    client = asking.test_client()
    with front.client.session_transaction() as known, client.session_transaction() as cookie:
        cookie.update(known)
    return Desk(asking, client)


def test_while_the_other_side_hangs_nothing_is_held(
    asking: APIFlask, other: Other, god: Actor, database: TestDatabase
) -> None:
    """Neither a lock nor a connection in a transaction: another session sees none while the request waits."""
    reached, looked = threading.Event(), threading.Event()

    def hang(request: object) -> None:
        reached.set()
        looked.wait()  # and then it hangs up without a word

    other.behave = hang
    call = CALLS["api.book"](god)
    answers: list[object] = []
    api = speaking_for(asking, god)
    waiting = threading.Thread(target=lambda: answers.append(api.send(call.method, call.path, call.body).status_code))
    db.session.rollback()
    waiting.start()
    try:
        assert reached.wait(upstream.BUDGET)
        with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
            busy = connection.execute(
                "SELECT state, query FROM pg_stat_activity WHERE usename = 'care_app' AND datname = %s"
                " AND state <> 'idle'", [database.name],
            ).fetchall()  # fmt: skip
        assert busy == []
    finally:
        looked.set()
        waiting.join()
    assert answers == [503]


def test_a_booking_is_refused_within_three_seconds(
    asking: APIFlask, other: Other, god: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the limits as they are in use, by a service that keeps each try waiting almost as long as it may, however
    often it is tried.
    """
    monkeypatch.setattr(upstream, "TRIES", 10)
    for limit, seconds in IN_USE.items():
        monkeypatch.setattr(upstream, limit, seconds)
    other.behave = lambda request: other.hang_up_after(0.9 * upstream.ONE_TRY)
    call, api, taken = CALLS["api.book"](god), speaking_for(asking, god), []
    for _ in range(
        upstream.FAILURES_TO_OPEN - 1
    ):  # a machine that stands still may cost one its time, or its second try
        asked, began = len(other.asked), time.monotonic()
        is_problem(api.send(call.method, call.path, call.body), 503, "UPSTREAM_UNAVAILABLE")
        taken.append((len(other.asked) - asked, time.monotonic() - began))
        if taken[-1][0] > 1 and taken[-1][1] < BOOKING:
            return
    pytest.fail(f"no booking that was tried again was refused in time: {taken}")


def test_a_tenant_without_a_credential_cannot_book(
    asking: APIFlask, other: Other, new_tenant: Callable[..., TestTenant]
) -> None:
    stranger = everything(new_tenant())
    call = CALLS["api.book"](stranger)
    is_problem(speaking_for(asking, stranger).send(call.method, call.path, call.body), 503)
    assert other.asked == []


def test_no_call_of_the_api_books_unasked(asking: APIFlask, other: Other, god: Actor, database: TestDatabase) -> None:
    """With a service that says no, no route takes a place, but for taking a cancel back; the others do what they do."""
    say(other, "INACTIVE")
    refused = []
    for name, scene in CALLS.items():
        if not name.startswith("api.") or name == "api.appointment_undo":
            continue
        call = scene(god)
        taken = _places(database, god)
        told = speaking_for(asking, god).send(call.method, call.path, call.body, **call.headers)
        assert _places(database, god) <= taken, name
        if told.status_code == 409:
            is_problem(told, 409, "PROVIDER_NOT_PARTICIPATING")
            refused.append(name)
        else:
            assert told.status_code == call.status, (name, told.text)
    assert sorted(refused) == sorted(BOOKS)


def _places(database: TestDatabase, actor: Actor) -> int:
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        row = connection.execute(
            "SELECT coalesce(sum(booked), 0) FROM care.provider_slots WHERE tenant_id = %s", [actor.tenant_id]
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_pages_keep_what_was_typed_when_there_is_no_answer(
    asking: APIFlask,
    other: Other,
    god: Actor,
    desk: Callable[..., Desk],  # noqa: F811
) -> None:
    other.behave = lambda request: answer(request, {}, 500)
    page = _page_of(asking, desk(Role.FRONT_DESK))
    episode, slot = make.an_episode(god), make.a_slot(god)
    refused = page.fill(f"/slots/{slot.locator}/book?episode={episode.locator}", f"/slots/{slot.locator}/book",
                        reason="Typed with care")  # fmt: skip
    assert refused.status_code == 503
    assert "Typed with care" in refused.text
    assert "does not answer" in refused.text


def test_this_application_serves_the_contract(app: APIFlask, god: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(god.tenant_key, sha256(TOKEN.encode()).digest())])
    provider = make.a_provider(god)
    told = Api(app, {HEADER: TOKEN}, base="/internal").get(f"/providers/{provider.locator}")
    assert told.json["networkStatus"] == "ACTIVE"
    is_problem(Api(app, {HEADER: TOKEN}, base="/internal").get("/providers/PRV-2020-999999"), 404)
    is_problem(Api(app, {}, base="/internal").get(f"/providers/{provider.locator}"), 401)
