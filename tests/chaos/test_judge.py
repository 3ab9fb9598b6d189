"""The judge is handed runs that are broken on purpose, one thing at a time, and has to name each."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chaos.history import REFUSED, UNKNOWN, Injected, Sample, Try
from tests.chaos.sound_run import EPISODE, FIRST, OTHER, SECOND, THIRD, Run, appointment, event


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
    run.evidence.appointments.append(appointment(3, "APT-2026-000004", "n3", "CANCELLED"))


def stored_without_being_asked_for(run: Run) -> None:
    run.evidence.appointments.append(appointment(3, "APT-2026-000004", "n99", "CANCELLED"))


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


def lost_on_a_page(run: Run) -> None:
    run.forget(THIRD, "cancel")


def refused_on_a_page_and_carried_out(run: Run) -> None:
    run.intent("n6").outcome = REFUSED


def lost_close(run: Run) -> None:
    run.forget(OTHER, "close")


def closed_twice(run: Run) -> None:
    run.happened("episode", OTHER, "close", "care.episode.closed")
    run.evidence.messages = None


def refused_and_closed(run: Run) -> None:
    run.intent("n8").outcome = REFUSED


def closed_without_being_asked_for(run: Run) -> None:
    run.happened("episode", EPISODE, "close", "care.episode.closed")
    run.evidence.messages = None


def read_without_audit(run: Run) -> None:
    run.evidence.reads.clear()


def another_read_in_the_log(run: Run) -> None:
    run.evidence.reads[0]["request_id"] = "r9"


def another_appointment_in_the_log(run: Run) -> None:
    run.evidence.reads[0]["subject"] = SECOND


def booking_left_waiting(run: Run) -> None:
    run.intent("n5").tries[0].seconds = 5.1


def booking_without_an_answer(run: Run) -> None:
    run.intent("n5").tries.insert(0, Try(5.5, 0.1, 0))


def nobody_booked_meanwhile(run: Run) -> None:
    del run.intent("n5").tries[0]


def late_readiness(run: Run) -> None:
    run.samples[1] = Sample(0.4, 503, 7.7)


def told_late_that_the_database_hangs(run: Run) -> None:
    run.intent("n10").tries[1].seconds = 6.2


def told_late_while_it_hangs(run: Run) -> None:
    run.intent("n10").tries.append(Try(28.9, 6.1, 503))


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
    (red_at_the_end, "readiness"), (late_readiness, "readiness"),
    (told_late_that_the_database_hangs, "nothing hangs"), (told_late_while_it_hangs, "nothing hangs"),
    (lost_on_a_page, "changed once"), (refused_on_a_page_and_carried_out, "changed once"),
    (lost_close, "closed once"), (closed_twice, "closed once"), (refused_and_closed, "closed once"),
    (closed_without_being_asked_for, "closed once"),
    (read_without_audit, "audit of reads"), (another_read_in_the_log, "audit of reads"),
    (another_appointment_in_the_log, "audit of reads"),
    (booking_left_waiting, "booking in time"), (booking_without_an_answer, "booking in time"),
    (nobody_booked_meanwhile, "booking in time"),
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
