"""Reads of clinics; they hold no patient data, so their reads leave no audit rows."""

from typing import Any, TypeVar

from sqlalchemy import Row, bindparam, select

from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.clinics.views import ClinicDetails, ClinicView
from careapp.commands import query
from careapp.db import db
from careapp.errors import found
from careapp.late import may_be_late
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.views import Page, View

V = TypeVar("V", bound=View)


@may_be_late
@query(Permission.DIRECTORY_VIEW)
def get_clinic(actor: Actor, locator: str) -> ClinicView:
    """One clinic; raises NotFound."""
    return ClinicView.of(_row(actor, locator))


@may_be_late
@query(Permission.DIRECTORY_VIEW)
def list_clinics(actor: Actor, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page[ClinicView]:
    """The tenant's clinics by name."""
    return _listed(actor, ClinicView, limit, cursor)


@query(Permission.CLINIC_MANAGE)
def get_clinic_details(actor: Actor, locator: str) -> ClinicDetails:
    """One clinic with address and phone, to be changed; raises NotFound."""
    return ClinicDetails.of(_row(actor, locator))


@query(Permission.CLINIC_MANAGE)
def list_clinic_details(actor: Actor, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page[ClinicDetails]:
    """The tenant's clinics by name, with address and phone."""
    return _listed(actor, ClinicDetails, limit, cursor)


_ALL = select(*CLINICS).where(CLINICS.tenant_id == bindparam("tenant"))


def _listed(actor: Actor, view: type[V], limit: int, cursor: str | None) -> Page[V]:
    values, keys = {"tenant": actor.tenant_id}, (CLINICS.name, CLINICS.id)
    return read_page(_ALL, keys, view.of_each, of=("clinics",), limit=limit, cursor=cursor, values=values)


def _row(actor: Actor, locator: str) -> Row[Any]:
    mine = (CLINICS.tenant_id == actor.tenant_id, CLINICS.locator == locator)
    return found(db.session.execute(select(*CLINICS).where(*mine)).one_or_none())
