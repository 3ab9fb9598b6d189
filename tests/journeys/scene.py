"""A clinic in the middle of its morning: a tenant with something to show on every page, served at a stopped clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from apiflask import APIFlask
from sqlalchemy import select

from careapp import clock
from careapp.access import Actor, Role
from careapp.commands import record, system_transaction, unit_of
from careapp.db import db
from careapp.identity import drafts
from careapp.identity.actors import actor_of_email
from careapp.operations.tenants import create_tenant
from careapp.patients import history as facts
from careapp.patients.views import ContactPoint, HumanName, Identifier
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.dosage import Dosage
from careapp.prescriptions.favourites import keep_favourite
from careapp.prescriptions.views import Medication
from careapp.providers.models import PROVIDERS
from careapp.scheduling import appointments, slots
from careapp.terminology.views import RXNORM
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.identity.people import a_user
from tests.looking import id_of

TEN = datetime(2027, 3, 10, 3, 40, tzinfo=UTC)  # 10:10 in Yangon, a Wednesday
MINUTES = timedelta(minutes=1)
REACHED_BY = [ContactPoint(system="phone", value="09 555 0101"), ContactPoint(system="email", value="mya@home.example")]
AMOXICILLIN = Medication(text="amoxicillin 500 MG Oral Capsule", code="308191", system=RXNORM)
# What the visits of a morning have come to, in turn.
MIXED = ("BOOKED", "ARRIVED", "CONFIRMED", "IN_PROGRESS", "PENDING", "ATTENDED", "NO_SHOW", "CANCELLED", "BOOKED")
FAMILIES = ("Htut", "Win", "Maung", "Soe", "Khin", "Lwin", "Oo", "Zaw", "Thein", "Aye")


@dataclass(frozen=True)
class Scene:
    """A clinic, its staff by role (e-mail addresses; `everybody` has every role), and what it has of each kind."""

    actor: Actor
    clinic: Any
    doctors: list[Any]
    visits: list[Any]
    free: list[Any]
    patient: Any
    episode: Any
    prescription: Any
    referral: Any
    emails: dict[Role, str]
    everybody: str


class StoppedClock:
    """The application as it answers at one moment, which a test may move on."""

    def __init__(self, app: APIFlask, moment: datetime = TEN) -> None:
        self.app, self.moment = app, moment

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request; each has a thread of its own, and so a clock of its own."""
        with clock.at(self.moment):
            return self.app(environ, start_response)


def a_tenant(app: APIFlask, key: str, **fields: Any) -> Actor:
    """Somebody who may do everything in a new tenant that several tests share."""
    made = create_tenant(
        app.config["DATABASE_OWNER_URL"], key=key, name="Riverside Clinics", **{"time_zone": "Asia/Yangon", **fields}
    )
    return everything(TestTenant(made, key))


def a_scene(actor: Actor, *, now: datetime = TEN, visits: int = 10) -> Scene:
    """The clinic at `now`, with so many visits in its day, free slots after them, and staff of every role."""
    with clock.at(now - timedelta(days=2)):
        clinic = make.a_clinic(actor)
        make.a_clinic(actor, name="Hlaing Clinic")
        doctors = [
            make.a_provider(actor, name=name, clinic_locators=[clinic.locator])
            for name in ("Dr Thiri Aung", "Dr Min Thu", "Dr Khin Sandar")
        ]
    booked = [_a_visit(actor, clinic, doctors[one % 3], now, one, visits) for one in range(visits)]
    with clock.at(now):
        free = [_a_slot(actor, clinic, doctors[1], now + timedelta(hours=6, minutes=30 * one)) for one in range(4)]
        free += [_a_slot(actor, clinic, doctors[1], now + timedelta(days=1, minutes=30 * one)) for one in range(3)]
        slots.act(actor, free[3].locator, action="block", reason="Fire drill")
        patient = make.a_patient(
            actor, name=HumanName(family="Sein", given=["Daw", "Mya", "Mya"]), telecom=REACHED_BY,
            identifiers=[Identifier(system="National registration", value="12/ABC(N)123456")],
        )  # fmt: skip
        _allergic(actor, patient)
        episode = make.an_episode(actor, patient, reason="Cough since Monday")
        later = make.an_appointment(actor, episode, free[4], status="CONFIRMED")
        prescription = prescriptions.issue(
            actor, episode.locator, medication=AMOXICILLIN, dosage="Take 1 capsule by mouth three times a day.",
            provider_locator=doctors[0].locator, quantity=21,
        )  # fmt: skip
        referral = make.a_referral(actor, episode)
        make.a_service_client(actor)
        emails, everybody = _staff(actor, doctors[0])
    return Scene(
        actor, clinic, doctors, [later, *booked], free, patient, episode, prescription, referral, emails, everybody
    )


def leave_unfinished(scene: Scene) -> None:
    """Leave forms about the scene's episode half filled in, by the one who has every role, and a favourite of his."""
    somebody = actor_of_email(scene.everybody)
    assert somebody
    assert somebody.user_id
    inside = f"/episodes/{scene.episode.locator}"
    for form, fields in (
        ("referrals/new", [("reason", "Cough for three weeks"), ("facility", "City laboratory")]),
        ("prescriptions/new", [("medication", "Ointment"), ("instruction", "Not on the face"), ("dosage", "Thinly")]),
        ("close", [("summary", "Recovered")]),
    ):
        drafts.keep(somebody.tenant_id, somebody.user_id, f"{inside}/{form}", fields)
    parts = Dosage(dose=Decimal(1), unit="tablet", as_needed=True, reason="Pain", instruction="With water")
    keep_favourite(somebody, medication=Medication(text="Paracetamol"), dosage="1 tablet for pain", parts=parts)


def _a_slot(actor: Actor, clinic: Any, doctor: Any, start: datetime, minutes: int = 30) -> Any:
    start = start.replace(minute=start.minute // 10 * 10)
    return slots.add_slot(
        actor, doctor.locator, start=start, end=start + minutes * MINUTES, clinic_locator=clinic.locator
    )


def _a_visit(actor: Actor, clinic: Any, doctor: Any, now: datetime, number: int, of: int) -> Any:
    """A visit of the day, made two days before and come to one of the states of `MIXED`."""
    status = MIXED[number % len(MIXED)]
    start = now + (number // 3 - min(of // 6, 6)) * 20 * MINUTES
    with clock.at(now - timedelta(days=2)):
        slot = _a_slot(actor, clinic, doctor, start, 20)
        name = HumanName(family=FAMILIES[number % 10], given=["Daw", f"Hla{number}"])
        episode = make.an_episode(actor, make.a_patient(actor, name=name))
        made = appointments.book(actor, episode.locator, slot_locator=slot.locator)
        for action in {"CONFIRMED": ("confirm",), "PENDING": ()}.get(status, ("accept",)):
            made = appointments.act(actor, made.locator, action=action)
    with clock.at(max(now - 25 * MINUTES, min(now, start + 15 * MINUTES))):
        moves = {"ARRIVED": ("arrive",), "IN_PROGRESS": ("arrive", "start"), "ATTENDED": ("attend",)}
        moves |= {"NO_SHOW": ("no-show",), "CANCELLED": ("cancel",)}
        for action in moves.get(status, ()):
            made = appointments.act(actor, made.locator, action=action)
    return made


def _allergic(actor: Actor, patient: Any) -> None:
    """Put an allergy to penicillin on the patient's record, as an import does."""
    with unit_of(actor, name="test"):
        facts.add_fact(
            actor, id_of(actor, "patients", patient.locator), kind="ALLERGY", text="Penicillin", code=None, system=None,
            status="active",
        )  # fmt: skip
        record("test.allergy")


def _staff(actor: Actor, doctor: Any) -> tuple[dict[Role, str], str]:
    """A user of each role and one of all; those who treat patients are the doctor."""
    with system_transaction(actor.tenant_id):
        wanted = PROVIDERS.locator == doctor.locator
        own = db.session.scalars(select(PROVIDERS.id).where(wanted)).one()
    emails = {role: a_user(actor, role, provider_id=own if role == Role.CLINICIAN else None).email for role in Role}
    return emails, a_user(actor, *Role, provider_id=own, name="Ma Ei Phyu").email
