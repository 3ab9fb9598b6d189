"""The lifecycle of an episode (design §5), its care types and the stages of the board."""

from careapp.access import Permission
from careapp.episodes.events import EpisodeCancelled, EpisodeClosed
from careapp.lifecycle import Lifecycle, Transition

OPEN, CLOSED, CANCELLED = "OPEN", "CLOSED", "CANCELLED"

EPISODE = Lifecycle(
    entity="episode",
    prefix="EPI",
    states=(OPEN, CLOSED, CANCELLED),
    transitions=(
        Transition("close", "Close episode", (OPEN,), CLOSED, Permission.EPISODE_CLOSE, EpisodeClosed),
        Transition(
            "cancel", "Cancel episode", (OPEN,), CANCELLED, Permission.EPISODE_CANCEL, EpisodeCancelled,
            needs_reason=True, dangerous=True,
        ),
    ),
    tones={OPEN: "primary", CLOSED: "success", CANCELLED: "secondary"},
)  # fmt: skip

CARE_TYPES = ("GP", "SPECIALIST", "URGENT_CARE", "MENTAL_HEALTH", "PREVENTIVE", "CHRONIC_CARE", "POST_ACUTE")
STAGES = ("NEW", "SCHEDULED", "IN_CARE", "READY_TO_CLOSE")

# The stage is a generated column over three counters of the row: nobody sets it, so it cannot be wrong.
STAGE_RULE = """CASE WHEN status <> 'OPEN' THEN NULL
 WHEN seen > 0 AND open_appointments + open_referrals > 0 THEN 'IN_CARE'
 WHEN seen > 0 THEN 'READY_TO_CLOSE'
 WHEN open_appointments > 0 THEN 'SCHEDULED' ELSE 'NEW' END"""
