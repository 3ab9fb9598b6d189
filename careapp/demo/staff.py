"""The people and places of a demo tenant: clinics, providers, users who can sign in, and patients."""

from dataclasses import dataclass
from random import Random

from sqlalchemy import select

from careapp.access import Actor, Role
from careapp.clinics import service as clinics
from careapp.clinics.models import CLINICS
from careapp.clinics.views import ClinicView
from careapp.db import at_most, db
from careapp.demo.blueprints import Blueprint, ProviderPlan
from careapp.demo.names import Person, people
from careapp.demo.texts import FACTS, SNOMED
from careapp.identity import users
from careapp.identity.actors import actor_of_email
from careapp.patients import history as facts
from careapp.patients import service as patients
from careapp.patients.facts import NONE_KNOWN_TEXT
from careapp.patients.models import PATIENTS
from careapp.patients.states import ALLERGY, NO_KNOWN_ALLERGY
from careapp.patients.views import ContactPoint
from careapp.providers import service as providers
from careapp.providers.models import PROVIDERS
from careapp.providers.queries import provider_rows
from careapp.providers.views import ProviderView

PASSWORD = "careapp demo clinic"  # of invented people, in demo data only
NAMES = {
    Role.ADMIN: "Su Myat Noe", Role.CLINICIAN: "Dr Thandar Hlaing", Role.FRONT_DESK: "Wai Yan Aung",
    Role.AUDITOR: "Freya Ollivander-Kyi",
}  # fmt: skip
SHARE_WITH_FACTS, SHARE_ASKED = 0.35, 0.7  # asked about allergies when they registered


@dataclass(frozen=True)
class Staff:
    """Those who act in the demo's stories."""

    admin: Actor
    clinician: Actor
    front_desk: Actor


def addresses(blueprint: Blueprint) -> dict[Role, str]:
    """With which address each role signs in."""
    return {role: f"{role.value.replace('_', '')}@{blueprint.mail_domain}" for role in NAMES}


def make_places_and_staff(actor: Actor, blueprint: Blueprint) -> None:
    """Enter clinics, providers with their network status, and one user for each role."""
    places = [
        clinics.create_clinic(actor, name=plan.name, time_zone=plan.time_zone, address=plan.address, phone=plan.phone)
        for plan in blueprint.clinics
    ]
    for plan, npi in zip(blueprint.providers, blueprint.npis(), strict=True):
        _provider(actor, plan, npi, places[plan.clinic])
    first_provider = db.session.execute(
        select(PROVIDERS.id).where(PROVIDERS.tenant_id == actor.tenant_id).order_by(PROVIDERS.id).limit(at_most(1))
    ).scalar_one()
    for role, email in addresses(blueprint).items():
        users.create_user(
            actor, email=email, name=NAMES[role] if role is not Role.CLINICIAN else blueprint.providers[0].name,
            password=PASSWORD, roles=[role], provider_id=first_provider if role is Role.CLINICIAN else None,
        )  # fmt: skip


def make_patients(actor: Actor, blueprint: Blueprint) -> None:
    """Register the blueprint's people: some have a condition or an allergy, others are known to have no allergy."""
    random = Random(f"{blueprint.seed}/patients")
    for person in people(random, blueprint.patients):
        known = random.sample(FACTS, random.choice((1, 1, 2))) if random.random() < SHARE_WITH_FACTS else []
        if random.random() < SHARE_ASKED and not any(kind == ALLERGY for kind, _, _ in known):
            known.append((ALLERGY, NONE_KNOWN_TEXT, NO_KNOWN_ALLERGY))
        patient_id = _patient(actor, person)
        for kind, text, code in known:
            facts.add_fact(actor, patient_id, kind=kind, text=text, code=code, system=SNOMED, status="active")


def staff_of(blueprint: Blueprint) -> Staff:
    """The demo users who act; to be asked outside any transaction."""
    found = {role: actor_of_email(email) for role, email in addresses(blueprint).items()}
    return Staff(*(_known(found[role]) for role in (Role.ADMIN, Role.CLINICIAN, Role.FRONT_DESK)))


def places_of(actor: Actor) -> list[ClinicView]:
    """The tenant's clinics in the order they were entered: the blueprint's."""
    return [
        ClinicView.of(row)
        for row in db.session.execute(select(*CLINICS).where(CLINICS.tenant_id == actor.tenant_id).order_by(CLINICS.id))
    ]


def providers_of(actor: Actor) -> list[ProviderView]:
    """The tenant's providers in the order they were entered: the blueprint's."""
    return ProviderView.of_each(db.session.execute(provider_rows(actor).order_by(PROVIDERS.id)))


def parties_of(actor: Actor) -> list[str]:
    """The locators of the tenant's patients in the order they were registered: the blueprint's."""
    return list(
        db.session.execute(
            select(PATIENTS.locator).where(PATIENTS.tenant_id == actor.tenant_id).order_by(PATIENTS.id)
        ).scalars()
    )


def _known(actor: Actor | None) -> Actor:
    """The actor, who must be there: whoever disabled a demo user before the demo was complete has stopped it."""
    if actor is None:
        raise RuntimeError("a demo user is gone or disabled, so the demo cannot be completed")
    return actor


def _provider(actor: Actor, plan: ProviderPlan, npi: str, clinic: ClinicView) -> ProviderView:
    made = providers.create_provider(
        actor, name=plan.name, specialty=plan.specialty, npi=npi, clinic_locators=[clinic.locator]
    )
    for action in {"PENDING": (), "ACTIVE": ("activate",), "INACTIVE": ("activate", "deactivate")}[plan.network]:
        made = providers.act(actor, made.locator, action=action)
    return made


def _patient(actor: Actor, person: Person) -> int:
    telecom = [ContactPoint(system="phone", value=person.phone, use="mobile")]
    if person.email:
        telecom.append(ContactPoint(system="email", value=person.email))
    made = patients.register(actor, name=person.name, birth_date=person.born, gender=person.gender, telecom=telecom)
    statement = select(PATIENTS.id).where(PATIENTS.tenant_id == actor.tenant_id, PATIENTS.locator == made.locator)
    return int(db.session.execute(statement).scalar_one())
