"""A prescription as it is printed: what was ordered, for whom, by whom, and under which clinic's head."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, select

from careapp.access import Actor, Permission
from careapp.clinics.models import CLINICS, Clinic
from careapp.commands import query, record_read
from careapp.db import at_most, db, table_of
from careapp.disclosure import reading
from careapp.errors import NotFound, found
from careapp.lifecycle import HISTORY
from careapp.operations.models import TENANTS
from careapp.overviews.timeline import Banner, get_banner
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.prescriptions.papers import Printed, beginning, is_code_of
from careapp.prescriptions.service import entered_by, prescription_rows
from careapp.prescriptions.states import PRESCRIPTION
from careapp.providers.models import PROVIDER_CLINICS, PROVIDERS, ProviderClinic
from careapp.scheduling.models import APPOINTMENTS, Appointment
from careapp.views import View

DAY = timedelta(days=1)


class Head(View):
    """Whose paper it is: a clinic with address and phone, or the tenant by its name. Its zone is the paper's."""

    name: str
    address: str | None = None
    phone: str | None = None
    zone: str


@dataclass(frozen=True)
class Visit:
    """An appointment of the episode that still holds, at a clinic."""

    starts_at: datetime
    provider_id: int
    clinic: Head


class Paper(View):
    """A prescription with everything that is printed. `status_at` is when it was filled or voided, `entered_by` who
    issued it where that was not the prescriber himself.
    """

    head: Head
    locator: str
    episode_locator: str
    status: str
    status_at: datetime | None
    issued_at: datetime
    medication_text: str
    medication_code: str | None
    dosage: str
    quantity: int | None
    refills: int | None
    party_locator: str
    patient: Banner
    provider_locator: str
    provider_name: str
    specialty: str
    npi: str | None
    entered_by: str | None
    tenant_key: str

    @property
    def printed(self) -> Printed:
        """What the code of the paper vouches for."""
        return Printed.of(self, self.tenant_key)


class Confirmed(View):
    """What a stranger who holds the paper is told: no patient, and of the medicine only how its name begins, so that
    another name, number or day on the paper is noticed."""

    locator: str
    status: str
    status_at: datetime | None
    issued_at: datetime
    medicine_begins: str
    quantity: int | None
    refills: int | None
    provider_name: str
    head: Head


class Candidates(NamedTuple):
    """The clinics a paper could have been written at, the likelier kind first; each in order of time or name."""

    visits: Sequence[Visit]
    works_at: Sequence[Head]


def choose_head(candidates: Candidates, tenant: Head, *, provider_id: int, issued_at: datetime) -> Head:
    """Whose head a paper has: the clinic of the patient's latest appointment with the prescriber in the episode, else
    of his latest there with anybody, else the first the prescriber works at, else the tenant.

    Latest is up to a day after the issue, so that a later visit elsewhere does not change a paper that is out; where
    there is none so early, it is the first that comes.
    """
    with_prescriber = [one for one in candidates.visits if one.provider_id == provider_id]
    for visits in (with_prescriber, candidates.visits):
        so_far = [one for one in visits if one.starts_at <= issued_at + DAY]
        if visits:
            return (so_far[-1] if so_far else visits[0]).clinic
    return candidates.works_at[0] if candidates.works_at else tenant


@query(Permission.PRESCRIPTION_READ)
def get_paper(actor: Actor, locator: str, *, kind: str) -> Paper:
    """A prescription to print as `kind` (page or pdf), which the audit keeps; raises NotFound, Restricted."""
    row = _row(actor, locator)
    reading.require(actor, row)
    record_read("prescription.print", locator, patients=(row.party_locator,), kind=kind)
    return Paper.of(
        row,
        head=_head(actor, row),
        status_at=_status_at(actor, row),
        patient=get_banner(actor, row.episode_locator)[1],
        tenant_key=actor.tenant_key,
    )


@query(Permission.PRESCRIPTION_VERIFY)
def verify_paper(actor: Actor, locator: str, *, code: str, keys: Sequence[bytes]) -> Confirmed:
    """Confirm that a paper with this code was printed here, and say how the prescription stands now.

    `keys` are the signing keys of now and before. Raises NotFound for a wrong code just as for a prescription that does
    not exist.
    """
    row = _row(actor, locator)
    printed = Printed.of(row, actor.tenant_key)
    if not any([is_code_of(key, printed, code) for key in keys]):  # a list: each takes the same time
        raise NotFound()
    record_read("prescription.verify", locator, patients=(row.party_locator,))
    begins = beginning(row.medication_text)
    return Confirmed.of(row, head=_head(actor, row), status_at=_status_at(actor, row), medicine_begins=begins)


def _row(actor: Actor, locator: str) -> Row[Any]:
    statement = prescription_rows(actor).add_columns(
        PROVIDERS.name.label("provider_name"), PROVIDERS.specialty, PROVIDERS.npi, entered_by()
    )
    return found(db.session.execute(statement.where(PRESCRIPTIONS.locator == locator)).one_or_none())


def _head(actor: Actor, row: Row[Any]) -> Head:
    """The head of a prescription's paper. No clinic scope: whoever prints it prints the same."""
    tenant = db.session.execute(select(TENANTS.name, TENANTS.time_zone).where(TENANTS.id == actor.tenant_id)).one()
    visits = _visits(actor, row.episode_id)
    works_at = [] if visits else _works_at(actor, row.provider_id)
    return choose_head(
        Candidates(visits, works_at), Head(name=tenant.name, zone=tenant.time_zone),
        provider_id=row.provider_id, issued_at=row.issued_at,
    )  # fmt: skip


def _visits(actor: Actor, episode_id: int) -> list[Visit]:
    """The episode's appointments at clinics, in order of time, without those that were cancelled."""
    statement = (
        _clinics(actor)
        .add_columns(APPOINTMENTS.starts_at, APPOINTMENTS.provider_id)
        .join(
            table_of(Appointment),
            (APPOINTMENTS.tenant_id == CLINICS.tenant_id) & (APPOINTMENTS.clinic_id == CLINICS.id),
        )
        .where(APPOINTMENTS.tenant_id == actor.tenant_id, APPOINTMENTS.episode_id == episode_id)
        .where(APPOINTMENTS.status != "CANCELLED")
        .order_by(APPOINTMENTS.starts_at, APPOINTMENTS.id)
    )
    return [Visit(row.starts_at, row.provider_id, Head.of(row)) for row in db.session.execute(statement)]


def _works_at(actor: Actor, provider_id: int) -> list[Head]:
    """The clinics a provider works at, by name."""
    statement = (
        _clinics(actor)
        .join(
            table_of(ProviderClinic),
            (PROVIDER_CLINICS.tenant_id == CLINICS.tenant_id) & (PROVIDER_CLINICS.clinic_id == CLINICS.id),
        )
        .where(PROVIDER_CLINICS.provider_id == provider_id)
        .order_by(CLINICS.name, CLINICS.id)
    )
    return Head.of_each(db.session.execute(statement))


def _clinics(actor: Actor) -> Select[Any]:
    head = (CLINICS.name, CLINICS.address, CLINICS.phone, CLINICS.time_zone.label("zone"))
    return select(*head).select_from(table_of(Clinic)).where(CLINICS.tenant_id == actor.tenant_id)


def _status_at(actor: Actor, row: Row[Any]) -> datetime | None:
    """When the prescription came into the status it has; None for one that stands as it was issued."""
    statement = (
        select(HISTORY.at)
        .where(HISTORY.tenant_id == actor.tenant_id, HISTORY.episode_id == row.episode_id)
        .where(HISTORY.entity == PRESCRIPTION.entity, HISTORY.entity_id == row.id)
        .where(HISTORY.from_status.is_not(None), HISTORY.to_status == row.status)
        .order_by(HISTORY.id.desc())
        .limit(at_most(1))
    )
    moment: datetime | None = db.session.execute(statement).scalar_one_or_none()
    return moment
