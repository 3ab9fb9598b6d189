"""What the safety checks look at: the patient's allergies, what he takes, and what the coded list knows of it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, all_, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from careapp import clock
from careapp.access import Actor, Permission
from careapp.commands import query, record_read
from careapp.db import at_most, db, table_of, written_out
from careapp.episodes.service import readable_episode
from careapp.errors import Invalid, Sentence
from careapp.kept import built_once
from careapp.lifecycle import HISTORY
from careapp.patients.models import FACTS
from careapp.patients.states import NONE_KNOWN
from careapp.prescriptions import checks
from careapp.prescriptions.checks import Allergy, Checks, Earlier, Ordered
from careapp.prescriptions.dosage import Dosage, supply_days
from careapp.prescriptions.dosage_fhir import from_fhir
from careapp.prescriptions.models import PRESCRIPTIONS, Prescription
from careapp.prescriptions.states import FILLED, ISSUED, PRESCRIPTION
from careapp.prescriptions.views import Medication
from careapp.terminology import queries as terminology
from careapp.terminology.names import us_words
from careapp.terminology.views import RXNORM, MedicineView, Substance

COLLECTED_WITHIN = timedelta(days=365)  # a prescription nobody has filled for a year will not be
MOST_EARLIER = 200


class Warned(Invalid):
    """The checks have found something, or could not look at something: the prescription is issued once a reason is
    given for exactly that, or, where nothing was found, somebody says that he has looked himself.

    `checks` is what they said.
    """

    def __init__(self, said: Checks) -> None:
        if said.asks:
            errors = {"overrideReason": Sentence("Say why it is prescribed all the same.")}
            detail = "The safety checks have found something."
        else:
            errors = {"looked": Sentence("Look yourself, then tick this.")}
            detail = "Something could not be checked."
        super().__init__(errors, code="CHECKS_WARN", detail=detail)
        self.checks = said


@query(Permission.PRESCRIPTION_WRITE)
def check_medicine(
    actor: Actor, episode_locator: str, medication: Medication, parts: Dosage | None = None,
    quantity: int | None = None,
) -> Checks:  # fmt: skip
    """What the checks would say to this order for the patient of an episode; raises NotFound and Restricted."""
    row = readable_episode(actor, episode_locator)
    record_read("prescription.check", episode_locator, patients=(row.party_locator,))
    return run_checks(actor, row, medication, parts, quantity)


def run_checks(
    actor: Actor, episode: Row[Any], medication: Medication, parts: Dosage | None, quantity: int | None
) -> Checks:
    """The checks of an order against what is known of an episode's patient, inside a command or query."""
    given = {"the_tenant": actor.tenant_id, "the_patient": episode.patient_id}
    facts = db.session.execute(_allergies(), given).all()
    earlier = db.session.execute(_earlier(), {**given, "since": clock.now() - COLLECTED_WITHIN}).all()
    earlier = [row for row in earlier if _still_taken(row)]
    texts = [medication.text, *(row.text for row in facts), *(row.medication_text for row in earlier)]
    coded = [(medication.code, medication.system), *((row.code, row.system) for row in facts)]
    coded += [(row.medication_code, row.medication_system) for row in earlier]
    concepts = concepts_of(coded, texts)
    known = named_ingredients(concepts)
    said = checks.check(
        _ordered(medication.text, medication.code, medication.system, concepts),
        [
            Allergy(
                text=row.text,
                code=row.code,
                system=row.system,
                ingredients=ingredients_of(row.code, row.system, concepts),
            )
            for row in facts
        ],
        [_an_earlier(row, concepts) for row in earlier],
        known,
        list_loaded=bool(concepts) or terminology.list_in_use(actor) is not None,
        parts=parts,
        quantity=quantity,
    )
    return _with_known(actor, episode.id, said) if said.gaps else said


def _with_known(actor: Actor, episode_id: int, said: Checks) -> Checks:
    """The same, with those gaps marked that somebody has acknowledged in this episode."""
    stored = db.session.scalars(_acknowledged(), {"the_tenant": actor.tenant_id, "the_episode": episode_id})
    known = {gap.same for one in stored for gap in Checks.model_validate(one).gaps}
    gaps = tuple(gap.model_copy(update={"known": gap.same in known}) for gap in said.gaps)
    return said.model_copy(update={"gaps": gaps})


@built_once
def _acknowledged() -> Select[Any]:
    return select(PRESCRIPTIONS.checks).where(
        PRESCRIPTIONS.tenant_id == bindparam("the_tenant"), PRESCRIPTIONS.episode_id == bindparam("the_episode"),
        PRESCRIPTIONS.checks["acknowledged"].as_boolean(),
    )  # fmt: skip


def concepts_of(coded: Iterable[tuple[str | None, str | None]], texts: Sequence[str]) -> dict[str, MedicineView]:
    """What the list knows of these codes and words, by code; in one statement."""
    codes = {code for code, system in coded if code and _is_rxnorm(system)}
    words = {word for text in texts for word in us_words(text)}
    return {one.code: one for one in terminology.concepts(sorted(codes), sorted(words))}


def named_ingredients(concepts: dict[str, MedicineView]) -> list[Substance]:
    """The ingredients among what the list knows, which texts may name."""
    return [Substance(code=one.code, name=one.name) for one in concepts.values() if one.term_type == "IN"]


def ingredients_of(
    code: str | None, system: str | None, concepts: dict[str, MedicineView]
) -> Sequence[Substance] | None:
    """What is in a medicine of the list, None for a code it does not know."""
    known = concepts.get(code) if code and _is_rxnorm(system) else None
    return known.ingredients if known else None


def _ordered(text: str, code: str | None, system: str | None, concepts: dict[str, MedicineView]) -> Ordered:
    return Ordered(text=text, code=code, system=system, ingredients=ingredients_of(code, system, concepts))


def _an_earlier(row: Row[Any], concepts: dict[str, MedicineView]) -> Earlier:
    medicine = _ordered(row.medication_text, row.medication_code, row.medication_system, concepts)
    return Earlier(locator=row.locator, medicine=medicine, issued_at=row.issued_at)


def _is_rxnorm(system: str | None) -> bool:
    """Whether a code is RxNorm's; one without a system is taken for it, as RxNorm is the list in use."""
    return system is None or system.rstrip("/").lower() == RXNORM


def _still_taken(row: Row[Any]) -> bool:
    """Whether a prescription may still be collected, or its supply lasts."""
    if row.status == ISSUED:
        return True
    days = supply_days(from_fhir(row.dosage_parts), row.quantity, row.refills)
    return bool((row.filled_at or row.issued_at) + timedelta(days=days) >= clock.now())


@built_once
def _allergies() -> Select[Any]:
    """The allergies of a patient that still hold, as the banner shows them: "no known allergies" is none."""
    known = func.coalesce(FACTS.code, "") != all_(literal(sorted(NONE_KNOWN), ARRAY(Text)))
    return (
        select(FACTS.text, FACTS.code, FACTS.system)
        .where(FACTS.tenant_id == bindparam("the_tenant"), FACTS.patient_id == bindparam("the_patient"))
        .where(FACTS.kind == "ALLERGY", FACTS.abated_at.is_(None), known)
        .order_by(FACTS.id)
    )


@built_once
def _earlier() -> Select[Any]:
    return (
        select(
            PRESCRIPTIONS.locator, PRESCRIPTIONS.medication_text, PRESCRIPTIONS.medication_code,
            PRESCRIPTIONS.medication_system, PRESCRIPTIONS.quantity, PRESCRIPTIONS.refills, PRESCRIPTIONS.status,
            PRESCRIPTIONS.issued_at, PRESCRIPTIONS.dosage_parts, _filled_at(),
        )
        .where(PRESCRIPTIONS.tenant_id == bindparam("the_tenant"), PRESCRIPTIONS.patient_id == bindparam("the_patient"))
        .where(PRESCRIPTIONS.issued_at >= bindparam("since"), PRESCRIPTIONS.status.in_(written_out((ISSUED, FILLED))))
        .order_by(PRESCRIPTIONS.issued_at.desc(), PRESCRIPTIONS.id.desc())
        .limit(at_most(MOST_EARLIER))
    )  # fmt: skip


def _filled_at() -> ColumnElement[Any]:
    """When a pharmacy handed it out, which may be months after the issue: from then on the supply lasts."""
    of_it = (HISTORY.tenant_id == PRESCRIPTIONS.tenant_id, HISTORY.entity_id == PRESCRIPTIONS.id)
    filled = select(HISTORY.at).where(*of_it, HISTORY.entity == PRESCRIPTION.entity, HISTORY.to_status == FILLED)
    newest = filled.order_by(HISTORY.id.desc()).limit(at_most(1)).correlate(table_of(Prescription))
    return newest.scalar_subquery().label("filled_at")
