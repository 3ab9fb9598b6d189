"""Slots: adding, blocking and unblocking them, and taking and giving back the places in them."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
    any_,
    bindparam,
    case,
    literal,
    select,
)
from sqlalchemy.sql.dml import ReturningUpdate

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.commands import command
from careapp.db import db, insert_unless_clash, table_of
from careapp.disclosure.scope import in_scope, scope_of, within
from careapp.errors import Conflict, Forbidden, Invalid, Sentence, found
from careapp.kept import built_once, keep
from careapp.lifecycle import check_version, move, remember
from careapp.operations.models import SETTINGS
from careapp.providers.models import PROVIDERS, Provider
from careapp.providers.states import ACTIVE as PARTICIPATES
from careapp.scheduling.events import SlotAdded
from careapp.scheduling.models import SLOTS, Slot
from careapp.scheduling.states import AVAILABLE, BLOCKED, BOOKED, SLOT
from careapp.scheduling.views import SlotView

# No slot is longer, so a search for what overlaps a time need not begin at the beginning of time.
LONGEST_SLOT = timedelta(hours=24)


def clinic_locator_of(clinic_id: ColumnElement[Any], tenant_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """The clinic's locator as a column, None where there is no clinic."""
    named = select(CLINICS.locator).where(CLINICS.tenant_id == tenant_id, CLINICS.id == clinic_id)
    return named.scalar_subquery().label("clinic_locator")


ROWS = select(
    *SLOTS, PROVIDERS.locator.label("provider_locator"), clinic_locator_of(SLOTS.clinic_id, SLOTS.tenant_id)
).join(table_of(Provider), (PROVIDERS.tenant_id == SLOTS.tenant_id) & (PROVIDERS.id == SLOTS.provider_id))


def slot_rows(actor: Actor) -> Select[Any]:
    """The slots in the actor's scope, with the locators of provider and clinic."""
    return ROWS.where(SLOTS.tenant_id == actor.tenant_id, in_scope(actor, SLOTS.clinic_id))


@command(Permission.SLOT_MANAGE_OWN)
def add_slot(
    actor: Actor, provider_locator: str, *, start: datetime, end: datetime, capacity: int = 1,
    clinic_locator: str | None = None,
) -> SlotView:  # fmt: skip
    """Offer a time of a provider for booking.

    Raises NotFound for an unknown provider, Invalid for times or a clinic that do not fit, Conflict SLOT_OVERLAP where
    the provider offers another slot at that time.
    """
    provider = _provider(actor, provider_locator)
    require_own_or_any(actor, provider.id)
    _check_new(start, end, capacity)
    row = insert_unless_clash(
        Slot,
        *SLOTS,
        literal(provider_locator).label("provider_locator"),
        literal(clinic_locator).label("clinic_locator"),
        tenant_id=actor.tenant_id,
        provider_id=provider.id,
        clinic_id=_clinic_id(actor, clinic_locator),
        starts_at=start,
        ends_at=end,
        capacity=capacity,
    )
    if row is None:
        raise Conflict("The provider has another slot at that time.", code="SLOT_OVERLAP")
    remember(actor, SLOT, row, "add")
    commands.publish(SlotAdded.of(row, key=row.locator))
    return SlotView.of(row)


@command(Permission.SLOT_VIEW)  # move() asks for the permission to block
def act(actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None) -> SlotView:
    """Block a slot or unblock it. Bookings made before a block stay; an unblocked full slot is BOOKED again."""
    statement = slot_rows(actor).where(SLOTS.locator == locator).with_for_update(of=table_of(Slot))
    row = found(db.session.execute(statement).one_or_none())
    require_own_or_any(actor, row.provider_id)
    check_version(row, version)
    return SlotView.of(row, **move_slot(actor, row, action, reason=reason)._mapping)


def move_slot(actor: Actor, row: Row[Any], action: str, *, reason: str | None = None) -> Row[Any]:
    """One move of a locked slot; a block keeps its reason on the slot, and a full slot is BOOKED when unblocked."""
    target = BOOKED if action == "unblock" and row.booked >= row.capacity else SLOT.transition(action).target
    why = reason if target == BLOCKED else None
    return move(actor, SLOT, Slot, row, action, reason=reason, status=target, blocked_reason=why)


def _check_new(start: datetime, end: datetime, capacity: int) -> None:
    """Raise Invalid for a time that is over, empty or too long, and for a slot without room."""
    if end <= start:
        raise Invalid({"end": Sentence("The end must be later than the start.")})
    if end <= clock.now():
        raise Invalid({"end": Sentence("A slot must not be over before it is added.")})
    if end - start > LONGEST_SLOT:
        raise Invalid({"end": Sentence("A slot must not be longer than 24 hours.")})
    if capacity < 1:
        raise Invalid({"capacity": Sentence("A slot has room for at least one patient.")})


def require_own_or_any(actor: Actor, provider_id: int) -> None:
    """Raise Forbidden unless the actor manages all slots, or is the provider whose slot it is."""
    if not actor.may(Permission.SLOT_MANAGE) and actor.provider_id != provider_id:
        raise Forbidden("You may change only your own slots.")


def bookable(moment: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """The condition that a slot can take one more booking: available, room left, not over (walk-ins: until it ends)."""
    return (SLOTS.status == AVAILABLE) & (SLOTS.booked < SLOTS.capacity) & (SLOTS.ends_at > moment)


def take_place(actor: Actor, slot_locator: str) -> Row[Any] | None:
    """Take one place of a bookable slot of a participating provider, or return None where that cannot be done.

    The row returned has the slot's columns, both locators and the tenant's `buffer_minutes`.
    """
    statement = taking_a_place(actor.clinic_ids is not None)
    return db.session.execute(statement, place_wanted(actor, slot_locator)).one_or_none()


@built_once
def taking_a_place(scoped: bool) -> ReturningUpdate[Any]:
    """The guarded UPDATE that takes a place: of many at once, exactly as many succeed as there are places.

    Built once, for actors with a clinic scope and for those without; its values are those of place_wanted().
    """
    return (
        table_of(Slot)
        .update()
        .where(
            SLOTS.tenant_id == bindparam("tenant"),
            SLOTS.locator == bindparam("wanted"),
            within(scoped, SLOTS.clinic_id),
            bookable(bindparam("moment", type_=DateTime(timezone=True))),
            PROVIDERS.tenant_id == SLOTS.tenant_id,
            PROVIDERS.id == SLOTS.provider_id,
            PROVIDERS.status == PARTICIPATES,
            SETTINGS.tenant_id == SLOTS.tenant_id,
        )
        .values(
            booked=SLOTS.booked + 1,
            version=SLOTS.version + 1,
            status=case((SLOTS.booked + 1 >= SLOTS.capacity, BOOKED), else_=AVAILABLE),
        )
        .returning(
            *SLOTS,
            PROVIDERS.locator.label("provider_locator"),
            clinic_locator_of(SLOTS.clinic_id, SLOTS.tenant_id),
            SETTINGS.buffer_minutes,
        )
    )


def place_wanted(actor: Actor, slot_locator: str) -> dict[str, Any]:
    """The values of taking_a_place() for this actor and slot, now."""
    return {**scope_of(actor), "wanted": slot_locator, "moment": clock.now()}


def slot_with_buffer(actor: Actor, condition: ColumnElement[bool]) -> Row[Any]:
    """The one slot that meets the condition, with its clinic's locator and the tenant's `buffer_minutes`."""
    buffer = select(SETTINGS.buffer_minutes).where(SETTINGS.tenant_id == actor.tenant_id).scalar_subquery()
    statement: Select[Any] = slot_rows(actor).with_only_columns(
        *SLOTS,
        buffer.label("buffer_minutes"),
        clinic_locator_of(SLOTS.clinic_id, SLOTS.tenant_id),
        maintain_column_froms=True,
    )
    return db.session.execute(statement.where(condition)).one()


_PLACE_BACK = keep(
    table_of(Slot)
    .update()
    .where(SLOTS.tenant_id == bindparam("tenant"), SLOTS.id == bindparam("the_id"))
    .values(
        booked=SLOTS.booked - 1,
        version=SLOTS.version + 1,
        status=case((SLOTS.status == BLOCKED, BLOCKED), else_=AVAILABLE),
    )
)
_LOCK_IN_ORDER = keep(
    select(SLOTS.id)
    .where(SLOTS.tenant_id == bindparam("tenant"), SLOTS.id == any_(bindparam("ids", type_=ARRAY(BigInteger))))
    .order_by(SLOTS.id)
    .with_for_update()
)


def give_place_back(actor: Actor, slot_id: int) -> None:
    """Free one place of a slot at once; a full slot is AVAILABLE again, a blocked one stays BLOCKED."""
    db.session.execute(_PLACE_BACK, {"tenant": actor.tenant_id, "the_id": slot_id})


def lock_slots(actor: Actor, slot_ids: list[int]) -> None:
    """Lock several slots in the order of their ids, so that two commands never wait for each other."""
    db.session.execute(_LOCK_IN_ORDER, {"tenant": actor.tenant_id, "ids": slot_ids})


def _provider(actor: Actor, locator: str) -> Row[Any, Any]:
    statement = select(PROVIDERS.id, PROVIDERS.status).where(
        PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.locator == locator
    )
    return found(db.session.execute(statement).one_or_none())


def _clinic_id(actor: Actor, locator: str | None) -> int | None:
    """The id behind a clinic's locator; raises Invalid for one that is unknown or out of the actor's scope."""
    if locator is None:
        return None
    clinic_id: int | None = db.session.execute(
        select(CLINICS.id).where(
            CLINICS.tenant_id == actor.tenant_id, CLINICS.locator == locator, in_scope(actor, CLINICS.id)
        )
    ).scalar_one_or_none()
    if clinic_id is None:
        raise Invalid({"clinicLocator": Sentence("There is no clinic with this locator.")})
    return clinic_id
