"""The two tables by which domains meet: what else happens on an event, and what keeps an episode open (design §2)."""

from careapp.commands import Reaction
from careapp.outbox import topics
from careapp.prescriptions.service import void_unfilled_prescriptions
from careapp.referrals.service import cancel_open_referrals, open_referrals
from careapp.scheduling.appointments import cancel_open_appointments, open_appointments

REACTIONS: dict[str, tuple[Reaction, ...]] = {
    topics.EPISODE_CANCELLED: (cancel_open_appointments, cancel_open_referrals, void_unfilled_prescriptions),
}

OPEN_WORK = (open_appointments, open_referrals)
