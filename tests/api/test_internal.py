"""The portal's routes: what they show and never show, to whom, and in which tenant."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from apiflask import APIFlask
from sqlalchemy import delete

from careapp import clock
from careapp.access import Actor
from careapp.commands import system_transaction
from careapp.db import db
from careapp.identity.models import SignInAttempts
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from tests import factories as make
from tests.api.client import Api, is_problem
from tests.api.test_good_calls import FIELDS
from tests.conftest import TestTenant, everything
from tests.looking import audits, newest

Portal = Callable[..., Api]


@pytest.fixture(autouse=True)
def no_failures_yet(app: APIFlask) -> None:
    """Forget the wrong credentials of other tests: all of them come from one network address."""
    with system_transaction(None):
        db.session.execute(delete(SignInAttempts))


@pytest.fixture
def portal(app: APIFlask, tenant: TestTenant, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """portal("TOKEN") sends that credential; FIRST and SECOND are good for this test's tenant."""
    known = [(tenant.key, sha256(token.encode()).digest()) for token in ("FIRST", "SECOND")]
    monkeypatch.setitem(app.extensions, CREDENTIALS, known)
    return lambda token="FIRST": Api(app, {HEADER: token} if token is not None else {}, base="/internal")


def test_an_episode_with_all_in_it_and_without_notes(portal: Portal, god: Actor) -> None:
    episode = make.an_episode(god, reason="Cough")
    booked = make.an_appointment(god, episode, reason="Cough", notes="Mentioned trouble at home")
    ordered, referred = make.a_prescription(god, episode), make.a_referral(god, episode)
    answer = portal().get(f"/internal/episodes/{episode.locator}")
    assert answer.status_code == 200
    assert set(answer.json) == {*FIELDS["episode"].split(), "appointments", "prescriptions", "referrals"}
    assert [one["locator"] for one in answer.json["appointments"]] == [booked.locator]
    assert set(answer.json["appointments"][0]) == set(FIELDS["appointment"].split()) - {"notes"}
    assert set(answer.json["prescriptions"][0]) == set(FIELDS["prescription"].split())
    assert answer.json["prescriptions"][0]["medication"]["text"] == ordered.medication.text
    assert set(answer.json["referrals"][0]) == set(FIELDS["referral"].split())
    assert answer.json["referrals"][0]["reason"] == referred.reason
    assert "trouble" not in answer.text
    assert "notes" not in answer.text


def test_a_members_episodes_newest_first_and_by_status(portal: Portal, god: Actor) -> None:
    patient = make.a_patient(god)
    old, new = make.an_episode(god, patient), make.an_episode(god, patient)
    make.an_episode(god)
    path = f"/internal/members/{patient.locator}/episodes"
    shown = portal().get(path).json
    assert [one["locator"] for one in shown["items"]] == [new.locator, old.locator]
    assert set(shown["items"][0]) == set(FIELDS["episode"].split())
    assert [one["locator"] for one in portal().get(f"{path}?status=OPEN").json["items"]] == [new.locator, old.locator]
    assert portal().get(f"{path}?status=CLOSED").json["items"] == []
    first = portal().get(f"{path}?limit=1").json
    second = portal().get(f"{path}?limit=1&cursor={first['nextCursor']}").json
    assert [one["locator"] for one in first["items"] + second["items"]] == [new.locator, old.locator]
    assert second["nextCursor"] is None
    is_problem(portal().get(f"{path}?status=DONE"), 422, "VALIDATION_FAILED")


def test_the_audit_names_the_portal_and_the_patient(portal: Portal, god: Actor) -> None:
    episode = make.an_episode(god)
    before = newest(god)["audits"]
    portal().get(f"/internal/episodes/{episode.locator}")
    portal().get(f"/internal/members/{episode.party_locator}/episodes")
    found = audits(god, after=before)
    assert {row.actor for row in found} == {"portal"}
    assert {"portal.episode", "episode.list"} <= {row.action for row in found}
    assert all(row.patients == [episode.party_locator] for row in found)


def test_unconfigured_it_is_not_there(app: APIFlask, god: Actor) -> None:
    assert app.extensions[CREDENTIALS] == []
    episode = make.an_episode(god)
    for path in (f"/internal/episodes/{episode.locator}", f"/internal/members/{episode.party_locator}/episodes"):
        for query in ("", "?unknown=1", "?limit=0&limit=1", "?status=DONE"):
            is_problem(Api(app, {HEADER: "FIRST"}).get(path + query), 404, "NOT_FOUND")


@pytest.mark.parametrize("token", [None, "", "first", "FIRST ,", "FIRS", "FIRSTFIRST", "ü"])
def test_without_a_good_credential_nothing(portal: Portal, god: Actor, token: str | None) -> None:
    episode = make.an_episode(god).locator
    for locator in (episode, "EPI-2026-999999"):
        answer = portal(token).get(f"/internal/episodes/{locator}?unknown=1")
        is_problem(answer, 401, "UNAUTHENTICATED")


def test_after_twenty_wrong_credentials_in_a_minute_the_next_have_to_wait(
    portal: Portal, god: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: noon)
    path = f"/internal/episodes/{make.an_episode(god).locator}"
    for _ in range(25):
        assert portal().get(path).status_code == 200, "successes do not count"
    for token in ("WRONG", None) * 10:
        is_problem(portal(token).get(path), 401)
    refused = portal("WRONG").get(path)
    is_problem(refused, 429, "RATE_LIMITED")
    assert refused.headers["Retry-After"] == "60"
    assert portal().get(path).status_code == 200, "who has a right one does not wait"
    monkeypatch.setattr(clock, "now", lambda: noon + timedelta(minutes=1))
    refused = portal("WRONG").get(path)
    is_problem(refused, 401)
    assert refused.headers["WWW-Authenticate"].startswith("ServiceCredential "), "no token is taken here"


def test_both_credentials_of_a_rotation_work(portal: Portal, god: Actor) -> None:
    path = f"/internal/episodes/{make.an_episode(god).locator}"
    assert portal("FIRST").get(path).json == portal("SECOND").get(path).json


def test_it_reads_one_tenant_only(portal: Portal, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.an_episode(everything(new_tenant()))
    missing = is_problem(portal().get("/internal/episodes/EPI-2026-999999"), 404)
    assert is_problem(portal().get(f"/internal/episodes/{foreign.locator}"), 404) == missing
    assert is_problem(portal().get(f"/internal/members/{foreign.party_locator}/episodes"), 404) == missing
    assert is_problem(portal().get("/internal/members/PTY-2026-999999/episodes"), 404) == missing


def test_a_bearer_token_opens_no_internal_route_and_a_credential_no_other(
    portal: Portal, app: APIFlask, api: Portal, god: Actor
) -> None:
    episode = make.an_episode(god).locator
    is_problem(api().get(f"/internal/episodes/{episode}"), 401)
    is_problem(Api(app, {HEADER: "FIRST"}).get(f"/episodes/{episode}"), 401)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_it_only_reads(portal: Portal, god: Actor, method: str) -> None:
    answer = portal().send(method, f"/internal/episodes/{make.an_episode(god).locator}", {})
    is_problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == {"GET", "HEAD", "OPTIONS"}
