"""A walk-in: the patient, what he has today already, and which places a clinic has free for him, now and later."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import or_

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import at_most, db
from careapp.overviews.booking import Candidate, get_candidate
from careapp.overviews.day_visits import Visit, read_visits
from careapp.overviews.next_free import Wanted as FreeWanted
from careapp.overviews.next_free import find_next_free
from careapp.overviews.slot_cells import SlotCell, booked_for, free_cells
from careapp.overviews.today import Desk, Wanted, read_desk
from careapp.scheduling.models import SLOTS
from careapp.scheduling.refusing import can_be_offered
from careapp.scheduling.slots import LONGEST_SLOT, bookable, slot_rows
from careapp.scheduling.states import ACTIVE
from careapp.views import View

MOST_PLACES = 120
LATER = 6


class WalkIn(View):
    """What a walk-in is made from. `visits` are the patient's own that are still open today; `free` the places of
    today, each provider's first one before all others; `later` the next ones, where today has none.
    """

    desk: Desk
    today: date
    as_of: datetime
    candidate: Candidate | None = None
    visits: Sequence[Visit] = ()
    free: Sequence[SlotCell] = ()
    later: Sequence[SlotCell] = ()

    @property
    def soonest(self) -> Sequence[SlotCell]:
        """The first free place of each provider."""
        first: dict[str, SlotCell] = {}
        for one in self.free:
            first.setdefault(one.provider_locator, one)
        return list(first.values())


@query(Permission.APPOINTMENT_BOOK)
def get_walk_in(actor: Actor, clinic: str | None, *, party: str | None = None, episode: str | None = None) -> WalkIn:
    """The places of a clinic for somebody who stands at the desk: for a patient (by himself or by his episode), or,
    without one, for anybody. Raises NotFound for a clinic, patient or episode that is not there.
    """
    desk, now = read_desk(actor, Wanted(clinic=clinic)), clock.now()
    candidate = get_candidate(actor, party=party, episode=episode) if party or episode else None
    if desk.clinic is None:
        return WalkIn(desk=desk, today=now.date(), as_of=now, candidate=candidate)
    today = clock.local(now, desk.clinic.time_zone).date()
    begins, ends = clock.span_of(today, desk.clinic.time_zone)
    who = candidate.patient.locator if candidate else None
    free = _free(actor, desk, now, ends, who)
    visits = read_visits(actor, desk.clinic.id, begins, ends, party=who) if who else []
    open_visits = [one for one in visits if one.status in ACTIVE]
    if open_visits and who:
        record_read("day.list", desk.clinic.locator, patients=(who,))
    later = [] if free else find_next_free(
        actor, FreeWanted(clinic=desk.clinic.locator), since=ends, party=who, limit=LATER
    ).items  # fmt: skip
    return WalkIn(desk=desk, today=today, as_of=now, candidate=candidate, visits=open_visits, free=free, later=later)


def _free(actor: Actor, desk: Desk, now: datetime, ends: datetime, party: str | None) -> list[SlotCell]:
    """Today's bookable slots from now on, those that have begun and are not over included: a walk-in takes them.

    Which of them stand open is asked first, and of these alone whether provider and patient are elsewhere then.
    """
    at_clinic = or_(SLOTS.clinic_id == (desk.clinic and desk.clinic.id), SLOTS.clinic_id.is_(None))
    still_open = (
        slot_rows(actor)
        .with_only_columns(SLOTS.id, maintain_column_froms=True)
        .where(at_clinic, SLOTS.starts_at > now - LONGEST_SLOT, SLOTS.starts_at < ends, bookable(now))
        .order_by(SLOTS.starts_at, SLOTS.id)
        .limit(at_most(MOST_PLACES))
    )
    places = db.session.execute(still_open).scalars().all()
    whom = booked_for(actor, party=party)
    return free_cells(actor, SLOTS.id.in_(places), *can_be_offered(actor.tenant_id, now, patient_id=whom.patient_id))
