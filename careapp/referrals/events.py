"""Events of referrals: which one, for whom, of what kind; reason and outcome stay here."""

from datetime import datetime

from pydantic import Field

from careapp.outbox import topics
from careapp.outbox.events import Event


class _ReferralEvent(Event):
    episode_locator: str
    party_locator: str
    type: str
    urgency: str = Field(alias="priority")  # `priority` is the name of the envelope's own
    status: str
    scheduled_for: datetime | None


class ReferralReferred(_ReferralEvent):
    """A referral was made."""

    topic = topics.REFERRAL_REFERRED


class ReferralBooked(_ReferralEvent):
    """The facility has a time for it."""

    topic = topics.REFERRAL_BOOKED


class ReferralCompleted(_ReferralEvent):
    """It was done."""

    topic = topics.REFERRAL_COMPLETED


class ReferralCancelled(_ReferralEvent):
    """It was called off."""

    topic = topics.REFERRAL_CANCELLED
    priority = "HIGH"
