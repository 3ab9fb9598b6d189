"""Administrators at the same moment: of those who remove each other one remains, and what one changes stands."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.identity import service_clients, users
from careapp.providers import service as providers
from careapp.providers.queries import get_provider
from tests import factories as make
from tests.identity.people import a_user
from tests.looking import one
from tests.races.crowd import Crowd, Meanwhile, done, refused

LEFT = "SELECT count(*) FROM users WHERE disabled_at IS NULL AND 'admin' = ANY (roles)"


def as_user(god: Actor, user: users.UserView) -> Actor:
    """The actor of a user."""
    return Actor(god.tenant_id, god.tenant_key, f"user:{user.id}", god.permissions, user_id=user.id)


def demote(by: Actor, user: users.UserView) -> Callable[[], Any]:
    """The act of making an administrator an auditor."""
    return lambda: users.change_user(by, user.id, version=user.version, name=user.name, roles=[Role.AUDITOR])


def disable(by: Actor, user: users.UserView) -> Callable[[], Any]:
    """The act of shutting somebody out."""
    return lambda: users.disable(by, user.id)


@pytest.mark.parametrize("act", [demote, disable])
@pytest.mark.parametrize("count", [2, 8])
def test_of_administrators_who_remove_each_other_one_remains(
    god: Actor, crowd: Crowd, act: Callable[..., Callable[[], Any]], count: int
) -> None:
    people = [a_user(god, Role.ADMIN) for _ in range(count)]
    pairs = zip(people, [*people[1:], people[0]], strict=True)
    outcomes = crowd([act(as_user(god, remover), removed) for remover, removed in pairs])
    assert one(god, LEFT) == 1
    assert len(done(outcomes)) == count - 1
    assert refused(outcomes) == ["LAST_ADMINISTRATOR"]


def test_two_change_one_user(god: Actor, crowd: Crowd) -> None:
    user = a_user(god, Role.FRONT_DESK)
    outcomes = crowd([demote(god, user)] * 8)
    assert len(done(outcomes)) == 1
    assert refused(outcomes) == ["STALE_VERSION"] * 7


def test_two_change_one_provider_and_a_third_deactivates_him(god: Actor, crowd: Crowd) -> None:
    for _ in range(5):
        clinics, provider = [make.a_clinic(god).locator for _ in range(2)], make.a_provider(god)
        given = {"version": provider.version, "specialty": "UROLOGY", "npi": None}
        acts: list[Callable[[], Any]] = [
            lambda at=at, locator=provider.locator, given=given: providers.change_provider(
                god, locator, name=f"Dr {at}", clinic_locators=[at], **given
            )
            for at in clinics
        ]
        acts.append(partial(providers.act, god, provider.locator, action="deactivate", version=provider.version))
        outcomes = crowd(acts)
        [winner] = done(outcomes)
        assert refused(outcomes) == ["STALE_VERSION"] * 2
        assert get_provider(god, provider.locator) == winner


def test_one_npi_is_given_to_one_provider(god: Actor, crowd: Crowd) -> None:
    people = [make.a_provider(god) for _ in range(6)]
    acts = [
        lambda one=one: providers.change_provider(
            god, one.locator, version=one.version, name=one.name, specialty=one.specialty, npi="1234567893",
            clinic_locators=[],
        )
        for one in people
    ]  # fmt: skip
    outcomes = crowd(acts)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"NPI_TAKEN"})


def test_an_address_is_given_to_one(god: Actor, crowd: Crowd) -> None:
    outcomes = crowd([partial(a_user, god, email="one@clinic.example")] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"VALIDATION_FAILED"})


def test_a_client_is_disabled_while_it_fetches_a_token(
    god: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, secret = service_clients.create_client(
        god, name="Laboratory", roles=[Role.CLINICIAN], scopes=["patient.read"]
    )
    disabling = Meanwhile(monkeypatch, service_clients, "_hash").do(
        partial(service_clients.disable_client, god, client.id)
    )
    fetching = partial(service_clients.authenticate, god.tenant_id, client.client_id, secret, address="2001:db8::7")
    assert refused(crowd([fetching, disabling])) == []
    left = service_clients.get_client(god, client.id)
    assert left.disabled_at is not None
    assert left.version == 2


def test_a_clients_secret_is_changed_by_two(god: Actor, crowd: Crowd) -> None:
    client = make.a_service_client(god)
    outcomes = crowd([partial(service_clients.rotate_secret, god, client.id)] * 2)
    good = [
        service_clients.authenticate(god.tenant_id, client.client_id, secret, address="2001:db8::7")
        for _, secret in outcomes
    ]
    assert all(good), "one is the present, the other the former one"
    assert service_clients.get_client(god, client.id).version == 3
