"""The episodes of a generated tenant: who came when makes a course of care, with its orders, counters and history."""

import json
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bench.people import People
from bench.rows import Rows, array, locator
from bench.visits import SLOT, Visit
from careapp.episodes.states import CARE_TYPES
from careapp.outbox import topics
from careapp.referrals.deadlines import due_at
from careapp.referrals.states import OPEN as OPEN_REFERRAL
from careapp.referrals.states import PRIORITIES, TYPES

JOINED = 0.15  # of the visits continue the patient's episode before
CLOSED, CALLED_OFF = 0.88, 0.6  # of the episodes that could be
REFERRED, PRESCRIBED = 0.08, 0.12
NEW_EVERY = 12  # patients for one episode in which nothing has happened yet
AUDITED = timedelta(days=3)  # the audit log and the outbox hold what happened last
PUBLISHED = timedelta(days=1)
VISIT_TYPES = ("NEW_PATIENT", "FOLLOW_UP", "PROCEDURE", "TELEHEALTH")
MEDICINES = (
    ("Amoxicillin 500 mg", "Take 1 capsule three times a day"),
    ("Metformin 850 mg", "Take 1 tablet twice a day"),
    ("Amlodipine 5 mg", "Take 1 tablet a day"),
)
OWN_TOPICS = {
    ("episode", "open"): topics.EPISODE_OPENED, ("episode", "close"): topics.EPISODE_CLOSED,
    ("episode", "cancel"): topics.EPISODE_CANCELLED, ("appointment", "book"): topics.APPOINTMENT_BOOKED,
    ("appointment", "attend"): topics.APPOINTMENT_ATTENDED, ("appointment", "cancel"): topics.APPOINTMENT_CANCELLED,
    ("prescription", "issue"): topics.PRESCRIPTION_ISSUED, ("prescription", "fill"): topics.PRESCRIPTION_FILLED,
    ("referral", "refer"): topics.REFERRAL_REFERRED, ("referral", "book"): topics.REFERRAL_BOOKED,
    ("referral", "complete"): topics.REFERRAL_COMPLETED, ("referral", "cancel"): topics.REFERRAL_CANCELLED,
}  # fmt: skip


@dataclass(frozen=True, order=True)
class Change:
    """One move of anything in an episode."""

    at: datetime
    episode: int
    entity: str
    entity_id: int
    locator: str
    action: str
    from_status: str | None
    to_status: str
    actor: str
    category: str | None = field(default=None, compare=False)

    @property
    def topics(self) -> list[str]:
        """The events that told of it."""
        own = OWN_TOPICS.get((self.entity, self.action))
        moved = self.entity == "appointment" and self.action != "book"
        return ([own] if own else []) + ([topics.APPOINTMENT_STATUS_CHANGED] if moved else [])


class Courses:
    """Turns the visits of each patient into episodes, and then all that happened into history, audit and events."""

    def __init__(self, rows: Rows, people: People, key: str, now: datetime, chance: random.Random) -> None:
        self.rows, self.people, self.key, self.now, self.chance = rows, people, key, now, chance
        self.changes: list[Change] = []
        self.names: dict[int, tuple[str, str]] = {}  # of an episode: its own locator and its patient's

    def run(self, visits: dict[int, list[Visit]]) -> None:
        """Write the episodes of all patients."""
        for patient, his in visits.items():
            course: list[Visit] = []
            for visit in his:
                if course and self.chance.random() > JOINED:
                    self._episode(patient, course)
                    course = []
                course.append(visit)
            self._episode(patient, course)
        for n, patient in enumerate(self.people.patients):
            if n % NEW_EVERY == 0:
                self._episode(patient, [])
        self._tell()

    def _episode(self, patient: int, visits: list[Visit]) -> None:
        number = self.rows.number("episodes")
        opened = min(
            [visit.created for visit in visits] or [self.now - timedelta(hours=2, minutes=number % 4_000)]
        ) - timedelta(hours=1)
        name = locator("episodes", number, opened)
        self.names[number] = name, self.people.parties[patient]
        status, ended = self._end(visits)
        closed = ended if status != "OPEN" else None
        self._change(opened, number, "episode", number, name, "open", None, "OPEN")
        referrals = self._refer(number, patient, status, opened, closed)
        for visit in visits:
            self._keep(number, visit)
        if any(visit.status == "ATTENDED" for visit in visits) and self.chance.random() < PRESCRIBED:
            self._prescribe(number, next(visit for visit in visits if visit.status == "ATTENDED"))
        if closed:
            self._change(closed, number, "episode", number, name, "close" if status == "CLOSED" else "cancel", "OPEN",
                         status)  # fmt: skip
        last = _last(visits)
        self.rows.add(
            "episodes", number, patient, self.chance.choice(CARE_TYPES), status, sum(v.seen for v in visits),
            sum(v.active for v in visits), referrals, "A reason of some length, as people write it",
            "What was found and done, in a sentence or two." if status == "CLOSED" else None, opened, closed,
            last.provider if last else None, last.clinic if last else None, opened, 2 if closed else 1,
        )  # fmt: skip

    def _end(self, visits: list[Visit]) -> tuple[str, datetime]:
        """The state of an episode with these visits, and when it came into it, were it not open."""
        ended = max([visit.moves[-1][3] for visit in visits] or [self.now]) + timedelta(hours=2)
        if not visits or any(visit.active for visit in visits) or ended > self.now:
            return "OPEN", ended
        if any(visit.seen for visit in visits):
            return ("CLOSED" if self.chance.random() < CLOSED else "OPEN"), ended
        return ("CANCELLED" if self.chance.random() < CALLED_OFF else "OPEN"), ended

    def _keep(self, episode: int, visit: Visit) -> None:
        """The appointment's row and its moves."""
        end = visit.start + SLOT
        self.rows.add(
            "appointments", visit.id, episode, visit.patient, visit.provider, visit.clinic, visit.slot, visit.start,
            end, end, self.chance.choice(VISIT_TYPES), visit.status, visit.category, visit.created, len(visit.moves),
        )  # fmt: skip
        for action, before, after, at in visit.moves:
            category = visit.category if action == "cancel" else None
            self._change(at, episode, "appointment", visit.id, visit.locator, action, before, after, category)

    def _prescribe(self, episode: int, visit: Visit) -> None:
        """A medicine ordered at the end of a visit, and mostly handed out."""
        number, issued = self.rows.number("prescriptions"), visit.start + SLOT
        name, handed_out = locator("prescriptions", number, issued), issued + timedelta(hours=1)
        filled = handed_out <= self.now and self.chance.random() < 0.7
        medicine, dosage = self.chance.choice(MEDICINES)
        self.rows.add(
            "prescriptions", number, episode, visit.patient, visit.provider, medicine, dosage, 30,
            "FILLED" if filled else "ISSUED", issued, issued, 2 if filled else 1,
        )  # fmt: skip
        self._change(issued, episode, "prescription", number, name, "issue", None, "ISSUED")
        if filled:
            self._change(handed_out, episode, "prescription", number, name, "fill", "ISSUED", "FILLED")

    def _refer(self, episode: int, patient: int, status: str, opened: datetime, closed: datetime | None) -> int:
        """Perhaps a referral, as far as the episode lets it be; returns how many are open."""
        if self.chance.random() >= REFERRED:
            return 0
        over = {"CLOSED": "COMPLETED", "CANCELLED": "CANCELLED"}
        state = over.get(status) or self.chance.choice(("REFERRED", "REFERRED", "BOOKED", "COMPLETED"))
        path = {
            "REFERRED": [], "BOOKED": ["BOOKED"], "COMPLETED": ["BOOKED", "COMPLETED"], "CANCELLED": ["CANCELLED"],
        }[state]  # fmt: skip
        number, step = self.rows.number("diagnostics_referrals"), ((closed or self.now) - opened) / 4
        name, priority, moment = (
            locator("diagnostics_referrals", number, opened),
            self.chance.choice(PRIORITIES),
            opened,
        )
        self._change(opened, episode, "referral", number, name, "refer", None, "REFERRED")
        before = "REFERRED"
        for after in path:
            moment, action = moment + step, {"BOOKED": "book", "COMPLETED": "complete", "CANCELLED": "cancel"}[after]
            self._change(moment, episode, "referral", number, name, action, before, after)
            before = after
        scheduled = opened + timedelta(days=5) if "BOOKED" in path else None
        due = due_at(state, priority, since=moment, scheduled_for=scheduled)
        self.rows.add(
            "diagnostics_referrals", number, episode, patient, self.chance.choice(TYPES), priority,
            "To be looked at by somebody else", "City laboratory", scheduled, state, opened, moment, due, opened,
            1 + len(path),
        )  # fmt: skip
        return int(state in OPEN_REFERRAL)

    def _change(
        self, at: datetime, episode: int, entity: str, entity_id: int, name: str, action: str, before: str | None,
        after: str, category: str | None = None,
    ) -> None:  # fmt: skip
        actor = f"user:{self.people.front_desk}"
        self.changes.append(Change(at, episode, entity, entity_id, name, action, before, after, actor, category))

    def _tell(self) -> None:
        """All changes in order of time: history, what the audit log and the outbox still hold, and the heads."""
        sequences: dict[str, int] = {}
        for one in sorted(self.changes, key=lambda change: change.at):
            name, party = self.names[one.episode]
            self.rows.add(
                "status_changes", self.rows.number("status_changes"), one.episode, one.entity, one.entity_id,
                one.locator, one.action, one.from_status, one.to_status, one.actor, one.category, one.at,
            )  # fmt: skip
            if one.at > self.now - AUDITED:
                event = self.rows.number("audit_event")
                self.rows.add("audit_event", event, one.at, one.actor, f"{one.entity}.{one.action}", "done",
                              one.locator, array([party]), "{}")  # fmt: skip
                self.rows.add("audit_patients", party, one.at, event)
            for topic in one.topics:
                sequences[name] = sequences.get(name, 0) + 1
                if one.at > self.now - PUBLISHED:
                    self._event(topic, name, party, sequences[name], one)
        for name, sequence in sequences.items():
            self.rows.add("outbox_head", name, sequence)

    def _event(self, topic: str, key: str, party: str, sequence: int, one: Change) -> None:
        """An event that has left; of its data only what every event about care has."""
        event_id = uuid.UUID(int=self.chance.getrandbits(128), version=4)
        data = {"episodeLocator": key, "partyLocator": party, "status": one.to_status}
        envelope = {
            "specversion": "1.0", "id": str(event_id), "source": "/careapp", "type": topic, "subject": one.locator,
            "time": one.at.isoformat(), "datacontenttype": "application/json", "tenant": self.key,
            "sequence": f"{sequence:010d}", "priority": "NORMAL", "data": data,
        }  # fmt: skip
        number = self.rows.number("outbox")
        self.rows.add("outbox_sent", number, event_id, topic, key, sequence, json.dumps(envelope), one.at, one.at)


def _last(visits: Iterable[Visit]) -> Visit | None:
    """With whom and where the patient was last, once a visit has ended: rather one that was not called off."""
    ranked = sorted(visits, key=lambda visit: (visit.status != "CANCELLED", visit.start, visit.id))
    return ranked[-1] if any(not visit.active for visit in ranked) else None
