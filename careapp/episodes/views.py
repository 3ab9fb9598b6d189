"""What episodes look like from outside."""

from datetime import datetime
from typing import Annotated, Any, Self

from sqlalchemy import Row

from careapp.access import Actor
from careapp.disclosure import reading
from careapp.disclosure.rules import WITHHELD
from careapp.episodes.states import CARE_TYPES, EPISODE, STAGES
from careapp.views import Page, View, codes

# What an episode says, as against that it exists.
HIDDEN = {"care_type": WITHHELD, "reason": None, "summary": None, "triage_session_locator": None}


class EpisodeView(View):
    """One episode (design §6). `stage` is None unless the episode is OPEN.

    Of a restricted patient, who is not to know sees that there is an episode: its care type is RESTRICTED.
    """

    locator: str
    party_locator: str
    care_type: Annotated[str, codes((*CARE_TYPES, WITHHELD))]
    status: Annotated[str, codes(EPISODE.states)]
    stage: Annotated[str, codes(STAGES)] | None
    triage_session_locator: str | None
    reason: str | None
    summary: str | None
    opened_at: datetime
    closed_at: datetime | None
    version: int

    @classmethod
    def seen_by(cls, actor: Actor, row: Row[Any], **changes: Any) -> Self:
        """The view of a row for this actor."""
        return cls.of(row, **{**changes, **({} if reading.sees(actor, row) else HIDDEN)})


class EpisodePage(Page[EpisodeView]):
    """A page of episodes."""
