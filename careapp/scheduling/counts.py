"""Counts: whether the places a slot says are taken are the appointments that take them."""

from datetime import timedelta

from sqlalchemy import func, select

from careapp import clock
from careapp.db import db, table_of
from careapp.scheduling.models import Appointment, Slot
from careapp.scheduling.states import CANCELLED

PAST = timedelta(days=1)  # a wrong count of an older slot refuses nobody and overbooks nobody any more


def wrong_counts(tenant_id: int) -> list[tuple[str, int, int]]:
    """Slots whose `booked` is not the number of their appointments that are not cancelled: (locator, booked, counted).

    Looks at slots that ended at most a day ago or are to come, in one statement, so that no booking falls between.
    """
    slot, appointment = table_of(Slot).c, table_of(Appointment).c
    counted = (
        select(func.count())
        .where(
            appointment.tenant_id == slot.tenant_id,
            appointment.slot_id == slot.id,
            appointment.status != CANCELLED,
        )
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(slot.locator, slot.booked, counted)
        .where(slot.tenant_id == tenant_id, slot.ends_at > clock.now() - PAST, slot.booked != counted)
        .order_by(slot.id)
    )
    return [(locator, booked, count) for locator, booked, count in rows]
