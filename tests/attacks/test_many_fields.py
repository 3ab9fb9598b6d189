"""Requests with very many fields are refused before anything looks at them, at every address."""

import json
from collections.abc import Callable, Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor
from careapp.surface.many_fields import MOST_FIELDS
from tests.api.client import Api, is_problem, speaking_for
from tests.attacks.test_every_answer import everywhere
from tests.rules.pages import ask, csrf_token, page_address, rules

Browser = Callable[[], FlaskClient]
FORM = {"content_type": "application/x-www-form-urlencoded"}
TOO_MANY_FOR_A_FORM, TOO_MANY_FOR_AN_ADDRESS = 413, 400


def fields(count: int) -> str:
    """So many fields, as a form and an address have them."""
    return "&".join(f"f{number}=1" for number in range(count))


def test_no_form_takes_more(app: APIFlask, god: Actor, browser: Browser) -> None:
    client, asked = browser(), 0
    token = {"X-CSRFToken": csrf_token(app, client)}
    for rule in rules(app, "POST"):
        if rule.endpoint.startswith("backchannel."):  # answers 404 without an identity provider
            continue
        address = page_address(rule, god)
        answer = ask(app, client, "POST", address, data=fields(MOST_FIELDS + 1), headers=token, **FORM)
        assert answer.status_code == TOO_MANY_FOR_A_FORM, rule.rule
        asked += 1
    assert asked > 50


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("parts", [False, True], ids=["urlencoded", "multipart"])
def test_as_many_as_allowed_are_read(app: APIFlask, browser: Browser, parts: bool, more: int) -> None:
    client = browser()
    token, count = {"X-CSRFToken": csrf_token(app, client)}, MOST_FIELDS + more
    if parts:
        sent = {"data": {f"f{number}": "1" for number in range(count)}, "content_type": "multipart/form-data"}
    else:
        sent = {"data": fields(count), **FORM}
    answer = ask(app, client, "POST", "/patients/new", headers=token, **sent)
    assert answer.status_code == (TOO_MANY_FOR_A_FORM if more else 422)
    assert ("That is more than can be sent at once." in answer.text) == bool(more)


def test_the_token_endpoint_takes_no_more(app: APIFlask) -> None:
    answer = ask(app, app.test_client(), "POST", "/oauth/token", data="&".join("a" * (MOST_FIELDS + 1)), **FORM)
    is_problem(answer, TOO_MANY_FOR_A_FORM, "TOO_LARGE")


def test_no_address_takes_more(app: APIFlask, god: Actor, browser: Browser) -> None:
    for client in (browser(), app.test_client()):
        for address in everywhere(app, god):
            for method in ("GET", "POST"):
                answer = ask(app, client, method, f"{address}?{fields(MOST_FIELDS + 1)}")
                assert answer.status_code in (TOO_MANY_FOR_AN_ADDRESS, 404, 405), (address, method)
    page = browser()
    for count, status in ((MOST_FIELDS, 200), (MOST_FIELDS + 1, TOO_MANY_FOR_AN_ADDRESS)):
        assert ask(app, page, "GET", f"/patients?{fields(count)}").status_code == status
    api = speaking_for(app, god)
    is_problem(api.get(f"/episodes?{fields(MOST_FIELDS)}"), 422)
    is_problem(api.get(f"/episodes?{fields(MOST_FIELDS + 1)}"), TOO_MANY_FOR_AN_ADDRESS, "MALFORMED_REQUEST")


def bodies(count: int) -> Iterator[bytes]:
    """JSON with an object of so many fields, outside and inside."""
    many = {f"f{number}": 1 for number in range(count)}
    yield from (json.dumps(body).encode() for body in (many, {"name": many}, {"given": [many]}))


def test_no_object_of_json_has_more(app: APIFlask, god: Actor) -> None:
    api: Api = speaking_for(app, god)
    for count, status in ((MOST_FIELDS, 422), (MOST_FIELDS + 1, 400)):
        for body in bodies(count):
            is_problem(api.raw("POST", "/patients", body, Content_Type="application/json"), status)
