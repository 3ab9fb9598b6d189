"""Idempotency-Key on all that changes something: one effect and one answer, however often and however many at once."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from careapp.access import Actor
from tests import factories as make
from tests.api.calls import CALLS, Call
from tests.api.client import Api, all_stored, is_problem, speaking_for
from tests.conftest import TestTenant
from tests.database import TestDatabase
from tests.looking import newest, one, rows

Client = Callable[..., Api]
POSTS = (
    "create_provider",
    "create_clinic",
    "register_patient",
    "search_patients",
    "open_episode",
    "add_slot",
    "book",
    "issue",
    "refer",
)
ROLES = {"create_provider": "admin", "create_clinic": "admin", "add_slot": "front_desk"}


def key() -> str:
    """A key nobody used."""
    return str(uuid.uuid4())


def whole(answer: TestResponse) -> tuple[Any, ...]:
    """What the client sees of an answer, apart from the request's own number."""
    return (
        answer.status_code,
        answer.data,
        answer.content_type,
        answer.headers.get("Location"),
        answer.headers.get("ETag"),
    )


def test_these_are_all_posts(god: Actor) -> None:
    assert {name for name, scene in CALLS.items() if scene(god).method == "POST"} == {f"api.{name}" for name in POSTS}


@pytest.mark.parametrize("name", POSTS)
def test_the_same_request_again_gives_the_first_answer_and_no_second_effect(api: Client, god: Actor, name: str) -> None:
    call: Call = CALLS[f"api.{name}"](god)
    client, once = api(ROLES.get(name, "clinician")), key()
    first = client.post(call.path, call.body, Idempotency_Key=once)
    assert first.status_code == call.status, first.text
    after = newest(god)
    again = client.post(call.path, call.body, Idempotency_Key=once)
    assert whole(again) == whole(first)
    assert {**newest(god), "audits": 0} == {**after, "audits": 0}
    other = client.post(call.path, {**(call.body or {}), **OTHER[name]}, Idempotency_Key=once)
    is_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    assert {**newest(god), "audits": 0} == {**after, "audits": 0}


CHANGES = sorted(name for name in CALLS if name.startswith("api.") and ".get_" not in name and ".list_" not in name)


def test_these_are_all_routes_that_change_something(app: APIFlask) -> None:
    changing = {"POST", "PUT", "PATCH", "DELETE"}
    routes = (rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1"))
    assert {rule.endpoint for rule in routes if (rule.methods or set()) & changing} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_sent_twice_has_one_effect_and_two_equal_answers(
    app: APIFlask, god: Actor, database: TestDatabase, name: str
) -> None:
    call, once = CALLS[name](god), key()
    client = speaking_for(app, god)
    first = client.send(call.method, call.path, call.body, **call.headers, Idempotency_Key=once)
    assert first.status_code == call.status, first.text
    after = all_stored(database)
    again = client.send(call.method, call.path, call.body, **call.headers, Idempotency_Key=once)
    assert whole(again) == whole(first)
    assert all_stored(database) == after


@pytest.mark.parametrize("name", ["api.appointment_arrive", "api.appointment_cancel", "api.provider_activate"])
def test_the_version_belongs_to_the_request(app: APIFlask, god: Actor, name: str) -> None:
    call, once, client = CALLS[name](god), key(), speaking_for(app, god)
    assert client.send(call.method, call.path, call.body, **call.headers, Idempotency_Key=once).status_code == 200
    other = client.send(call.method, call.path, call.body, If_Match='"77"', Idempotency_Key=once)
    is_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")


def test_a_refused_change_stays_refused_under_its_key(app: APIFlask, god: Actor) -> None:
    visit, once, client = make.an_appointment(god), key(), speaking_for(app, god)
    path = f"/appointments/{visit.locator}"
    first = client.patch(f"{path}/confirm", Idempotency_Key=once, If_Match='"9"')
    is_problem(first, 409, "STALE_VERSION")
    assert whole(client.patch(f"{path}/confirm", Idempotency_Key=once, If_Match='"9"')) == whole(first)
    assert client.patch(f"{path}/confirm").json["status"] == "CONFIRMED"


def test_without_a_version_where_one_is_needed_no_key_is_used_up(app: APIFlask, god: Actor) -> None:
    visit, once, client = make.an_appointment(god), key(), speaking_for(app, god)
    path = f"/appointments/{visit.locator}/arrive"
    is_problem(client.patch(path, Idempotency_Key=once), 428)
    assert client.patch(path, Idempotency_Key=once, If_Match=f'"{visit.version}"').status_code == 200


def test_twenty_changes_at_once_have_one_effect(app: APIFlask, god: Actor) -> None:
    visit, once, client, before = make.an_appointment(god), key(), speaking_for(app, god), newest(god)
    path = f"/appointments/{visit.locator}/confirm"
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: client.patch(path, Idempotency_Key=once), range(20)))
    assert {whole(answer)[:2] for answer in answers} == {(200, answers[0].data)}
    assert one(god, "SELECT count(*) FROM status_changes WHERE id > :after", after=before["history"]) == 1


OTHER: dict[str, dict[str, Any]] = {
    "create_provider": {"name": "Dr Other"},
    "create_clinic": {"name": "Other"},
    "register_patient": {"gender": "male"},
    "search_patients": {"limit": 6},
    "open_episode": {"reason": "Fever"},
    "add_slot": {"capacity": 3},
    "book": {"reason": "Fever"},
    "issue": {"refills": 2},
    "refer": {"priority": "STAT"},
}


def test_a_refusal_is_the_first_answer_too(api: Client, god: Actor) -> None:
    slot = make.a_slot(god)
    booked = make.an_appointment(god, slot=slot)
    path, once = f"/episodes/{make.an_episode(god).locator}/appointments", key()
    first = api().post(path, {"slotLocator": slot.locator}, Idempotency_Key=once)
    is_problem(first, 409, "SLOT_UNAVAILABLE")
    assert api().patch(f"/appointments/{booked.locator}/cancel").status_code == 200
    assert whole(api().post(path, {"slotLocator": slot.locator}, Idempotency_Key=once)) == whole(first)
    assert api().post(path, {"slotLocator": slot.locator}, Idempotency_Key=key()).status_code == 201


def test_what_cannot_be_read_uses_no_key_up(api: Client, god: Actor) -> None:
    once, party = key(), make.a_patient(god).locator
    is_problem(api().post("/episodes", {"careType": "GP"}, Idempotency_Key=once), 422, "VALIDATION_FAILED")
    assert api().post("/episodes", {"partyLocator": party, "careType": "GP"}, Idempotency_Key=once).status_code == 201


@pytest.mark.parametrize("bad", ["", " ", "x" * 256, "two words", "Ünicode", "tab\tinside"])
def test_a_key_that_is_none_is_refused(api: Client, god: Actor, bad: str) -> None:
    sent, before = {"partyLocator": make.a_patient(god).locator, "careType": "GP"}, newest(god)
    answer = api().post("/episodes", sent, Idempotency_Key=bad)
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["Idempotency-Key"]
    assert newest(god)["history"] == before["history"]


def test_a_key_belongs_to_who_sent_it_where_it_was_sent(
    api: Client, god: Actor, new_tenant: Callable[..., TestTenant]
) -> None:
    once, sent = key(), {"name": {"family": "Aung"}}
    elsewhere = new_tenant()
    answers = [
        api().post("/patients", sent, Idempotency_Key=once),
        api("front_desk").post("/patients", sent, Idempotency_Key=once),
        api(tenant=elsewhere).post("/patients", sent, Idempotency_Key=once),
        api().post("/patients/search", {"name": "Aung"}, Idempotency_Key=once),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 200]
    assert len({answer.json.get("locator") for answer in answers}) == 4


def test_without_a_key_every_request_has_its_effect(api: Client) -> None:
    sent = {"name": {"family": "Aung"}}
    assert api().post("/patients", sent).json["locator"] != api().post("/patients", sent).json["locator"]


@pytest.mark.parametrize("name", ["open_episode", "book"])
def test_twenty_at_once_have_one_effect_and_equal_answers(api: Client, god: Actor, name: str) -> None:
    call, client, once, before = CALLS[f"api.{name}"](god), api(), key(), newest(god)
    with ThreadPoolExecutor(20) as crowd:
        answers = list(crowd.map(lambda _: client.post(call.path, call.body, Idempotency_Key=once), range(20)))
    assert len({whole(answer) for answer in answers}) == 1, {answer.text for answer in answers}
    assert answers[0].status_code == 201
    made = "SELECT count(*) FROM status_changes WHERE from_status IS NULL AND id > :after"
    assert one(god, made, after=before["history"]) == 1
    assert one(god, "SELECT count(*) FROM outbox WHERE id > :after", after=before["events"]) == 1


def test_an_answer_given_again_is_audited_like_the_first(api: Client, god: Actor, tenant: TestTenant) -> None:
    patient, once = make.a_patient(god), key()
    for _ in range(2):
        assert api().post("/patients/search", {"locator": patient.locator}, Idempotency_Key=once).status_code == 200
    [audit] = rows(god, "SELECT outcome, patients FROM audit_event ORDER BY id DESC LIMIT 1")
    assert (audit.outcome, audit.patients) == ("seen", [patient.locator])
