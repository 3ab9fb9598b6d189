"""Commands on clinics: entering one."""

from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import Row

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS, Clinic
from careapp.clinics.views import ClinicView
from careapp.commands import command
from careapp.db import insert
from careapp.errors import Invalid


@command(Permission.CLINIC_MANAGE)
def create_clinic(actor: Actor, *, name: str, time_zone: str) -> ClinicView:
    """Enter a clinic. Raises Invalid for a zone the time zone database does not hold."""
    row = enter(actor, name=name, time_zone=time_zone)
    commands.record("clinic.create", row.locator)
    return ClinicView.of(row)


def enter(actor: Actor, *, name: str, time_zone: str) -> Row[Any]:
    """Store a clinic inside a command that records it; returns the row. Raises Invalid for an unknown zone."""
    try:
        clock.zone(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder such as "America"
        raise Invalid({"timeZone": "Use an IANA time zone such as Asia/Yangon."}) from error
    return insert(Clinic, *CLINICS, tenant_id=actor.tenant_id, name=name, time_zone=time_zone)
