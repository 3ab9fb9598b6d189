"""Commands on clinics: entering one, and changing its name, zone, address and phone."""

from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import Row, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS, Clinic
from careapp.clinics.views import ClinicDetails, ClinicView
from careapp.commands import command
from careapp.db import db, guarded_update, insert
from careapp.errors import Conflict, Invalid, Sentence, found

LONGEST_LINE, LONGEST_ADDRESS = 200, 500  # characters
UNKNOWN_ZONE = Sentence("Use an IANA time zone such as Asia/Yangon.")


@command(Permission.CLINIC_MANAGE)
def create_clinic(
    actor: Actor, *, name: str, time_zone: str, address: str | None = None, phone: str | None = None
) -> ClinicView:
    """Enter a clinic. Raises Invalid for a zone the time zone database does not hold, and for texts too long."""
    _check(name=name, time_zone=time_zone, address=address, phone=phone)
    row = enter(actor, name=name, time_zone=time_zone, address=address, phone=phone)
    commands.record("clinic.create", row.locator)
    return ClinicView.of(row)


def enter(actor: Actor, *, time_zone: str, **values: Any) -> Row[Any]:
    """Store a clinic inside a command that records it; returns the row. Raises Invalid for an unknown zone."""
    if not _is_zone(time_zone):
        raise Invalid({"timeZone": UNKNOWN_ZONE})
    return insert(Clinic, *CLINICS, tenant_id=actor.tenant_id, time_zone=time_zone, **values)


@command(Permission.CLINIC_MANAGE)
def change_clinic(
    actor: Actor, locator: str, *, version: int, name: str, time_zone: str, address: str | None, phone: str | None
) -> ClinicDetails:
    """Change what is given of a clinic. Another zone moves no appointment: only the clock it is shown on is another.

    Raises NotFound, Invalid naming the field, Conflict STALE_VERSION when somebody else was quicker.
    """
    mine = (CLINICS.tenant_id == actor.tenant_id, CLINICS.locator == locator)
    before = found(db.session.execute(select(*CLINICS).where(*mine)).one_or_none())._mapping
    _check(name=name, time_zone=time_zone, address=address, phone=phone)
    after = {"name": name, "time_zone": time_zone, "address": address, "phone": phone}
    row = guarded_update(Clinic, *mine, CLINICS.version == version, returning=CLINICS, **after)
    if row is None:
        raise Conflict(f"{locator} was changed by somebody else just now.", code="STALE_VERSION")
    differing = [field for field in after if after[field] != before[field]]
    commands.record(
        "clinic.change", locator, before={one: before[one] for one in differing},
        after={one: after[one] for one in differing},
    )  # fmt: skip
    return ClinicDetails.of(row)


def _check(*, name: str, time_zone: str, address: str | None = None, phone: str | None = None) -> None:
    errors: dict[str, str] = {}
    if not name.strip() or len(name) > LONGEST_LINE:
        errors["name"] = Sentence("Enter a name of at most %(most)s characters.", most=LONGEST_LINE)
    if not _is_zone(time_zone):
        errors["timeZone"] = UNKNOWN_ZONE
    if address and len(address) > LONGEST_ADDRESS:
        errors["address"] = Sentence("Use at most %(most)s characters.", most=LONGEST_ADDRESS)
    if phone and len(phone) > LONGEST_LINE:
        errors["phone"] = Sentence("Use at most %(most)s characters.", most=LONGEST_LINE)
    if errors:
        raise Invalid(errors)


def _is_zone(name: str) -> bool:
    """Whether the time zone database holds a zone of this name."""
    try:
        clock.zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder such as "America"
        return False
    return True
