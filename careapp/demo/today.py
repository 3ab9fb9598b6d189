"""The demo's day: every clinic's slots of today get visits that have come as far as the hour lets them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

from careapp.demo.acts import MINUTE, Scene, act, book, close, open_for, prescribe, see
from careapp.demo.blueprints import Blueprint
from careapp.demo.pool import FreeSlot, Pool, free_slots
from careapp.demo.staff import Staff, parties_of, places_of

SHARE_BOOKED, SHARE_BOOKED_AHEAD = 0.9, 0.7  # of the slots that have begun, and of those to come
RUNNING = timedelta(minutes=75)  # a visit that should have begun longer ago is over, or was missed
FEWEST, STILL_RUNNING = 2, timedelta(minutes=130)  # so many may be older where the clinic is quiet, as at night
SOON = timedelta(minutes=60)


def done(scene: Scene, slot: FreeSlot) -> None:
    """Seen; every third has something to take, and of the others most are closed already."""
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    chance = scene.random.random()
    if chance < 1 / 3:
        prescribe(scene, episode, slot.provider_locator, slot.ends_at, "ISSUED")
    elif chance < 0.85:
        close(scene, episode, slot.ends_at + 10 * MINUTE)


def missed(scene: Scene, slot: FreeSlot) -> None:
    """Did not come."""
    act(scene, book(scene, open_for(scene, slot), slot), "no-show", slot.ends_at)


def in_room(scene: Scene, slot: FreeSlot) -> None:
    """Being seen right now."""
    made = book(scene, open_for(scene, slot), slot)
    act(scene, made, "arrive", slot.starts_at - 5 * MINUTE)
    act(scene, made, "start", slot.starts_at + 2 * MINUTE)


def waiting(scene: Scene, slot: FreeSlot) -> None:
    """In the waiting room."""
    act(scene, book(scene, open_for(scene, slot), slot), "arrive", min(slot.starts_at, scene.now) - 6 * MINUTE)


def due(scene: Scene, slot: FreeSlot) -> None:
    """Booked; every other one has confirmed. One that should have begun is late."""
    book(scene, open_for(scene, slot), slot, confirmed=scene.random.random() < 1 / 2)


def asked(scene: Scene, slot: FreeSlot) -> None:
    """Asked for through the portal; nobody has accepted it yet."""
    book(scene, open_for(scene, slot), slot, accepted=False)


Course = Callable[[Scene, FreeSlot], None]
BEGUN: tuple[Course, ...] = (in_room, due, in_room, waiting, due)  # the latest first
LAST: tuple[Course, ...] = (in_room, waiting, due, in_room, due)  # the same where nobody comes any more today
COMING: tuple[Course, ...] = (waiting, due, due)  # the next first
OVER: tuple[Course, ...] = (done, done, done, done, done, done, missed, done, done, done)
AHEAD: tuple[Course, ...] = (due, due, due, due, due, due, asked)


def tell_today(staff: Staff, blueprint: Blueprint, first: int, now: datetime) -> None:
    """Fill the slots of today with the patients from number `first` on, clinic by clinic, until nobody is left."""
    pool = Pool(free_slots(staff.front_desk), Random(f"{blueprint.seed}/today"), now)
    parties = iter(parties_of(staff.front_desk)[first:])
    for place in places_of(staff.admin):
        random = Random(f"{blueprint.seed}/today/{place.name}")
        today = [slot for slot in pool.today() if slot.clinic_locator == place.locator]
        for (course, slot), party in zip(courses_of(today, random, now), parties, strict=False):
            course(Scene(staff.front_desk, staff.clinician, pool, random, now, party), slot)


def courses_of(today: Sequence[FreeSlot], random: Random, now: datetime) -> Iterable[tuple[Course, FreeSlot]]:
    """Of a clinic's slots of one day those that are booked, by time, each with how far its visit has come at `now`.

    At whatever hour, somebody waits and somebody is being seen, if slots begin each hour.
    """
    latest_first = [slot for slot in today if slot.starts_at <= now][::-1]
    begun = [
        slot for number, slot in enumerate(latest_first)
        if slot.starts_at > now - (STILL_RUNNING if number < FEWEST else RUNNING)
    ]  # fmt: skip
    over = _some([slot for slot in today if slot.starts_at <= now and slot not in begun], random, SHARE_BOOKED)
    coming = [slot for slot in today if now < slot.starts_at <= now + SOON]
    ahead = _some([slot for slot in today if slot.starts_at > now + SOON], random, SHARE_BOOKED_AHEAD)
    running = BEGUN if coming else LAST
    told = [
        *((OVER[number % len(OVER)], slot) for number, slot in enumerate(over)),
        *((running[number] if number < len(running) else done, slot) for number, slot in enumerate(begun)),
        *((COMING[number % len(COMING)], slot) for number, slot in enumerate(coming)),
        *((AHEAD[number % len(AHEAD)], slot) for number, slot in enumerate(ahead)),
    ]
    return sorted(told, key=lambda pair: (pair[1].starts_at, pair[1].locator))


def _some(slots: Sequence[FreeSlot], random: Random, share: float) -> list[FreeSlot]:
    """A share of the slots, in their order."""
    chosen = random.sample(range(len(slots)), round(len(slots) * share))
    return [slots[number] for number in sorted(chosen)]
