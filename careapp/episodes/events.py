"""Events of episodes. A close's summary is free text and is not in the event; it is fetched by locator."""

from datetime import datetime

from careapp.outbox import topics
from careapp.outbox.events import Event


class _EpisodeEvent(Event):
    party_locator: str
    care_type: str


class EpisodeOpened(_EpisodeEvent):
    """A new episode began."""

    topic = topics.EPISODE_OPENED

    triage_session_locator: str | None
    opened_at: datetime


class EpisodeClosed(_EpisodeEvent):
    """An episode ended with a summary."""

    topic = topics.EPISODE_CLOSED

    opened_at: datetime
    closed_at: datetime


class EpisodeCancelled(_EpisodeEvent):
    """An episode was called off; what stood open in it is cancelled with it."""

    topic = topics.EPISODE_CANCELLED
    priority = "HIGH"

    closed_at: datetime
