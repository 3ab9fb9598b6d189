"""What episodes look like from outside."""

from datetime import datetime

from careapp.views import Page, View


class EpisodeView(View):
    """One episode (design §6). `stage` is None unless the episode is OPEN."""

    locator: str
    party_locator: str
    care_type: str
    status: str
    stage: str | None
    triage_session_locator: str | None
    reason: str | None
    summary: str | None
    opened_at: datetime
    closed_at: datetime | None
    version: int


class EpisodePage(Page[EpisodeView]):
    """A page of episodes."""
