"""The referral board: open referrals by how soon what comes next is due, and what was completed lately."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CompoundSelect,
    DateTime,
    Row,
    Select,
    Text,
    bindparam,
    func,
    lateral,
    literal_column,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql import ColumnElement

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import at_most, db, table_of, written_out
from careapp.disclosure import reading
from careapp.disclosure.condition import is_open
from careapp.disclosure.people import who_did
from careapp.disclosure.rules import Kind
from careapp.disclosure.scope import scope_of, within
from careapp.episodes.models import EPISODES, Episode
from careapp.errors import found
from careapp.kept import built_once
from careapp.lifecycle import HISTORY, StatusChange
from careapp.overviews.marks import mark_now, mark_of_tenant
from careapp.overviews.zones import PLACE, at_place, tenant_zone
from careapp.paging import ListName, decode_cursor, page_of
from careapp.patients.models import FULL_NAME, PATIENTS, Patient
from careapp.referrals.models import REFERRALS, Referral
from careapp.referrals.states import BOOKED, COMPLETED, OPEN, REFERRAL, REFERRED
from careapp.referrals.views import ReferralView
from careapp.scheduling.filing import present_or
from careapp.scheduling.models import APPOINTMENTS, IS_PRESENT, Appointment
from careapp.scheduling.states import CANCELLED
from careapp.views import View

STATUSES = (REFERRED, BOOKED, COMPLETED)
RECENT = timedelta(days=14)  # how long what was completed stays on the board
COUNT_UP_TO = 1000  # a count stops here ("999+"), so that it costs the same however many there are
CARDS_PER_COLUMN, CARDS_ALONE = 20, 50


@dataclass(frozen=True)
class Wanted:
    """What the board is narrowed to. `clinic` is the locator of the clinic of an episode's last appointment; `mine`
    are episodes in which the actor, as a provider, has an appointment.
    """

    type: str | None = None
    priority: str | None = None
    clinic: str | None = None
    overdue: bool = False
    mine: bool = False


class ReferralCard(ReferralView):
    """One referral on the board. `zone` is its episode's: that of the last appointment, else the tenant's."""

    patient_name: str
    birth_date: date | None
    referred_at: datetime
    status_at: datetime
    due_at: datetime | None
    clinic_name: str | None
    zone: str


class ReferralColumn(View):
    """One state: how many there are and how many of them overdue (at most COUNT_UP_TO), and its first cards."""

    status: str
    count: int
    overdue: int
    cards: tuple[ReferralCard, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class ReferralBoard:
    """Columns in the order of STATUSES, and the version this is."""

    columns: tuple[ReferralColumn, ...]
    version: str


class Booking(View):
    """Who booked a referral and when, and for when and where; times are those of `zone`."""

    who: str
    at: datetime
    scheduled_for: datetime | None
    facility: str | None
    zone: str


@query(Permission.REFERRAL_VIEW)
def get_version(actor: Actor) -> str:
    """The mark of the tenant, as of the board of episodes: a visit may make a referral somebody's own or of another
    clinic, and what says why is withheld as soon as a record is restricted.
    """
    return mark_now(db.session.execute(mark_of_tenant(), {"tenant": actor.tenant_id}).one())


@query(Permission.REFERRAL_VIEW)
def get_referral_board(
    actor: Actor, wanted: Wanted, *, status: str | None = None, cursor: str | None = None
) -> ReferralBoard:
    """All columns with their first cards; with `status`, that column alone, at length and from the cursor on.

    Open referrals stand in the order they are due, completed ones newest first; these are never overdue, and left out
    where only what is overdue is wanted. Raises Invalid for a foreign cursor.
    """
    shape, limit = _Shape.of(actor, wanted), CARDS_ALONE if status else CARDS_PER_COLUMN
    now = clock.now()
    values = {
        **scope_of(actor), "type": wanted.type, "priority": wanted.priority, "clinic": wanted.clinic, "now": now,
        "since": now - RECENT, "provider": actor.provider_id, **reading.values(actor),
    }  # fmt: skip
    columns = (status,) if status else OPEN if wanted.overdue else STATUSES
    after = decode_cursor(cursor, _name(status, wanted), datetime, int) if cursor and status else ()
    values |= dict(zip(("after_at", "after_id"), after, strict=False))
    counted, cards = db.session.execute_each(  # the mark is among the counts: what changes meanwhile is news then
        [(_counts(shape, columns), values), (_all_cards(shape, columns, limit + 1, bool(after)), values)]
    )
    counts, rows = counted.one(), cards.all()
    reading.look(actor, rows)  # at all columns' rows at once: each column looks again, and finds it known
    of_each = {one: [row for row in rows if row.status == one] for one in columns}
    shown = tuple(_column(actor, wanted, one, these, counts._mapping, limit) for one, these in of_each.items())
    record_read("referral.board", patients=tuple(sorted({card.party_locator for one in shown for card in one.cards})))
    return ReferralBoard(shown, mark_now(counts))


@query(Permission.REFERRAL_VIEW)
def get_booking(actor: Actor, locator: str) -> Booking:
    """The booking of a referral, for whoever came too late to book it; raises NotFound where there is none."""
    last = _last_place(scoped=actor.clinic_ids is not None, filed=True)
    statement: Select[Any] = (
        select(
            who_did(HISTORY).label("who"), HISTORY.at, REFERRALS.scheduled_for,
            REFERRALS.facility, PATIENTS.locator.label("party_locator"), PATIENTS.confidentiality, REFERRALS.patient_id,
            func.coalesce(last.c.zone, tenant_zone(actor.tenant_id)).label("zone"),
        )
        .select_from(table_of(Referral))
        .join(table_of(Patient), (PATIENTS.tenant_id == REFERRALS.tenant_id) & (PATIENTS.id == REFERRALS.patient_id))
        .outerjoin(last, true())
        .join(
            table_of(StatusChange),
            (HISTORY.tenant_id == REFERRALS.tenant_id) & (HISTORY.entity == REFERRAL.entity)
            & (HISTORY.entity_id == REFERRALS.id),
        )
        .where(REFERRALS.tenant_id == actor.tenant_id, REFERRALS.locator == locator, HISTORY.action == "book")
        .order_by(HISTORY.id.desc())
        .limit(at_most(1))
    )  # fmt: skip
    row = found(db.session.execute(statement, scope_of(actor)).one_or_none())
    reading.require(actor, row)
    record_read("referral.read", locator, patients=(row.party_locator,))
    return Booking.of(row)


@dataclass(frozen=True)
class _Shape:
    """What the statements depend on besides their values: each is built once a shape."""

    filters: frozenset[str]
    scoped: bool
    kind: Kind

    @classmethod
    def of(cls, actor: Actor, wanted: Wanted) -> "_Shape":
        filters = frozenset(name for name, value in vars(wanted).items() if value)
        return cls(filters, actor.clinic_ids is not None, reading.kind(actor))


def _last_place(*, scoped: bool, filed: bool = False) -> Any:
    """The clinic of an episode's last appointment in the actor's scope, with its zone, beside the referral.

    None of a referral on the board is `filed`: its episode is open, or was when it was completed.
    """
    last = (
        select(PLACE.c.name.label("clinic_name"), PLACE.c.locator, PLACE.c.time_zone.label("zone"))
        .select_from(table_of(Appointment).outerjoin(PLACE, at_place(APPOINTMENTS)))
        .where(APPOINTMENTS.tenant_id == REFERRALS.tenant_id, APPOINTMENTS.episode_id == REFERRALS.episode_id)
        .where(present_or(filed), within(scoped, APPOINTMENTS.clinic_id))
        .order_by(APPOINTMENTS.starts_at.desc(), APPOINTMENTS.id.desc())
        .limit(at_most(1))
    )
    return lateral(last.correlate(table_of(Referral)))


def _conditions(shape: _Shape, status: str, last: Any) -> list[ColumnElement[bool]]:
    """What a column holds. The literal state lets the planner use the index of open referrals."""
    due = REFERRALS.due_at < bindparam("now", type_=DateTime(timezone=True))
    # Asked of one episode after the other: joined, the whole of the provider's appointments would be read.
    at_work: Select[Any] = select(literal_column("true")).where(
        APPOINTMENTS.tenant_id == REFERRALS.tenant_id, APPOINTMENTS.episode_id == REFERRALS.episode_id,
        APPOINTMENTS.provider_id == bindparam("provider", type_=BigInteger), APPOINTMENTS.status != CANCELLED,
        IS_PRESENT,
    ).limit(at_most(1)).correlate(table_of(Referral))  # fmt: skip
    filters = {
        "type": REFERRALS.type == bindparam("type", type_=Text),
        "priority": REFERRALS.priority == bindparam("priority", type_=Text),
        "clinic": last.c.locator == bindparam("clinic", type_=Text),
        "overdue": due,
        "mine": at_work.scalar_subquery().is_(True),
    }
    if "type" in shape.filters:
        filters["type"] &= is_open(shape.kind, REFERRALS.tenant_id, REFERRALS.patient_id)
    wanted = [REFERRALS.tenant_id == bindparam("tenant"), REFERRALS.status == written_out([status])[0]]
    if status not in OPEN:
        wanted.append(REFERRALS.status_at > bindparam("since", type_=DateTime(timezone=True)))
    return [*wanted, *(filters[name] for name in sorted(shape.filters))]


@built_once
def _counts(shape: _Shape, columns: tuple[str, ...]) -> Select[Any]:
    """Two numbers a column, how many and how many overdue, each counted up to COUNT_UP_TO; and the tenant's mark."""
    numbers = []
    for status in columns:
        late = [(f"{status}_overdue", replace(shape, filters=shape.filters | {"overdue"}))] if status in OPEN else []
        for name, narrowed in [(status, shape), *late]:
            last = _last_place(scoped=shape.scoped)
            some: Select[Any] = select(literal_column("1")).select_from(table_of(Referral))
            if "clinic" in shape.filters:
                some = some.outerjoin(last, true())
            some = some.where(*_conditions(narrowed, status, last)).limit(at_most(COUNT_UP_TO))
            numbers.append(select(func.count()).select_from(some.subquery()).scalar_subquery().label(name))
    return mark_of_tenant().add_columns(*numbers)


@built_once
def _all_cards(shape: _Shape, columns: tuple[str, ...], most: int, later: bool) -> CompoundSelect[Any]:
    """The first cards of every column; of one column alone, those after the keys of a cursor."""
    return union_all(*(select(_cards(shape, status, most, later).subquery()) for status in columns))


def _cards(shape: _Shape, status: str, most: int, later: bool) -> Select[Any]:
    last = _last_place(scoped=shape.scoped)
    at = REFERRALS.due_at if status in OPEN else REFERRALS.status_at
    statement = (
        select(
            *REFERRALS, EPISODES.locator.label("episode_locator"), PATIENTS.locator.label("party_locator"),
            PATIENTS.birth_date, last.c.clinic_name,
            FULL_NAME, PATIENTS.confidentiality,
            func.coalesce(last.c.zone, tenant_zone(bindparam("tenant"))).label("zone"), at.label("sorted_at"),
        )
        .select_from(table_of(Referral))
        .join(table_of(Episode), (EPISODES.tenant_id == REFERRALS.tenant_id) & (EPISODES.id == REFERRALS.episode_id))
        .join(table_of(Patient), (PATIENTS.tenant_id == REFERRALS.tenant_id) & (PATIENTS.id == REFERRALS.patient_id))
        .outerjoin(last, true())
        .where(*_conditions(shape, status, last))
    )  # fmt: skip
    if later:
        key = tuple_(bindparam("after_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=BigInteger))
        here = tuple_(at, REFERRALS.id)
        statement = statement.where(here > key if status in OPEN else here < key)
    order = (at, REFERRALS.id) if status in OPEN else (at.desc(), REFERRALS.id.desc())
    return statement.order_by(*order).limit(at_most(most))


def _name(status: str, wanted: Wanted) -> ListName:
    return ("referrals of a status", status, *vars(wanted).values())


def _column(
    actor: Actor, wanted: Wanted, status: str, rows: Sequence[Row[Any]], counts: Any, limit: int
) -> ReferralColumn:
    ordered = sorted(rows, key=_keys, reverse=status not in OPEN)
    page = page_of(ordered, limit, reading.each(ReferralCard.seen_by, actor), _keys, _name(status, wanted))
    return ReferralColumn(
        status=status, count=counts[status], overdue=counts.get(f"{status}_overdue", 0), cards=page.items,
        next_cursor=page.next_cursor,
    )  # fmt: skip


def _keys(row: Row[Any]) -> tuple[datetime, int]:
    return row.sorted_at, row.id
