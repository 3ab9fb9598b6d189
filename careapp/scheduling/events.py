"""Events of slots and appointments."""

from datetime import datetime

from pydantic import Field

from careapp.outbox import topics
from careapp.outbox.events import Event


class _SlotEvent(Event):
    provider_locator: str
    clinic_locator: str | None
    starts_at: datetime = Field(alias="start")
    ends_at: datetime = Field(alias="end")
    capacity: int
    booked: int
    status: str


class SlotAdded(_SlotEvent):
    """A provider offers a new time."""

    topic = topics.SLOT_ADDED


class SlotBlocked(_SlotEvent):
    """No further booking is taken for this time."""

    topic = topics.SLOT_BLOCKED


class SlotUnblocked(_SlotEvent):
    """A blocked time can be booked again."""

    topic = topics.SLOT_UNBLOCKED


class _AppointmentEvent(Event):
    episode_locator: str
    party_locator: str
    provider_locator: str
    clinic_locator: str | None
    slot_locator: str
    starts_at: datetime = Field(alias="start")
    ends_at: datetime = Field(alias="end")
    type: str | None
    status: str


class AppointmentBooked(_AppointmentEvent):
    """An appointment was made; published once, whatever state it starts in."""

    topic = topics.APPOINTMENT_BOOKED


class AppointmentAttended(_AppointmentEvent):
    """The patient was seen."""

    topic = topics.APPOINTMENT_ATTENDED


class AppointmentCancelled(_AppointmentEvent):
    """An appointment was called off and its place is free again."""

    topic = topics.APPOINTMENT_CANCELLED
    priority = "HIGH"

    category: str


class AppointmentRescheduled(_AppointmentEvent):
    """An appointment moved to another slot under the same locator."""

    topic = topics.APPOINTMENT_RESCHEDULED

    previous_slot_locator: str
    previous_starts_at: datetime = Field(alias="previousStart")


class AppointmentStatusChanged(Event):
    """An appointment's status changed; `correction` marks an undo: what was said before did not happen."""

    topic = topics.APPOINTMENT_STATUS_CHANGED

    episode_locator: str
    party_locator: str
    old_status: str
    new_status: str
    category: str | None = None
    correction: bool = False
