"""The stories of the demo's episodes: each leaves one in a stage of the board, or after it."""

from collections.abc import Callable

from careapp.demo.acts import (
    DAY,
    HOUR,
    Scene,
    act,
    book,
    close,
    open_episode,
    open_for,
    prescribe,
    refer,
    see,
    slot_weeks_ago,
)
from careapp.demo.texts import CARE_TYPES
from careapp.episodes import service as episodes


def new(scene: Scene) -> None:
    """Opened in the last days; nobody has booked yet."""
    open_episode(scene, scene.random.choice(CARE_TYPES), scene.days_ago(0, 2))


def forgotten(scene: Scene) -> None:
    """Opened weeks ago, and nobody has booked."""
    open_episode(scene, scene.random.choice(CARE_TYPES), scene.days_ago(16, 30))


def missed(scene: Scene) -> None:
    """The patient did not come."""
    slot = scene.pool.past()
    act(scene, book(scene, open_for(scene, slot), slot), "no-show", slot.ends_at)


def asked(scene: Scene) -> None:
    """Asked for through the portal and held: the front desk has yet to accept."""
    slot = scene.pool.to_come()
    book(scene, open_for(scene, slot), slot, accepted=False)


def booked(scene: Scene) -> None:
    """An appointment to come."""
    slot = scene.pool.to_come()
    book(scene, open_for(scene, slot), slot)


def confirmed(scene: Scene) -> None:
    """An appointment to come, which the patient has confirmed."""
    slot = scene.pool.to_come()
    book(scene, open_for(scene, slot), slot, confirmed=True)


def called_off(scene: Scene) -> None:
    """Called off by the patient, the clinic or because of an emergency, and booked anew."""
    first, second = scene.pool.to_come(), scene.pool.to_come()
    episode = open_for(scene, first)
    category = scene.random.choice(("PATIENT", "CLINIC", "EMERGENCY"))
    made = book(scene, episode, first)
    act(scene, made, "cancel", episode.opened_at + 3 * HOUR, category=category, reason="Another day suits better")
    book(scene, episode, second)


def unmarked(scene: Scene) -> None:
    """The visit is over, and nobody has said how it ended."""
    slot = scene.pool.past()
    book(scene, open_for(scene, slot), slot)


def follow_up(scene: Scene) -> None:
    """Seen once, to come again."""
    slot, again = scene.pool.past(), scene.pool.to_come()
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    prescribe(scene, episode, slot.provider_locator, slot.ends_at, scene.random.choice(("ISSUED", "FILLED")))
    book(scene, episode, again, type="FOLLOW_UP")


def sent_on(scene: Scene) -> None:
    """Seen once; the laboratory, imaging or a specialist has yet to answer."""
    slot = scene.pool.past()
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    refer(scene, episode, slot.ends_at, scene.random.choice(("REFERRED", "BOOKED")))


def unanswered(scene: Scene) -> None:
    """Referred more than a week ago, and nobody has booked it: overdue where it was urgent."""
    slot = scene.pool.last_week()
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    refer(scene, episode, slot.ends_at, "REFERRED")


def long_unanswered(scene: Scene) -> None:
    """Referred weeks ago, and nobody has booked it."""
    slot = slot_weeks_ago(scene, scene.random.choice((2, 4, 6)))
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    refer(scene, episode, slot.ends_at, "REFERRED")


def report_missing(scene: Scene) -> None:
    """Referred weeks ago and booked; the day has passed, and no report has come."""
    slot = slot_weeks_ago(scene, scene.random.choice((2, 3, 5)))
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    refer(scene, episode, slot.ends_at, "BOOKED", scheduled_for=slot.ends_at + scene.random.randint(2, 8) * DAY)


def left_open(scene: Scene) -> None:
    """All was done weeks ago, and nobody has written the summary."""
    slot = slot_weeks_ago(scene, scene.random.choice((3, 4)))
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    prescribe(scene, episode, slot.provider_locator, slot.ends_at, "FILLED")


def ready(scene: Scene) -> None:
    """All done; somebody has yet to write the summary."""
    slot = scene.pool.past()
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    prescribe(scene, episode, slot.provider_locator, slot.ends_at, scene.random.choice(("FILLED", "VOID")))
    refer(scene, episode, slot.ends_at, scene.random.choice(("COMPLETED", "CANCELLED")))


def closed(scene: Scene) -> None:
    """Seen in the last days and closed."""
    slot = scene.pool.past()
    episode = open_for(scene, slot)
    see(scene, episode, slot)
    prescribe(scene, episode, slot.provider_locator, slot.ends_at, "FILLED")
    close(scene, episode, slot.ends_at + 4 * HOUR)


def cancelled(scene: Scene) -> None:
    """Called off as a whole: its appointment, referral and prescription went with it."""
    slot = scene.pool.to_come()
    episode = open_for(scene, slot)
    book(scene, episode, slot)
    prescribe(scene, episode, slot.provider_locator, episode.opened_at + HOUR, "ISSUED")
    refer(scene, episode, episode.opened_at + HOUR, "REFERRED")
    with scene.on(episode.opened_at + 5 * HOUR):
        episodes.cancel(scene.voice, episode.locator, reason="The patient has moved to another town")


def group(scene: Scene) -> None:
    """In a group: booked for a session to come; every other one has been to one before."""
    before = scene.pool.group(over=True) if scene.random.random() < 1 / 2 else None
    episode = open_episode(scene, "CHRONIC_CARE", (before.starts_at if before else scene.now) - 3 * DAY)
    if before:
        see(scene, episode, before, type="GROUP")
    book(scene, episode, scene.pool.group(over=False), type="GROUP")


def past(scene: Scene) -> None:
    """Closed months ago, before the calendar begins."""
    opened_at = scene.days_ago(40, 700)
    episode = open_episode(scene, scene.random.choice(CARE_TYPES), opened_at)
    prescribe(scene, episode, scene.pool.anybody(), opened_at + DAY, "FILLED")
    close(scene, episode, opened_at + scene.random.randint(2, 20) * DAY)


STORIES: dict[str, Callable[[Scene], None]] = {
    story.__name__: story
    for story in (
        new, forgotten, missed, unmarked, asked, booked, confirmed, called_off, follow_up, sent_on, unanswered,
        long_unanswered, report_missing, left_open, ready, closed, cancelled, group, past,
    )
}  # fmt: skip
