"""Slots and appointments over JSON."""

from typing import Annotated

from flask import Response
from pydantic import Field

from careapp.access import Permission
from careapp.api.blueprint import PREFIX, api
from careapp.api.moves import add_move, each_move
from careapp.scheduling import appointments, changes, queries, slots
from careapp.scheduling.states import APPOINTMENT, CANCEL_CATEGORIES, SLOT, TYPES
from careapp.scheduling.views import AppointmentPage, AppointmentView, SlotPage, SlotView
from careapp.surface.actors import current_actor, requires
from careapp.surface.answers import created, tagged
from careapp.surface.fields import WHOLE, ActionIn, Among, Locator, Moment, Paged, Sent, Words
from careapp.surface.provider_port import question_about


class SlotIn(Sent):
    """What adds a slot."""

    start: Moment
    end: Moment
    capacity: Annotated[int, Field(ge=1, le=500), WHOLE] = 1
    clinic_locator: Locator | None = None


class SlotQuery(Paged):
    """What a provider's slots can be narrowed by: those that touch the span from `from` to `to`."""

    start: Moment | None = Field(
        None,
        alias="from",
        description="Slots that end after this; without it also those that are over, AVAILABLE or not.",
    )
    end: Moment | None = Field(None, alias="to", description="Slots that start before this.")
    status: Annotated[str, Among(SLOT.states)] | None = None


class AppointmentIn(Sent):
    """What books an appointment."""

    slot_locator: Locator
    type: Annotated[str, Among(TYPES)] | None = None
    reason: Words | None = None
    notes: Words | None = None


class CancelIn(ActionIn):
    """What cancels an appointment: who called it off, and why."""

    category: Annotated[str, Among(CANCEL_CATEGORIES)] | None = None


class RescheduleIn(ActionIn):
    """What moves an appointment to another slot."""

    slot_locator: Locator


@api.post("/providers/<locator>/slots")
@requires(Permission.SLOT_MANAGE_OWN)
@api.input(SlotIn)
@api.output(SlotView, 201)
@api.doc(tags=["Slots"])
def add_slot(locator: str, json_data: SlotIn) -> Response:
    """Add a provider availability slot."""
    actor = current_actor()
    return created(actor, lambda: slots.add_slot(actor, locator, **json_data.model_dump()), f"{PREFIX}/slots")


@api.get("/providers/<locator>/slots")
@requires(Permission.SLOT_VIEW)
@api.input(SlotQuery, location="query")
@api.output(SlotPage)
@api.doc(tags=["Slots"])
def list_slots(locator: str, query_data: SlotQuery) -> Response:
    """List a provider's slots by start."""
    return tagged(queries.list_slots(current_actor(), locator, **query_data.model_dump()))


@api.get("/slots/<locator>")
@requires(Permission.SLOT_VIEW)
@api.output(SlotView)
@api.doc(tags=["Slots"])
def get_slot(locator: str) -> Response:
    """Get a slot."""
    return tagged(queries.get_slot(current_actor(), locator))


@api.post("/episodes/<locator>/appointments")
@requires(Permission.APPOINTMENT_BOOK)
@api.input(AppointmentIn)
@api.output(AppointmentView, 201)
@api.doc(tags=["Appointments"])
def book(locator: str, json_data: AppointmentIn) -> Response:
    """Book an appointment within an episode; it is PENDING and holds its slot."""
    actor = current_actor()
    first = question_about(actor, json_data.slot_locator)
    return created(
        actor, lambda: appointments.book(actor, locator, **json_data.model_dump()), f"{PREFIX}/appointments",
        first=first,
    )  # fmt: skip


@api.get("/episodes/<locator>/appointments")
@requires(Permission.APPOINTMENT_VIEW)
@api.input(Paged, location="query")
@api.output(AppointmentPage)
@api.doc(tags=["Appointments"])
def list_appointments(locator: str, query_data: Paged) -> Response:
    """List an episode's appointments by start."""
    return tagged(queries.list_appointments(current_actor(), locator, **query_data.model_dump()))


@api.get("/appointments/<locator>")
@requires(Permission.APPOINTMENT_VIEW)
@api.output(AppointmentView)
@api.doc(tags=["Appointments"])
def get_appointment(locator: str) -> Response:
    """Get an appointment."""
    return tagged(queries.get_appointment(current_actor(), locator))


each_move(SLOT, "/slots", SlotView, slots.act, Permission.SLOT_VIEW)
each_move(
    APPOINTMENT, "/appointments", AppointmentView, appointments.act, Permission.APPOINTMENT_VIEW,
    bodies={"cancel": CancelIn},
)  # fmt: skip
add_move(
    APPOINTMENT, "/appointments", "reschedule", "Move to another slot", AppointmentView, RescheduleIn,
    Permission.APPOINTMENT_MOVE, changes.reschedule,
    question=lambda actor, body: question_about(actor, body.slot_locator),
    rule="From PENDING, BOOKED or CONFIRMED, to a free slot of this or another provider; CONFIRMED becomes BOOKED.",
)  # fmt: skip
add_move(
    APPOINTMENT, "/appointments", "undo", "Take the last move back", AppointmentView, ActionIn,
    Permission.APPOINTMENT_VIEW, changes.undo,
    rule="Back to the state before the last move, within ten minutes of it, by whoever may make that move, while the"
    " episode is OPEN. A cancel needs its place again; booking, rescheduling and undo itself are not taken back.",
)  # fmt: skip
