"""One good request for every endpoint of the JSON surfaces, with what it needs to exist: the tests vary these."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from careapp.access import Actor
from careapp.episodes.states import EPISODE
from careapp.lifecycle import Lifecycle
from careapp.prescriptions.states import PRESCRIPTION
from careapp.providers.states import NETWORK
from careapp.referrals.states import REFERRAL
from careapp.scheduling import slots
from careapp.scheduling.states import APPOINTMENT, SLOT
from tests import factories as make

Scene = Callable[[Actor], "Call"]


@dataclass(frozen=True)
class Call:
    """A request: `template` has `{locator}` where a locator stands, `status` is what it is answered with."""

    method: str
    template: str
    locator: str = ""
    body: dict[str, Any] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The address to send it to, relative to the API's base."""
        return self.template.format(locator=self.locator)


def get(template: str, made: Callable[[Actor], Any] | None = None) -> Scene:
    """A GET of something just made."""
    return lambda actor: Call("GET", template, made(actor).locator if made else "")


def post(template: str, made: Callable[[Actor], Any] | None, body: Callable[[Actor], dict[str, Any]]) -> Scene:
    """A POST that makes something under something just made."""
    return lambda actor: Call("POST", template, made(actor).locator if made else "", body(actor), 201)


def patch(template: str, made: Callable[[Actor], Any], **body: Any) -> Scene:
    """A PATCH of something just made, with the version it has."""

    def scene(actor: Actor) -> Call:
        thing = made(actor)
        return Call("PATCH", template, thing.locator, body, headers={"If_Match": f'"{thing.version}"'})

    return scene


def slot_body(actor: Actor) -> dict[str, Any]:
    """A slot two days ahead, at a clinic."""
    start = make.soon(48)
    end = start + timedelta(minutes=30)
    clinic = make.a_clinic(actor).locator
    return {"start": start.isoformat(), "end": end.isoformat(), "capacity": 2, "clinicLocator": clinic}


def patient_body(actor: Actor) -> dict[str, Any]:
    """Every field a patient can have."""
    return {
        "name": {"family": "Aung", "given": ["Hla", "May"]},
        "birthDate": "1975-02-03",
        "gender": "female",
        "identifiers": [{"system": "https://id.example/card", "value": "12/345"}],
        "telecom": [{"system": "phone", "value": "+95 1 234 567", "use": "mobile"}],
    }


def prescription_body(actor: Actor) -> dict[str, Any]:
    """Every field a prescription can have."""
    return {
        "medication": {"text": "Amoxicillin 500 mg", "code": "308191", "system": "http://www.nlm.nih.gov/rxnorm"},
        "dosage": "1 capsule three times a day",
        "quantity": 21,
        "refills": 1,
        "providerLocator": make.a_provider(actor).locator,
    }


def reschedule(actor: Actor) -> Call:
    """An appointment and another slot of the same provider."""
    provider = make.a_provider(actor)
    booked = make.an_appointment(actor, slot=make.a_slot(actor, provider))
    goal = {"slotLocator": make.a_slot(actor, provider, hours=5).locator}
    return Call("PATCH", "/appointments/{locator}/reschedule", booked.locator, goal, headers={"If_Match": '"1"'})


def episode_body(actor: Actor) -> dict[str, Any]:
    """Every field an episode can begin with."""
    party = make.a_patient(actor).locator
    return {"partyLocator": party, "careType": "GP", "triageSessionLocator": "TRI-2026-000007", "reason": "Cough"}


def appointment_body(actor: Actor) -> dict[str, Any]:
    """Every field an appointment can begin with."""
    slot = make.a_slot(actor).locator
    return {"slotLocator": slot, "type": "FOLLOW_UP", "reason": "Cough", "notes": "Brings her own chart"}


CALLS: dict[str, Scene] = {
    "api.create_provider": post(
        "/providers",
        None,
        lambda actor: {
            "name": "Dr Mya",
            "specialty": "CARDIOLOGY",
            "npi": "1234567893",
            "clinics": [make.a_clinic(actor).locator],
        },
    ),
    "api.list_providers": get("/providers"),
    "api.get_provider": get("/providers/{locator}", make.a_provider),
    "api.create_clinic": post("/clinics", None, lambda actor: {"name": "Hill Clinic", "timeZone": "Asia/Yangon"}),
    "api.list_clinics": get("/clinics"),
    "api.get_clinic": get("/clinics/{locator}", make.a_clinic),
    "api.register_patient": post("/patients", None, patient_body),
    "api.list_patients": get("/patients"),
    "api.get_patient": get("/patients/{locator}", make.a_patient),
    "api.search_patients": lambda actor: Call("POST", "/patients/search", body={"name": "Daw", "limit": 5}),
    "api.open_episode": post("/episodes", None, episode_body),
    "api.list_episodes": get("/episodes"),
    "api.get_episode": get("/episodes/{locator}", make.an_episode),
    "api.add_slot": post("/providers/{locator}/slots", make.a_provider, slot_body),
    "api.list_slots": get("/providers/{locator}/slots", make.a_provider),
    "api.get_slot": get("/slots/{locator}", make.a_slot),
    "api.book": post("/episodes/{locator}/appointments", make.an_episode, appointment_body),
    "api.list_appointments": get("/episodes/{locator}/appointments", make.an_episode),
    "api.get_appointment": get("/appointments/{locator}", make.an_appointment),
    "api.issue": post("/episodes/{locator}/prescriptions", make.an_episode, prescription_body),
    "api.list_prescriptions": get("/episodes/{locator}/prescriptions", make.an_episode),
    "api.get_prescription": get("/prescriptions/{locator}", make.a_prescription),
    "api.refer": post(
        "/episodes/{locator}/referrals",
        make.an_episode,
        lambda actor: {"type": "LAB", "reason": "Full blood count", "priority": "URGENT", "facility": "City Lab"},
    ),
    "api.list_referrals": get("/episodes/{locator}/referrals", make.an_episode),
    "api.get_referral": get("/referrals/{locator}", make.a_referral),
    "api.appointment_reschedule": reschedule,
    "api.appointment_undo": patch(
        "/appointments/{locator}/undo", lambda actor: make.an_appointment(actor, status="CONFIRMED")
    ),
    "internal.get_episode": get("/internal/episodes/{locator}", make.an_episode),
    "internal.get_provider": get("/internal/providers/{locator}", make.a_provider),
    "internal.list_member_episodes": get("/internal/members/{locator}/episodes", make.a_patient),
}

BODIES: dict[str, dict[str, Any]] = {
    "episode_close": {"summary": "Recovered"},
    "appointment_cancel": {"category": "PATIENT", "reason": "Bus was late"},
    "referral_book": {"scheduledFor": "2027-01-05T09:00:00+06:30", "facility": "City Lab"},
    "referral_complete": {"outcome": "Within limits"},
    "prescription_void": {"reason": "Wrong dose"},
}
MAKERS: dict[str, tuple[Lifecycle, Callable[..., Any]]] = {
    "/episodes": (EPISODE, lambda actor, status: make.an_episode(actor)),
    "/slots": (SLOT, lambda actor, status: a_slot_in(actor, status)),
    "/appointments": (APPOINTMENT, lambda actor, status: make.an_appointment(actor, status=status)),
    "/prescriptions": (PRESCRIPTION, lambda actor, status: make.a_prescription(actor, status=status)),
    "/referrals": (REFERRAL, lambda actor, status: make.a_referral(actor, status=status)),
    "/providers": (NETWORK, lambda actor, status: make.a_provider(actor, active=status == "ACTIVE")),
}


def a_slot_in(actor: Actor, status: str) -> Any:
    """A slot that is AVAILABLE or BLOCKED."""
    slot = make.a_slot(actor)
    return slots.act(actor, slot.locator, action="block") if status == "BLOCKED" else slot


for path, (lifecycle, maker) in MAKERS.items():
    for move in lifecycle.transitions:
        name = f"{lifecycle.entity}_{move.name}".replace("-", "_")
        CALLS[f"api.{name}"] = patch(
            f"{path}/{{locator}}/{move.name}",
            lambda actor, maker=maker, status=move.sources[0]: maker(actor, status),
            **BODIES.get(name, {}),
        )
