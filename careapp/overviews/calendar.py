"""The calendar: some days of one provider's slots, or of all providers of a clinic, with the names a page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from pydantic import SkipValidation
from sqlalchemy import (
    BindParameter,
    DateTime,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    select,
)
from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.clinics.queries import list_clinics
from careapp.clinics.views import ClinicView
from careapp.commands import query
from careapp.db import db, table_of
from careapp.disclosure.scope import in_scope, scope_of, within
from careapp.errors import NotFound
from careapp.kept import built_once
from careapp.overviews.clinic_week import DAYS_OF_A_WEEK, Offer, Week, read_offers, read_week_version
from careapp.overviews.elsewhere import at_work, elsewhere
from careapp.overviews.slot_cells import BookedFor, SlotCell, booked_for, read_cells
from careapp.overviews.zones import PLACE, read_tenant_zone, with_place
from careapp.paging import MAX_LIMIT
from careapp.providers.models import PROVIDERS
from careapp.providers.queries import get_provider, list_providers
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.providers.views import ProviderView
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT, SLOTS, Appointment
from careapp.scheduling.slots import LONGEST_SLOT, ROWS, slot_rows
from careapp.views import View

Wanted = str | BindParameter[Any] | None  # a locator or a specialty, or where a statement that is kept has one

LOOKED_AHEAD = timedelta(days=14)  # to find the first day that has something to come
MOMENT = DateTime(timezone=True)
FURTHEST_ZONE = timedelta(hours=15)  # no clock of the world is further from UTC


class Calendar(View):
    """Some `days` from `first` on, of one provider or of one clinic, in one zone. `providers` are those in the network.

    Both None: there is nothing to show yet. Both given: the provider's slots at that clinic. `own_provider` is the
    locator of the provider the actor is. `clinics_at_work` are those worth going to, the one shown among them. A
    clinic's week has `offers` instead of slots.
    """

    clinics: tuple[ClinicView, ...]
    clinics_at_work: tuple[ClinicView, ...]
    providers: tuple[ProviderView, ...]
    own_provider: str | None
    clinic: ClinicView | None
    provider: ProviderView | None
    specialty: str | None
    zone: str
    first: date
    days: int
    today: date
    version: str = ""
    slots: tuple[SlotCell, ...] = ()
    offers: SkipValidation[Sequence[Offer]] = ()

    @property
    def last(self) -> date:
        """The last day shown."""
        return self.first + timedelta(days=self.days - 1)

    @property
    def has_free(self) -> bool:
        """Whether any time of these days can be booked for whom the calendar was read."""
        return any(one.state == "free" for one in self.slots) or any(one.free for one in self.offers)

    @property
    def specialties(self) -> Sequence[str]:
        """The specialties to choose from: of who works at the clinic."""
        here = (one for one in self.providers if self.clinic is None or self.clinic.locator in one.clinics)
        return sorted({one.specialty for one in here} | ({self.specialty} if self.specialty else set()))

    @property
    def at_hand(self) -> Sequence[ProviderView]:
        """The providers to be shown or chosen: those who work at the clinic, of the specialty asked for."""
        return [
            one
            for one in self.providers
            if (self.clinic is None or self.clinic.locator in one.clinics) and self.specialty in (None, one.specialty)
        ]


@dataclass(frozen=True)
class Asked:
    """What a calendar is asked to show; None leaves it open.

    `whole_week`: seven days from the Monday of `on`, else one day; None: a week of a provider, a day of a clinic.
    `mine`: where neither provider nor clinic is named, the actor's own slots, if he is a provider.
    """

    provider: str | None = None
    clinic: str | None = None
    specialty: str | None = None
    on: date | None = None
    whole_week: bool | None = None
    mine: bool = True


@query(Permission.SLOT_VIEW)
def get_calendar(
    actor: Actor, asked: Asked, *, party: str | None = None, moving: str | None = None, slots: bool = True
) -> Calendar:
    """The calendar of a provider, of a clinic, or, with neither, of whoever the actor is, else of a clinic.

    With a patient (`party`) or an appointment to be moved named, a slot that does not suit him says so. A provider's
    calendar is in the zone of the clinic given with him, else of his first clinic, else the tenant's. Without a day it
    begins at the first one that has something to come. Without `slots` only what can be chosen is read. Raises
    NotFound for a provider, clinic, patient or appointment that is not there.
    """
    clinics = _clinics_in_scope(actor)
    providers = list_providers(actor, status=PARTICIPATES, limit=MAX_LIMIT).items
    at_work = _at_work(clinics, providers)
    own = _own_provider(actor)
    provider, clinic = asked.provider, asked.clinic
    if provider is None and clinic is None:
        fitting = [one for one in at_work if _works_there(one, providers, asked.specialty)] or at_work
        mine = own if own and asked.mine and not asked.specialty else None
        provider, clinic = (mine, None) if mine else (None, next((one.locator for one in fitting), None))
    chosen, place = _chosen(actor, clinics, providers, provider, clinic)
    home = place or next((one for one in clinics if chosen and one.locator in chosen.clinics), None)
    zone = home.time_zone if home else read_tenant_zone(actor)
    today = clock.local(clock.now(), zone).date()
    days = DAYS_OF_A_WEEK if (bool(chosen) if asked.whole_week is None else asked.whole_week) else 1
    wanted = {
        "provider": chosen.locator if chosen else None, "clinic": place.locator if place else None,
        "specialty": asked.specialty,
    }  # fmt: skip
    whose = _whose(**wanted)
    on = asked.on or (_next_day(actor, whose, zone) if slots else None) or today
    first = on - timedelta(days=on.weekday()) if days > 1 else on
    whom = booked_for(actor, party=party, moving=moving)
    return Calendar(
        **_content(actor, wanted, first, days, zone, whom) if slots else {},
        clinics=clinics, clinics_at_work=at_work if place in (None, *at_work) else [*at_work, place],
        providers=providers, own_provider=own, clinic=place, provider=chosen, specialty=asked.specialty, zone=zone,
        first=first, days=days, today=today,
    )  # fmt: skip


def _content(
    actor: Actor, wanted: dict[str, str | None], first: date, days: int, zone: str, whom: BookedFor
) -> dict[str, Any]:
    """What stands in these days, and the version it has, which is read first or with it."""
    week = _added_up(**wanted, first=first, days=days)
    if week:
        version, offers = read_offers(actor, week, whom)
        return {"version": version, "offers": offers}
    version = calendar_version(actor, **wanted, first=first, days=days)
    start, end = clock.span_of(first, zone, days=days)
    inside = (SLOTS.ends_at > start, SLOTS.starts_at > start - LONGEST_SLOT, SLOTS.starts_at < end)
    return {"version": version, "slots": read_cells(actor, *inside, _whose(**wanted), whom=whom)}


def _added_up(provider: str | None, clinic: str | None, specialty: str | None, first: date, days: int) -> Week | None:
    """The week of a calendar that shows sums instead of slots: a clinic's week does."""
    return Week(clinic, first, specialty) if clinic and provider is None and days > 1 else None


@query(Permission.SLOT_VIEW)
def calendar_version(
    actor: Actor, *, provider: str | None, clinic: str | None, specialty: str | None, first: date, days: int
) -> str:
    """A short text that changes with what a calendar of these days shows: one statement by an index.

    Slots and appointments count by their versions, slots also as they begin and come to be over, and what their
    providers do elsewhere. The days are taken so
    wide that they hold those of any zone, so now and then the text changes for nothing.
    """
    week = _added_up(provider, clinic, specialty, first, days)
    if week:
        return read_week_version(actor, week)
    begin = datetime.combine(first, time(), clock.zone("UTC")) - FURTHEST_ZONE
    whose = {"provider": provider, "clinic": clinic, "specialty": specialty}
    given = {
        **scope_of(actor), **whose, "not_before": begin - LONGEST_SLOT, "begins": begin, "moment": clock.now(),
        "end": begin + timedelta(days=days) + 2 * FURTHEST_ZONE,
    }  # fmt: skip
    named = tuple(name for name, value in whose.items() if value is not None)
    return str(db.session.execute(_version(actor.clinic_ids is not None, named), given).scalar_one())


@built_once
def _version(scoped: bool, named: tuple[str, ...]) -> Select[Any]:
    """The statement of calendar_version() where these of its parameters are given; built once for each shape."""
    tenant: BindParameter[Any] = bindparam("tenant")
    booked = (
        select(func.coalesce(func.sum(APPOINTMENTS.version), 0))
        .select_from(table_of(Appointment))
        # Nobody waits for a change of what is filed, so a version does without it.
        .where(APPOINTMENTS.tenant_id == SLOTS.tenant_id, APPOINTMENTS.slot_id == SLOTS.id, IS_PRESENT)
        .correlate(SLOTS.id.table)
        .scalar_subquery()
    )
    moment = bindparam("moment", type_=MOMENT)
    numbers = (
        func.count(), func.sum(SLOTS.version), func.sum(booked), func.sum(PROVIDERS.version),
        func.sum(cast(SLOTS.starts_at <= moment, Integer)), func.sum(cast(SLOTS.ends_at <= moment, Integer)),
    )  # fmt: skip
    who: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in named}
    work = at_work(tenant, who.get("provider"), who.get("clinic")).add_columns(
        bindparam("begins", type_=MOMENT).label("begins"), bindparam("end", type_=MOMENT).label("ends")
    )
    outside = elsewhere(tenant, work)
    version = func.concat_ws(literal("."), *(cast(number, Text) for number in numbers), outside)
    slots = ROWS.where(SLOTS.tenant_id == tenant, within(scoped, SLOTS.clinic_id))
    rows = with_place(slots, SLOTS, tenant).with_only_columns(version, maintain_column_froms=True)
    inside = (
        SLOTS.starts_at > bindparam("not_before"), SLOTS.starts_at < bindparam("end"),
        SLOTS.ends_at > bindparam("begins"),
    )  # fmt: skip
    return rows.where(*inside, _whose(**who))


def _next_day(actor: Actor, whose: ColumnElement[bool], zone: str) -> date | None:
    """The first day, today or later, on which a slot is not over yet; None where none is in the next two weeks."""
    moment = clock.now()
    ahead = (SLOTS.ends_at > moment, SLOTS.starts_at > moment - LONGEST_SLOT, SLOTS.starts_at < moment + LOOKED_AHEAD)
    rows = with_place(slot_rows(actor), SLOTS, actor.tenant_id)
    statement = rows.with_only_columns(func.min(SLOTS.starts_at), maintain_column_froms=True).where(*ahead, whose)
    start = db.session.execute(statement).scalar_one()
    return clock.local(max(start, moment), zone).date() if start else None


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
        .where(CLINICS.tenant_id == actor.tenant_id, in_scope(actor, CLINICS.id))
        .order_by(CLINICS.name, CLINICS.id)
    )
    return ClinicView.of_each(db.session.execute(statement))


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
    return [one for one in clinics if _works_there(one, providers, None)] or clinics


def _works_there(clinic: ClinicView, providers: Sequence[ProviderView], specialty: str | None) -> bool:
    """Whether a provider, of the specialty if one is given, works at the clinic."""
    return any(clinic.locator in one.clinics and specialty in (None, one.specialty) for one in providers)


def _whose(provider: Wanted = None, clinic: Wanted = None, specialty: Wanted = None) -> ColumnElement[bool]:
    """The condition for the slots of a provider, of a clinic, or of one at the other; for none without either."""
    if provider is None and clinic is None:
        return false()
    whose = [] if provider is None else [PROVIDERS.locator == provider]
    whose += [] if clinic is None else [PLACE.c.locator == clinic]
    return and_(*whose, *([] if specialty is None or provider is not None else [PROVIDERS.specialty == specialty]))
