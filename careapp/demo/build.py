"""Building a demo tenant: step by step, one transaction each, so that a build that was stopped goes on where it was."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from random import Random

from sqlalchemy import func, select

from careapp import clock, commands, tenancy
from careapp.access import Actor, Permission, Purpose
from careapp.db import db, insert_unless_clash, table_of, wait_without_end
from careapp.demo.acts import Scene
from careapp.demo.blueprints import Blueprint
from careapp.demo.calendar import AWAY, ON_VISITS, WEEKS, monday_of, offer
from careapp.demo.pool import Pool, free_slots
from careapp.demo.staff import (
    Staff,
    make_patients,
    make_places_and_staff,
    parties_of,
    places_of,
    providers_of,
    staff_of,
)
from careapp.demo.stories import STORIES
from careapp.demo.today import tell_today
from careapp.demo.weeks import PAST_WEEKS, enter_week
from careapp.episodes.models import Episode
from careapp.operations.models import IMPORTED, ImportedRecord
from careapp.operations.tenants import create_tenant, tenant_id_of
from careapp.patients.models import Patient
from careapp.providers.models import Provider
from careapp.scheduling import slots
from careapp.scheduling.models import Appointment, Slot

STEP = "demo-step"  # imported_records keeps which steps are done: like a foreign record, each comes in once
COMPLETE = "complete"
STORIES_AT_ONCE = 20
SHARE_WITH_PAST = 0.3

Step = tuple[str, Callable[[], None]]


def build(owner_url: str, blueprint: Blueprint, *, now: datetime) -> bool:
    """Make the blueprint's tenant as it is at `now`; returns False where it stood complete already.

    The same blueprint and moment give the same people, times and states. Two builds at once make one tenant.
    """
    tenant_id = tenant_id_of(blueprint.key)
    if tenant_id is not None and _is_complete(tenant_id):
        return False
    tenant_id = create_tenant(owner_url, key=blueprint.key, name=blueprint.name, time_zone=blueprint.time_zone)
    actor = Actor(tenant_id, blueprint.key, "demo", frozenset(Permission), purpose=Purpose.HSYSADMIN)
    moment = now.replace(second=0, microsecond=0)
    for name, work in _steps(actor, blueprint, moment):
        with commands.unit_of(actor, name="demo.build"):
            wait_without_end()  # another build may be at the same step
            if insert_unless_clash(
                ImportedRecord, IMPORTED.source_id, tenant_id=tenant_id, resource_type=STEP, source_id=name
            ):
                work()
            commands.record("demo.build", step=name)
    return True


def sums(tenant_key: str) -> dict[str, int]:
    """How much of what a demo tenant holds."""
    tenant_id = tenant_id_of(tenant_key)
    tables = {
        "providers": Provider,
        "patients": Patient,
        "slots": Slot,
        "episodes": Episode,
        "appointments": Appointment,
    }
    with tenancy.bound(tenant_id):
        counts = {
            name: db.session.execute(
                select(func.count()).select_from(table_of(model)).where(table_of(model).c.tenant_id == tenant_id)
            ).scalar_one()
            for name, model in tables.items()
        }
        db.session.rollback()  # a read: the next transaction may belong to another tenant
    return counts


def _is_complete(tenant_id: int) -> bool:
    with tenancy.bound(tenant_id):
        found = db.session.execute(
            select(IMPORTED.source_id).where(
                IMPORTED.tenant_id == tenant_id, IMPORTED.resource_type == STEP, IMPORTED.source_id == COMPLETE
            )
        ).one_or_none()
        db.session.rollback()
    return found is not None


def _steps(actor: Actor, blueprint: Blueprint, now: datetime) -> Iterator[Step]:
    """All steps in their order; those that need the users ask for them once these exist."""
    yield "places and staff", partial(make_places_and_staff, actor, blueprint)
    yield "patients", partial(make_patients, actor, blueprint)
    staff = staff_of(blueprint)
    for week in PAST_WEEKS:
        yield f"visits of week {week}", partial(enter_week, staff.front_desk, blueprint, week, now)
    for week in WEEKS:
        yield f"slots of week {week}", partial(_offer_week, staff.admin, blueprint, week, now)
    yield "days away", partial(_block_days, staff.admin, blueprint, now)
    told = _order_of_stories(blueprint)
    yield "today", partial(tell_today, staff, blueprint, len(told), now)
    for first in range(0, len(told), STORIES_AT_ONCE):
        names = told[first : first + STORIES_AT_ONCE]
        yield f"stories from {first}", partial(_tell, staff, blueprint, names, first, now)
    yield COMPLETE, lambda: None


def _offer_week(admin: Actor, blueprint: Blueprint, week: int, now: datetime) -> None:
    """Everybody's slots of one week that are not past."""
    monday = monday_of(now, clock.zone(blueprint.time_zone))
    places = places_of(admin)
    for plan, provider in zip(blueprint.providers, providers_of(admin), strict=True):
        offer(admin, plan, provider, places[plan.clinic], monday=monday + timedelta(weeks=week), now=now)


def _block_days(admin: Actor, blueprint: Blueprint, now: datetime) -> None:
    """Nobody is booked with who is away on a day of next week, or for some hours of tomorrow."""
    zone = clock.zone(blueprint.time_zone)
    providers = providers_of(admin)
    for plan, provider in zip(blueprint.providers, providers, strict=True):
        if plan.blocked is None and plan.away_tomorrow is None:
            continue
        away = (monday_of(now, zone) + timedelta(days=7 + plan.blocked)) if plan.blocked is not None else None
        tomorrow, hours = now.astimezone(zone).date() + timedelta(days=1), range(*(plan.away_tomorrow or (0, 0)))
        for slot in free_slots(admin):
            start = slot.starts_at.astimezone(zone)
            on_visits = start.date() == tomorrow and start.hour in hours
            if slot.provider_locator == provider.locator and (on_visits or start.date() == away):
                with clock.at(now - timedelta(days=2)):
                    slots.act(admin, slot.locator, action="block", reason=ON_VISITS if on_visits else AWAY)


def _order_of_stories(blueprint: Blueprint) -> list[str]:
    """The names of all stories, mixed."""
    names = [name for name, count in blueprint.stories.items() for _ in range(count)]
    Random(f"{blueprint.seed}/order").shuffle(names)
    return names


def _tell(staff: Staff, blueprint: Blueprint, names: list[str], first: int, now: datetime) -> None:
    """Tell one story each of the patients from number `first` on; some have been here before."""
    pool = Pool(free_slots(staff.front_desk), Random(f"{blueprint.seed}/slots/{first}"), now)
    parties = parties_of(staff.front_desk)
    for number, name in enumerate(names, first):
        random = Random(f"{blueprint.seed}/story/{number}")
        scene = Scene(staff.front_desk, staff.clinician, pool, random, now, parties[number])
        if random.random() < SHARE_WITH_PAST:
            STORIES["past"](scene)
        STORIES[name](scene)
