"""The lifecycles of slots and appointments (design §5) and what an appointment's state counts for."""

from careapp.access import Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.scheduling.events import AppointmentAttended, AppointmentCancelled, SlotBlocked, SlotUnblocked

AVAILABLE, BOOKED, BLOCKED = "AVAILABLE", "BOOKED", "BLOCKED"
_OWN = Permission.SLOT_MANAGE_OWN

SLOT = Lifecycle(
    entity="slot",
    prefix="SLT",
    states=(AVAILABLE, BOOKED, BLOCKED),
    transitions=(
        Transition(
            "block", "Block", (AVAILABLE, BOOKED), BLOCKED, _OWN, SlotBlocked, needs_reason=True, dangerous=True
        ),
        Transition("unblock", "Unblock", (BLOCKED,), AVAILABLE, _OWN, SlotUnblocked),
    ),
    tones={AVAILABLE: "success", BOOKED: "primary", BLOCKED: "secondary"},
)

PENDING, CONFIRMED, ARRIVED, IN_PROGRESS = "PENDING", "CONFIRMED", "ARRIVED", "IN_PROGRESS"
ATTENDED, CANCELLED, NO_SHOW = "ATTENDED", "CANCELLED", "NO_SHOW"
ACTIVE = (PENDING, BOOKED, CONFIRMED, ARRIVED, IN_PROGRESS)
SEEN = (ARRIVED, IN_PROGRESS, ATTENDED)
_BEFORE_ARRIVAL = (PENDING, BOOKED, CONFIRMED)
_P = Permission.APPOINTMENT_MOVE

APPOINTMENT = Lifecycle(
    entity="appointment",
    prefix="APT",
    states=(*ACTIVE, ATTENDED, CANCELLED, NO_SHOW),
    transitions=(
        Transition("accept", "Accept", (PENDING,), BOOKED, _P),
        Transition("confirm", "Confirm", (PENDING, BOOKED), CONFIRMED, _P),
        Transition("arrive", "Check in", _BEFORE_ARRIVAL, ARRIVED, _P),
        Transition("start", "Start", (ARRIVED,), IN_PROGRESS, _P),
        Transition("attend", "Attended", (BOOKED, CONFIRMED, ARRIVED, IN_PROGRESS), ATTENDED, _P, AppointmentAttended),
        Transition("no-show", "No-show", _BEFORE_ARRIVAL, NO_SHOW, _P, dangerous=True),
        Transition(
            "cancel", "Cancel visit", ACTIVE, CANCELLED, _P, AppointmentCancelled, needs_reason=True, dangerous=True
        ),
    ),
    tones={
        PENDING: "warning", BOOKED: "primary", CONFIRMED: "info", ARRIVED: "info", IN_PROGRESS: "info",
        ATTENDED: "success", CANCELLED: "secondary", NO_SHOW: "danger",
    },
)  # fmt: skip

TYPES = ("NEW_PATIENT", "FOLLOW_UP", "PROCEDURE", "TELEHEALTH", "GROUP")
CANCEL_CATEGORIES = ("PATIENT", "CLINIC", "EMERGENCY", "OTHER")


def holds_place(status: str) -> bool:
    """Whether an appointment in this state takes up a place of its slot: only a cancelled one gives it back."""
    return status != CANCELLED


def counts(status: str | None) -> tuple[int, int]:
    """What an appointment in this state adds to its episode: (seen, open appointments). None: not made yet."""
    return int(status in SEEN), int(status in ACTIVE)
