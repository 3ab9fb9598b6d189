"""Requests that another site has a browser send: no route that changes something takes one, whatever it looks like."""

from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from careapp.access import Actor
from tests.api.calls import CALLS
from tests.api.client import all_stored
from tests.database import TestDatabase
from tests.rules.pages import ask, csrf_token, page_address, rules

Browser = Callable[[], FlaskClient]
NOT_COUNTED = ("audit_event", "audit_patients", "user_session")
SIGNED = {"backchannel.backchannel_logout": "a signed order of the identity provider; looks at no cookie"}
FIELDS = {
    "version": "1", "reason": "Fell ill at home", "summary": "Recovered", "outcome": "Within limits", "name": "Foreign",
    "family": "Foreign", "given": "Name", "gender": "female", "birth_date": "1980-05-17", "action": "cancel",
}  # fmt: skip
OVERRIDES = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "POST"}
FOREIGN = (400, 403)  # no good token; from another site


def forgeries(good: str, foreign: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What a foreign page can have a browser send to a form's address, and some that only other programs can."""
    form = {**FIELDS, "csrf_token": good}
    cross = {
        f"with a good token, {site}": {"data": form, "headers": {"Sec-Fetch-Site": site}}
        for site in ("cross-site", "same-site", "Cross-Site", "")
    }
    others = {f"with a token {whose}": {"data": {**FIELDS, "csrf_token": one}} for whose, one in foreign.items()}
    return cross | others | {
        "without a token": {"data": FIELDS},
        "with an empty token": {"data": {**FIELDS, "csrf_token": ""}},
        "with a cut token": {"data": {**FIELDS, "csrf_token": good[:-1]}},
        "with a foreign token in the header": {"data": FIELDS, "headers": {"X-CSRFToken": foreign["of nobody"]}},
        "with the token in the address": {"data": FIELDS, "query_string": {"csrf_token": good}},
        "with the token in a cookie": {"data": FIELDS, "headers": {"X-XSRF-TOKEN": good}},
        "as text": {"data": "&".join(f"{k}={v}" for k, v in form.items()), "content_type": "text/plain"},
        "as JSON": {"json": form},
        "as JSON that calls itself text": {"data": f'{{"csrf_token": "{good}"}}', "content_type": "text/plain"},
        "without a type": {"data": f"csrf_token={good}", "content_type": ""},
    }  # fmt: skip


def test_no_page_takes_a_foreign_request(app: APIFlask, god: Actor, browser: Browser, database: TestDatabase) -> None:
    mine, other = browser(), browser()
    good, foreign = csrf_token(app, mine), {"of somebody else": csrf_token(app, other)}
    foreign["of nobody"] = csrf_token(app, app.test_client())
    changing = [rule for rule in rules(app, "POST") if rule.endpoint not in SIGNED]
    addresses = {rule.rule: page_address(rule, god) for rule in changing}
    assert len(addresses) > 40
    before = all_stored(database, but=NOT_COUNTED)
    for rule, address in addresses.items():
        for how, sent in forgeries(good, foreign).items():
            answer = ask(app, mine, "POST", address, **sent)
            assert answer.status_code in FOREIGN, (rule, how, answer.status)
    assert all_stored(database, but=NOT_COUNTED) == before


def test_a_method_is_what_it_is(app: APIFlask, god: Actor, browser: Browser, database: TestDatabase) -> None:
    client = browser()
    form = {**FIELDS, "csrf_token": csrf_token(app, client), "_method": "POST"}
    addresses = [page_address(rule, god) for rule in rules(app, "POST")]
    before = all_stored(database, but=NOT_COUNTED)
    for address in addresses:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = ask(app, client, method, address, query_string=form, headers=OVERRIDES)
            assert answer.status_code < 500, (method, address)
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            answer = ask(app, client, method, address, data=form, headers=OVERRIDES)
            assert answer.status_code == 405, (method, address)
    assert all_stored(database, but=NOT_COUNTED) == before


def test_its_own_page_is_believed(app: APIFlask, god: Actor, browser: Browser) -> None:
    """Without this, the tests above would pass on an application that refuses everybody."""
    believed = []
    for rule in (one for one in rules(app, "POST") if one.endpoint not in SIGNED):
        client = browser()
        form = {**FIELDS, "csrf_token": csrf_token(app, client)}
        headers = {"Sec-Fetch-Site": "same-origin"}
        answer = ask(app, client, "POST", page_address(rule, god), data=form, headers=headers)
        believed.append(answer.status_code not in FOREIGN)
    assert sum(believed) > 0.8 * len(believed), believed


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_json_surfaces_take_no_cookie(
    app: APIFlask, god: Actor, browser: Browser, database: TestDatabase, name: str
) -> None:
    client, call = browser(), CALLS[name](god)
    token = csrf_token(app, client)
    address = call.path if call.path.startswith("/internal") else f"/api/v1{call.path}"
    before = all_stored(database, but=NOT_COUNTED)
    for headers in ({}, {"X-CSRFToken": token}, {"Authorization": f"Bearer {token}"}, {"Authorization": "Cookie"}):
        sent = {"json": call.body} if call.method != "GET" else {}
        answer = ask(app, client, call.method, address, headers={**headers, **fixed(call.headers)}, **sent)
        assert answer.status_code in ({404} if name.startswith("internal.") else {401}), (headers, answer.status)
        assert "Set-Cookie" not in answer.headers
    assert all_stored(database, but=NOT_COUNTED) == before


def fixed(headers: dict[str, str]) -> dict[str, str]:
    """Header names as they are sent."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize("address", ["/oauth/token", "/sign-in/oidc/backchannel-logout"])
def test_what_carries_its_own_proof_takes_no_cookie(app: APIFlask, browser: Browser, address: str) -> None:
    def send(client: FlaskClient, **form: str) -> TestResponse:
        data = {"grant_type": "client_credentials", "logout_token": "x", **form}
        return Context().run(lambda: ask(app, client, "POST", address, data=data))

    client = browser()
    with_cookie = send(client, csrf_token=csrf_token(app, client))
    without = send(app.test_client())
    assert with_cookie.status_code >= 400
    assert (with_cookie.status_code, "Set-Cookie" in with_cookie.headers) == (without.status_code, False)
