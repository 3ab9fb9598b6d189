"""The statements of the episode board, each built once for a shape of filters: building one takes longer than running
it.

An episode is with a clinician, and at a clinic, where it has an open appointment; while it has none, where it was last
(episodes.last_provider_id). So a filtered column is read from one index or the other, and only IN_CARE, where an open
referral may stand without an appointment, from both: their cards differ, and each comes in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    CompoundSelect,
    DateTime,
    FromClause,
    Select,
    Subquery,
    and_,
    bindparam,
    cast,
    func,
    lateral,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.selectable import LateralFromClause

from careapp.db import at_most, table_of, written_out
from careapp.disclosure.condition import is_open
from careapp.disclosure.rules import Kind
from careapp.disclosure.scope import within
from careapp.episodes.models import EPISODES, Episode
from careapp.kept import built_once
from careapp.lifecycle import HISTORY
from careapp.overviews.marks import mark_of_tenant
from careapp.overviews.zones import tenant_zone, with_place
from careapp.patients.models import FULL_NAME, PATIENTS, Patient
from careapp.providers.models import PROVIDERS, Provider
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE, IS_PRESENT

NEWS_OF = 100  # the newest changes that news are told of
COUNT_UP_TO = 1000  # a column's count stops here ("999+"), so that it costs the same however many there are
_OPEN: ColumnElement[str] = literal_column("'OPEN'")  # written out, so that the planner may use a partial index
_LAST: FromClause = table_of(Provider).alias("last_provider")


@dataclass(frozen=True)
class Shape:
    """What the board's statements depend on besides their values: which filters are set, whether the reader has a
    clinic scope and may know of referrals. `care_type`: the kind of reader where that filter is set, as it asks what
    he may see.
    """

    care_type: Kind | None = None
    provider: bool = False
    clinic: bool = False
    scoped: bool = False
    shows_referrals: bool = True


@built_once
def cards(shape: Shape, stages: Sequence[str], rows: int, later: bool = False) -> CompoundSelect[Any]:
    """The first `rows` cards of each of these stages, or those after a cursor (`later`), with patient, earliest open
    appointment and zone.
    """
    return union_all(*(select(_column(shape, stage, rows, later).subquery()) for stage in stages))


@built_once
def counts(shape: Shape, stages: Sequence[str]) -> Select[Any]:
    """One number a stage, each counted up to COUNT_UP_TO; and the mark of the tenant, read no later than the cards."""
    columns = []
    for stage in stages:
        some: list[Select[Any]] = [select(literal_column("1")).where(*wanted) for wanted in _branches(shape, stage)]
        found = (union_all(*some) if len(some) > 1 else some[0]).limit(at_most(COUNT_UP_TO)).subquery()
        columns.append(select(func.count()).select_from(found).scalar_subquery().label(stage))
    return mark_of_tenant().add_columns(*columns)


def _branches(shape: Shape, stage: str) -> list[list[ColumnElement[bool]]]:
    """The conditions of one column; two sets of them where its cards come from two indexes."""
    # A stage that is bound, a plan made once takes for one of few episodes, and sorts all of them to find the newest.
    its_stage = EPISODES.stage == written_out([stage])[0]
    wanted = [EPISODES.tenant_id == bindparam("tenant"), EPISODES.status == _OPEN, its_stage]
    if shape.care_type:
        known = is_open(shape.care_type, EPISODES.tenant_id, EPISODES.patient_id)
        wanted += [EPISODES.care_type == bindparam("care_type"), known]
    if not (shape.provider or shape.clinic):
        return [wanted]
    by_visit, by_last = [*wanted, _has_open_visit(shape)], [*wanted, *_was_last(shape)]
    if stage == "IN_CARE":
        return [by_visit, [*by_last, EPISODES.open_appointments == 0]]
    return [by_visit] if stage == "SCHEDULED" else [by_last]


def _has_open_visit(shape: Shape) -> ColumnElement[bool]:
    return (
        select(literal_column("1"))
        .where(APPOINTMENTS.tenant_id == bindparam("tenant"), APPOINTMENTS.episode_id == EPISODES.id, IS_ACTIVE)
        .where(*_at(shape, APPOINTMENTS.provider_id, APPOINTMENTS.clinic_id))
        .exists()
    )


def _was_last(shape: Shape) -> list[ColumnElement[bool]]:
    return _at(shape, EPISODES.last_provider_id, EPISODES.last_clinic_id)


def _at(shape: Shape, provider: ColumnElement[Any], clinic: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    """That these columns are the clinician and the clinic wanted, in the actor's scope."""
    wanted = [provider == bindparam("provider", type_=BigInteger)] if shape.provider else []
    if shape.clinic:
        wanted.append(clinic == bindparam("clinic", type_=BigInteger))
    return [*wanted, within(shape.scoped, clinic)]


def _newest(wanted: list[ColumnElement[bool]], rows: int, later: bool) -> Select[Any]:
    """The newest episodes that meet the conditions, in order, so many."""
    names = (
        "tenant_id", "id", "locator", "patient_id", "care_type", "stage", "reason", "opened_at", "open_appointments",
        "open_referrals", "last_provider_id", "last_clinic_id",
    )  # fmt: skip
    statement = select(*(EPISODES[name] for name in names)).where(*wanted)
    if later:
        last = tuple_(bindparam("after_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=BigInteger))
        statement = statement.where(tuple_(EPISODES.opened_at, EPISODES.id) < last)
    return statement.order_by(EPISODES.opened_at.desc(), EPISODES.id.desc()).limit(at_most(rows))


def _picked(shape: Shape, stage: str, rows: int, later: bool) -> Subquery:
    """The episodes of one column."""
    found = [_newest(wanted, rows, later).subquery() for wanted in _branches(shape, stage)]
    if len(found) == 1:
        return found[0]
    both = union_all(*(select(one) for one in found)).subquery()
    return select(both).order_by(both.c.opened_at.desc(), both.c.id.desc()).limit(at_most(rows)).subquery()


def _column(shape: Shape, stage: str, rows: int, later: bool) -> Select[Any]:
    """The cards of one column, newest first."""
    tenant: BindParameter[int] = bindparam("tenant")
    picked = _picked(shape, stage, rows, later)
    one = picked.c
    upcoming = _earliest_visit(shape, one)
    visit = upcoming.c
    quiet_since = _quiet_since(one) if stage == "READY_TO_CLOSE" else cast(null(), DateTime(timezone=True))
    last = (_LAST.c.tenant_id == one.tenant_id) & (_LAST.c.id == one.last_provider_id)
    return (
        select(
            one.id, one.locator, one.care_type, one.stage, one.reason, one.opened_at, one.open_appointments,
            (one.open_referrals if shape.shows_referrals else null()).label("open_referrals"),
            PATIENTS.locator.label("party_locator"), PATIENTS.birth_date, PATIENTS.gender,
            FULL_NAME, one.patient_id, PATIENTS.confidentiality,
            visit.starts_at.label("next_at"), visit.ends_at.label("next_ends_at"), visit.status.label("next_status"),
            visit.name.label("next_provider"), _LAST.c.name.label("last_provider"), quiet_since.label("quiet_since"),
            func.coalesce(visit.zone, tenant_zone(tenant)).label("zone"),
        )
        .select_from(picked)
        .join(table_of(Patient), (PATIENTS.tenant_id == one.tenant_id) & (PATIENTS.id == one.patient_id))
        .outerjoin(upcoming, true())
        .outerjoin(_LAST, last & within(shape.scoped, one.last_clinic_id))
        .order_by(one.opened_at.desc(), one.id.desc())
    )  # fmt: skip


def _earliest_visit(shape: Shape, one: Any) -> LateralFromClause:
    """The earliest open appointment of an episode, among those in the actor's scope."""
    named = select(APPOINTMENTS.starts_at, APPOINTMENTS.ends_at, APPOINTMENTS.status, PROVIDERS.name).join(
        table_of(Provider), (PROVIDERS.tenant_id == APPOINTMENTS.tenant_id) & (PROVIDERS.id == APPOINTMENTS.provider_id)
    )
    return lateral(
        with_place(named, APPOINTMENTS, bindparam("tenant"))
        .where(APPOINTMENTS.tenant_id == one.tenant_id, APPOINTMENTS.episode_id == one.id)
        .where(IS_ACTIVE, within(shape.scoped, APPOINTMENTS.clinic_id))
        .order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)
        .limit(at_most(1))
    )


def _quiet_since(one: Any) -> ColumnElement[Any]:
    """When the last visit or referral of an episode moved: since then it is ready to be closed."""
    return (
        select(HISTORY.at)
        .where(HISTORY.tenant_id == one.tenant_id, HISTORY.episode_id == one.id)
        .where(HISTORY.entity.in_(written_out(("appointment", "referral"))))
        .order_by(HISTORY.id.desc())
        .limit(at_most(1))
        .scalar_subquery()
    )


@built_once
def news(shape: Shape) -> Select[Any]:
    """How many episodes in the filter were opened, ended or otherwise changed since the change `since`.

    An episode may have left a filter by that very change, so it counts where it ever had an appointment that fits.
    """
    entities = ("episode", "appointment", *(("referral",) if shape.shows_referrals else ()))
    some = (
        select(HISTORY.episode_id, HISTORY.entity, HISTORY.action)
        .where(HISTORY.tenant_id == bindparam("tenant"), HISTORY.id > bindparam("since", type_=BigInteger))
        .where(HISTORY.entity.in_(written_out(entities)))
        .order_by(HISTORY.id.desc())
        .limit(at_most(NEWS_OF))
        .subquery()
    )
    own = some.c.entity == "episode"
    opened = func.bool_or(own & (some.c.action == "open"))
    ended = func.bool_or(own & some.c.action.in_(written_out(("close", "cancel"))))
    episodes = select(some.c.episode_id, opened.label("opened"), ended.label("ended")).group_by(some.c.episode_id)
    each = episodes.subquery()
    numbers: list[ColumnElement[Any]] = [
        func.count().filter(each.c.ended).label("ended"),
        func.count().filter(each.c.opened & ~each.c.ended).label("new"),
        func.count().filter(~each.c.opened & ~each.c.ended).label("moved"),
    ]
    statement = select(*numbers).select_from(each)
    if not (shape.care_type or shape.provider or shape.clinic):
        return statement
    here = (EPISODES.tenant_id == bindparam("tenant")) & (EPISODES.id == each.c.episode_id)
    statement = statement.join(table_of(Episode), here)
    if shape.care_type:
        known = is_open(shape.care_type, EPISODES.tenant_id, EPISODES.patient_id)
        statement = statement.where(EPISODES.care_type == bindparam("care_type"), known)
    if shape.provider or shape.clinic:
        ever: Select[Any] = select(literal_column("1")).where(
            APPOINTMENTS.tenant_id == bindparam("tenant"), APPOINTMENTS.episode_id == EPISODES.id, IS_PRESENT,
            *_at(shape, APPOINTMENTS.provider_id, APPOINTMENTS.clinic_id),
        )  # fmt: skip
        statement = statement.where(or_(ever.exists(), and_(*_was_last(shape))))
    return statement
