"""Scopes: each route of the API needs one, a token without it is refused, and one that has it alone is enough."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from apiflask import APIFlask

from careapp.access import Actor, Permission, Role
from careapp.scopes import SCOPES, known_scopes, narrowed, scope_of
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, is_problem, speaking_for
from tests.looking import audits, newest, one

API = sorted(name for name in CALLS if name.startswith("api."))


def scope(app: APIFlask, name: str) -> str:
    """What the route asks for."""
    found: str = app.view_functions[name].scope  # type: ignore[attr-defined]
    return found


def with_scopes(app: APIFlask, actor: Actor, *scopes: str) -> Api:
    return speaking_for(app, replace(actor, scopes=frozenset(scopes)))


def test_every_route_of_the_api_is_called_here(app: APIFlask) -> None:
    routes = {rule.endpoint for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/v1")}
    assert routes == set(API)


def test_what_changes_something_needs_a_writing_scope(app: APIFlask, god: Actor) -> None:
    for name in API:
        call = CALLS[name](god)
        reads = call.method == "GET" or name == "api.search_patients"
        assert scope(app, name).endswith(".read" if reads else ".write"), name


@pytest.mark.parametrize("name", API)
def test_every_other_scope_does_not_reach_it(app: APIFlask, god: Actor, name: str) -> None:
    call, needed, before = CALLS[name](god), scope(app, name), newest(god)
    client = with_scopes(app, god, *(SCOPES - {needed}))
    answer = client.send(call.method, call.path, call.body, **call.headers)
    is_problem(answer, 403, "INSUFFICIENT_SCOPE")
    assert answer.headers["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{needed}"'
    assert newest(god)["history"] == before["history"]
    [audit] = audits(god, after=before["audits"])
    assert (audit.outcome, audit.detail["code"]) == ("refused", "INSUFFICIENT_SCOPE")


@pytest.mark.parametrize("name", API)
def test_its_own_scope_alone_is_enough(app: APIFlask, god: Actor, name: str) -> None:
    call = CALLS[name](god)
    client = with_scopes(app, god, scope(app, name))
    answer = client.send(call.method, call.path, call.body, **call.headers)
    assert answer.status_code == call.status, answer.text


def test_a_scope_gives_no_role_more_than_it_has(app: APIFlask, god: Actor, actor_of: Callable[..., Actor]) -> None:
    desk, call = actor_of(Role.FRONT_DESK), CALLS["api.issue"](god)
    client = with_scopes(app, desk, *SCOPES)
    is_problem(client.send(call.method, call.path, call.body), 403, "FORBIDDEN")


def test_a_token_without_scopes_may_what_its_roles_may_and_one_with_none_nothing(app: APIFlask, god: Actor) -> None:
    call = CALLS["api.get_episode"](god)
    assert speaking_for(app, god).get(call.path).status_code == 200
    is_problem(with_scopes(app, god).get(call.path), 403, "INSUFFICIENT_SCOPE")
    is_problem(with_scopes(app, god, "openid", "episode", "episode.*", "EPISODE.READ").get(call.path), 403)


def test_fields_follow_the_scopes_too(app: APIFlask, god: Actor) -> None:
    ordered = make.a_prescription(god)
    assert with_scopes(app, god, "prescription.read").get(f"/prescriptions/{ordered.locator}").json["quantity"] == 21
    asked: dict[str, Any] = {"headers": {"Idempotency_Key": "one"}}
    refused = with_scopes(app, god, "episode.read").get(f"/prescriptions/{ordered.locator}", **asked["headers"])
    is_problem(refused, 403, "INSUFFICIENT_SCOPE")
    assert one(god, "SELECT count(*) FROM idempotency_key") == 0


def test_every_permission_has_a_scope_and_only_known_ones_count() -> None:
    assert {scope_of(permission) for permission in Permission} == SCOPES
    assert scope_of(Permission.SLOT_MANAGE_OWN) == scope_of(Permission.SLOT_MANAGE) == "slot.write"
    assert known_scopes(["patient.read", "openid", ""]) == {"patient.read"}


def test_narrowing_never_widens(god: Actor, front_desk: Actor) -> None:
    for permission in Permission:
        kept = narrowed(front_desk, frozenset({scope_of(permission)})).permissions
        assert kept <= front_desk.permissions
        assert {scope_of(one).partition(".")[0] for one in kept} <= {scope_of(permission).partition(".")[0]}
        if scope_of(permission).endswith(".read"):
            assert all(scope_of(one).endswith(".read") for one in kept)
