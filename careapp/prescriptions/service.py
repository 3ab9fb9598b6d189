"""Commands on prescriptions: issue, fill, void."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Row, Select, bindparam, literal, select

from careapp import clock, commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.crypto import OfRow
from careapp.db import at_most, db, insert, table_of
from careapp.disclosure import reading
from careapp.disclosure.people import who_did_for
from careapp.disclosure.stewards import refuse_erased
from careapp.episodes import service as episodes
from careapp.episodes.models import EPISODES, Episode
from careapp.errors import Conflict, Invalid, Sentence
from careapp.kept import keep
from careapp.lifecycle import HISTORY, StatusChange, check_version, move, remember
from careapp.outbox.events import Event
from careapp.patients.models import PATIENTS, Patient
from careapp.prescriptions.checks import CLEAR, Checks
from careapp.prescriptions.dosage import Dosage
from careapp.prescriptions.dosage_fhir import to_fhir
from careapp.prescriptions.events import PrescriptionIssued
from careapp.prescriptions.models import PRESCRIPTIONS, Prescription
from careapp.prescriptions.safety import Warned, run_checks
from careapp.prescriptions.states import ISSUED, PRESCRIPTION
from careapp.prescriptions.views import Medication, Override, PrescriptionView
from careapp.providers.models import PROVIDERS, Provider
from careapp.providers.states import ACTIVE as PARTICIPATES


def prescription_rows(actor: Actor) -> Select[Any]:
    """The tenant's prescriptions, with the locators of all they belong to."""
    return all_prescriptions(actor.tenant_id)


def all_prescriptions(tenant: int | BindParameter[int]) -> Select[Any]:
    """The same of the tenant that is given when the statement runs."""
    return (
        select(
            *PRESCRIPTIONS,
            EPISODES.locator.label("episode_locator"),
            PATIENTS.locator.label("party_locator"),
            PATIENTS.confidentiality,
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
        .where(PRESCRIPTIONS.tenant_id == tenant)
    )


def entered_by() -> ColumnElement[Any]:
    """Who issued each of these prescriptions, by name, where that was not the prescriber himself; else None."""
    of_it = (HISTORY.tenant_id == PRESCRIPTIONS.tenant_id, HISTORY.entity_id == PRESCRIPTIONS.id)
    issued = (
        select(who_did_for(PRESCRIPTIONS.provider_id, HISTORY))
        .select_from(table_of(StatusChange))
        .where(*of_it, HISTORY.entity == PRESCRIPTION.entity, HISTORY.action == "issue")
        .order_by(HISTORY.id)
        .limit(at_most(1))
        .correlate(table_of(Prescription))
    )
    return issued.scalar_subquery().label("entered_by")


@command(Permission.PRESCRIPTION_WRITE)
def issue(
    actor: Actor, episode_locator: str, *, medication: Medication, dosage: str, provider_locator: str,
    quantity: int | None = None, refills: int | None = None, parts: Dosage | None = None, interrupt: bool = False,
    override: Override | None = None,
) -> PrescriptionView:  # fmt: skip
    """Order a medicine for the episode's patient. Raises NotFound, Restricted, Conflict EPISODE_NOT_OPEN, Invalid
    naming providerLocator for an unknown provider, and Conflict PROVIDER_NOT_PARTICIPATING as booking does.

    What the safety checks say is always stored. With `interrupt` (people, who can answer) what they found, or could not
    look at, raises Warned until `override` answers exactly that; a system's order, as over the API, is not held up.
    """
    episode = episodes.lock_episode(actor, episode_locator)
    patient, provider = _hold(actor, episode.patient_id, provider_locator)
    reading.require(actor, patient)
    episodes.require_open(episode)
    provider_id = _prescriber(provider)
    said = _answered(run_checks(actor, episode, medication, parts, quantity), override, interrupt)
    reason = override.reason.strip() or None if said.acknowledged and override else None
    known = {
        "episode_locator": episode.locator,
        "party_locator": episode.party_locator,
        "confidentiality": patient.confidentiality,
        "provider_locator": provider_locator,
    }
    row = insert(
        Prescription, *PRESCRIPTIONS, *(literal(value).label(name) for name, value in known.items()),
        tenant_id=actor.tenant_id, episode_id=episode.id, patient_id=episode.patient_id, provider_id=provider_id,
        medication_text=medication.text, medication_code=medication.code, medication_system=medication.system,
        dosage=dosage, dosage_parts=parts and to_fhir(parts), quantity=quantity, refills=refills, issued_at=clock.now(),
        checks={"state": said.state, **said.model_dump(mode="json")}, override_reason=reason,
    )  # fmt: skip
    episodes.taken_up(actor, episode, provider_id)
    remember(actor, PRESCRIPTION, row, "issue")
    _record_checks(row, said)
    commands.publish(PrescriptionIssued.of(row, key=row.episode_locator))
    return PrescriptionView.seen_by(actor, row)


def _answered(said: Checks, override: Override | None, interrupt: bool) -> Checks:
    """What the checks said, `acknowledged` where it was answered: by a reason given for just this, or where nothing but
    looking is asked for, by having looked. Raises Warned where an answer is asked for and none is there."""
    given = override if override and override.key == said.key else None
    answered = bool(given and (given.reason.strip() or (given.looked and not said.asks)))
    asked = said.asks or said.asks_to_look
    if interrupt and asked and not answered:
        raise Warned(said)
    return said.model_copy(update={"acknowledged": asked and answered})


# Orders of one patient, in whichever episodes, and what is recorded of his allergies take turns, so that the checks
# miss none; who may see them is asked of the record as it is then. The lock on the prescriber is the one the foreign
# key takes all the same; taken here, it waits for a deactivation that runs now.
_HOLD_PATIENT = keep(
    select(PATIENTS.id.label("patient_id"), PATIENTS.locator.label("party_locator"), PATIENTS.confidentiality)
    .where(PATIENTS.tenant_id == bindparam("tenant"), PATIENTS.id == bindparam("the_patient"))
    .with_for_update(key_share=True)
)
_HOLD_PROVIDER = keep(
    select(PROVIDERS.id, PROVIDERS.status)
    .where(PROVIDERS.tenant_id == bindparam("tenant"), PROVIDERS.locator == bindparam("the_provider"))
    .with_for_update(read=True, key_share=True)
)


def _hold(actor: Actor, patient_id: int, provider_locator: str) -> tuple[Row[Any], Row[Any] | None]:
    """The patient, and the provider with this locator, if there is one; both as they are until the order stands."""
    patient, provider = db.session.execute_each([
        (_HOLD_PATIENT, {"tenant": actor.tenant_id, "the_patient": patient_id}),
        (_HOLD_PROVIDER, {"tenant": actor.tenant_id, "the_provider": provider_locator}),
    ])  # fmt: skip
    return patient.one(), provider.one_or_none()


def _prescriber(provider: Row[Any] | None) -> int:
    """The id of who may be named as prescriber; raises Invalid naming providerLocator, and Conflict."""
    if provider is None:
        raise Invalid({"providerLocator": Sentence("There is no provider with this locator.")})
    if provider.status != PARTICIPATES:
        raise Conflict(
            "The provider does not take part in the network at present.", code="PROVIDER_NOT_PARTICIPATING"
        )  # fmt: skip
    return int(provider.id)


def _record_checks(row: Row[Any], said: Checks) -> None:
    """Tell the audit what kind of thing the checks found or could not look at, and whether somebody answered that he
    goes on. Words of medicines and reasons stand with the prescription alone: the audit holds no free text.
    """
    if said.state == CLEAR:
        return
    found = [one.model_dump(include={"kind", "how", "group", "locator"}, exclude_none=True) for one in said.findings]
    commands.record(
        "prescription.checks", row.locator, patients=(row.party_locator,), state=said.state, findings=found,
        slips=[one.what for one in said.slips], notChecked=sorted({gap.why for gap in said.gaps}),
        overridden=said.acknowledged,
    )  # fmt: skip


@command(Permission.PRESCRIPTION_VIEW)  # move() asks for the permission of the move itself
def act(
    actor: Actor, locator: str, *, action: str, version: int | None = None, reason: str | None = None
) -> PrescriptionView:
    """Fill a prescription or void it; both work after the episode has ended, too (design §5)."""
    _, row = episodes.lock_inside(actor, prescription_rows(actor).where(PRESCRIPTIONS.locator == locator))
    reading.require(actor, row)
    patient = (PATIENTS.tenant_id == actor.tenant_id, PATIENTS.id == row.patient_id)
    refuse_erased(db.session.execute(select(PATIENTS.erased_at).where(*patient)).one())
    check_version(row, version)
    voided: dict[str, Any] = {"void_reason": OfRow(reason, row.id) if reason else None} if action == "void" else {}
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
