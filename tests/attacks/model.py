"""A small model of a clinic: what each call must be answered, and what it must leave behind, from the tables alone."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from careapp.episodes.states import EPISODE, OPEN
from careapp.lifecycle import Lifecycle
from careapp.outbox import topics
from careapp.prescriptions.states import PRESCRIPTION
from careapp.referrals.states import REFERRAL
from careapp.scheduling.states import APPOINTMENT

Refusal = tuple[int, str]
NOT_FOUND: Refusal = (404, "NOT_FOUND")
INVALID: Refusal = (422, "VALIDATION_FAILED")

ACTIVE = {"PENDING", "BOOKED", "CONFIRMED", "ARRIVED", "IN_PROGRESS"}
BEFORE_ARRIVAL = {"PENDING", "BOOKED", "CONFIRMED"}
STANDS_OPEN = {"appointment": ACTIVE, "referral": {"REFERRED", "BOOKED"}, "prescription": {"ISSUED"}}
MADE = {
    "episode": ("open", topics.EPISODE_OPENED),
    "appointment": ("book", topics.APPOINTMENT_BOOKED),
    "prescription": ("issue", topics.PRESCRIPTION_ISSUED),
    "referral": ("refer", topics.REFERRAL_REFERRED),
}


@dataclass
class Place:
    """A slot. No two slots of a clinic touch in time, so a patient is elsewhere only where he is in this very one."""

    locator: str
    provider: str
    capacity: int
    over: bool = False
    booked: int = 0
    version: int = 1

    @property
    def status(self) -> str:
        """What the application shows."""
        return "BOOKED" if self.booked >= self.capacity else "AVAILABLE"

    def take(self, places: int) -> None:
        """Take places, or give them back."""
        self.booked, self.version = self.booked + places, self.version + 1


@dataclass
class Thing:
    """Whatever has a lifecycle; `before` is what an undo of its last move leads back to."""

    lifecycle: Lifecycle
    locator: str
    status: str
    patient: str
    episode: str  # its own locator where it is one
    slot: str = ""
    version: int = 1
    before: str | None = None


@dataclass
class Clinic:
    """One tenant: what is in it, what was audited as done, and what was told under each key, in order."""

    patients: list[str]
    providers: list[str]
    slots: dict[str, Place] = field(default_factory=dict)
    things: dict[str, Thing] = field(default_factory=dict)
    done: Counter[tuple[str, str]] = field(default_factory=Counter)
    told: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def of(self, lifecycle: Lifecycle, episode: str | None = None) -> list[Thing]:
        """The things of a kind, in the order they were made; of one episode where it is named."""
        return [
            thing for thing in self.things.values()
            if thing.lifecycle is lifecycle and episode in (None, thing.episode)
        ]  # fmt: skip

    # What refuses a call; None where nothing does.

    def no_new_work(self, episode: str) -> Refusal | None:
        """Why nothing new can be made in an episode."""
        if episode not in self.things:
            return NOT_FOUND
        return None if self.things[episode].status == OPEN else (409, "EPISODE_NOT_OPEN")

    def no_change(self, locator: str, version: int) -> Refusal | None:
        """Why no change of a thing, whatever it is, is taken that is based on this version."""
        thing = self.things.get(locator)
        if thing is None:
            return NOT_FOUND
        if thing.lifecycle in (APPOINTMENT, REFERRAL) and self.no_new_work(thing.episode):
            return 409, "EPISODE_NOT_OPEN"
        return (409, "STALE_VERSION") if version != thing.version else None

    def no_move(self, locator: str, action: str, version: int) -> Refusal | None:
        """Why a move of a lifecycle's table is refused."""
        refusal = self.no_change(locator, version)
        if refusal:
            return refusal
        thing = self.things[locator]
        if thing.status not in thing.lifecycle.transition(action).sources:
            return 409, "ILLEGAL_TRANSITION"
        if (thing.lifecycle, action) == (EPISODE, "close") and self._open_work(locator, APPOINTMENT, REFERRAL):
            return 409, "EPISODE_HAS_OPEN_WORK"
        return None

    def no_place(self, slot: str, patient: str, but: str = "") -> Refusal | None:
        """Why a slot takes no appointment of this patient; the one that is moved stands in nobody's way."""
        place = self.slots.get(slot)
        if place is None:
            return INVALID
        if place.over or place.booked >= place.capacity:
            return 409, "SLOT_UNAVAILABLE"
        return self._busy(slot, patient, but)

    def no_booking(self, episode: str, slot: str) -> Refusal | None:
        """Why an episode's patient is not booked into a slot."""
        return self.no_new_work(episode) or self.no_place(slot, self.things[episode].patient)

    def no_reschedule(self, locator: str, slot: str, version: int) -> Refusal | None:
        """Why an appointment does not go to another slot."""
        refusal = self.no_change(locator, version)
        if refusal:
            return refusal
        thing = self.things[locator]
        if thing.status not in BEFORE_ARRIVAL:
            return 409, "ILLEGAL_TRANSITION"
        return INVALID if slot == thing.slot else self.no_place(slot, thing.patient, locator)

    def no_undo(self, locator: str, version: int) -> Refusal | None:
        """Why the last move of an appointment is not taken back."""
        refusal = self.no_change(locator, version)
        if refusal:
            return refusal
        thing = self.things[locator]
        if thing.before is None:
            return 409, "NOTHING_TO_UNDO"
        if thing.status == "CANCELLED":
            return self.no_place(thing.slot, thing.patient, locator)
        return None if thing.status in ACTIVE else self._busy(thing.slot, thing.patient, locator)

    def _busy(self, slot: str, patient: str, but: str) -> Refusal | None:
        there = (one for one in self.of(APPOINTMENT) if one.slot == slot and one.status in ACTIVE)
        return (409, "PATIENT_BUSY") if any(one.patient == patient and one.locator != but for one in there) else None

    def _open_work(self, episode: str, *kinds: Lifecycle) -> list[Thing]:
        return [thing for kind in kinds for thing in self.of(kind, episode) if thing.status in STANDS_OPEN[kind.entity]]

    # What a call that is not refused leaves behind.

    def add_slot(self, place: Place) -> None:
        """A slot was added."""
        self.slots[place.locator] = place
        self._remember("slot.add", place.locator, place.locator, topics.SLOT_ADDED)

    def make(self, thing: Thing) -> None:
        """Something was made."""
        self.things[thing.locator] = thing
        if thing.slot:
            self.slots[thing.slot].take(1)
        action, topic = MADE[thing.lifecycle.entity]
        self._remember(f"{thing.lifecycle.entity}.{action}", thing.locator, thing.episode, topic)

    def move(self, thing: Thing, action: str, *, caused: bool = False) -> None:
        """A move of the table was made, or caused by the end of the episode."""
        transition = thing.lifecycle.transition(action)
        told = [transition.event.topic] if transition.event else []
        if thing.lifecycle is APPOINTMENT:
            told.append(topics.APPOINTMENT_STATUS_CHANGED)
            if transition.target == "CANCELLED":
                self.slots[thing.slot].take(-1)
        self._set(thing, action, transition.target, *told, before=None if caused else thing.status)
        if (thing.lifecycle, action) == (EPISODE, "cancel"):
            for one in self._open_work(thing.locator, APPOINTMENT, REFERRAL, PRESCRIPTION):
                self.move(one, "void" if one.lifecycle is PRESCRIPTION else "cancel", caused=True)

    def reschedule(self, thing: Thing, slot: str) -> None:
        """An appointment went to another slot."""
        self.slots[thing.slot].take(-1)
        self.slots[slot].take(1)
        thing.slot = slot
        status = "BOOKED" if thing.status == "CONFIRMED" else thing.status
        self._set(thing, "reschedule", status, topics.APPOINTMENT_RESCHEDULED, topics.APPOINTMENT_STATUS_CHANGED)

    def undo(self, thing: Thing) -> None:
        """The last move was taken back."""
        assert thing.before
        if thing.status == "CANCELLED":
            self.slots[thing.slot].take(1)
        self._set(thing, "undo", thing.before, topics.APPOINTMENT_STATUS_CHANGED)

    def _set(self, thing: Thing, action: str, status: str, *told: str, before: str | None = None) -> None:
        thing.status, thing.version, thing.before = status, thing.version + 1, before
        self._remember(f"{thing.lifecycle.entity}.{action}", thing.locator, thing.episode, *told)

    def _remember(self, action: str, locator: str, key: str, *told: str) -> None:
        self.done[action, locator] += 1
        self.told[key] += [(topic, locator) for topic in told]
