"""Random lives of two clinics over real HTTP: every answer, and all that is stored, is what a small model foretells."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from apiflask import APIFlask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bench.servers import end_group
from careapp.episodes.states import EPISODE
from careapp.lifecycle import Lifecycle
from careapp.prescriptions.states import PRESCRIPTION
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT
from careapp.surface.tokens import own_token
from tests import factories as make
from tests.attacks.lives_stored import Stored
from tests.attacks.model import Clinic, Place, Refusal, Thing
from tests.conftest import TestTenant, everything
from tests.database import TestDatabase
from tests.instance import Instance, shared_settings

PATHS = {"episode": "episodes", "appointment": "appointments", "prescription": "prescriptions", "referral": "referrals"}
WHO, NUMBER = st.integers(0, 1), st.integers(0, 999)
KIND = st.sampled_from([PRESCRIPTION, REFERRAL])
EVERY = 5  # steps between two looks at the whole database
# What makes another body of a call, by the end of its address; a reason does it elsewhere.
OTHER: dict[str, dict[str, Any]] = {
    "slots": {"capacity": 9}, "prescriptions": {"refills": 3}, "referrals": {"facility": "City Lab"},
    "close": {"summary": "Went home"},
}  # fmt: skip
NEEDED = {
    "PATCH 200", "PATCH 404 NOT_FOUND", "PATCH 409 ILLEGAL_TRANSITION", "PATCH 409 STALE_VERSION",
    "POST 409 SLOT_UNAVAILABLE", "POST 422 VALIDATION_FAILED", "GET 404", "again 201", "again 422",
}  # fmt: skip


@dataclass
class Side:
    """One clinic: its tenant, its client, its model, and every call it made that a key makes repeatable."""

    tenant: TestTenant
    client: httpx.Client
    clinic: Clinic
    since: tuple[int, int]
    sent: list[tuple[dict[str, Any], httpx.Response]] = field(default_factory=list)
    hours: int = 0


@dataclass
class World:
    """What all lives of a run share: the server, the database, and how often what was answered."""

    app: APIFlask
    new_tenant: Callable[..., TestTenant]
    stored: Stored
    base: str
    answers: Counter[str] = field(default_factory=Counter)

    def side(self) -> Side:
        """A clinic nobody else has, with two patients and two providers."""
        tenant = self.new_tenant()
        god = everything(tenant)
        people = [make.a_patient(god).locator for _ in range(2)]
        providers = [make.a_provider(god).locator for _ in range(2)]
        token = {"Authorization": f"Bearer {own_token(god, self.app.config['SETTINGS'])}"}
        client = httpx.Client(base_url=self.base, headers=token, timeout=60)
        return Side(tenant, client, Clinic(people, providers), self.stored.newest(tenant.id))


class Lives(RuleBasedStateMachine):
    """What people do in two clinics, in any order, with and without right."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world, self.sides, self.steps = world, [world.side(), world.side()], 0

    # How a call is made and judged.

    def send(
        self, side: Side, method: str, path: str, body: dict[str, Any], refusal: Refusal | None,
        version: int | None = None,
    ) -> dict[str, Any] | None:  # fmt: skip
        """Send a call under a key of its own: what it made or changed, or None where it is refused as foretold."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), **({"If-Match": f'"{version}"'} if version else {})}
        request = {"method": method, "url": path, "json": body, "headers": headers}
        answer = side.client.request(**request)
        side.sent.append((request, answer))
        document: dict[str, Any] = answer.json()
        code = "" if answer.is_success else f" {document.get('code')}"
        self.world.answers[f"{method} {answer.status_code}{code}"] += 1
        expected = refusal or (201 if method == "POST" else 200, None)
        assert (answer.status_code, document.get("code")) == expected, (request, document)
        if refusal:
            return None
        assert answer.headers["ETag"] == f'"{document["version"]}"'
        return document

    def one_of(self, side: Side, lifecycle: Lifecycle, number: int) -> Thing:
        """Something of a kind: the newest for the lowest number; one that nobody has where there is none."""
        found = side.clinic.of(lifecycle)
        unknown = Thing(lifecycle, f"{lifecycle.prefix}-2026-999999999", lifecycle.states[0], "", "")
        return found[-1 - number % len(found)] if found else unknown

    def a_slot(self, side: Side, number: int) -> str:
        """A slot: one in seven of the other clinic, one in seven unknown, else one of this clinic."""
        if number % 7 == 5:
            side = self.other(side)
        known = list(side.clinic.slots)
        return "SLT-2026-999999999" if number % 7 == 6 else known[number % len(known)]

    def other(self, side: Side) -> Side:
        """The other clinic."""
        return self.sides[1 - self.sides.index(side)]

    def change(self, side: Side, thing: Thing, action: str, version: int) -> None:
        """A move of a lifecycle's table."""
        body = {"summary": "Recovered"} if action == "close" else {}
        path = f"/{PATHS[thing.lifecycle.entity]}/{thing.locator}/{action}"
        refusal = side.clinic.no_move(thing.locator, action, version)
        if self.send(side, "PATCH", path, body, refusal, version):
            side.clinic.move(thing, action)

    # What is done.

    @initialize()
    def begin(self) -> None:
        """Each clinic has episodes with something in them, and slots, one of which is over."""
        for side in self.sides:
            who = self.sides.index(side)
            for capacity in (1, 2, 1):
                self.add_slot(who, capacity, capacity)
            over = list(side.clinic.slots.values())[-1]
            self.world.stored.make_past(over.locator)
            over.over = True
            self.open_episode(who, 0)
            self.open_episode(who, 1)
            self.book(who, 0, 0)
            self.book(who, 1, 1)
            self.order(who, PRESCRIPTION, 0, 0)
            self.order(who, REFERRAL, 0, 0)

    @rule(who=WHO, number=NUMBER)
    def open_episode(self, who: int, number: int) -> None:
        """Open an episode; one in nine for a patient of the other clinic."""
        side = self.sides[who]
        foreign = number % 9 == 8
        patient = (self.other(side) if foreign else side).clinic.patients[number % 2]
        body = {"partyLocator": patient, "careType": "GP"}
        made = self.send(side, "POST", "/episodes", body, (422, "VALIDATION_FAILED") if foreign else None)
        if made:
            side.clinic.make(Thing(EPISODE, made["locator"], "OPEN", patient, made["locator"]))

    @rule(who=WHO, number=NUMBER, capacity=st.integers(1, 3))
    def add_slot(self, who: int, number: int, capacity: int) -> None:
        """Add a slot at a time nobody else has; one in nine at a provider of the other clinic."""
        side = self.sides[who]
        side.hours += 2
        foreign = number % 9 == 8
        provider = (self.other(side) if foreign else side).clinic.providers[number % 2]
        start = make.soon(24 + side.hours)
        body = {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat(), "capacity": capacity}
        made = self.send(side, "POST", f"/providers/{provider}/slots", body, (404, "NOT_FOUND") if foreign else None)
        if made:
            side.clinic.add_slot(Place(made["locator"], provider, capacity))

    @rule(who=WHO, episode=NUMBER, slot=NUMBER)
    def book(self, who: int, episode: int, slot: int) -> None:
        """Book an episode's patient into any slot."""
        side = self.sides[who]
        inside, place = self.one_of(side, EPISODE, episode), self.a_slot(side, slot)
        refusal = side.clinic.no_booking(inside.locator, place)
        made = self.send(side, "POST", f"/episodes/{inside.locator}/appointments", {"slotLocator": place}, refusal)
        if made:
            side.clinic.make(Thing(APPOINTMENT, made["locator"], "PENDING", inside.patient, inside.locator, place))

    @rule(who=WHO, number=NUMBER, chosen=st.lists(NUMBER, min_size=1, max_size=3), lawful=st.booleans())
    def move_an_appointment(self, who: int, number: int, chosen: list[int], lawful: bool) -> None:
        """Make moves of an appointment: some that its state allows, or any."""
        self._moves(who, APPOINTMENT, number, chosen, lawful)

    @rule(who=WHO, kind=KIND, number=NUMBER, chosen=NUMBER, lawful=st.booleans())
    def move_an_order(self, who: int, kind: Lifecycle, number: int, chosen: int, lawful: bool) -> None:
        """The same for a prescription or a referral."""
        self._moves(who, kind, number, [chosen], lawful)

    def _moves(self, who: int, kind: Lifecycle, number: int, chosen: list[int], lawful: bool) -> None:
        side = self.sides[who]
        thing = self.one_of(side, kind, number)
        for one in chosen:
            allowed = [move.name for move in kind.transitions if thing.status in move.sources]
            names = (allowed if lawful else []) or [move.name for move in kind.transitions]
            self.change(side, thing, names[one % len(names)], thing.version)

    @rule(who=WHO, number=NUMBER)
    def undo(self, who: int, number: int) -> None:
        """Take the last move of an appointment back."""
        side = self.sides[who]
        thing = self.one_of(side, APPOINTMENT, number)
        refusal = side.clinic.no_undo(thing.locator, thing.version)
        if self.send(side, "PATCH", f"/appointments/{thing.locator}/undo", {}, refusal, thing.version):
            side.clinic.undo(thing)

    @rule(who=WHO, number=NUMBER, slot=NUMBER)
    def reschedule(self, who: int, number: int, slot: int) -> None:
        """Take an appointment to any slot, also the one it is in."""
        side = self.sides[who]
        thing, place = self.one_of(side, APPOINTMENT, number), self.a_slot(side, slot)
        refusal = side.clinic.no_reschedule(thing.locator, place, thing.version)
        path = f"/appointments/{thing.locator}/reschedule"
        if self.send(side, "PATCH", path, {"slotLocator": place}, refusal, thing.version):
            side.clinic.reschedule(thing, place)

    @rule(who=WHO, kind=KIND, episode=NUMBER, number=NUMBER)
    def order(self, who: int, kind: Lifecycle, episode: int, number: int) -> None:
        """Prescribe or refer; one prescription in nine names a provider of the other clinic."""
        side = self.sides[who]
        inside = self.one_of(side, EPISODE, episode)
        foreign = kind is PRESCRIPTION and number % 9 == 8
        body: dict[str, Any] = {"type": "LAB", "reason": "Full blood count"}
        if kind is PRESCRIPTION:
            by = (self.other(side) if foreign else side).clinic.providers[0]
            body = {"medication": {"text": "Amoxicillin 500 mg"}, "dosage": "1 capsule", "providerLocator": by}
        refusal = side.clinic.no_new_work(inside.locator) or ((422, "VALIDATION_FAILED") if foreign else None)
        made = self.send(side, "POST", f"/episodes/{inside.locator}/{PATHS[kind.entity]}", body, refusal)
        if made:
            side.clinic.make(Thing(kind, made["locator"], kind.states[0], inside.patient, inside.locator))

    @rule(who=WHO, number=NUMBER, action=st.sampled_from(["close", "cancel"]))
    def end_an_episode(self, who: int, number: int, action: str) -> None:
        """Close or cancel an episode."""
        thing = self.one_of(self.sides[who], EPISODE, number)
        self.change(self.sides[who], thing, action, thing.version)

    @rule(who=WHO, number=NUMBER, same=st.booleans())
    def repeat(self, who: int, number: int, same: bool) -> None:
        """Send an earlier call again under its key: as it was, or with another body."""
        side = self.sides[who]
        request, first = side.sent[number % len(side.sent)]
        if not same:
            change = OTHER.get(request["url"].rpartition("/")[2], {"reason": "Fever"})
            request = {**request, "json": {**request["json"], **change}}
        again = side.client.request(**request)
        self.world.answers[f"again {again.status_code}"] += 1
        if same:
            seen = [
                (one.status_code, one.content, *map(one.headers.get, ("ETag", "Location"))) for one in (first, again)
            ]
            assert seen[0] == seen[1], request
        else:
            assert (again.status_code, again.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED"), request

    @rule(who=WHO, number=NUMBER, chosen=NUMBER)
    def stale(self, who: int, number: int, chosen: int) -> None:
        """Change something on the ground of a version it does not have."""
        side = self.sides[who]
        thing = list(side.clinic.things.values())[number % len(side.clinic.things)]
        move = thing.lifecycle.transitions[chosen % len(thing.lifecycle.transitions)]
        self.change(side, thing, move.name, thing.version - 1 or 2)

    @rule(who=WHO, number=NUMBER, chosen=NUMBER)
    def foreign(self, who: int, number: int, chosen: int) -> None:
        """Read and move what the other clinic has."""
        side = self.sides[who]
        things = list(self.other(side).clinic.things.values())
        thing = things[number % len(things)]
        read = side.client.get(f"/{PATHS[thing.lifecycle.entity]}/{thing.locator}")
        self.world.answers[f"GET {read.status_code}"] += 1
        assert read.status_code == 404, read.text
        move = thing.lifecycle.transitions[chosen % len(thing.lifecycle.transitions)]
        self.change(side, thing, move.name, thing.version)

    # What holds at all times.

    @invariant()
    def all_is_stored_as_foretold(self) -> None:
        """Now and then, compare everything of both clinics."""
        self.steps += 1
        if self.steps % EVERY == 0:
            self.compare()

    def compare(self) -> None:
        """Everything that is stored of both clinics, and the lists they are shown."""
        for side in self.sides:
            self.world.stored.compare(side.tenant.id, side.since, side.clinic)

    def teardown(self) -> None:
        """Compare at the end too, with what the clinics' own lists show."""
        try:
            self.compare()
            for side in self.sides:
                self.compare_lists(side)
        finally:
            for side in self.sides:
                side.client.close()

    def compare_lists(self, side: Side) -> None:
        """The lists of a clinic show what the model has, and so nothing of the other one."""
        clinic = side.clinic
        assert self.listed(side, "/episodes") == _shown(clinic.of(EPISODE))
        for provider in clinic.providers:
            places = [place for place in clinic.slots.values() if place.provider == provider]
            assert self.listed(side, f"/providers/{provider}/slots") == _shown(places)
        for episode in clinic.of(EPISODE):
            for kind in (APPOINTMENT, PRESCRIPTION, REFERRAL):
                path = f"/episodes/{episode.locator}/{PATHS[kind.entity]}"
                assert self.listed(side, path) == _shown(clinic.of(kind, episode.locator)), path

    def listed(self, side: Side, path: str) -> dict[str, tuple[str, int]]:
        """A whole list, by locator."""
        answer = side.client.get(path, params={"limit": 200})
        self.world.answers[f"GET {answer.status_code}"] += 1
        page = answer.json()
        assert (answer.status_code, page["nextCursor"]) == (200, None), page
        return {item["locator"]: (item["status"], item["version"]) for item in page["items"]}


def _shown(things: list[Any]) -> dict[str, tuple[str, int]]:
    return {thing.locator: (thing.status, thing.version) for thing in things}


@pytest.fixture
def world(
    app: APIFlask, database: TestDatabase, new_tenant: Callable[..., TestTenant], tmp_path: Path
) -> Iterator[World]:
    """A server of the Procfile that does not tire, and the database behind it."""
    untired = {"RATE_LIMIT_PERSON": "1000000", "RATE_LIMIT_SERVICE": "1000000"}
    server = Instance({**shared_settings(app, database, tmp_path), **untired}, tmp_path / "web.log")
    stored = Stored(database)
    try:
        yield World(app, new_tenant, stored, f"http://127.0.0.1:{server.port}/api/v1")
    finally:
        stored.connection.close()
        end_group(server.process)


def test_every_life_goes_as_the_model_foretells(world: World) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Lives(world),
        settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, derandomize=True, database=None,
            suppress_health_check=[HealthCheck.too_slow], phases=[Phase.generate],
        ),
    )  # fmt: skip
    print(dict(sorted(world.answers.items())))
    missing = NEEDED - set(world.answers)
    assert not missing, f"a run that never met these has not tested them: {missing}"
