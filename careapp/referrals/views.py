"""What referrals look like from outside."""

from datetime import datetime
from typing import Annotated, Any, Self

from sqlalchemy import Row

from careapp.access import Actor, Permission
from careapp.disclosure import reading
from careapp.disclosure.rules import WITHHELD
from careapp.referrals.states import PRIORITIES, REFERRAL, TYPES
from careapp.views import Page, View, codes

# What a referral of a restricted patient says, besides its type, as against that it exists.
HIDDEN = ("reason", "facility", "outcome")


class ReferralView(View):
    """One referral (design §6). Why it was made and what came of it are None for who may only know that it exists.

    Of a restricted patient, who is not to know sees that there is a referral: its type is RESTRICTED.
    """

    locator: str
    episode_locator: str
    party_locator: str
    type: Annotated[str, codes((*TYPES, WITHHELD))]
    priority: Annotated[str, codes(PRIORITIES)]
    reason: str | None
    facility: str | None
    scheduled_for: datetime | None
    outcome: str | None
    status: Annotated[str, codes(REFERRAL.states)]
    version: int

    @classmethod
    def seen_by(cls, actor: Actor, row: Row[Any], **changes: Any) -> Self:
        """The view of a row for this actor."""
        if not reading.sees(actor, row):
            return cls.of(row, **{**changes, **dict.fromkeys(HIDDEN), "type": WITHHELD})
        hidden = {} if actor.may(Permission.REFERRAL_READ) else dict.fromkeys(("reason", "outcome"))
        return cls.of(row, **{**changes, **hidden})


class ReferralPage(Page[ReferralView]):
    """A page of referrals."""
