"""The demo's past: slots and visits of the days before today, stored as history, so that figures have a past to show.

Everything of today, and after it, is made through the commands people use.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

from sqlalchemy import select

from careapp import clock
from careapp.access import Actor
from careapp.clinics.models import CLINICS
from careapp.db import db
from careapp.demo.acts import CARE_TYPES, DAY, HOUR, MINUTE, OTHERWISE
from careapp.demo.blueprints import Blueprint
from careapp.demo.calendar import is_past, monday_of, week_of_slots
from careapp.demo.pool import WALK_IN
from careapp.demo.texts import Case, cases_of
from careapp.episodes.history import EndedEpisode, enter_all_closed
from careapp.patients.models import PATIENTS
from careapp.providers.models import PROVIDERS
from careapp.scheduling.history import EndedSlot, EndedVisit, Step, enter_slots, enter_visits
from careapp.scheduling.states import ARRIVED, ATTENDED, BOOKED, CANCELLED, CONFIRMED, IN_PROGRESS, NO_SHOW, TYPES

PAST_WEEKS = range(-12, 1)  # of this week, the days before today
WHOLE = -2  # from this week on also the slots nobody came into are there
CALLED_OFF = 0.05
MISSED, MISSED_LATELY, LATELY = 0.12, 0.07, -4  # fewer are missed since week LATELY
DID_NOT_COME = "Did not come; reached by telephone, well again."
OTHER_DAY = "Another day suits better"

Chosen = tuple[str, EndedSlot, str]  # specialty, slot, state the visit ended in


def enter_week(actor: Actor, blueprint: Blueprint, week: int, now: datetime) -> None:
    """The visits of one week at every clinic, in the actor's name; nobody has two in the same week."""
    random = Random(f"{blueprint.seed}/week {week}")
    monday = monday_of(now, clock.zone(blueprint.time_zone)) + timedelta(weeks=week)
    patients = _ids(actor, PATIENTS)
    random.shuffle(patients)
    for number, (plan, clinic_id) in enumerate(zip(blueprint.clinics, _ids(actor, CLINICS), strict=True)):
        zone = clock.zone(plan.time_zone)
        whole = _slots(blueprint, _ids(actor, PROVIDERS), number, clinic_id, monday)
        slots = [one for one in whole if is_past(one[1].starts_at, one[1].ends_at, zone, now)]
        wanted = 0 if plan.holiday == week else round(plan.visits_a_week * len(slots) / max(len(whole), 1))
        single = [one for one in slots if one[1].capacity == 1]
        chosen = random.sample(single, min(wanted, len(single), len(patients)))
        if week >= WHOLE:
            enter_slots(actor, [slot for specialty, slot in slots if (specialty, slot) not in set(chosen)])
        chosen.sort(key=lambda one: (one[1].starts_at, one[1].provider_id))
        _enter(actor, random, [_with_ending(random, week, *one) for one in chosen], patients[: len(chosen)])
        del patients[: len(chosen)]


def _ids(actor: Actor, columns: object) -> list[int]:
    """The ids of the tenant's rows in the order they were entered: the blueprint's."""
    tenant_id, id = columns.tenant_id, columns.id  # type: ignore[attr-defined]
    return list(db.session.execute(select(id).where(tenant_id == actor.tenant_id).order_by(id)).scalars())


def _slots(
    blueprint: Blueprint, provider_ids: Sequence[int], clinic: int, clinic_id: int, monday: date
) -> list[tuple[str, EndedSlot]]:
    """What the providers of a clinic offered in that week, with their specialties."""
    zone, found = clock.zone(blueprint.clinics[clinic].time_zone), []
    for provider, provider_id in zip(blueprint.providers, provider_ids, strict=True):
        for slot in week_of_slots(provider, zone, monday) if provider.clinic == clinic else ():
            one = EndedSlot(provider_id, clinic_id, slot.start, slot.end, slot.start - 21 * DAY, slot.capacity)
            found.append((provider.specialty, one))
    return found


def _with_ending(random: Random, week: int, specialty: str, slot: EndedSlot) -> Chosen:
    """How the visit in a slot ended."""
    chance = random.random()
    missed = CALLED_OFF + (MISSED_LATELY if week >= LATELY else MISSED)
    ending = CANCELLED if chance < CALLED_OFF else NO_SHOW if chance < missed else ATTENDED
    return specialty, replace(slot, booked=int(ending != CANCELLED)), ending


def _enter(actor: Actor, random: Random, chosen: Sequence[Chosen], patients: Sequence[int]) -> None:
    """One patient into each slot: with an episode of his own, which ended with the visit."""
    slot_ids = enter_slots(actor, [slot for _, slot, _ in chosen])
    episodes = [
        _episode(random, patient_id, *one) for patient_id, one in zip(patients, chosen, strict=True)
    ]  # fmt: skip
    episode_ids = enter_all_closed(actor, episodes)
    enter_visits(
        actor,
        [
            EndedVisit(slot_id, slot, episode_id, episode.patient_id, TYPES[0], episode.reason,
                       _steps(random, ending, episode.opened_at + 5 * MINUTE, slot))
            for slot_id, (_, slot, ending), episode_id, episode in zip(
                slot_ids, chosen, episode_ids, episodes, strict=True
            )
        ],
    )  # fmt: skip


def _episode(random: Random, patient_id: int, specialty: str, slot: EndedSlot, ending: str) -> EndedEpisode:
    """The episode of a visit: opened days before it, or minutes where people walk in, and closed some hours after."""
    case: Case = random.choice(cases_of(random.choice(CARE_TYPES.get(specialty, OTHERWISE))))
    ahead = 20 * MINUTE if specialty == WALK_IN else random.randint(1, 6) * DAY + 40 * MINUTE
    came = ending == ATTENDED
    return EndedEpisode(
        patient_id, case.care_type, case.reason, case.summary if came else DID_NOT_COME, slot.starts_at - ahead,
        slot.ends_at + 10 * MINUTE, seen=int(came),
    )  # fmt: skip


def _steps(random: Random, ending: str, booked_at: datetime, slot: EndedSlot) -> list[Step]:
    """All that happened to a visit, in order."""
    steps = [Step("book", BOOKED, booked_at)]
    if ending == CANCELLED:
        at = booked_at + (slot.starts_at - booked_at) / 2
        return [*steps, Step("cancel", CANCELLED, at, OTHER_DAY, "PATIENT")]
    if slot.starts_at - booked_at > DAY and random.random() < 1 / 2:
        steps.append(Step("confirm", CONFIRMED, booked_at + HOUR))
    if ending == NO_SHOW:
        return [*steps, Step("no-show", NO_SHOW, slot.ends_at)]
    steps.append(Step("arrive", ARRIVED, slot.starts_at - random.randint(2, 15) * MINUTE))
    steps.append(Step("start", IN_PROGRESS, slot.starts_at + random.randint(0, 6) * MINUTE))
    return [*steps, Step("attend", ATTENDED, slot.ends_at)]
