"""A storm: bookings, cancels, reschedules, undos and blocks at random on few slots, and what must hold after it."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from careapp import tenancy
from careapp.access import Actor
from careapp.episodes import service as episodes
from careapp.errors import Refusal
from careapp.scheduling import appointments, changes, slots
from careapp.scheduling.counts import wrong_counts
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import rows
from tests.races.crowd import Crowd, done

THREADS, ACTS = 8, 40
MOVES = ("confirm", "arrive", "no-show")

# Each names what is wrong; a row is a fault.
INVARIANTS = {
    "a slot's count is not its appointments": """
        SELECT s.locator FROM provider_slots s LEFT JOIN appointments a ON a.slot_id = s.id AND a.status <> 'CANCELLED'
        GROUP BY s.id, s.tenant_id, s.locator, s.booked HAVING s.booked <> count(a.id)""",
    "a slot's state is not its count": """
        SELECT locator FROM provider_slots WHERE status <> 'BLOCKED' AND (status = 'BOOKED') <> (booked = capacity)""",
    "a patient is in two places": """
        SELECT a.locator FROM appointments a JOIN appointments b ON a.id < b.id AND a.patient_id = b.patient_id
        AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
        WHERE a.status = ANY (:active) AND b.status = ANY (:active)""",
    "a provider is in two places, or has no rest": """
        SELECT a.locator FROM appointments a JOIN appointments b ON a.id <> b.id AND a.provider_id = b.provider_id
        AND a.slot_id <> b.slot_id AND a.starts_at < b.busy_until AND b.starts_at < a.busy_until
        WHERE a.status = ANY (:active) AND b.status = ANY (:active)""",
    "an episode's counters are not its appointments": """
        SELECT e.locator FROM episodes e LEFT JOIN appointments a ON a.episode_id = e.id GROUP BY e.tenant_id, e.id
        HAVING e.open_appointments <> count(*) FILTER (WHERE a.status = ANY (:active))
        OR e.seen <> count(*) FILTER (WHERE a.status IN ('ARRIVED', 'IN_PROGRESS', 'ATTENDED'))""",
    "a cancelled episode has an open appointment": """
        SELECT e.locator FROM episodes e JOIN appointments a ON a.episode_id = e.id
        WHERE e.status = 'CANCELLED' AND a.status = ANY (:active)""",
    "a key's sequence has a gap": """
        SELECT key FROM outbox GROUP BY key HAVING min(sequence) <> 1 OR max(sequence) <> count(*)""",
    "a key's head is not its last sequence": """
        SELECT h.key FROM outbox_head h JOIN outbox o USING (tenant_id, key) GROUP BY h.key, h.sequence
        HAVING h.sequence <> max(o.sequence)""",
    "an appointment is not what its history says": """
        SELECT a.locator FROM appointments a JOIN LATERAL (SELECT to_status, count(*) OVER () AS changes
        FROM status_changes c WHERE c.entity = 'appointment' AND c.entity_id = a.id ORDER BY c.id DESC LIMIT 1) c
        ON true WHERE a.status <> c.to_status OR a.version <> c.changes""",
    "a history jumps": """
        SELECT locator FROM (
        SELECT locator, from_status, lag(to_status) OVER (PARTITION BY entity_id ORDER BY id) AS before
        FROM status_changes WHERE entity = 'appointment') c WHERE from_status IS DISTINCT FROM before""",
    "an appointment does not stand at its slot's time": """
        SELECT a.locator FROM appointments a JOIN provider_slots s ON s.id = a.slot_id
        WHERE (a.starts_at, a.ends_at, a.provider_id) <> (s.starts_at, s.ends_at, s.provider_id)""",
}


def is_known(outcome: Any) -> bool:
    """Whether a refusal is one of the product's own; a deadlock after all retries is none that this load may cause."""
    return isinstance(outcome, Refusal) and outcome.status in (404, 409, 422) and outcome.code != "BUSY"


@pytest.mark.parametrize("seed", [1, 2])
def test_what_must_hold_holds_after_a_storm(crowd: Crowd, new_tenant: Callable[..., TestTenant], seed: int) -> None:
    god = everything(new_tenant(buffer_minutes=10))
    providers = [make.a_provider(god) for _ in range(2)]
    patients = [make.a_patient(god) for _ in range(4)]
    open_ones = [make.an_episode(god, patient).locator for patient in patients for _ in range(2)]
    free = [
        make.a_slot(god, provider, hours=1 + number / 2, minutes=(20, 30)[number % 2], capacity=(1, 1, 3)[number % 3])
        for provider in providers
        for number in range(5)
    ]
    booked: list[str] = []

    def storm(thread: int) -> Callable[[], list[Any]]:
        chance = random.Random(seed * 100 + thread)

        def act() -> Any:
            slot, mine = chance.choice(free).locator, chance.choice(booked[-12:] or [""])
            kind = chance.choices(list(kinds), weights=[weight for weight, _ in kinds.values()])[0]
            return kinds[kind][1](slot, mine)

        def book(slot: str, _: str) -> Any:
            made = appointments.book(god, chance.choice(open_ones), slot_locator=slot)
            booked.append(made.locator)
            return made

        kinds: dict[str, tuple[int, Callable[[str, str], Any]]] = {
            "book": (8, book),
            "cancel": (4, lambda _, mine: appointments.act(god, mine, action="cancel")),
            "reschedule": (6, lambda slot, mine: changes.reschedule(god, mine, slot_locator=slot)),
            "undo": (3, lambda _, mine: changes.undo(god, mine)),
            "move": (3, lambda _, mine: appointments.act(god, mine, action=chance.choice(MOVES))),
            "block": (1, lambda slot, _: slots.act(god, slot, action=chance.choice(("block", "unblock", "unblock")))),
        }

        def run() -> list[Any]:
            outcomes = []
            for _ in range(ACTS):
                try:
                    outcomes.append(act())
                except Refusal as refusal:
                    outcomes.append(refusal)
            return outcomes

        return run

    outcomes = [outcome for found in crowd([storm(thread) for thread in range(THREADS)]) for outcome in found]
    check(god, outcomes)
    cancelled = crowd([lambda at=locator: episodes.cancel(god, at) for locator in open_ones])
    assert len(done(cancelled)) == len(open_ones)
    check(god, [])


def check(god: Actor, outcomes: list[Any]) -> None:
    """Everything that must hold: enough was done, nothing was refused for no reason, and every count is right."""
    strange = [repr(outcome) for outcome in outcomes if isinstance(outcome, Refusal) and not is_known(outcome)]
    assert strange == []
    if outcomes:
        assert len(done(outcomes)) > ACTS, "a storm in which nearly all is refused proves little"
    active = ["PENDING", "BOOKED", "CONFIRMED", "ARRIVED", "IN_PROGRESS"]
    for name, statement in INVARIANTS.items():
        values = {"active": active} if ":active" in statement else {}
        assert rows(god, statement, **values) == [], name
    with tenancy.bound(god.tenant_id):
        assert wrong_counts(god.tenant_id) == []
