"""What slots and appointments look like from outside."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field
from sqlalchemy import Row

from careapp.access import Actor
from careapp.disclosure import reading
from careapp.scheduling.states import APPOINTMENT, SLOT, TYPES
from careapp.views import Page, View, codes


class SlotView(View):
    """One slot (design §6). `booked` of `capacity` places are taken; times are in UTC."""

    locator: str
    provider_locator: str
    clinic_locator: str | None
    starts_at: datetime = Field(alias="start")
    ends_at: datetime = Field(alias="end")
    capacity: int
    booked: int
    status: Annotated[str, codes(SLOT.states)]
    version: int


HIDDEN = ("reason", "notes")  # what an appointment is about, as against when and with whom it is


class PortalAppointmentView(View):
    """One appointment as the patient may see it: without what staff wrote about it."""

    locator: str
    episode_locator: str
    party_locator: str
    provider_locator: str
    clinic_locator: str | None
    slot_locator: str
    starts_at: datetime = Field(alias="start")
    ends_at: datetime = Field(alias="end")
    type: Annotated[str, codes(TYPES)] | None
    status: Annotated[str, codes(APPOINTMENT.states)]
    reason: str | None
    version: int

    @classmethod
    def seen_by(cls, actor: Actor, row: Row[Any], **changes: Any) -> Self:
        """The view of a row for this actor: of a restricted patient perhaps without what it is about."""
        return cls.of(row, **{**changes, **({} if reading.sees(actor, row) else dict.fromkeys(HIDDEN))})


class AppointmentView(PortalAppointmentView):
    """One appointment (design §6). `reason` is why the patient comes, `notes` what staff wrote about it."""

    notes: str | None


class SlotPage(Page[SlotView]):
    """A page of slots."""


class AppointmentPage(Page[AppointmentView]):
    """A page of appointments."""
