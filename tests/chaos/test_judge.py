"""The judge is handed runs that are broken on purpose, one thing at a time, and has to name each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chaos.evidence import Evidence, Message
from chaos.history import DONE, REFUSED, UNKNOWN, Injected, Intent, Sample, Try
from chaos.judge import judge

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPISODE, FIRST, SECOND = "EPI-2026-000001", "APT-2026-000001", "APT-2026-000002"


class Run:
    """A small run without fault: an episode, two bookings, one of them cancelled."""

    def __init__(self) -> None:
        ok = [Try(0.0, 0.1, 201)]
        self.history = [
            intent("n1", "open", EPISODE, ok),
            intent("n2", "book", FIRST, [Try(0, 0.1, 0), Try(1, 0.1, 201)]),
            intent("n3", "book", SECOND, ok),
            replace(intent("n4", "cancel", FIRST, [Try(2, 0.1, 200)]), method="PATCH"),
        ]
        slot = {"tenant": "north", "capacity": 1, "status": "AVAILABLE"}
        self.evidence = Evidence(
            appointments=[appointment(1, FIRST, "n2", "CANCELLED"), appointment(2, SECOND, "n3", "BOOKED")],
            slots=[
                {**slot, "id": 1, "locator": "SLT-1", "booked": 0}, {**slot, "id": 2, "locator": "SLT-2", "booked": 1},
            ],
            episodes=[{
                "tenant": "north", "id": 1, "locator": EPISODE, "reason": "n1", "status": "OPEN",
                "open_appointments": 1,
            }],
            changes=[
                change("episode", EPISODE, "open"), change("appointment", FIRST, "book"),
                change("appointment", SECOND, "book"), change("appointment", FIRST, "cancel", "n4"),
            ],
            audits=[
                {"tenant": "north", "action": action, "subject": subject}
                for action, subject in [
                    ("episode.open", EPISODE), ("appointment.book", FIRST), ("appointment.book", SECOND),
                    ("appointment.cancel", FIRST), ("session.begin", "user:1"),
                ]
            ],
            outbox=[
                event(1, "care.episode.opened", EPISODE), event(2, "care.appointment.booked", FIRST),
                event(3, "care.appointment.booked", SECOND), event(4, "care.appointment.status_changed", FIRST),
                event(5, "care.appointment.cancelled", FIRST),
            ],
        )  # fmt: skip
        self.evidence.messages = [message(row, offset) for offset, row in enumerate(self.evidence.outbox)]
        self.samples = [Sample(0, 200, 0.1), Sample(1, 503, 0.1), Sample(2, 200, 0.1)]
        self.faults = [Injected("database restarted", 0.5, 1.5, went_red=True, must_go_red=True, recovered_after=0.4)]

    def found(self) -> set[str]:
        """The rules the judge says are violated."""
        return {one.rule for one in judge(self.history, self.evidence, self.samples, self.faults)}


def intent(number: str, kind: str, locator: str, tries: list[Try]) -> Intent:
    return Intent(
        number, "north", kind, "POST", "/api/v1/…", {"reason": number}, f"key-{number}", list(tries), DONE,
        {"locator": locator},
    )  # fmt: skip


def appointment(place: int, locator: str, reason: str, status: str, hour: int | None = None) -> dict[str, Any]:
    start = NINE + (place if hour is None else hour) * HOUR
    return {
        "tenant": "north", "locator": locator, "reason": reason, "status": status, "version": 1, "slot_id": place,
        "patient_id": 1, "provider_id": 1, "episode_id": 1, "starts_at": start, "ends_at": start + HOUR,
        "busy_until": start + HOUR,
    }  # fmt: skip


def change(entity: str, locator: str, action: str, reason: str = "") -> dict[str, Any]:
    return {"tenant": "north", "entity": entity, "locator": locator, "action": action, "reason": reason}


def event(sequence: int, topic: str, subject: str) -> dict[str, Any]:
    return {
        "tenant": "north", "key": EPISODE, "sequence": sequence, "event_id": f"id-{sequence}", "topic": topic,
        "subject": subject,
    }  # fmt: skip


def message(row: dict[str, Any], offset: int) -> Message:
    return Message("north", row["topic"], 0, offset, offset, row["key"], row["sequence"], row["event_id"])


@pytest.fixture
def run() -> Run:
    """A run without fault, for a test to break."""
    return Run()


def test_a_run_without_fault_is_not_accused(run: Run) -> None:
    assert run.found() == set()


def test_a_repeat_with_the_same_id_is_no_fault(run: Run) -> None:
    assert run.evidence.messages is not None
    run.evidence.messages.append(replace(run.evidence.messages[1], offset=99))
    assert run.found() == set()


def lost_booking(run: Run) -> None:
    del run.evidence.appointments[1]
    run.evidence.slots[1]["booked"] = run.evidence.episodes[0]["open_appointments"] = 0


def booked_twice(run: Run) -> None:
    run.evidence.appointments.append(appointment(3, "APT-2026-000003", "n3", "CANCELLED"))


def stored_without_being_asked_for(run: Run) -> None:
    run.evidence.appointments.append(appointment(3, "APT-2026-000003", "n99", "CANCELLED"))


def refused_and_stored(run: Run) -> None:
    run.history[2].outcome = REFUSED


def acknowledged_under_another_locator(run: Run) -> None:
    run.history[2].answer = {"locator": "APT-2026-000009"}


def lost_cancel(run: Run) -> None:
    del run.evidence.changes[3], run.evidence.audits[3], run.evidence.outbox[3]
    run.evidence.messages = None


def cancelled_twice(run: Run) -> None:
    for rows in (run.evidence.changes, run.evidence.audits, run.evidence.outbox):
        rows.append(rows[3])
    run.evidence.messages = None


def refused_and_carried_out(run: Run) -> None:
    run.history[3].outcome = REFUSED


def over_capacity(run: Run) -> None:
    run.evidence.slots[1]["capacity"] = 0


def wrong_count(run: Run) -> None:
    run.evidence.slots[0]["booked"] = 1


def in_two_places(run: Run) -> None:
    run.evidence.appointments[0] = appointment(1, FIRST, "n2", "BOOKED", hour=2)
    run.evidence.slots[0]["booked"], run.evidence.episodes[0]["open_appointments"] = 1, 2


def wrong_counter(run: Run) -> None:
    run.evidence.episodes[0]["open_appointments"] = 2


def open_in_a_closed_episode(run: Run) -> None:
    run.evidence.episodes[0]["status"] = "CLOSED"


def no_audit_row(run: Run) -> None:
    del run.evidence.audits[1]


def one_audit_row_too_many(run: Run) -> None:
    run.evidence.audits.append(run.evidence.audits[1])


def no_event(run: Run) -> None:
    del run.evidence.outbox[2]
    run.evidence.messages = None


def event_without_change(run: Run) -> None:
    run.evidence.outbox.append(event(6, "care.appointment.booked", "APT-2026-000009"))
    run.evidence.messages = None


def never_sent(run: Run) -> None:
    assert run.evidence.messages is not None
    del run.evidence.messages[2]


def sent_and_not_committed(run: Run) -> None:
    del run.evidence.outbox[4]


def gap(run: Run) -> None:
    assert run.evidence.messages is not None
    del run.evidence.messages[2], run.evidence.outbox[2], run.evidence.changes[2], run.evidence.audits[2]


def wrong_order(run: Run) -> None:
    assert run.evidence.messages is not None
    second, third = run.evidence.messages[1], run.evidence.messages[2]
    run.evidence.messages[1:3] = [replace(second, offset=third.offset), replace(third, offset=second.offset)]


def repeat_with_another_id(run: Run) -> None:
    assert run.evidence.messages is not None
    run.evidence.messages.append(replace(run.evidence.messages[1], event_id="id-other"))


def internal_error(run: Run) -> None:
    run.history[1].tries.insert(0, Try(0, 0.1, 500))


def unclear_refusal(run: Run) -> None:
    run.history[1].tries.insert(0, Try(0, 0.1, 503, "", "says not when to try again"))


def hanging_request(run: Run) -> None:
    run.history[1].tries.insert(0, Try(0, 26.0, 503))


def stayed_green(run: Run) -> None:
    run.faults[0].went_red = False


def never_came_back(run: Run) -> None:
    run.faults[0].recovered_after = None


def red_at_the_end(run: Run) -> None:
    run.samples.append(Sample(3, 503, 0.1))


def dropped_at_an_end_in_order(run: Run) -> None:
    run.faults.append(Injected("web told to end", 5.0, 5.0, in_order=True, recovered_after=1.0))
    run.history[1].tries.insert(0, Try(4.9, 0.2, 0))


BROKEN: list[tuple[Callable[[Run], None], str]] = [
    (lost_booking, "created once"), (booked_twice, "created once"), (stored_without_being_asked_for, "created once"),
    (refused_and_stored, "created once"), (acknowledged_under_another_locator, "created once"),
    (lost_cancel, "changed once"), (cancelled_twice, "changed once"), (refused_and_carried_out, "changed once"),
    (over_capacity, "capacity"), (wrong_count, "capacity"), (in_two_places, "one place at a time"),
    (wrong_counter, "counters"), (open_in_a_closed_episode, "counters"), (no_audit_row, "audit"),
    (one_audit_row_too_many, "audit"), (no_event, "events"), (event_without_change, "events"),
    (never_sent, "topics"), (sent_and_not_committed, "topics"), (gap, "topics"), (wrong_order, "topics"),
    (repeat_with_another_id, "topics"), (internal_error, "clear refusals"), (unclear_refusal, "clear refusals"),
    (hanging_request, "nothing hangs"), (stayed_green, "readiness"), (never_came_back, "readiness"),
    (dropped_at_an_end_in_order, "ends in order"),
    (red_at_the_end, "readiness"),
]  # fmt: skip


@pytest.mark.parametrize(("harm", "rule"), BROKEN, ids=[harm.__name__ for harm, _ in BROKEN])
def test_it_names_what_is_broken(run: Run, harm: Callable[[Run], None], rule: str) -> None:
    harm(run)
    assert rule in run.found()


def test_an_outcome_nobody_knows_may_be_either(run: Run) -> None:
    run.history[2].outcome, run.history[2].tries = UNKNOWN, [Try(0, 0.1, 0)]
    assert run.found() == set()
    lost_booking(run)
    assert "created once" not in run.found()
