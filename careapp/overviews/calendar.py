"""The calendar: a week of one provider's slots, or of all providers of a clinic, with the names a page shows."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, false, select
from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.clinics.queries import list_clinics
from careapp.clinics.views import ClinicView
from careapp.commands import query
from careapp.db import db
from careapp.errors import NotFound, found
from careapp.overviews.zones import PLACE, read_tenant_zone, with_place
from careapp.paging import MAX_LIMIT
from careapp.providers.models import PROVIDERS
from careapp.providers.queries import get_provider, list_providers
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.providers.views import ProviderView
from careapp.scheduling.models import SLOTS
from careapp.scheduling.refusing import why_not_bookable
from careapp.scheduling.slots import LONGEST_SLOT, bookable, slot_rows
from careapp.scheduling.views import SlotView
from careapp.views import View

WEEK = timedelta(days=7)
HOW_MANY_FREE = 12


class SlotCell(SlotView):
    """A slot with names, the zone its times are shown in, and why it takes no booking now (None: it does)."""

    provider_name: str
    clinic_name: str | None
    zone: str
    over: bool
    refusal: str | None


class Calendar(View):
    """One week, from `monday` on, of one provider or of one clinic, in one zone. `providers` are those in the network.

    Both None: there is nothing to show yet. Both given: the provider's slots at that clinic. `own_provider` is the
    locator of the provider the actor is. `clinics_at_work` are those worth going to, the one shown among them.
    """

    clinics: Sequence[ClinicView]
    clinics_at_work: Sequence[ClinicView]
    providers: Sequence[ProviderView]
    own_provider: str | None
    clinic: ClinicView | None
    provider: ProviderView | None
    zone: str
    monday: date
    today: date
    slots: Sequence[SlotCell]


@query(Permission.SLOT_VIEW)
def get_calendar(
    actor: Actor, *, provider: str | None = None, clinic: str | None = None, monday: date | None = None,
    mine: bool = True,
) -> Calendar:  # fmt: skip
    """The week of a provider, of a clinic, or, with neither, of whoever the actor is (if `mine`), else of a clinic.

    Raises NotFound for a provider or clinic that is not there. A provider's week is in the zone of the clinic given
    with him, else of his first clinic, else the tenant's.
    """
    clinics = _clinics_in_scope(actor)
    providers = list_providers(actor, status=PARTICIPATES, limit=MAX_LIMIT).items
    at_work = _at_work(clinics, providers)
    own = _own_provider(actor)
    if provider is None and clinic is None:
        provider, clinic = (own, None) if own and mine else (None, next((one.locator for one in at_work), None))
    chosen, place = _chosen(actor, clinics, providers, provider, clinic)
    home = place or next((one for one in clinics if chosen and one.locator in chosen.clinics), None)
    zone = home.time_zone if home else read_tenant_zone(actor)
    today = clock.local(clock.now(), zone).date()
    first, slots = _week(actor, zone, monday, today, _whose(chosen, place))
    if place and place not in at_work:
        at_work = [*at_work, place]
    return Calendar(
        clinics=clinics, clinics_at_work=at_work, providers=providers, own_provider=own, clinic=place, provider=chosen,
        zone=zone, monday=first, today=today, slots=slots,
    )  # fmt: skip


@query(Permission.SLOT_VIEW)
def get_slot_cell(actor: Actor, locator: str) -> SlotCell:
    """One slot with names and zone; raises NotFound."""
    cells = _cells(actor, SLOTS.locator == locator)
    if not cells:
        raise NotFound()
    return cells[0]


@query(Permission.SLOT_VIEW)
def get_slot_cells(actor: Actor, locators: Sequence[str]) -> list[SlotCell]:
    """The slots with these locators that are in scope, by time."""
    return _cells(actor, SLOTS.locator.in_(locators)) if locators else []


@query(Permission.SLOT_VIEW)
def next_free(actor: Actor, provider_locator: str, *, after: datetime | None = None) -> list[SlotCell]:
    """The provider's next free slots, from now or from `after` on. Raises NotFound for an unknown provider."""
    known = select(PROVIDERS.id).where(PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.locator == provider_locator)
    found(db.session.execute(known).one_or_none())
    moment = clock.now()
    free = (PROVIDERS.locator == provider_locator, SLOTS.starts_at > (after or moment), bookable(moment))
    return _cells(actor, *free, limit=HOW_MANY_FREE)


def _week(
    actor: Actor, zone: str, monday: date | None, today: date, whose: ColumnElement[bool]
) -> tuple[date, list[SlotCell]]:
    """The week's Monday and slots. Without a Monday: this week, or the next one where this one has nothing to come."""
    first = monday or today - timedelta(days=today.weekday())
    start, middle, end = (
        datetime.combine(first + number * WEEK, time(), clock.zone(zone)) for number in (0, 1, 1 if monday else 2)
    )
    slots = _cells(actor, SLOTS.ends_at > start, SLOTS.starts_at > start - LONGEST_SLOT, SLOTS.starts_at < end, whose)
    this_week = [slot for slot in slots if slot.starts_at < middle]
    if monday is None and len(slots) > len(this_week) and all(slot.over for slot in this_week):
        return first + WEEK, slots[len(this_week) :]
    return first, this_week


def _chosen(
    actor: Actor, clinics: Sequence[ClinicView], providers: Sequence[ProviderView], provider: str | None,
    clinic: str | None,
) -> tuple[ProviderView | None, ClinicView | None]:  # fmt: skip
    """The provider and the clinic with these locators; raises NotFound for one that is not there."""
    place = next((one for one in clinics if one.locator == clinic), None)
    if clinic and place is None:
        raise NotFound()
    if provider is None:
        return None, place
    return next((one for one in providers if one.locator == provider), None) or get_provider(actor, provider), place


def _clinics_in_scope(actor: Actor) -> Sequence[ClinicView]:
    """The clinics of the actor's scope, by name."""
    if actor.clinic_ids is None:
        return list_clinics(actor, limit=MAX_LIMIT).items
    statement = (
        select(*CLINICS)
        .where(CLINICS.tenant_id == actor.tenant_id, CLINICS.id.in_(actor.clinic_ids))
        .order_by(CLINICS.name, CLINICS.id)
    )
    return [ClinicView.of(row) for row in db.session.execute(statement)]


def _own_provider(actor: Actor) -> str | None:
    """The locator of the provider the actor is, if he is one."""
    if actor.provider_id is None:
        return None
    statement = select(PROVIDERS.locator).where(
        PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.id == actor.provider_id
    )
    return db.session.execute(statement).scalar_one_or_none()


def _at_work(clinics: Sequence[ClinicView], providers: Sequence[ProviderView]) -> Sequence[ClinicView]:
    """The clinics at which a provider of the network works; all of them where there is none such.

    Hospitals of imported histories are clinics too, and nobody offers slots there.
    """
    at_work = {locator for one in providers for locator in one.clinics}
    return [one for one in clinics if one.locator in at_work] or clinics


def _whose(provider: ProviderView | None, clinic: ClinicView | None) -> ColumnElement[bool]:
    """The condition for the slots of a provider, of a clinic, or of one at the other; for none without either."""
    if provider is None and clinic is None:
        return false()
    whose = [PROVIDERS.locator == provider.locator] if provider else []
    return and_(*whose, *([PLACE.c.locator == clinic.locator] if clinic else []))


def _slot_rows(actor: Actor) -> Select[Any]:
    rows = slot_rows(actor).add_columns(PROVIDERS.name.label("provider_name"), PROVIDERS.status.label("network_status"))
    return with_place(rows, SLOTS, actor.tenant_id)


def _cells(actor: Actor, *conditions: ColumnElement[bool], limit: int | None = None) -> list[SlotCell]:
    moment = clock.now()
    statement = _slot_rows(actor).where(*conditions).order_by(SLOTS.starts_at, SLOTS.id).limit(limit)
    return [_cell(row, moment) for row in db.session.execute(statement)]


def _cell(row: Row[Any], moment: datetime) -> SlotCell:
    refusal = why_not_bookable(row.status, row.booked, row.capacity, row.ends_at, moment)
    if row.network_status != PARTICIPATES:
        refusal = refusal or "The provider does not take part in the network at present."
    return SlotCell.of(row, over=row.ends_at <= moment, refusal=refusal)
