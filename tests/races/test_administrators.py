"""Administrators who remove each other at the same moment: one of them always remains."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.identity import users
from tests.identity.people import a_user
from tests.looking import one
from tests.races.crowd import Crowd, done, refused

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
