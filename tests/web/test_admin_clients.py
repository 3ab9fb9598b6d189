"""Pages of service clients: adding one with a secret shown once, a new secret, and shutting one out."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import delete
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor, Role
from careapp.commands import system_transaction
from careapp.db import db
from careapp.identity import service_clients
from careapp.identity.models import SignInAttempts
from careapp.identity.service_clients import GRACE, MOST_CLIENTS
from tests import factories as make
from tests.api.test_oauth import FORM, basic, using
from tests.conftest import TestTenant, everything
from tests.looking import audits, execute, one
from tests.web.conftest import Desk

SHOWN_SECRET = re.compile(r'class="password">([^<]+)<')
CLIENT_ID = re.compile(r"<dd class=\"locator[^>]*>([^<]+)<")
NEW = "/admin/clients/new"
TYPED = {"name": "Laboratory", "roles": ["clinician"], "scopes": ["patient.read", "episode.read"]}
Ask = Callable[[str, str], TestResponse]


@pytest.fixture(autouse=True)
def no_failures_yet(app: APIFlask) -> None:
    """Forget the wrong credentials of other tests: all of them come from one network address."""
    with system_transaction(None):
        db.session.execute(delete(SignInAttempts))


@pytest.fixture
def office(desk: Callable[..., Desk]) -> Desk:
    """An administrator's browser."""
    return desk(Role.ADMIN)


@pytest.fixture
def ask(app: APIFlask) -> Ask:
    """ask(client_id, secret) asks for a token."""

    def go(client_id: str, secret: str) -> TestResponse:
        shown = {"Authorization": basic(client_id, secret)}
        return app.test_client(use_cookies=False).post("/oauth/token", data=FORM, headers=shown)

    return go


def sent(office: Desk, page: str, goes: str, **fields: Any) -> TestResponse:
    """Send a form of a page with these boxes ticked and no others."""
    values = office.forms(page)[goes].values
    hidden = {name: values[name] for name in ("csrf_token", "submission")}
    return office.open("POST", goes, data={**hidden, **fields})


def secret_in(page: TestResponse) -> str:
    """The secret a page shows."""
    assert page.status_code == 200, page.text
    [found] = SHOWN_SECRET.findall(page.text)
    return str(found)


def added(office: Desk) -> tuple[str, str, str]:
    """Add a client on the page: its page's address, its id and its secret."""
    answer = sent(office, NEW, NEW, **TYPED)
    found = CLIENT_ID.search(answer.text)
    assert found
    row = re.search(r'action="(/admin/clients/\d+)/rotate"', answer.text)
    assert row
    return row[1], found[1], secret_in(answer)


def test_a_client_lives_from_its_secret_to_its_end(app: APIFlask, office: Desk, ask: Ask, god: Actor) -> None:
    here, client_id, first = added(office)
    token = ask(client_id, first)
    assert token.status_code == 200, token.text
    assert token.json["scope"] == "episode.read patient.read"
    assert SHOWN_SECRET.search(office.get(here).text) is None, "it is shown once"
    second = secret_in(sent(office, here, f"{here}/rotate"))
    assert second != first
    assert (ask(client_id, first).status_code, ask(client_id, second).status_code) == (200, 200)
    assert "Former secret good until" in office.get(here).text
    program = using(app, token)
    assert program.get("/episodes").status_code == 200
    assert sent(office, here, f"{here}/disable").headers["Location"] == here
    assert ask(client_id, second).status_code == 401
    assert program.get("/episodes").status_code == 401
    assert sent(office, here, f"{here}/enable").status_code == 303
    assert ask(client_id, second).status_code == 200
    told = [row.action for row in audits(god) if row.action.startswith("client.") and row.action != "client.token"]
    assert told == ["client.create", "client.rotate", "client.disable", "client.enable"]


def test_the_former_secret_is_good_for_a_day_and_no_longer(office: Desk, ask: Ask) -> None:
    here, client_id, first = added(office)
    second = secret_in(sent(office, here, f"{here}/rotate"))
    with clock.at(clock.now() + GRACE + timedelta(minutes=1)):
        assert (ask(client_id, first).status_code, ask(client_id, second).status_code) == (401, 200)


def test_a_secret_that_others_know_ends_at_once(office: Desk, ask: Ask) -> None:
    here, client_id, first = added(office)
    answer = sent(office, here, f"{here}/rotate", at_once="y")
    assert "Former secret good until" not in answer.text
    assert (ask(client_id, first).status_code, ask(client_id, secret_in(answer)).status_code) == (401, 200)


@pytest.mark.parametrize("act", ["add", "rotate"])
def test_a_form_sent_twice_shows_the_secret_once(office: Desk, god: Actor, act: str) -> None:
    here = f"/admin/clients/{make.a_service_client(god).id}"
    page, goes, typed = (NEW, NEW, TYPED) if act == "add" else (here, f"{here}/rotate", {})
    values = office.forms(page)[goes].values
    data = {"csrf_token": values["csrf_token"], "submission": values["submission"], **typed}
    secret = secret_in(office.open("POST", goes, data=data))
    kept = "SELECT array_agg(encode(secret_hash, 'hex') ORDER BY id) FROM service_clients WHERE tenant_id = :t"
    before = one(god, kept, t=god.tenant_id)
    again = office.open("POST", goes, data=data)
    assert again.status_code == 303
    assert secret not in office.get(again.headers["Location"]).text
    assert one(god, kept, t=god.tenant_id) == before


def test_what_is_wrong_is_said_and_what_was_typed_is_kept(office: Desk) -> None:
    for changes, said in (
        ({"roles": []}, "Choose at least one role."),
        ({"scopes": []}, "Choose at least one scope"),
        ({"scopes": ["patient.read", "episode.read", "patient.steal"]}, "One of these is not there any more."),
        ({"roles": ["clinician", "owner"]}, "One of these is not there any more."),
        ({"name": " "}, "Fill this in."),
        ({"roles": ["auditor"]}, "The roles do not reach episode.read, patient.read: leave that out"),
    ):
        typed = {**TYPED, **changes}
        answer = sent(office, NEW, NEW, **typed)
        assert answer.status_code == 422, changes
        assert said in answer.text, changes
        assert ('value="Laboratory"' in answer.text) == (typed["name"] == "Laboratory")
        for name in ("roles", "scopes"):
            for value in {*TYPED[name]} & {*typed[name]}:
                assert re.search(rf'<input checked [^>]*name="{name}"[^>]*value="{value}"', answer.text), value
    assert "No program of another system has been let in yet." in office.get("/admin/clients").text


def test_the_list_shows_each_with_what_it_may(office: Desk, god: Actor, statements: Callable[[], Any]) -> None:
    made = [make.a_service_client(god, name=f"Program {number}") for number in range(5)]
    service_clients.disable_client(god, made[0].id)
    with statements() as seen:
        page = office.get("/admin/clients").text
    assert len(seen) <= 2, seen
    assert [page.index(one.client_id) for one in made] == sorted(page.index(one.client_id) for one in made)
    assert page.count("patient.read") == 5
    assert page.count("<strong>Disabled</strong>") == 1


def test_every_scope_that_a_token_can_use_can_be_given(app: APIFlask, office: Desk) -> None:
    page = office.get(NEW).text
    offered = set(re.findall(r'name="scopes"[^>]*value="([^"]+)"', page))
    assert offered == set(app.test_client().get("/.well-known/oauth-authorization-server").json["scopes_supported"])


def test_there_are_so_many_and_no_more(office: Desk, god: Actor) -> None:
    make.a_service_client(god)
    copied = (
        "INSERT INTO service_clients (tenant_id, client_id, name, roles, scopes, secret_hash, secret_made_at)"
        " SELECT tenant_id, client_id || n, name, roles, scopes, secret_hash, secret_made_at"
        " FROM service_clients, generate_series(2, :most) n WHERE tenant_id = :t"
    )
    execute(god, copied, most=MOST_CLIENTS, t=god.tenant_id)
    answer = sent(office, NEW, NEW, **TYPED)
    assert answer.status_code == 409
    assert f"There are {MOST_CLIENTS} service clients already." in answer.text
    assert 'value="Laboratory"' in answer.text


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.CLINICIAN, Role.AUDITOR])
def test_nobody_else_sees_or_does_any_of_it(desk: Callable[..., Desk], god: Actor, role: Role) -> None:
    here, browser = f"/admin/clients/{make.a_service_client(god).id}", desk(role)
    token = browser.forms("/account")["/sign-out"].values["csrf_token"]
    stored = "SELECT array_agg(c::text ORDER BY id) FROM service_clients c WHERE tenant_id = :t"
    before = one(god, stored, t=god.tenant_id)
    for address in ("/admin/clients", NEW, here):
        assert browser.open("GET", address).status_code == 403
    for address in (NEW, f"{here}/rotate", f"{here}/disable", f"{here}/enable"):
        assert browser.open("POST", address, data={"csrf_token": token, **TYPED}).status_code == 403
    assert one(god, stored, t=god.tenant_id) == before


def test_each_act_asks_once_more_who_it_is(office: Desk, god: Actor) -> None:
    here = f"/admin/clients/{make.a_service_client(god).id}"
    execute(god, "UPDATE user_session SET confirmed_at = now() - interval '1 hour'")
    stored = "SELECT array_agg(c::text ORDER BY id) FROM service_clients c WHERE tenant_id = :t"
    before = one(god, stored, t=god.tenant_id)
    for page, goes in ((NEW, NEW), (here, f"{here}/rotate"), (here, f"{here}/disable")):
        answer = sent(office, page, goes, **TYPED)
        assert answer.headers["Location"].startswith("/confirm?next="), goes
    assert one(god, stored, t=god.tenant_id) == before


def test_a_client_of_another_tenant_is_not_there(office: Desk, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.a_service_client(everything(new_tenant()), name="Foreign program")
    here = f"/admin/clients/{foreign.id}"
    assert office.open("GET", here).status_code == 404
    token = office.forms(NEW)[NEW].values["csrf_token"]
    for act in ("rotate", "disable", "enable"):
        assert office.open("POST", f"{here}/{act}", data={"csrf_token": token}).status_code == 404
    assert "Foreign program" not in office.get("/admin/clients").text
