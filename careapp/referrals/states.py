"""The lifecycle of a referral (design §5), its kinds and priorities."""

from careapp.access import Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.referrals.events import ReferralBooked, ReferralCancelled, ReferralCompleted

REFERRED, BOOKED, COMPLETED, CANCELLED = "REFERRED", "BOOKED", "COMPLETED", "CANCELLED"
OPEN = (REFERRED, BOOKED)
_P = Permission.REFERRAL_WRITE

REFERRAL = Lifecycle(
    entity="referral",
    prefix="REF",
    states=(REFERRED, BOOKED, COMPLETED, CANCELLED),
    transitions=(
        Transition("book", "Book", (REFERRED,), BOOKED, _P, ReferralBooked),
        Transition("complete", "Complete", (BOOKED,), COMPLETED, _P, ReferralCompleted),
        Transition(
            "cancel", "Cancel referral", OPEN, CANCELLED, _P, ReferralCancelled, needs_reason=True, dangerous=True
        ),
    ),
    tones={REFERRED: "warning", BOOKED: "primary", COMPLETED: "success", CANCELLED: "secondary"},
)

TYPES = ("LAB", "IMAGING", "SPECIALIST")
PRIORITIES = ("ROUTINE", "URGENT", "STAT")
