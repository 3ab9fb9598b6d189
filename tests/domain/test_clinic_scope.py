"""Clinic scope: what stands at a clinic out of scope is not there; what stands at none is in every scope."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, text

from careapp.access import Actor, Role
from careapp.db import db
from careapp.errors import Invalid, NotFound
from careapp.scheduling import appointments, changes, queries, slots
from tests import factories as make
from tests.looking import id_of


@pytest.fixture
def scene(god: Actor, actor_of: Callable[..., Actor]) -> dict[str, Any]:
    """Two clinics, a slot and an appointment at each and at none, and somebody who works at the first."""
    near, far = make.a_clinic(god, name="Near"), make.a_clinic(god, name="Far")
    provider, episode = make.a_provider(god), make.an_episode(god)
    places = {"near": near, "far": far, "nowhere": None}
    taken = {
        name: make.an_appointment(god, episode, make.a_slot(god, provider, hours=hour, clinic=clinic))
        for hour, (name, clinic) in enumerate(places.items(), start=1)
    }
    free = {
        name: make.a_slot(god, provider, hours=hour, clinic=clinic)
        for hour, (name, clinic) in enumerate(places.items(), start=10)
    }
    scope = frozenset({id_of(god, "clinics", near.locator)})
    actor = actor_of(Role.FRONT_DESK, clinic_ids=scope)
    return {"actor": actor, "provider": provider, "episode": episode, "taken": taken, "free": free, "far": far}


def test_reads_show_only_what_is_in_scope(scene: dict[str, Any]) -> None:
    actor, taken, free = scene["actor"], scene["taken"], scene["free"]
    for name in ("near", "nowhere"):
        assert queries.get_slot(actor, free[name].locator) == free[name]
        assert queries.get_appointment(actor, taken[name].locator) == taken[name]
    for get, thing in ((queries.get_slot, free["far"]), (queries.get_appointment, taken["far"])):
        with pytest.raises(NotFound):
            get(actor, thing.locator)
    listed = queries.list_appointments(actor, scene["episode"].locator).items
    assert [item.locator for item in listed] == [taken["near"].locator, taken["nowhere"].locator]
    offered = [slot.locator for slot in queries.list_slots(actor, scene["provider"].locator, status="AVAILABLE").items]
    assert offered == [free["near"].locator, free["nowhere"].locator]


def test_changes_reach_only_what_is_in_scope(scene: dict[str, Any], god: Actor) -> None:
    actor, taken, free = scene["actor"], scene["taken"], scene["free"]
    for act in (
        lambda: appointments.act(actor, taken["far"].locator, action="confirm"),
        lambda: changes.undo(actor, taken["far"].locator),
        lambda: changes.reschedule(actor, taken["far"].locator, slot_locator=free["near"].locator),
        lambda: slots.act(actor, free["far"].locator, action="block"),
    ):
        with pytest.raises(NotFound):
            act()
    for act in (
        lambda: appointments.book(actor, make.an_episode(god).locator, slot_locator=free["far"].locator),
        lambda: changes.reschedule(actor, taken["near"].locator, slot_locator=free["far"].locator),
        lambda: make.a_slot(actor, scene["provider"], hours=30, clinic=scene["far"]),
    ):
        with pytest.raises(Invalid):
            act()
    assert queries.get_slot(god, free["far"].locator) == free["far"]
    assert queries.get_appointment(god, taken["far"].locator) == taken["far"]
    assert appointments.act(actor, taken["near"].locator, action="confirm").status == "CONFIRMED"
    moved = changes.reschedule(actor, taken["near"].locator, slot_locator=free["nowhere"].locator)
    assert moved.clinic_locator is None


def test_alternatives_are_in_scope(scene: dict[str, Any], god: Actor) -> None:
    full = queries.get_slot(god, scene["taken"]["near"].slot_locator)
    with pytest.raises(Exception, match="full") as refusal:
        make.an_appointment(scene["actor"], make.an_episode(god), full)
    offered = [item["locator"] for item in refusal.value.extra["alternatives"]]
    assert offered == [scene["free"]["near"].locator, scene["free"]["nowhere"].locator]


def test_an_empty_scope_holds_only_what_stands_nowhere(scene: dict[str, Any], actor_of: Callable[..., Actor]) -> None:
    nobody = actor_of(Role.FRONT_DESK, clinic_ids=frozenset())
    found = queries.list_slots(nobody, scene["provider"].locator, status="AVAILABLE").items
    assert [slot.locator for slot in found] == [scene["free"]["nowhere"].locator]


def test_an_appointment_that_leaves_the_scope_while_we_wait_is_not_found(scene: dict[str, Any], god: Actor) -> None:
    booked, far = scene["taken"]["near"], id_of(god, "clinics", scene["far"].locator)
    moved: list[str] = []

    def move_it(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if "FOR UPDATE OF episodes" in statement and not moved:
            moved.append(booked.locator)
            there = {"far": far, "it": booked.locator}
            connection.execute(text("UPDATE appointments SET clinic_id = :far WHERE locator = :it"), there)

    event.listen(db.engine, "after_cursor_execute", move_it)
    try:
        with pytest.raises(NotFound):
            appointments.act(scene["actor"], booked.locator, action="confirm")
    finally:
        event.remove(db.engine, "after_cursor_execute", move_it)
    assert moved
