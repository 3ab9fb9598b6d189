"""Commands on prescriptions: issue, fill, void."""

from typing import Any

from sqlalchemy import Select, literal, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import db, insert, table_of
from careapp.episodes import service as episodes
from careapp.episodes.models import EPISODES, Episode
from careapp.errors import Invalid
from careapp.lifecycle import check_version, move, remember
from careapp.outbox.events import Event
from careapp.patients.models import PATIENTS, Patient
from careapp.prescriptions.events import PrescriptionIssued
from careapp.prescriptions.models import PRESCRIPTIONS, Prescription
from careapp.prescriptions.states import ISSUED, PRESCRIPTION
from careapp.prescriptions.views import Medication, PrescriptionView
from careapp.providers.models import PROVIDERS, Provider


def prescription_rows(actor: Actor) -> Select[Any]:
    """The tenant's prescriptions, with the locators of all they belong to."""
    return (
        select(
            *PRESCRIPTIONS,
            EPISODES.locator.label("episode_locator"),
            PATIENTS.locator.label("party_locator"),
            PROVIDERS.locator.label("provider_locator"),
        )
        .join(
            table_of(Episode),
            (EPISODES.tenant_id == PRESCRIPTIONS.tenant_id) & (EPISODES.id == PRESCRIPTIONS.episode_id),
        )
        .join(
            table_of(Patient),
            (PATIENTS.tenant_id == PRESCRIPTIONS.tenant_id) & (PATIENTS.id == PRESCRIPTIONS.patient_id),
        )
        .join(
            table_of(Provider),
            (PROVIDERS.tenant_id == PRESCRIPTIONS.tenant_id) & (PROVIDERS.id == PRESCRIPTIONS.provider_id),
        )
        .where(PRESCRIPTIONS.tenant_id == actor.tenant_id)
    )


@command(Permission.PRESCRIPTION_WRITE)
def issue(
    actor: Actor,
    episode_locator: str,
    *,
    medication: Medication,
    dosage: str,
    provider_locator: str,
    quantity: int | None = None,
    refills: int | None = None,
) -> PrescriptionView:
    """Order a medicine for the episode's patient. Raises NotFound, Conflict EPISODE_NOT_OPEN, and Invalid naming
    providerLocator for an unknown provider."""
    episode = episodes.lock_episode(actor, episode_locator)
    episodes.require_open(episode)
    provider_id = db.session.execute(
        select(PROVIDERS.id).where(PROVIDERS.tenant_id == actor.tenant_id, PROVIDERS.locator == provider_locator)
    ).scalar_one_or_none()
    if provider_id is None:
        raise Invalid({"providerLocator": "There is no provider with this locator."})
    known = {
        "episode_locator": episode.locator,
        "party_locator": episode.party_locator,
        "provider_locator": provider_locator,
    }
    row = insert(
        Prescription, *PRESCRIPTIONS, *(literal(value).label(name) for name, value in known.items()),
        tenant_id=actor.tenant_id, episode_id=episode.id, patient_id=episode.patient_id, provider_id=provider_id,
        medication_text=medication.text, medication_code=medication.code, medication_system=medication.system,
        dosage=dosage, quantity=quantity, refills=refills, issued_at=clock.now(),
    )  # fmt: skip
    remember(actor, PRESCRIPTION, row, "issue", None, row.status)
    commands.publish(PrescriptionIssued.of(row, key=row.episode_locator))
    return PrescriptionView.seen_by(actor, row)


@command(Permission.PRESCRIPTION_VIEW)  # move() asks for the permission of the move itself
def act(
    actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None
) -> PrescriptionView:
    """Fill a prescription or void it; both work after the episode has ended, too (design §5)."""
    _, row = episodes.lock_inside(actor, prescription_rows(actor), PRESCRIPTIONS.locator == locator)
    check_version(row, version)
    voided: dict[str, Any] = {"void_reason": reason} if action == "void" else {}
    changed = move(actor, PRESCRIPTION, Prescription, row, action, reason=reason, **voided)
    return PrescriptionView.seen_by(actor, row, **changed._mapping)


def void_unfilled_prescriptions(actor: Actor, event: Event) -> None:
    """Reaction to a cancelled episode: void what no pharmacy has handed out yet."""
    statement = (
        prescription_rows(actor)
        .where(EPISODES.locator == event.subject, PRESCRIPTIONS.status == ISSUED)
        .order_by(PRESCRIPTIONS.id)
    )
    for row in db.session.execute(statement.with_for_update(of=table_of(Prescription))).all():
        move(actor, PRESCRIPTION, Prescription, row, "void")
