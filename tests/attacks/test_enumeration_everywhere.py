"""Who and what there is, is not to be found out at any other door either: same answer, same hashes, same statements.

Time is compared by the work done, never by a clock. Allowed to differ is one INSERT into the audit, which the tenant of
somebody known is owed; for somebody unknown the statement runs without a row.
"""

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp.access import Actor, Role
from careapp.identity import passwords, service_clients, users
from careapp.identity.passkeys import HANDLE
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, speaking_for
from tests.attacks.test_enumeration import WRONG, Counted, statements
from tests.conftest import TestTenant, everything
from tests.identity.authenticator import LOCAL, Authenticator
from tests.identity.enrolled import somebody, with_app, with_passkey
from tests.identity.people import PASSWORD, a_user, address
from tests.identity.test_sign_in import PEERS
from tests.looking import execute
from tests.rules.pages import ask, csrf_token, page_address, rules, signed_in_as, without_numbers
from tests.rules.test_foreign_locators import WITHOUT_LOCATOR

NOBODY = 999_999_999
Seen = dict[str, Any]
Watch = Callable[..., Seen]


@pytest.fixture
def watch(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """watch(client, method, address, …) is all that somebody can see of an answer, and the work it took.

    Texts named in `but` are his own and do not count.
    """

    def look(client: FlaskClient, method: str, where: str, *, but: tuple[str, ...] = (), **sent: Any) -> Seen:
        counted = Counted(passwords._hasher.real if isinstance(passwords._hasher, Counted) else passwords._hasher)
        monkeypatch.setattr(passwords, "_hasher", counted)
        with statements() as seen:
            answer = ask(app, client, method, where, **sent)
        text = without_numbers(answer.text)
        for own in but:
            text = text.replace(own, "")
        return {
            "status": answer.status_code, "text": text, "headers": sorted(answer.headers.keys()),
            "checks": counted.checks, "statements": [re.sub(r"^INSERT INTO (care\.)?audit.*", "audit", one)
                                                     for one in seen if "rate_limits" not in one],
        }  # fmt: skip

    return look


@pytest.fixture
def stranger(app: APIFlask) -> Callable[[], FlaskClient]:
    """stranger() is a browser at a network address of its own."""

    def make_one() -> FlaskClient:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = next(PEERS)
        return client

    return make_one


def test_service_clients(app: APIFlask, god: Actor, watch: Watch, stranger: Callable[[], FlaskClient]) -> None:
    """An unknown tenant, an unknown client, a wrong secret, a disabled client, a client of another tenant's key."""
    known, secret = make_client(god)
    disabled, its_secret = make_client(god)
    service_clients.disable_client(god, disabled.id)

    def ask_as(client_id: str, shown: str) -> Seen:
        pair = base64.b64encode(f"{client_id}:{shown}".encode()).decode()
        sent = {"data": {"grant_type": "client_credentials"}, "headers": {"Authorization": f"Basic {pair}"}}
        return watch(stranger(), "POST", "/oauth/token", **sent)

    ask_as("no-tenant.0123456789abcdef", WRONG)
    refusal = ask_as("no-tenant.0123456789abcdef", WRONG)
    assert (refusal["status"], len(refusal["statements"]) > 2) == (401, True)
    for client_id, shown in (
        ("nothing", WRONG), (f"{god.tenant_key}.0123456789abcdef", WRONG), (known.client_id, WRONG),
        (disabled.client_id, its_secret), (known.client_id.upper(), secret), (f"{god.tenant_key}.", secret),
    ):  # fmt: skip
        assert ask_as(client_id, shown) == refusal, client_id
    assert ask_as(known.client_id, secret)["status"] == 200, "else all were refused for another reason"


def make_client(actor: Actor) -> tuple[service_clients.ServiceClientView, str]:
    """A service client and its secret."""
    return service_clients.create_client(actor, name="Lab", roles=[Role.CLINICIAN], scopes=["episode.read"])


def test_signing_in_by_passkey_alone(
    app: APIFlask, admin: Actor, watch: Watch, stranger: Callable[[], FlaskClient]
) -> None:
    """The key of somebody else, of somebody disabled, of nobody; in a tenant there is not."""
    known, _ = somebody(admin)
    disabled, _ = somebody(admin)
    device, other = with_passkey(known, site=LOCAL), with_passkey(disabled, site=LOCAL)
    users.disable(everything_of(admin), disabled.user_id or 0)

    def try_with(key: Authenticator, handle: bytes) -> Seen:
        client = stranger()
        token = csrf_token(app, client)
        asked = ask(app, client, "POST", "/sign-in/passkey/options", headers={"X-CSRFToken": token})
        assert not asked.json.get("allowCredentials"), "the options of a sign-in name nobody's keys"
        key.handle = handle
        answer = key.signed(asked.text)
        return watch(client, "POST", "/sign-in/passkey", data={"csrf_token": token, "passkey": answer})

    mine = HANDLE.pack(admin.tenant_id, known.user_id)
    thief = Authenticator(LOCAL)
    try_with(thief, mine)
    refusal = try_with(thief, HANDLE.pack(admin.tenant_id, NOBODY))
    assert refusal["status"] == 422
    assert try_with(thief, mine) == refusal
    assert try_with(thief, HANDLE.pack(admin.tenant_id, disabled.user_id)) == refusal
    assert try_with(thief, HANDLE.pack(NOBODY, known.user_id)) == refusal
    assert {**try_with(other, HANDLE.pack(admin.tenant_id, disabled.user_id)), "statements": 0} == {
        **refusal, "statements": 0,
    }, "who holds the key of a disabled account knows of it; he is told no more"  # fmt: skip
    assert try_with(device, mine)["status"] == 303


def everything_of(actor: Actor) -> Actor:
    """Somebody who may do everything, in the actor's tenant."""
    return everything(TestTenant(actor.tenant_id, actor.tenant_key))


def test_the_second_stage(app: APIFlask, admin: Actor, watch: Watch, stranger: Callable[[], FlaskClient]) -> None:
    """Without the password nobody gets there; and there a code of an app, a recovery code, of whoever, fail alike."""
    for where in ("/sign-in/second", "/sign-in/second/options", "/sign-in/second/passkey"):
        seen = []
        for cookie in ({}, {"half_tenant": admin.tenant_id, "half": "x" * 43}, {"half_tenant": NOBODY, "half": "x"}):
            client = stranger()
            token = csrf_token(app, client)
            with client.session_transaction() as session:
                session.update(cookie)
            seen.append(watch(client, "POST", where, data={"csrf_token": token, "code": "123456"}))
        assert seen[1] == seen[2], where
        assert {**seen[0], "headers": 0} == {**seen[1], "headers": 0}, where

    people = [somebody(admin) for _ in range(2)]
    with_app(people[0][0])
    with_passkey(people[1][0], site=LOCAL)
    for code in ("000000", "not-a-recovery-code-of-anybody"):
        tried = []
        for _actor, email in people:
            client = stranger()
            form = {"csrf_token": csrf_token(app, client), "email": email, "password": PASSWORD}
            assert ask(app, client, "POST", "/sign-in", data=form).headers["Location"].startswith("/sign-in/second")
            sent = {"csrf_token": csrf_token(app, client), "code": code}
            tried.append(watch(client, "POST", "/sign-in/second", data=sent))
        assert tried[0]["status"] == 422
        assert tried[0]["statements"] == tried[1]["statements"], code


def test_a_password_that_must_be_changed_shows_after_it_was_right(
    app: APIFlask, god: Actor, watch: Watch, stranger: Callable[[], FlaskClient]
) -> None:
    forced, email = a_user(god), address()
    execute(god, "UPDATE users SET needs_new_password = true WHERE id = :id", id=forced.id)

    def attempt(who: str, password: str) -> Seen:
        client = stranger()
        form = {"csrf_token": csrf_token(app, client), "email": who, "password": password}
        return watch(client, "POST", "/sign-in", data=form, but=(who,))

    attempt(email, WRONG)
    assert attempt(forced.email, WRONG) == attempt(email, WRONG)
    assert attempt(forced.email, PASSWORD)["status"] == 303


@pytest.mark.parametrize(
    ("where", "field"), [("/confirm", "password"), ("/account/password", "old_password")], ids=["confirm", "change"]
)
def test_proving_who_one_is(app: APIFlask, god: Actor, watch: Watch, where: str, field: str) -> None:
    """Whether an account has a password at all shows to nobody who sits at its screen."""
    seen = []
    for change in ("password_hash = password_hash", "needs_new_password = true", "password_hash = NULL"):
        actor, _ = somebody(god)
        client = signed_in_as(app, actor)
        token = csrf_token(app, client)
        execute(god, f"UPDATE users SET {change} WHERE id = :id", id=actor.user_id)
        form = {"csrf_token": token, field: WRONG, "new_password": "seventeen grey herons"}
        seen.append(watch(client, "POST", where, data=form))
    assert (seen[0]["status"], seen[0]["checks"]) == (422, 1)
    assert seen[2] == seen[0]
    if where == "/account/password":
        assert (seen[1]["status"], seen[1]["checks"], seen[1]["statements"]) == (422, 1, seen[0]["statements"])


API = sorted(name for name in CALLS if name.startswith("api."))
DOORS = [name for name in API if name not in WITHOUT_LOCATOR]


@pytest.mark.parametrize("name", DOORS)
def test_of_another_tenant_costs_what_nothing_costs(
    app: APIFlask, god: Actor, new_tenant: Callable[..., TestTenant], name: str
) -> None:
    """404 where one may, 403 where one may not: by text (tests/rules) and by work the same for what there is not."""
    call = CALLS[name](everything(new_tenant()))
    absent = call.template.format(locator=f"{call.locator[:8]}-999999")
    mine = CALLS[name](god).path
    for who, paths in ((god, (call.path, absent)), (auditor(god), (mine, call.path, absent))):
        client = speaking_for(app, who)
        client.send(call.method, absent, call.body, **call.headers)
        costs = [cost(client, call.method, path, call.body, call.headers) for path in paths]
        assert all(one == costs[0] for one in costs), (who.roles, costs)
        assert costs[0][0] == (404 if who is god else 403)


def auditor(actor: Actor) -> Actor:
    """Somebody of the tenant who may do nothing in care."""
    return Actor(actor.tenant_id, actor.tenant_key, "test:auditor", frozenset(), frozenset({Role.AUDITOR}))


def cost(client: Api, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, list[str]]:
    """The status of an answer and the statements it took."""
    with statements() as seen:
        answer = client.send(method, path, body, **headers)
    return answer.status_code, [one for one in seen if "rate_limits" not in one]


def pages_about_something(app: APIFlask) -> Iterator[str]:
    """The rules of pages that name something by locator."""
    return (rule.rule for rule in rules(app, "GET") if "locator" in rule.arguments)


def test_pages_about_another_tenants_cost_what_nothing_costs(
    app: APIFlask, god: Actor, new_tenant: Callable[..., TestTenant], watch: Watch
) -> None:
    other = everything(new_tenant())
    users_of = {role: signed_in_as(app, somebody(god, role)[0]) for role in (Role.CLINICIAN, Role.AUDITOR)}
    by_rule = {rule.rule: rule for rule in rules(app, "GET")}
    about_something = list(pages_about_something(app))
    assert len(about_something) > 10
    for rule in about_something:
        foreign = page_address(by_rule[rule], other)
        absent = re.sub(r"-\d{6,}", "-999999", foreign)
        for role, client in users_of.items():
            watch(client, "GET", absent)
            first, second = watch(client, "GET", foreign), watch(client, "GET", absent)
            assert first["status"] == second["status"], (rule, role)
            assert first["statements"] == second["statements"], (rule, role)


def test_the_portal(app: APIFlask, stranger: Callable[[], FlaskClient], watch: Watch, god: Actor) -> None:
    """Without a credential, what there is and what there is not look the same."""
    there = f"/internal/episodes/{make.an_episode(god).locator}"
    seen = [watch(stranger(), "GET", one) for one in ("/internal/episodes/EPI-2026-999999", there)]
    assert seen[0] == seen[1]
    assert seen[0]["statements"] == []
