"""Reads of clinics; they hold no patient data, so their reads leave no audit rows."""

from sqlalchemy import select

from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS
from careapp.clinics.views import ClinicView
from careapp.commands import query
from careapp.db import db
from careapp.errors import found
from careapp.paging import DEFAULT_LIMIT, read_page
from careapp.views import Page


@query(Permission.DIRECTORY_VIEW)
def get_clinic(actor: Actor, locator: str) -> ClinicView:
    """One clinic; raises NotFound."""
    row = found(
        db.session.execute(
            select(*CLINICS).where(CLINICS.tenant_id == actor.tenant_id, CLINICS.locator == locator)
        ).one_or_none()
    )
    return ClinicView.of(row)


@query(Permission.DIRECTORY_VIEW)
def list_clinics(actor: Actor, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page[ClinicView]:
    """The tenant's clinics by name."""
    statement = select(*CLINICS).where(CLINICS.tenant_id == actor.tenant_id)
    return read_page(statement, (CLINICS.name, CLINICS.id), ClinicView.of, limit=limit, cursor=cursor)
