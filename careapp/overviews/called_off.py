"""Whom to call: patients whose appointments stand in blocked slots, with how to reach them."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import at_most, db
from careapp.disclosure import reading
from careapp.overviews.zones import PLACE, with_place
from careapp.patients.models import FULL_NAME, PATIENTS
from careapp.patients.views import ContactPoint
from careapp.providers.models import PROVIDERS
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.changes import MOVABLE
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT, SLOTS
from careapp.scheduling.spans import Span, touching
from careapp.scheduling.states import BLOCKED
from careapp.scheduling.views import AppointmentView

MOST_SHOWN = 500


class ToCall(AppointmentView):
    """An appointment that stands in a blocked slot, with its patient and the ways to reach him."""

    patient_name: str
    birth_date: date | None
    telecom: Sequence[ContactPoint]
    provider_name: str
    zone: str
    blocked_reason: str | None


@query(Permission.APPOINTMENT_VIEW)
def list_to_call(
    actor: Actor, *, spans: Sequence[Span], provider: str | None = None, clinic: str | None = None
) -> list[ToCall]:
    """The appointments not yet begun in blocked slots that touch the spans, by time, at most MOST_SHOWN."""
    rows = appointment_rows(actor).add_columns(
        FULL_NAME, PATIENTS.birth_date, PATIENTS.telecom, PROVIDERS.name.label("provider_name"),
        SLOTS.blocked_reason,
    )  # fmt: skip
    conditions: list[ColumnElement[bool]] = [
        touching(spans), SLOTS.status == BLOCKED, SLOTS.ends_at > clock.now(), APPOINTMENTS.status.in_(MOVABLE),
        IS_PRESENT,
    ]  # fmt: skip
    if provider is not None:
        conditions.append(PROVIDERS.locator == provider)
    if clinic is not None:
        conditions.append(PLACE.c.locator == clinic)
    statement = with_place(rows, APPOINTMENTS, actor.tenant_id).where(*conditions)
    found = db.session.execute(
        statement.order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id).limit(at_most(MOST_SHOWN))
    ).all()
    reading.look(actor, found)
    record_read("slot.to_call", provider or clinic, patients=tuple(sorted({row.party_locator for row in found})))
    return [ToCall.seen_by(actor, row) for row in found]
