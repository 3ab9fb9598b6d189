"""Every state, action and role of every lifecycle, against its table; and all else that is made from the tables."""

import pkgutil
import re
from importlib import import_module
from typing import Any

import pytest
from apiflask import APIFlask

import careapp
from careapp.access import Actor, Role, permissions_of
from careapp.cli.states import PAGE, page
from careapp.errors import Conflict, Forbidden, Refusal
from careapp.lifecycle import Lifecycle, Transition
from careapp.outbox import topics
from careapp.overviews.lifecycles import LIFECYCLES
from tests.looking import audits, events, history, newest, one, rows
from tests.rules.stage import TABLES, Stage

CASES = [(lifecycle, state) for lifecycle in LIFECYCLES.values() for state in lifecycle.states]

# The moves as they were agreed, written out a second time: a slip in a lifecycle must not pass for a rule.
EARLY, OPEN = "PENDING BOOKED CONFIRMED", "PENDING BOOKED CONFIRMED ARRIVED IN_PROGRESS"
AGREED = {
    "episode": {"close": ("OPEN", "CLOSED"), "cancel": ("OPEN", "CANCELLED")},
    "slot": {"block": ("AVAILABLE BOOKED", "BLOCKED"), "unblock": ("BLOCKED", "AVAILABLE")},
    "appointment": {
        "accept": ("PENDING", "BOOKED"),
        "confirm": ("PENDING BOOKED", "CONFIRMED"),
        "arrive": (EARLY, "ARRIVED"),
        "start": ("ARRIVED", "IN_PROGRESS"),
        "attend": ("BOOKED CONFIRMED ARRIVED IN_PROGRESS", "ATTENDED"),
        "cancel": (OPEN, "CANCELLED"),
        "no-show": (EARLY, "NO_SHOW"),
    },
    "prescription": {"fill": ("ISSUED", "FILLED"), "void": ("ISSUED", "VOID")},
    "referral": {
        "book": ("REFERRED", "BOOKED"),
        "complete": ("BOOKED", "COMPLETED"),
        "cancel": ("REFERRED BOOKED", "CANCELLED"),
    },
    "provider": {"activate": ("PENDING INACTIVE", "ACTIVE"), "deactivate": ("ACTIVE", "INACTIVE")},
}
MAY = {
    "episode.close": {"clinician"},
    "episode.cancel": {"front_desk", "clinician", "admin"},
    "slot": {"front_desk", "clinician", "admin"},
    "appointment": {"front_desk", "clinician", "admin"},
    "prescription": {"clinician"},
    "referral": {"clinician"},
    "provider": {"admin"},
}


def named(value: Any) -> str:
    """A test's name for a parameter."""
    return value.entity if isinstance(value, Lifecycle) else str(value)


def expected(transition: Transition, state: str, role: Role) -> str:
    """What the table says of this action: "done", or the code of the refusal."""
    if transition.permission not in permissions_of(frozenset({role})):
        return "FORBIDDEN"
    return "done" if state in transition.sources else "ILLEGAL_TRANSITION"


def state_of(god: Actor, entity: str, locator: str) -> tuple[str, int]:
    """Status and version as they stand in the database."""
    [row] = rows(god, f"SELECT status, version FROM {TABLES[entity]} WHERE locator = :locator", locator=locator)
    return row.status, row.version


@pytest.mark.parametrize(("lifecycle", "state"), CASES, ids=named)
def test_every_action_and_role(god: Actor, lifecycle: Lifecycle, state: str) -> None:
    stage = Stage(god)
    refused_on = stage.a(lifecycle.entity, state)
    assert state_of(god, lifecycle.entity, refused_on)[0] == state
    for transition in lifecycle.transitions:
        for role in Role:
            outcome = expected(transition, state, role)
            case = f"{role.value} does {transition.name} with a {state} {lifecycle.entity}: {outcome}"
            if outcome == "done":
                check_done(stage, lifecycle, transition, state, role, case)
            else:
                check_refused(stage, lifecycle, transition, refused_on, role, outcome, case)


def check_done(stage: Stage, lifecycle: Lifecycle, transition: Transition, state: str, role: Role, case: str) -> None:
    """The move is made: status, version, one status change, one audit row, its events and no other."""
    god, actor = stage.god, stage.actor(role)
    locator = stage.a(lifecycle.entity, state)
    _, version = state_of(god, lifecycle.entity, locator)
    before = newest(god)
    answer = stage.act(lifecycle.entity, actor, locator, transition.name)
    target = transition.target
    assert (answer.status, answer.version) == (target, version + 1), case
    assert state_of(god, lifecycle.entity, locator) == (target, version + 1), case
    [change] = history(god, after=before["history"])
    kept = (change.locator, change.action, change.from_status, change.to_status, change.actor, change.cause)
    assert kept == (locator, transition.name, state, target, actor.name, None), case
    [audit] = audits(god, after=before["audits"])
    assert (audit.action, audit.outcome, audit.subject, audit.actor) == (
        f"{lifecycle.entity}.{transition.name}", "done", locator, actor.name,
    ), case  # fmt: skip
    told = [transition.event.topic] if transition.event else []
    if lifecycle.entity == "appointment":
        told.append(topics.APPOINTMENT_STATUS_CHANGED)
    found = events(god, after=before["events"])
    assert [event.topic for event in found] == told, case
    assert {event.envelope["subject"] for event in found} <= {locator}, case


def check_refused(
    stage: Stage, lifecycle: Lifecycle, transition: Transition, locator: str, role: Role, code: str, case: str
) -> None:
    """The move is refused and leaves nothing but the audit row of the refusal."""
    god, actor = stage.god, stage.actor(role)
    state, before = state_of(god, lifecycle.entity, locator), newest(god)
    with pytest.raises(Refusal) as refusal:
        stage.act(lifecycle.entity, actor, locator, transition.name)
    kind = Forbidden if code == "FORBIDDEN" else Conflict
    assert (type(refusal.value), refusal.value.code) == (kind, code), case
    assert state_of(god, lifecycle.entity, locator) == state, case
    [audit] = audits(god, after=before["audits"])
    assert (audit.outcome, audit.actor, audit.detail["code"]) == ("refused", actor.name, code), case
    assert (history(god, after=before["history"]), events(god, after=before["events"])) == ([], []), case


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=named)
def test_the_buttons_are_the_moves_that_would_succeed(god: Actor, lifecycle: Lifecycle) -> None:
    stage = Stage(god)
    for state in lifecycle.states:
        for role in Role:
            drawn = {transition.name for transition in lifecycle.available(state, stage.actor(role))}
            assert drawn == {t.name for t in lifecycle.transitions if expected(t, state, role) == "done"}, (state, role)


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=named)
def test_the_moves_are_the_agreed_ones(lifecycle: Lifecycle) -> None:
    found = {t.name: (" ".join(t.sources), t.target) for t in lifecycle.transitions}
    assert found == AGREED[lifecycle.entity]
    for transition in lifecycle.transitions:
        agreed = MAY.get(f"{lifecycle.entity}.{transition.name}") or MAY[lifecycle.entity]
        may = {role.value for role in Role if transition.permission in permissions_of(frozenset({role}))}
        assert may == agreed, transition.name


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=named)
def test_a_lifecycle_is_sound(lifecycle: Lifecycle) -> None:
    names = [transition.name for transition in lifecycle.transitions]
    assert len(names) == len(set(names))
    for transition in lifecycle.transitions:
        assert {*transition.sources, transition.target} <= set(lifecycle.states), transition.name
        assert transition.target not in transition.sources, transition.name
        assert transition.label, transition.name
    assert set(lifecycle.tones) == set(lifecycle.states)


@pytest.mark.parametrize("lifecycle", LIFECYCLES.values(), ids=named)
def test_the_database_knows_the_same_states(god: Actor, lifecycle: Lifecycle) -> None:
    rule = one(
        god,
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype = 'c' AND conname = :name AND conrelid = CAST(:of AS regclass)",
        name=f"{TABLES[lifecycle.entity]}_status_check",
        of=TABLES[lifecycle.entity],
    )
    assert set(re.findall(r"'(\w+)'", rule)) == set(lifecycle.states)


def test_no_lifecycle_is_left_out(app: APIFlask) -> None:
    found = {}
    for module in pkgutil.walk_packages(careapp.__path__, "careapp."):
        if module.name.endswith(".states"):
            found.update({id(v): v for v in vars(import_module(module.name)).values() if isinstance(v, Lifecycle)})
    assert {lifecycle.entity for lifecycle in found.values()} == set(LIFECYCLES), "overviews/lifecycles.py"


def test_the_page_about_states_is_what_the_lifecycles_say() -> None:
    assert PAGE.read_text() == page(), "run `flask --app wsgi states`"
