"""Where a patient stands: holds, open episodes, the end of his retention; and the rule that refuses an erasure."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, exists, func, or_, select

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import db
from careapp.disclosure import reading
from careapp.episodes.models import EPISODES
from careapp.episodes.states import CANCELLED, OPEN
from careapp.erasure.models import HOLDS
from careapp.erasure.states import ENTERED_IN_ERROR
from careapp.erasure.views import ErasureView, HoldView
from careapp.errors import Conflict, found
from careapp.operations.models import SETTINGS
from careapp.patients.models import FACTS, FULL_NAME, PATIENTS
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.referrals.models import REFERRALS

# Of which a single row is a clinical record. Episodes count by what became of them, appointments by their episode.
CLINICAL = (PRESCRIPTIONS, REFERRALS, FACTS)


@query(Permission.PATIENT_ERASE)
def get_standing(actor: Actor, locator: str) -> ErasureView:
    """A patient with all that speaks against erasing him now; raises NotFound."""
    row = patient_row(actor, locator)
    record_read("patient.standing", locator, patients=(locator,))
    return standing_of(actor, row)


def patient_row(actor: Actor, locator: str, *, lock: bool = False) -> Row[Any]:
    """The patient, locked if asked for; raises NotFound."""
    columns = (
        PATIENTS.id, PATIENTS.locator, PATIENTS.version, PATIENTS.created_at, PATIENTS.erased_at, FULL_NAME,
        PATIENTS.id.label("patient_id"), PATIENTS.confidentiality,
    )  # fmt: skip
    statement: Select[Any] = select(*columns).where(PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == locator)
    return found(db.session.execute(statement.with_for_update() if lock else statement).one_or_none())


def standing_of(actor: Actor, patient: Row[Any]) -> ErasureView:
    """What speaks against erasing this patient now."""
    mine = (EPISODES.tenant_id == actor.tenant_id, EPISODES.patient_id == patient.id)
    still_open = db.session.scalars(select(EPISODES.locator).where(*mine, EPISODES.status == OPEN)).all()
    return ErasureView(
        locator=patient.locator, name=patient.patient_name if reading.sees(actor, patient) else None,
        version=patient.version, erased_at=patient.erased_at, open_episodes=still_open,
        clinical=_is_clinical(actor, patient.id), kept_until=_kept_until(actor, patient),
        holds=_holds(actor, patient.id),
    )  # fmt: skip


def refuse(standing: ErasureView, category: str) -> None:
    """Raise the Conflict that says why this patient is not erased now; nothing where he may be.

    A hold and an open episode refuse always. Retention (HL7 and national rules ask for years after the last treatment)
    refuses, unless a record was entered in error and nothing clinical was ever recorded in it.
    """
    if standing.erased_at:
        raise Conflict(f"{standing.locator} was erased already.", code="ALREADY_ERASED")
    if any(hold.lifted_at is None for hold in standing.holds):
        raise Conflict(f"A legal hold stands on {standing.locator}. It has to be lifted first.", code="LEGAL_HOLD")
    if standing.open_episodes:
        named = ", ".join(standing.open_episodes)
        raise Conflict(f"{named} is open. Close or cancel it first.", code="EPISODE_OPEN")
    if category == ENTERED_IN_ERROR:
        if standing.clinical:
            raise Conflict(
                f"{standing.locator} has a clinical record: it is not erased as entered in error.", code="HAS_RECORD"
            )
        return
    if standing.kept_until > clock.now():
        until = standing.kept_until.date().isoformat()
        raise Conflict(
            f"The record of {standing.locator} has to be kept until {until}.", code="RECORDS_KEPT", keptUntil=until
        )


def _is_clinical(actor: Actor, patient_id: int) -> bool:
    """Whether anybody was seen, ordered for, or known to have something: more than an entry that was a mistake."""
    treated = or_(EPISODES.status != CANCELLED, EPISODES.seen > 0)
    kinds = [
        exists().where(EPISODES.tenant_id == actor.tenant_id, EPISODES.patient_id == patient_id, treated),
        *(
            exists().where(columns.tenant_id == actor.tenant_id, columns.patient_id == patient_id)
            for columns in CLINICAL
        ),
    ]
    return bool(db.session.execute(select(or_(*kinds))).scalar_one())


def _kept_until(actor: Actor, patient: Row[Any]) -> datetime:
    """The end of retention: the tenant's number of years after the last episode ended, or after the registration."""
    mine = (EPISODES.tenant_id == actor.tenant_id, EPISODES.patient_id == patient.id)
    last = select(func.max(EPISODES.closed_at)).where(*mine).scalar_subquery()
    years = select(SETTINGS.records_kept_years).where(SETTINGS.tenant_id == actor.tenant_id).scalar_subquery()
    until = func.coalesce(last, patient.created_at) + func.make_interval(func.coalesce(years, 10))
    return db.session.execute(select(until)).scalar_one()  # type: ignore[no-any-return]


def _holds(actor: Actor, patient_id: int) -> list[HoldView]:
    mine = (HOLDS.tenant_id == actor.tenant_id, HOLDS.patient_id == patient_id)
    return HoldView.of_each(db.session.execute(select(*HOLDS).where(*mine).order_by(HOLDS.id)))
