"""Many slots at once: offering a list of times, blocking or unblocking all that lie in some spans of time, and why
those are blocked.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.commands import command, query, record
from careapp.db import at_most, db, table_of
from careapp.disclosure.scope import in_scope
from careapp.errors import Conflict, Forbidden, Invalid, Sentence, found
from careapp.providers.models import PROVIDERS, Provider
from careapp.scheduling.models import SLOTS, Slot
from careapp.scheduling.slots import LONGEST_SLOT, add_slot, move_slot, require_own_or_any, slot_rows
from careapp.scheduling.states import SLOT
from careapp.scheduling.views import SlotView

Span = tuple[datetime, datetime]

MOST_ADDED = 300  # slots of one command: what a form answers within a second or two
MOST_MOVED = 1000
MOST_REASONS = 20  # shown of why slots of some days are blocked


@command(Permission.SLOT_MANAGE_OWN)
def add_slots(
    actor: Actor, provider_locator: str, *, spans: Sequence[Span], capacity: int = 1,
    clinic_locator: str | None = None, skip_overlaps: bool = False,
) -> list[SlotView]:  # fmt: skip
    """Offer many times of a provider at once, all or none; with `skip_overlaps`, those that overlap no slot of his.

    Raises what add_slot() raises; its Conflict SLOT_OVERLAP has `overlaps`, each (a span asked for, the span of the
    slot in its way), and Invalid where there are more than MOST_ADDED.
    """
    if not 0 < len(spans) <= MOST_ADDED:
        raise Invalid({"spans": Sentence("Give at least one and at most %(most)s times.", most=MOST_ADDED)})
    overlaps = _overlaps(actor, provider_locator, spans)
    in_the_way = {wanted for wanted, _ in overlaps}
    if overlaps and (not skip_overlaps or len(in_the_way) == len(set(spans))):
        raise Conflict("The provider has other slots at these times.", code="SLOT_OVERLAP", overlaps=overlaps)
    return [
        add_slot(actor, provider_locator, start=start, end=end, capacity=capacity, clinic_locator=clinic_locator)
        for start, end in spans
        if (start, end) not in in_the_way
    ]


@command(Permission.SLOT_MANAGE_OWN)
def block_spans(
    actor: Actor, *, spans: Sequence[Span], reason: str, provider_locator: str | None = None,
    clinic_locator: str | None = None,
) -> list[SlotView]:  # fmt: skip
    """Block every slot of a provider, of a clinic, or of one at the other, that touches one of the spans.

    Slots that are over stay as they are. Bookings stay, also those of full slots, which take no other when one is
    cancelled. The reason stands on each slot and in its history. Raises NotFound for an unknown provider, Invalid,
    and Forbidden for slots that are not the actor's.
    """
    if not reason.strip():
        raise Invalid({"reason": Sentence("Say why these times are blocked.")})
    reached = _reached(actor, "block", spans, provider_locator, clinic_locator)
    return _move_all(actor, "block", reached, provider_locator or clinic_locator, reason=reason.strip())


@command(Permission.SLOT_MANAGE_OWN)
def unblock_spans(
    actor: Actor, *, spans: Sequence[Span], provider_locator: str | None = None, clinic_locator: str | None = None,
    because: str | None = None,
) -> list[SlotView]:  # fmt: skip
    """Unblock every blocked slot that block_spans() would reach with the same values; raises the same.

    With `because`, the reason of one block, only what was blocked for it: a block made by mistake is taken back, and
    who is on leave stays on leave.
    """
    reached = _reached(actor, "unblock", spans, provider_locator, clinic_locator)
    if because is not None:
        reached.append(SLOTS.blocked_reason == because)
    return _move_all(actor, "unblock", reached, provider_locator or clinic_locator)


@query(Permission.SLOT_MANAGE_OWN)
def count_blocked(
    actor: Actor, *, spans: Sequence[Span], provider_locator: str | None = None, clinic_locator: str | None = None
) -> list[tuple[str, int]]:
    """Each reason for which slots are blocked that unblock_spans() would reach, and how many are, the most first."""
    reached = _reached(actor, "unblock", spans, provider_locator, clinic_locator)
    conditions = (SLOTS.tenant_id == actor.tenant_id, in_scope(actor, SLOTS.clinic_id), *reached)
    counted = func.count().label("slots")
    statement = select(SLOTS.blocked_reason, counted).where(*conditions, SLOTS.blocked_reason.is_not(None))
    rows = db.session.execute(
        statement.group_by(SLOTS.blocked_reason)
        .order_by(counted.desc(), SLOTS.blocked_reason)
        .limit(at_most(MOST_REASONS))
    )
    return [(row.blocked_reason, row.slots) for row in rows]


def touching(spans: Sequence[Span]) -> ColumnElement[bool]:
    """The condition that a slot shares time with one of the spans."""
    if not spans:
        return false()
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    one_of_them = or_(*(and_(SLOTS.starts_at < end, SLOTS.ends_at > start) for start, end in spans))
    return and_(SLOTS.starts_at > first - LONGEST_SLOT, SLOTS.starts_at < last, one_of_them)


def _reached(
    actor: Actor, action: str, spans: Sequence[Span], provider: str | None, clinic: str | None
) -> list[ColumnElement[bool]]:
    """The conditions for the slots that a move reaches: whose they are, when, and in a state it begins from."""
    sources = SLOT.transition(action).sources
    when = [touching(spans), SLOTS.ends_at > clock.now(), SLOTS.status.in_(sources)]
    return when + _whose(actor, provider, clinic)


def _move_all(
    actor: Actor, action: str, reached: Sequence[ColumnElement[bool]], whose: str | None, *, reason: str | None = None
) -> list[SlotView]:
    """Move all slots that this reaches, locked in the order of their ids (design §3)."""
    statement = slot_rows(actor).where(*reached).order_by(SLOTS.id).limit(at_most(MOST_MOVED + 1))
    rows = db.session.execute(statement.with_for_update(of=table_of(Slot))).all()
    if len(rows) > MOST_MOVED:
        raise Invalid(
            {"last_day": Sentence("These are more than %(most)s slots. Take fewer days at once.", most=MOST_MOVED)}
        )
    record(f"slot.{action}_span", whose, slots=len(rows))
    return [SlotView.of(row, **move_slot(actor, row, action, reason=reason)._mapping) for row in rows]


def _whose(actor: Actor, provider: str | None, clinic: str | None) -> list[ColumnElement[bool]]:
    """The conditions for the slots of a provider, of a clinic, or of one at the other; who may not is refused."""
    if provider is None and clinic is None:
        raise Invalid({"providerLocator": Sentence("Choose a provider or a clinic.")})
    if provider is None and not actor.may(Permission.SLOT_MANAGE):
        raise Forbidden("You may change only your own slots.")
    conditions = []
    if provider is not None:
        known = select(PROVIDERS.id).where(PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.locator == provider)
        provider_id = found(db.session.execute(known).scalar_one_or_none())
        require_own_or_any(actor, provider_id)
        conditions.append(SLOTS.provider_id == provider_id)
    if clinic is not None:
        named = (CLINICS.tenant_id == actor.tenant_id, CLINICS.locator == clinic, in_scope(actor, CLINICS.id))
        clinic_id = db.session.execute(select(CLINICS.id).where(*named)).scalar_one_or_none()
        if clinic_id is None:
            raise Invalid({"clinicLocator": Sentence("There is no clinic with this locator.")})
        conditions.append(SLOTS.clinic_id == clinic_id)
    return conditions


def _overlaps(actor: Actor, provider: str, spans: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Which of the spans overlap a slot the provider has, at whatever clinic, each with the first such slot's span."""
    statement = (
        select(SLOTS.starts_at, SLOTS.ends_at)
        .join(table_of(Provider), and_(PROVIDERS.tenant_id == SLOTS.tenant_id, PROVIDERS.id == SLOTS.provider_id))
        .where(SLOTS.tenant_id == actor.tenant_id, PROVIDERS.locator == provider, touching(spans))
        .order_by(SLOTS.starts_at)
    )
    there = [(row.starts_at, row.ends_at) for row in db.session.execute(statement)]
    pairs = ((one, next((had for had in there if had[0] < one[1] and had[1] > one[0]), None)) for one in spans)
    return [(one, had) for one, had in pairs if had is not None]
