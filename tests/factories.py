"""Factories: what a test needs to begin with, made through the same commands that people use."""

from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from careapp import clock
from careapp.access import Actor, Role
from careapp.clinics import service as clinics
from careapp.clinics.views import ClinicView
from careapp.episodes import service as episodes
from careapp.episodes.views import EpisodeView
from careapp.identity import service_clients, users
from careapp.identity.actors import actor_of_email
from careapp.identity.service_clients import ServiceClientView
from careapp.patients import confidentiality
from careapp.patients import service as patients
from careapp.patients.views import HumanName, PatientView
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.views import Medication, PrescriptionView
from careapp.providers import service as providers
from careapp.providers.views import ProviderView
from careapp.referrals import service as referrals
from careapp.referrals.views import ReferralView
from careapp.scheduling import appointments, slots
from careapp.scheduling.views import AppointmentView, SlotView

TURNING = timedelta(minutes=5)  # longer than any test, so that the hour turns once at most while one runs
_numbers = count(1)
_hour: list[datetime] = []


def begin_a_test() -> None:
    """The hour is the present one again."""
    _hour.clear()


def soon(hours: float = 1) -> datetime:
    """A full hour in the near future, in UTC; what two calls of one test give lies as far apart as they say, even where
    the hour turns between them.
    """
    now = clock.now().astimezone(UTC)
    full = now.replace(minute=0, second=0, microsecond=0)
    if not (_hour and full - _hour[0] == timedelta(hours=1) and now - full < TURNING):
        _hour[:] = [full]
    return _hour[0] + timedelta(hours=1 + hours)


def mid_week() -> int:
    """Hours from the next full hour to a Wednesday that is not this week's, about noon in Yangon: nothing near it
    crosses into another week or day.
    """
    now = soon(0)
    wednesday = (now + timedelta(days=(2 - now.weekday()) % 7 + 7)).replace(hour=5)
    return round((wednesday - now).total_seconds() / 3600)


def a_patient(actor: Actor, **fields: Any) -> PatientView:
    """An invented person."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "name": HumanName(family=f"Testowa{number}", given=["Daw", "Hla"]), "birth_date": date(1980, 5, 17),
        "gender": "female",
    }  # fmt: skip
    return patients.register(actor, **{**values, **fields})


def a_restricted_patient(actor: Actor, **fields: Any) -> PatientView:
    """An invented person whose record only the care team may read."""
    patient = a_patient(actor, **fields)
    confidentiality.restrict(actor, patient.locator, reason="Known to the staff in person")
    return patient


def a_person(actor: Actor, *roles: Role, provider: ProviderView | None = None, **fields: Any) -> Actor:
    """Somebody of the staff with these roles, and perhaps a provider himself, as the actor he is when he signs in."""
    number = next(_numbers)
    if provider is not None:
        fields["provider_id"] = int(provider.locator.rsplit("-", 1)[1])
    made = users.create_user(
        actor, email=f"person{number}@{actor.tenant_key}.example", name=f"Person {number}", roles=roles,
        password="seven red kites over Bagan", **fields,
    )  # fmt: skip
    found = actor_of_email(made.email)
    assert found is not None
    return found


def a_service_client(actor: Actor, *, name: str = "Laboratory") -> ServiceClientView:
    """A program of another system that may read patients; nobody keeps its secret."""
    return service_clients.create_client(actor, name=name, roles=[Role.CLINICIAN], scopes=["patient.read"])[0]


def a_clinic(actor: Actor, *, name: str = "Riverside Clinic", time_zone: str = "Asia/Yangon") -> ClinicView:
    """A clinic."""
    return clinics.create_clinic(actor, name=name, time_zone=time_zone)


def a_provider(actor: Actor, *, active: bool = True, **fields: Any) -> ProviderView:
    """A provider who takes part in the network, unless told otherwise."""
    values = {"name": f"Dr Provider {next(_numbers)}", "specialty": "GENERAL_PRACTICE", **fields}
    made = providers.create_provider(actor, **values)
    return providers.act(actor, made.locator, action="activate") if active else made


def a_slot(
    actor: Actor, provider: ProviderView | None = None, *, hours: float = 1, minutes: int = 30, capacity: int = 1,
    clinic: ClinicView | None = None,
) -> SlotView:  # fmt: skip
    """A slot that begins `hours` from the next full hour on."""
    provider = provider or a_provider(actor)
    start = soon(hours)
    return slots.add_slot(
        actor, provider.locator, start=start, end=start + timedelta(minutes=minutes), capacity=capacity,
        clinic_locator=clinic.locator if clinic else None,
    )  # fmt: skip


def an_episode(actor: Actor, patient: PatientView | None = None, **fields: Any) -> EpisodeView:
    """An open episode."""
    patient = patient or a_patient(actor)
    return episodes.open_episode(actor, party_locator=patient.locator, **{"care_type": "GP", **fields})


def an_appointment(
    actor: Actor,
    episode: EpisodeView | None = None,
    slot: SlotView | None = None,
    *,
    status: str = "PENDING",
    **fields: Any,
) -> AppointmentView:
    """An appointment, taken through the moves that lead to `status`."""
    episode, slot = episode or an_episode(actor), slot or a_slot(actor)
    made = appointments.book(actor, episode.locator, slot_locator=slot.locator, **fields)
    for action in PATHS[status]:
        made = appointments.act(actor, made.locator, action=action)
    return made


PATHS: dict[str, tuple[str, ...]] = {
    "PENDING": (),
    "BOOKED": ("accept",),
    "CONFIRMED": ("confirm",),
    "ARRIVED": ("arrive",),
    "IN_PROGRESS": ("arrive", "start"),
    "ATTENDED": ("accept", "attend"),
    "CANCELLED": ("cancel",),
    "NO_SHOW": ("no-show",),
}


def a_prescription(actor: Actor, episode: EpisodeView | None = None, *, status: str = "ISSUED") -> PrescriptionView:
    """A prescription."""
    episode = episode or an_episode(actor)
    made = prescriptions.issue(
        actor, episode.locator, medication=Medication(text="Amoxicillin 500 mg capsule"),
        dosage="1 capsule three times a day for 7 days", provider_locator=a_provider(actor).locator, quantity=21,
    )  # fmt: skip
    action = {"ISSUED": None, "FILLED": "fill", "VOID": "void"}[status]
    return prescriptions.act(actor, made.locator, action=action) if action else made


def a_referral(actor: Actor, episode: EpisodeView | None = None, *, status: str = "REFERRED") -> ReferralView:
    """A referral, taken through the moves that lead to `status`."""
    episode = episode or an_episode(actor)
    made = referrals.refer(actor, episode.locator, type="LAB", reason="Full blood count")
    paths = {"REFERRED": (), "BOOKED": ("book",), "COMPLETED": ("book", "complete"), "CANCELLED": ("cancel",)}
    for action in paths[status]:
        made = referrals.act(actor, made.locator, action=action)
    return made
