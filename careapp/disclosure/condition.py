"""The rules of rules.py as SQL: the ground on which the reader may see a patient, as an expression beside his row.

It asks for what a reader of his kind can have and no more: with all rules in one expression, whose values say which of
them hold for him, PostgreSQL planned such statements anew each time they ran, which took longer than to run them.
Nothing in it is looked at for a patient who is not restricted. Relations are asked one after the other and each by an
index; LIMIT 1 keeps the planner from reading a whole table to answer for many patients at once.
"""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    column,
    exists,
    literal_column,
    null,
    or_,
    select,
    table,
)

from careapp.db import at_most, written_out
from careapp.disclosure.models import CONSENTS, EMERGENCIES, TEAM
from careapp.disclosure.rules import NORMAL, PERMIT, PORTAL_SHARING, RECENT, Ground, Kind, Reader, Who
from careapp.kept import built_once
from careapp.lifecycle import HISTORY

# What lies above this layer is known only by these columns.
PEOPLE = table(
    "patients", column("tenant_id", Integer), column("id", BigInteger), column("locator", Text),
    column("confidentiality", Text), column("restricted_at", DateTime(timezone=True)),
).alias("its_patient")  # fmt: skip
_VISITS = table(
    "appointments", column("tenant_id", Integer), column("id", BigInteger), column("patient_id", BigInteger),
    column("provider_id", BigInteger), column("status", Text), column("starts_at", DateTime(timezone=True)),
    column("filed_year", Integer),
).alias("its_visits").c  # fmt: skip
_ORDERS = table(
    "prescriptions", column("tenant_id", Integer), column("patient_id", BigInteger), column("episode_id", BigInteger),
    column("provider_id", BigInteger), column("issued_at", DateTime(timezone=True)),
).alias("its_orders").c  # fmt: skip
_EPISODES = table(
    "episodes", column("tenant_id", Integer), column("id", BigInteger), column("patient_id", BigInteger),
    column("status", Text),
).alias("its_episodes").c  # fmt: skip
_DONE = HISTORY.id.table.alias("its_history").c

OPEN_VISIT = ("PENDING", "BOOKED", "CONFIRMED", "ARRIVED", "IN_PROGRESS")  # scheduling's ACTIVE; a test holds it equal
MOMENT = DateTime(timezone=True)


def given(reader: Reader, now: datetime) -> dict[str, Any]:
    """The values of ground() for this reader now."""
    return {
        "reader_name": reader.name, "reader_user": reader.user_id, "reader_provider": reader.provider_id,
        "read_at": now, "recent_since": now - RECENT,
    }  # fmt: skip


@cache
def ground(kind: Kind) -> ColumnElement[Any]:
    """The ground (rules.Ground) for the patient of the PEOPLE row beside it, or NULL where his record is withheld from
    this reader of that kind."""
    open_to_all = (PEOPLE.c.confidentiality == NORMAL, Ground.NORMAL)
    match kind.who:
        case Who.PORTAL:
            consent = _consent()
            untold = and_(consent.is_(None), PEOPLE.c.confidentiality == NORMAL)
            return case((consent == PERMIT, Ground.CONSENT), (untold, Ground.NORMAL), else_=null())
        case Who.SYSTEM:
            return case(open_to_all, else_=Ground.SYSTEM)
        case Who.SERVICE:
            return case(open_to_all, (_consent() == PERMIT, Ground.CONSENT), else_=null())
    relations: list[tuple[Select[Any], Ground]] = []  # whoever else has none: what is not open to all is withheld
    if kind.who is Who.PERSON:
        relations.append((_membership(), Ground.MEMBER))
    if kind.provides:
        relations += [(_visit(), Ground.VISIT), (_order(), Ground.PRESCRIBED)]
    if kind.treats:
        relations += [(_opening(), Ground.OPENED), (_emergency(), Ground.EMERGENCY)]
    return case(open_to_all, *((_any(asked), found) for asked, found in relations), else_=null())


def is_open(kind: Kind, tenant: ColumnElement[Any], patient: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that the patient with this id is open to a reader of that kind: where rows are chosen by what is
    clinical, so that the choice itself tells nothing."""
    one = select(ground(kind).is_not(None)).where(PEOPLE.c.tenant_id == tenant, PEOPLE.c.id == patient)
    return one.limit(at_most(1)).scalar_subquery().is_(True)


@built_once
def grounds_of(kind: Kind, *, one: bool = False) -> Select[Any]:
    """The ground for each of some patients (`tenant`, `patients`, by their ids), or for `one` (`patient`): where it
    may be few or many, PostgreSQL plans anew each time.
    """
    some = any_(bindparam("patients", type_=ARRAY(BigInteger)))
    return select(PEOPLE.c.id, PEOPLE.c.locator, ground(kind).label("ground")).where(
        PEOPLE.c.tenant_id == bindparam("tenant"), PEOPLE.c.id == (bindparam("patient") if one else some)
    )


@built_once
def record_of(kind: Kind) -> Select[Any]:
    """One patient (`tenant`, `locator`) with his confidentiality and the ground on which the reader may see him."""
    return select(*PEOPLE.c, ground(kind).label("ground")).where(
        PEOPLE.c.tenant_id == bindparam("tenant"), PEOPLE.c.locator == bindparam("locator")
    )


def _any(statement: Select[Any]) -> ColumnElement[bool]:
    return statement.limit(at_most(1)).correlate(PEOPLE).scalar_subquery().is_(True)


def _of(rows: Any) -> tuple[ColumnElement[bool], ...]:
    return (rows.tenant_id == PEOPLE.c.tenant_id, rows.patient_id == PEOPLE.c.id)


_TRUE: ColumnElement[bool] = literal_column("true")


def _consent() -> ColumnElement[Any]:
    newest = (
        select(CONSENTS.decision)
        .where(*_of(CONSENTS), CONSENTS.scope == PORTAL_SHARING)
        .order_by(CONSENTS.id.desc())
        .limit(at_most(1))
    )
    return newest.correlate(PEOPLE).scalar_subquery()


def _membership() -> Select[Any]:
    his = or_(TEAM.user_id == _user(), TEAM.provider_id == _provider())
    holds = or_(TEAM.until.is_(None), TEAM.until > _now())
    return select(_TRUE).where(*_of(TEAM), his, TEAM.since <= _now(), holds)


def _visit() -> Select[Any]:
    recent = and_(_VISITS.status != "CANCELLED", _VISITS.starts_at > bindparam("recent_since", type_=MOMENT))
    by_himself = exists().where(
        _DONE.tenant_id == _VISITS.tenant_id, _DONE.entity == "appointment", _DONE.entity_id == _VISITS.id,
        _DONE.action.in_(written_out(("book", "reschedule"))), _DONE.actor == _name(),
        _DONE.at >= PEOPLE.c.restricted_at,
    ).correlate(PEOPLE, _VISITS.id.table)  # fmt: skip
    return select(_TRUE).where(
        *_of(_VISITS),
        _VISITS.provider_id == _provider(),
        _VISITS.filed_year == literal_column("0"),  # none of them is as old as what is filed
        or_(_VISITS.status.in_(written_out(OPEN_VISIT)), recent),
        ~by_himself,
    )


def _order() -> Select[Any]:
    still_open = select(_TRUE).where(
        _EPISODES.tenant_id == _ORDERS.tenant_id, _EPISODES.id == _ORDERS.episode_id, _EPISODES.status == "OPEN"
    )
    recent = _ORDERS.issued_at > bindparam("recent_since", type_=MOMENT)
    return select(_TRUE).where(
        *_of(_ORDERS), _ORDERS.provider_id == _provider(), or_(recent, still_open.scalar_subquery().is_(True))
    )


def _opening() -> Select[Any]:
    return select(_TRUE).where(
        *_of(_EPISODES), _DONE.tenant_id == _EPISODES.tenant_id, _DONE.entity == "episode",
        _DONE.entity_id == _EPISODES.id, _DONE.action == "open", _DONE.actor == _name(),
        _DONE.at < PEOPLE.c.restricted_at,
        or_(_EPISODES.status == "OPEN", _DONE.at > bindparam("recent_since", type_=MOMENT)),
    )  # fmt: skip


def _emergency() -> Select[Any]:
    return select(_TRUE).where(
        *_of(EMERGENCIES), EMERGENCIES.user_id == _user(), EMERGENCIES.started_at <= _now(),
        EMERGENCIES.ends_at > _now(), EMERGENCIES.ended_at.is_(None),
    )  # fmt: skip


def _user() -> ColumnElement[Any]:
    return bindparam("reader_user", type_=BigInteger)


def _provider() -> ColumnElement[Any]:
    return bindparam("reader_provider", type_=BigInteger)


def _name() -> ColumnElement[Any]:
    return bindparam("reader_name", type_=Text)


def _now() -> ColumnElement[Any]:
    return bindparam("read_at", type_=MOMENT)
