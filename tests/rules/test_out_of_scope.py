"""What is out of the clinic scope is not there: the very answer a missing thing gets, on every surface and method."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp.access import Actor, Role
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, speaking_for
from tests.looking import id_of
from tests.rules.pages import absent_address, ask, csrf_token, rules, signed_in_as, without_numbers

SCOPED = {"appointments": "appointment", "today": "appointment", "slots": "slot"}
ROUTES = sorted(name for name in CALLS if re.match(r"api\.(get_appointment|get_slot|appointment_|slot_)", name))
BY_CHANCE = ("X-Request-Id", "Date", "Content-Length", "Set-Cookie", "X-Ratelimit-Remaining", "Ratelimit")


@pytest.fixture
def scoped(god: Actor) -> Actor:
    """Somebody who sees one clinic only."""
    mine = make.a_clinic(god, name="Mine")
    return make.a_person(
        god, Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN, clinic_ids=[id_of(god, "clinics", mine.locator)]
    )


@pytest.fixture
def hidden(god: Actor) -> dict[str, str]:
    """The locators of an appointment at another clinic, and of its slot."""
    other = make.a_clinic(god, name="Other")
    booked = make.an_appointment(god, slot=make.a_slot(god, clinic=other))
    return {"appointment": booked.locator, "slot": booked.slot_locator}


def told(answer: TestResponse) -> tuple[Any, ...]:
    """All of an answer that does not differ by chance."""
    headers = {name: value for name, value in answer.headers.items() if name not in BY_CHANCE}
    return answer.status_code, headers, without_numbers(answer.text)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "fragment"])
def test_pages(app: APIFlask, scoped: Actor, hidden: dict[str, str], method: str, headers: dict[str, str]) -> None:
    client: FlaskClient = signed_in_as(app, scoped)
    token, tried = csrf_token(app, client), 0
    for rule in rules(app, "GET" if method == "HEAD" else method):
        kind = rule.rule.partition("/<locator>")[0].rpartition("/")[2]
        if kind not in SCOPED or rule.arguments != {"locator"}:
            continue
        address = rule.rule.replace("<locator>", hidden[SCOPED[kind]])
        sent = {"data": {"csrf_token": token, "version": "1", "reason": "Because"}} if method == "POST" else {}
        foreign, missing = (
            ask(app, client, method, one, headers=headers, **sent) for one in (address, absent_address(address))
        )
        assert told(foreign) == told(missing), rule.rule
        assert foreign.status_code in (404, 422), rule.rule
        tried += 1
    assert tried


def test_every_route_about_something_of_a_clinic_is_tried(app: APIFlask) -> None:
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint in CALLS and rule.arguments == {"locator"}]
    kinds = {rule.endpoint: rule.rule.partition("/<locator>")[0].rpartition("/")[2] for rule in rules}
    assert {name for name, kind in kinds.items() if kind in SCOPED} == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
def test_routes(app: APIFlask, god: Actor, scoped: Actor, hidden: dict[str, str], name: str) -> None:
    call = CALLS[name](god)
    kind = call.template.partition("/{locator}")[0].rpartition("/")[2]
    client: Api = speaking_for(app, scoped)
    for method in (call.method, "GET", "HEAD", "PATCH", "DELETE"):
        answers = [
            client.send(method, call.template.format(locator=locator), call.body if method == call.method else None,
                        If_Match='"1"')
            for locator in (hidden[SCOPED[kind]], f"{hidden[SCOPED[kind]][:8]}-999999")
        ]  # fmt: skip
        assert told(answers[0]) == told(answers[1]), (method, call.template)
        assert answers[0].status_code in (404, 405, 422), (method, call.template)


def test_the_same_person_sees_what_is_in_scope(
    app: APIFlask, god: Actor, scoped: Actor, browser: Callable[[Role], FlaskClient]
) -> None:
    seen = make.an_appointment(god, slot=make.a_slot(god))  # at no clinic: everybody's
    assert speaking_for(app, scoped).get(f"/appointments/{seen.locator}").status_code == 200
    assert ask(app, signed_in_as(app, scoped), "GET", f"/appointments/{seen.locator}/reschedule").status_code == 200
