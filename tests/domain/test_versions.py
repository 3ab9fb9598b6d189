"""Stale versions: whoever decided on what is no longer so is told, wherever a version can be sent."""

from collections.abc import Callable
from typing import Any

import pytest

from careapp.access import Actor
from careapp.episodes import service as episodes
from careapp.errors import Conflict
from careapp.lifecycle import Lifecycle
from careapp.scheduling import changes
from careapp.scheduling.states import APPOINTMENT
from tests.looking import newest
from tests.rules.stage import ACTS, Stage
from tests.rules.test_lifecycles import CASES, named, state_of

FIRST_STATES = list({lifecycle.entity: (lifecycle, state) for lifecycle, state in reversed(CASES)}.values())


def acts(stage: Stage, lifecycle: Lifecycle) -> dict[str, Callable[..., Any]]:
    """Every change of such a thing that takes a version."""
    god, entity = stage.god, lifecycle.entity
    if entity == "episode":
        return {
            "close": lambda locator, version: episodes.close(god, locator, summary="Well", version=version),
            "cancel": lambda locator, version: episodes.cancel(god, locator, version=version),
        }
    found = {
        transition.name: lambda locator, version, name=transition.name: ACTS[entity](
            god, locator, action=name, version=version
        )
        for transition in lifecycle.transitions
    }
    if lifecycle is APPOINTMENT:
        found["undo"] = lambda locator, version: changes.undo(god, locator, version=version)
        found["reschedule"] = lambda locator, version: changes.reschedule(
            god, locator, slot_locator="SLT-2026-000000", version=version
        )
    return found


@pytest.mark.parametrize(("lifecycle", "state"), FIRST_STATES, ids=named)
def test_a_stale_version_is_refused(god: Actor, lifecycle: Lifecycle, state: str) -> None:
    stage = Stage(god)
    locator = stage.a(lifecycle.entity, state)
    _, version = state_of(god, lifecycle.entity, locator)
    for name, act in acts(stage, lifecycle).items():
        before = newest(god)
        for wrong in (version - 1, version + 1):
            with pytest.raises(Conflict) as refusal:
                act(locator, wrong)
            assert (refusal.value.code, refusal.value.extra["current"]) == ("STALE_VERSION", state), name
        assert state_of(god, lifecycle.entity, locator) == (state, version), name
        after = newest(god)
        assert (after["events"], after["history"]) == (before["events"], before["history"]), name
