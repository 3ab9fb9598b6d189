"""Legal holds: setting and lifting one, and how long a tenant keeps records at least."""

from sqlalchemy import select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import command, record
from careapp.db import db, guarded_update, insert
from careapp.erasure.models import HOLDS, LegalHold
from careapp.erasure.standing import patient_row, standing_of
from careapp.erasure.views import ErasureView
from careapp.errors import Conflict, Invalid, Sentence, found
from careapp.operations.models import LONGEST_RETENTION, SETTINGS, TenantSettings
from careapp.operations.tenants import forbid_deletion

LONGEST_REASON = 2000  # characters


@command(Permission.PATIENT_ERASE)
def set_hold(actor: Actor, locator: str, *, reason: str) -> ErasureView:
    """Keep a patient from being erased. Raises NotFound, Invalid without a reason, Conflict for one who was erased."""
    said = sound_reason(reason)
    forbid_deletion(actor)
    patient = patient_row(actor, locator, lock=True)  # an erasure that runs now ends first, or waits for this hold
    if patient.erased_at:
        raise Conflict(f"{locator} was erased already.", code="ALREADY_ERASED")
    insert(
        LegalHold, HOLDS.id, tenant_id=actor.tenant_id, patient_id=patient.id, reason=said, set_by=actor.name,
        set_at=clock.now(),
    )  # fmt: skip
    record("patient.hold", locator, patients=(locator,))
    return standing_of(actor, patient)


@command(Permission.PATIENT_ERASE)
def lift_hold(actor: Actor, locator: str, *, hold_id: int) -> ErasureView:
    """Lift a hold. Raises NotFound where this patient has none of that id, Conflict where it was lifted already."""
    patient = patient_row(actor, locator, lock=True)
    this = (HOLDS.tenant_id == actor.tenant_id, HOLDS.patient_id == patient.id, HOLDS.id == hold_id)
    found(db.session.execute(select(HOLDS.id).where(*this)).one_or_none())
    lifted = guarded_update(
        LegalHold, *this, HOLDS.lifted_at.is_(None), lifted_by=actor.name, lifted_at=clock.now(),
    )  # fmt: skip
    if lifted is None:
        raise Conflict("This hold was lifted already.", code="HOLD_LIFTED")
    record("patient.lift_hold", locator, patients=(locator,))
    return standing_of(actor, patient)


@command(Permission.SETTINGS_MANAGE)
def keep_records(actor: Actor, *, years: int) -> None:
    """Set for how many years after the last episode a record is kept at least. Raises Invalid."""
    if not 1 <= years <= LONGEST_RETENTION:
        raise Invalid({"years": Sentence("Enter a number of years from 1 to %(most)s.", most=LONGEST_RETENTION)})
    before = db.session.execute(
        select(SETTINGS.records_kept_years).where(SETTINGS.tenant_id == actor.tenant_id).with_for_update()
    ).scalar_one()
    guarded_update(
        TenantSettings, SETTINGS.tenant_id == actor.tenant_id, returning=(SETTINGS.version,), records_kept_years=years
    )
    record("settings.change", before={"records_kept_years": before}, after={"records_kept_years": years})


def sound_reason(reason: str) -> str:
    """The reason without blanks around it; raises Invalid for none or one that is too long."""
    said = reason.strip()
    if not said or len(said) > LONGEST_REASON:
        raise Invalid(
            {"reason": Sentence("Say why, in at most %(most)s characters, without a name.", most=LONGEST_REASON)}
        )
    return said
