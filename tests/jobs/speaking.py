"""Writers: commands that publish events by the application's own way, and the ledger of what they may have said."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from apiflask import APIFlask
from sqlalchemy import Connection, Engine, event

from careapp import commands, kept
from careapp.access import Actor, Permission
from careapp.commands import command, publish
from careapp.db import db
from careapp.errors import Conflict
from careapp.outbox import topics
from careapp.outbox.events import Event

_marks = count(1)
_commits = threading.local()


class EpisodeSpoke(Event):
    """An event with a mark of its own; `filler` makes it as large as a test wants."""

    topic = topics.EPISODE_OPENED
    mark: int
    filler: str = ""


class AppointmentSpoke(EpisodeSpoke):
    """The same on another topic."""

    topic = topics.APPOINTMENT_STATUS_CHANGED


class ReferralSpoke(EpisodeSpoke):
    """The same on a third topic."""

    topic = topics.REFERRAL_REFERRED


KINDS = (EpisodeSpoke, AppointmentSpoke, ReferralSpoke)


class BrokenCommit(Exception):
    """The transaction failed at its very end, when its events were in the outbox already."""


@dataclass
class Ledger:
    """What was told in committed transactions, and what was only tried: the marks of the events."""

    told: set[int] = field(default_factory=set)
    never: set[int] = field(default_factory=set)

    def __add__(self, other: Self) -> Self:
        return type(self)(self.told | other.told, self.never | other.never)


def saying(key: str, kind: type[EpisodeSpoke] = EpisodeSpoke, filler: str = "") -> EpisodeSpoke:
    """An event about a key, with a new mark."""
    return kind(key=key, subject=key, mark=next(_marks), filler=filler)


@command(Permission.EPISODE_OPEN)
def speak(actor: Actor, said: list[EpisodeSpoke], *, refused: bool = False) -> None:
    """Publish the events in one transaction; `refused` raises Conflict after that."""
    for one in said:
        publish(one)
    commands.record("test.speak")
    if refused:
        raise Conflict("The test refuses this command.")


@event.listens_for(Engine, "commit")  # from the start: writers in other threads must not see it come
def _before_commit(connection: Connection) -> None:
    if action := getattr(_commits, "action", None):
        action()


def _go_together(connection: Connection, *, opens: bool) -> bool:
    """As ever, but where somebody wants to act between the last statement and the commit."""
    return getattr(_commits, "action", None) is None and _ever(connection, opens=opens)


_ever, kept.go_together = kept.go_together, _go_together


@contextmanager
def at_commit(action: Callable[[], object]) -> Iterator[None]:
    """Inside, this thread runs `action` when its events are written and their transaction is about to commit."""
    _commits.action = action
    try:
        yield
    finally:
        _commits.action = None


def _break() -> None:
    raise BrokenCommit


def write(app: APIFlask, actor: Actor, *, events: int, writers: int = 8, keys: int = 40) -> Ledger:
    """Have several threads tell that many events at once, one to four in a transaction, and as many again in vain."""
    ledger = Ledger()
    with ThreadPoolExecutor(writers) as pool:
        for finished in [
            pool.submit(_write, app, actor, events // writers, keys, seed, ledger) for seed in range(writers)
        ]:
            finished.result()
    return ledger


def _write(app: APIFlask, actor: Actor, events: int, keys: int, seed: int, ledger: Ledger) -> None:
    dice = random.Random(seed)
    left = events
    with app.app_context():
        while left:
            size = min(left, dice.randint(1, 4))
            said = [saying(f"EPI-2026-{dice.randrange(keys):06}", dice.choice(KINDS)) for _ in range(size)]
            fate = dice.choice(["told"] * 6 + ["refused", "broken"])
            _speak(actor, said, fate)
            (ledger.told if fate == "told" else ledger.never).update(one.mark for one in said)
            left -= size if fate == "told" else 0
        db.session.remove()


def _speak(actor: Actor, said: list[EpisodeSpoke], fate: str) -> None:
    """Speak and meet that fate."""
    if fate == "told":
        speak(actor, said)
    elif fate == "refused":
        with suppress(Conflict):
            speak(actor, said, refused=True)
    else:
        with at_commit(_break), suppress(BrokenCommit):
            speak(actor, said)
