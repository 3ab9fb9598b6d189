"""Staff and places as administrators see them: users with their clinics and provider, and what a change would touch."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, bindparam, func, literal_column, or_, select, union
from sqlalchemy.dialects.postgresql import aggregate_order_by

from careapp import clock
from careapp.access import Actor, Permission, Role
from careapp.clinics.models import CLINICS, Clinic
from careapp.commands import query
from careapp.db import at_most, db, table_of
from careapp.errors import found
from careapp.identity.models import USERS, User, UserClinic, UserSession
from careapp.kept import built_once
from careapp.overviews.zones import read_tenant_zone
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.providers.models import PROVIDERS, Provider
from careapp.scheduling.models import APPOINTMENTS, IS_ACTIVE
from careapp.views import Page, View

NEWEST_SESSIONS = 20  # of a user, among which the one last used is looked for
MOST_CHOICES = 500
COUNT_UP_TO = 1000

_scope, _session = table_of(UserClinic).c, table_of(UserSession).c


class StaffMember(View):
    """A member of staff. Without clinics of his own he sees every clinic of the tenant."""

    id: int
    email: str
    name: str
    roles: tuple[Role, ...]
    provider_locator: str | None
    provider_name: str | None
    clinic_locators: tuple[str, ...]
    clinic_names: tuple[str, ...]
    last_seen_at: datetime | None
    disabled_at: datetime | None
    version: int


class Choice(View):
    """A clinic or provider a user can be linked to."""

    id: int
    locator: str
    name: str


class StaffChoices(View):
    """What a user's form offers."""

    clinics: tuple[Choice, ...]
    providers: tuple[Choice, ...]


@query(Permission.USER_MANAGE)
def list_staff(
    actor: Actor, *, text: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None
) -> tuple[Page[StaffMember], str]:
    """Staff by name, disabled ones too, with the zone their times are told in: all, or those whose name or address
    contains `text`.
    """
    values = {"tenant": actor.tenant_id, **({"text": text.strip()} if text else {})}
    page = read_page(
        _staff(bool(text)), (USERS.name, USERS.id), StaffMember.of_each, of=("staff", values.get("text")),
        limit=limit, cursor=cursor, values=values,
    )  # fmt: skip
    return page, read_tenant_zone(actor)


@query(Permission.USER_MANAGE)
def get_staff_member(actor: Actor, user_id: int) -> tuple[StaffMember, str]:
    """One member of staff, with the zone his times are told in; raises NotFound."""
    one = _staff(False).where(USERS.id == bindparam("user"))
    row = found(db.session.execute(one, {"tenant": actor.tenant_id, "user": user_id}).one_or_none())
    return StaffMember.of(row), read_tenant_zone(actor)


@query(Permission.USER_MANAGE)
def get_staff_choices(actor: Actor, user_id: int | None = None) -> StaffChoices:
    """The tenant's clinics and providers by name, the first MOST_CHOICES of each; and those of a user, which would be
    lost when his form is saved without them.
    """

    def choices(columns: Any, his: Select[Any]) -> tuple[Choice, ...]:
        mine = select(columns.id, columns.locator, columns.name).where(columns.tenant_id == actor.tenant_id)
        first = mine.order_by(columns.name, columns.id).limit(at_most(MOST_CHOICES)).subquery()
        both = union(select(first), mine.where(columns.id.in_(his))).subquery().c
        statement: Select[Any] = select(both.id, both.locator, both.name).order_by(both.name, both.id)
        return tuple(Choice.of_each(db.session.execute(statement)))

    his_clinics = select(_scope.clinic_id).where(_scope.tenant_id == actor.tenant_id, _scope.user_id == user_id)
    himself = select(USERS.provider_id).where(USERS.tenant_id == actor.tenant_id, USERS.id == user_id)
    return StaffChoices(clinics=choices(CLINICS, his_clinics), providers=choices(PROVIDERS, himself))


@query(Permission.CLINIC_MANAGE)
def count_future_appointments(actor: Actor, clinic_locator: str) -> int:
    """How many appointments lie ahead at a clinic and are not over: their shown times change with its zone.

    Counts up to COUNT_UP_TO.
    """
    return _count_ahead(actor, APPOINTMENTS.clinic_id, CLINICS, clinic_locator)


@query(Permission.PROVIDER_MANAGE)
def count_appointments_of_provider(actor: Actor, provider_locator: str) -> int:
    """How many appointments lie ahead of a provider and are not over: they stay where he takes no more bookings.

    Counts up to COUNT_UP_TO.
    """
    return _count_ahead(actor, APPOINTMENTS.provider_id, PROVIDERS, provider_locator)


def _count_ahead(actor: Actor, at: ColumnElement[int], of: Any, locator: str) -> int:
    """How many active appointments lie ahead at what has this locator, up to COUNT_UP_TO."""
    named = select(of.id).where(of.tenant_id == actor.tenant_id, of.locator == locator).scalar_subquery()
    ahead = (APPOINTMENTS.tenant_id == actor.tenant_id, at == named, APPOINTMENTS.starts_at > clock.now(), IS_ACTIVE)
    some = select(APPOINTMENTS.id).where(*ahead).limit(at_most(COUNT_UP_TO)).subquery()
    return db.session.execute(select(func.count()).select_from(some)).scalar_one()


@built_once
def _staff(by_text: bool) -> Select[Any]:
    """Users with the clinics and the provider they are linked to, and when they were last seen; built once."""
    columns = (USERS.id, USERS.email, USERS.name, USERS.roles, USERS.disabled_at, USERS.version)
    his_provider = (PROVIDERS.tenant_id == USERS.tenant_id) & (PROVIDERS.id == USERS.provider_id)
    statement = (
        select(
            *columns, PROVIDERS.locator.label("provider_locator"), PROVIDERS.name.label("provider_name"),
            _of_clinics(CLINICS.locator).label("clinic_locators"), _of_clinics(CLINICS.name).label("clinic_names"),
            _last_seen().label("last_seen_at"),
        )
        .select_from(table_of(User).outerjoin(table_of(Provider), his_provider))
        .where(USERS.tenant_id == bindparam("tenant"))
    )  # fmt: skip
    if by_text:
        typed = func.lower(bindparam("text", type_=Text))
        statement = statement.where(
            or_(*(func.strpos(func.lower(one), typed) > 0 for one in (USERS.name, USERS.email)))
        )
    return statement


def _of_clinics(column: Any) -> ColumnElement[Any]:
    """A column of all clinics a user is linked to, as an array in the order of their names."""
    his = (_scope.tenant_id == USERS.tenant_id, _scope.user_id == USERS.id)
    same = (CLINICS.tenant_id == _scope.tenant_id) & (CLINICS.id == _scope.clinic_id)
    gathered = func.array_agg(aggregate_order_by(column, CLINICS.name, CLINICS.id))
    listed = select(gathered).select_from(table_of(UserClinic).join(table_of(Clinic), same)).where(*his)
    return func.coalesce(listed.correlate(table_of(User)).scalar_subquery(), literal_column("'{}'::text[]"))


def _last_seen() -> ColumnElement[Any]:
    """When any of a user's newest sessions was last used."""
    newest = (
        select(_session.last_seen_at)
        .where(_session.tenant_id == USERS.tenant_id, _session.user_id == USERS.id)
        .order_by(_session.id.desc())
        .limit(at_most(NEWEST_SESSIONS))
        .correlate(table_of(User))
        .subquery()
    )
    return select(func.max(newest.c.last_seen_at)).scalar_subquery()
