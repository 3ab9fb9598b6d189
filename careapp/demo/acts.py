"""What staff do in a demo story, each act at its own time: offer a slot, open, book, see, prescribe, refer, close; by
the real commands."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from careapp import clock
from careapp.access import Actor
from careapp.demo.pool import FreeSlot, Pool
from careapp.demo.texts import case_of, cases_of
from careapp.episodes import service as episodes
from careapp.episodes.views import EpisodeView
from careapp.errors import Conflict
from careapp.prescriptions import service as prescriptions
from careapp.referrals import service as referrals
from careapp.scheduling import appointments, slots
from careapp.scheduling.views import AppointmentView

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MOST_WEEKS = 60  # how much further back than asked for an old slot may lie; at some hours eight were not enough

CARE_TYPES = {
    "EMERGENCY_MEDICINE": ("URGENT_CARE",), "CARDIOLOGY": ("SPECIALIST",), "DERMATOLOGY": ("SPECIALIST",),
    "PSYCHOLOGY": ("MENTAL_HEALTH",), "DIABETES_EDUCATION": ("CHRONIC_CARE",),
}  # fmt: skip
OTHERWISE = ("GP", "GP", "GP", "PREVENTIVE", "CHRONIC_CARE")


@dataclass
class Scene:
    """One patient's story being told: who acts, what is free, and what time it really is.

    `voice` is the front desk's user, `hands` a clinician's; what they do happens at the latest `now`.
    """

    voice: Actor
    hands: Actor
    pool: Pool
    random: Random
    now: datetime
    party: str

    @contextmanager
    def on(self, moment: datetime) -> Iterator[None]:
        """Let what is inside happen at a moment, or now where that lies ahead."""
        with clock.at(min(moment, self.now)):
            yield

    def days_ago(self, fewest: int, most: int) -> datetime:
        """A moment so many days ago, by chance."""
        return self.now - self.random.randint(fewest * 24, most * 24) * HOUR - self.random.randint(5, 55) * MINUTE

    def care_type(self, specialty: str) -> str:
        """What a patient of this specialty comes for."""
        return self.random.choice(CARE_TYPES.get(specialty, OTHERWISE))


def open_episode(scene: Scene, care_type: str, moment: datetime) -> EpisodeView:
    """Begin an episode with a reason of its care type."""
    reason = scene.random.choice(cases_of(care_type)).reason
    with scene.on(moment):
        return episodes.open_episode(scene.voice, party_locator=scene.party, care_type=care_type, reason=reason)


def open_for(scene: Scene, slot: FreeSlot) -> EpisodeView:
    """Begin the episode a slot is booked for: days before it, or minutes where people walk in."""
    ahead = 20 * MINUTE if slot.specialty == "EMERGENCY_MEDICINE" else scene.random.randint(1, 6) * DAY + 40 * MINUTE
    return open_episode(scene, scene.care_type(slot.specialty), min(slot.starts_at, scene.now) - ahead)


def slot_weeks_ago(scene: Scene, weeks: int) -> FreeSlot:
    """A slot of a week that long ago, added for this story: a recent one's time, so many weeks earlier or, where its
    provider has a slot then, the first week before that in which he has none.
    """
    like = scene.pool.past()
    for further in range(weeks, weeks + MOST_WEEKS):
        start, end = like.starts_at - 7 * further * DAY, like.ends_at - 7 * further * DAY
        try:
            with clock.at(start - 7 * DAY):
                made = slots.add_slot(
                    scene.voice, like.provider_locator, start=start, end=end, clinic_locator=like.clinic_locator
                )
        except Conflict:
            continue
        return replace(like, locator=made.locator, starts_at=start, ends_at=end)
    raise RuntimeError("no week is left in which this provider has time")


def book(
    scene: Scene, episode: EpisodeView, slot: FreeSlot, *, accepted: bool = True, confirmed: bool = False,
    type: str = "NEW_PATIENT",
) -> AppointmentView:  # fmt: skip
    """Book a slot soon after the episode was opened; by the front desk, unless it has yet to be accepted."""
    moment = min(episode.opened_at + 5 * MINUTE, slot.starts_at)
    with scene.on(moment):
        made = appointments.book(
            scene.voice, episode.locator, slot_locator=slot.locator, type=type, reason=episode.reason, accepted=accepted
        )
    return act(scene, made, "confirm", moment + HOUR) if confirmed else made


def act(
    scene: Scene, appointment: AppointmentView, action: str, moment: datetime, *, reason: str | None = None,
    category: str | None = None,
) -> AppointmentView:  # fmt: skip
    """One move of an appointment."""
    with scene.on(moment):
        return appointments.act(scene.voice, appointment.locator, action=action, reason=reason, category=category)


def see(scene: Scene, episode: EpisodeView, slot: FreeSlot, *, type: str = "NEW_PATIENT") -> None:
    """Book a slot that is over, and let the patient have come."""
    made = book(scene, episode, slot, type=type)
    if scene.random.random() < 1 / 2:
        act(scene, made, "arrive", slot.starts_at - 8 * MINUTE)
        act(scene, made, "start", slot.starts_at + 2 * MINUTE)
    act(scene, made, "attend", slot.ends_at)


def prescribe(scene: Scene, episode: EpisodeView, provider_locator: str, moment: datetime, status: str) -> None:
    """Order the medicine of the episode's case, and fill or void it afterwards."""
    medicine = case_of(episode.care_type, episode.reason).medicine
    with scene.on(moment):
        made = prescriptions.issue(
            scene.hands, episode.locator, medication=medicine.medication, dosage=medicine.dosage,
            parts=medicine.parts, quantity=medicine.quantity, refills=medicine.refills,
            provider_locator=provider_locator,
        )  # fmt: skip
    with scene.on(moment + 3 * HOUR):
        if status == "FILLED":
            prescriptions.act(scene.hands, made.locator, action="fill")
        if status == "VOID":
            prescriptions.act(scene.hands, made.locator, action="void", reason="Other dosage agreed with the patient")


def refer(
    scene: Scene, episode: EpisodeView, moment: datetime, status: str, *, scheduled_for: datetime | None = None
) -> None:
    """Order from elsewhere what the episode's case needs, and take it to this state; a booked one is for the days to
    come, if not for `scheduled_for`.
    """
    order = case_of(episode.care_type, episode.reason).order
    with scene.on(moment):
        made = referrals.refer(
            scene.hands, episode.locator, type=order.type, reason=order.reason, priority=order.priority
        )
    with scene.on(moment + 2 * HOUR):
        if status == "CANCELLED":
            referrals.act(scene.hands, made.locator, action="cancel", reason="Done elsewhere already")
        if status in ("BOOKED", "COMPLETED"):
            to_come = scheduled_for or scene.now + scene.random.randint(1, 9) * DAY
            done_at = min(moment + DAY, scene.now) if status == "COMPLETED" else to_come
            referrals.act(scene.hands, made.locator, action="book", scheduled_for=done_at, facility=order.facility)
    if status == "COMPLETED":
        with scene.on(moment + DAY + HOUR):
            referrals.act(scene.hands, made.locator, action="complete", outcome=order.outcome)


def close(scene: Scene, episode: EpisodeView, moment: datetime) -> None:
    """End an episode with the summary that belongs to its reason."""
    summary = case_of(episode.care_type, episode.reason).summary
    with scene.on(moment):
        episodes.close(scene.hands, episode.locator, summary=summary)
