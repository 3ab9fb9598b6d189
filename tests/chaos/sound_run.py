"""A small run of the fault suite without any fault of the application, for tests to break one thing at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chaos.evidence import Evidence, Message
from chaos.history import DONE, REFUSED, Injected, Intent, Sample, Try
from chaos.judge import judge

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPISODE, OTHER = "EPI-2026-000001", "EPI-2026-000002"
FIRST, SECOND, THIRD = "APT-2026-000001", "APT-2026-000002", "APT-2026-000003"


class Run:
    """A small run without fault: an episode, two bookings, one of them cancelled by program and the other on a page;
    another episode that is closed; a look at an appointment; a booking while the provider service hangs.
    """

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
        self._by_page()
        self._closed()
        self._read()
        self.evidence.messages = [message(row, offset) for offset, row in enumerate(self.evidence.outbox)]
        self.samples = [Sample(0, 200, 0.1), Sample(1, 503, 0.1), Sample(2, 200, 0.1)]
        self.faults = [
            Injected("database restarted", 0.5, 1.5, went_red=True, must_go_red=True, recovered_after=0.4),
            Injected("provider service hangs", 5.0, 9.0, recovered_after=0.4, books_within=3.0),
            Injected("database hangs", 20.0, 29.0, recovered_after=0.4, told_within=4.0),
        ]

    def _by_page(self) -> None:
        """An appointment that is booked while the provider service hangs, and cancelled on a page."""
        refused = Try(6.0, 2.5, 503, "UPSTREAM_UNAVAILABLE")
        self.history.append(intent("n5", "book", THIRD, [refused, Try(9.5, 0.1, 201)]))
        self.history.append(
            replace(intent("n6", "page", "", [Try(10, 0.1, 303)]), path=f"/appointments/{THIRD}/cancel")
        )
        self.evidence.appointments.append(appointment(3, THIRD, "n5", "CANCELLED"))
        self.happened("appointment", THIRD, "book", "care.appointment.booked")
        self.happened("appointment", THIRD, "cancel", "care.appointment.status_changed", "n6")

    def _closed(self) -> None:
        """An episode that is closed, after it had once been refused."""
        close = replace(intent("n8", "close", OTHER, [Try(12, 0.1, 200)]), method="PATCH", body={"summary": "n8"})
        close.path = f"/api/v1/episodes/{OTHER}/close"
        refused = replace(close, number="n7", tries=[Try(11, 0.1, 409)], outcome=REFUSED)
        self.history += [intent("n9", "open", OTHER, [Try(10.5, 0.1, 201)]), refused, close]
        self.evidence.episodes.append({
            "tenant": "north", "id": 2, "locator": OTHER, "reason": "n9", "status": "CLOSED", "open_appointments": 0,
        })  # fmt: skip
        self.happened("episode", OTHER, "open", "care.episode.opened")
        self.happened("episode", OTHER, "close", "care.episode.closed")

    def _read(self) -> None:
        """An appointment that is looked at, at last while the database hangs, and a page that shows no patient."""
        tries = [Try(13, 0.1, 200, request="r1"), Try(19.9, 4.1, 503)]
        look = replace(intent("n10", "look", FIRST, tries), method="GET", body={})
        form = replace(look, number="n11", path="/patients", tries=[Try(13, 0.1, 200, request="r2")])
        self.history += [replace(look, path=f"/api/v1/appointments/{FIRST}"), form]
        self.evidence.reads.append({"tenant": "north", "subject": FIRST, "request_id": "r1"})

    def happened(self, entity: str, locator: str, action: str, topic: str, reason: str = "") -> None:
        """A change with its audit row and its event."""
        self.evidence.changes.append(change(entity, locator, action, reason))
        self.evidence.audits.append({"tenant": "north", "action": f"{entity}.{action}", "subject": locator})
        self.evidence.outbox.append(event(len(self.evidence.outbox) + 1, topic, locator))

    def intent(self, number: str) -> Intent:
        """The intent of that number."""
        return next(one for one in self.history if one.number == number)

    def forget(self, locator: str, action: str) -> None:
        """Have a change never happen, nor what follows from it."""
        place = next(
            n for n, row in enumerate(self.evidence.changes) if (row["locator"], row["action"]) == (locator, action)
        )
        entity = self.evidence.changes.pop(place)["entity"]
        self.evidence.audits.remove({"tenant": "north", "action": f"{entity}.{action}", "subject": locator})
        topic = "care.episode.closed" if entity == "episode" else "care.appointment.status_changed"
        self.evidence.outbox = [
            row for row in self.evidence.outbox if (row["subject"], row["topic"]) != (locator, topic)
        ]
        self.evidence.messages = None

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
