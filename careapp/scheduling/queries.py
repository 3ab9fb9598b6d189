"""Reads of slots and appointments."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, bindparam, select

from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.commands import query, record_read
from careapp.db import db, table_of
from careapp.disclosure import reading
from careapp.disclosure.scope import scope_of, within
from careapp.episodes.service import episode_id_of
from careapp.errors import found
from careapp.kept import built_once, keep
from careapp.late import may_be_late
from careapp.paging import DEFAULT_LIMIT, patients_in, read_page
from careapp.providers.models import PROVIDERS
from careapp.scheduling.appointments import appointment_rows
from careapp.scheduling.models import APPOINTMENTS, SLOTS, Slot
from careapp.scheduling.slots import LONGEST_SLOT, slot_rows
from careapp.scheduling.views import AppointmentView, SlotView
from careapp.views import Page

_PROVIDER = keep(
    select(PROVIDERS.id).where(PROVIDERS.tenant_id == bindparam("tenant"), PROVIDERS.locator == bindparam("locator"))
)


@query(Permission.SLOT_VIEW)
def get_slot(actor: Actor, locator: str) -> SlotView:
    """One slot in the actor's scope; raises NotFound."""
    return SlotView.of(found(db.session.execute(slot_rows(actor).where(SLOTS.locator == locator)).one_or_none()))


@may_be_late
@query(Permission.SLOT_VIEW)
def list_slots(
    actor: Actor, provider_locator: str, *, start: datetime | None = None, end: datetime | None = None,
    status: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None,
) -> Page[SlotView]:  # fmt: skip
    """A provider's slots that touch the span, by start; raises NotFound for an unknown provider."""
    named = {"tenant": actor.tenant_id, "locator": provider_locator}
    provider_id = found(db.session.execute(_PROVIDER, named).one_or_none()).id
    values = {**scope_of(actor), "provider": provider_id, "of_provider": provider_locator}
    if start is not None:
        values |= {"from_": start, "not_before": start - LONGEST_SLOT}
    if end is not None:
        values["to"] = end
    if status is not None:
        values["status"] = status
    return read_page(
        _slots(frozenset(values)), (SLOTS.starts_at, SLOTS.id), SlotView.of_each,
        of=("slots", provider_locator, start, end, status), limit=limit, cursor=cursor, values=values,
    )  # fmt: skip


@built_once
def _slots(given: frozenset[str]) -> Select[Any]:
    """The slots of a provider, narrowed by what is given; built once for each set of names."""
    narrowed = {
        "from_": SLOTS.ends_at > bindparam("from_"), "not_before": SLOTS.starts_at > bindparam("not_before"),
        "to": SLOTS.starts_at < bindparam("to"), "status": SLOTS.status == bindparam("status"),
    }  # fmt: skip
    mine = (SLOTS.tenant_id == bindparam("tenant"), SLOTS.provider_id == bindparam("provider"))
    wanted = (condition for name, condition in narrowed.items() if name in given)
    shown = (column for column in table_of(Slot).c if column.name in {"id", *SlotView.model_fields})
    # A week has 200 slots. Whose they are is known; the tenant's clinics are read once and joined. Joined as they are,
    # all tenants' are read for each slot: PostgreSQL expects one slot, as it knows nothing of how long a slot is.
    clinics = select(CLINICS.id, CLINICS.locator).where(CLINICS.tenant_id == bindparam("tenant"))
    places = clinics.cte("places").prefix_with("MATERIALIZED")
    named = (bindparam("of_provider", type_=Text).label("provider_locator"), places.c.locator.label("clinic_locator"))
    rows = select(*shown, *named).select_from(table_of(Slot)).outerjoin(places, places.c.id == SLOTS.clinic_id)
    return rows.where(*mine, within("clinics" in given, SLOTS.clinic_id), *wanted)


@query(Permission.APPOINTMENT_VIEW)
def get_appointment(actor: Actor, locator: str) -> AppointmentView:
    """One appointment in the actor's scope; raises NotFound."""
    row = found(db.session.execute(appointment_rows(actor).where(APPOINTMENTS.locator == locator)).one_or_none())
    record_read("appointment.read", locator, patients=(row.party_locator,))
    return AppointmentView.seen_by(actor, row)


@query(Permission.APPOINTMENT_VIEW)
def list_appointments(
    actor: Actor, episode_locator: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> Page[AppointmentView]:
    """The appointments of an episode by start; raises NotFound for an unknown episode."""
    episode_id = episode_id_of(actor, episode_locator)
    statement = appointment_rows(actor).where(APPOINTMENTS.episode_id == episode_id)
    page = read_page(
        statement, (APPOINTMENTS.starts_at, APPOINTMENTS.id),
        reading.each(AppointmentView.seen_by, actor), of=("appointments", episode_locator), limit=limit, cursor=cursor,
    )  # fmt: skip
    record_read("appointment.list", episode_locator, patients=patients_in(page.items))
    return page
