"""A restricted patient with a mark in every clinical text, and people who stand in different ways to him."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import pytest
from apiflask import APIFlask

from careapp.access import Actor, Role
from careapp.patients import confidentiality, facts
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.views import Medication
from careapp.providers.views import ProviderView
from careapp.referrals import service as referrals
from careapp.surface.internal_credentials import CREDENTIALS, HEADER
from tests import factories as make
from tests.api.client import Api
from tests.web.conftest import statements

__all__ = ["statements"]  # a fixture

MARK = "Zqsecret"  # in every text that is clinical


@dataclass(frozen=True)
class Scene:
    """The locators of a restricted patient's things; `provider` has an appointment with him, `free` is a slot."""

    party: str
    episode: str
    appointment: str
    prescription: str
    referral: str
    slot: str
    free: str
    clinic: str
    provider: ProviderView

    @property
    def words(self) -> dict[str, str]:
        """The locator that stands in an address behind each word."""
        return {
            "episodes": self.episode, "appointments": self.appointment, "today": self.appointment, "slots": self.slot,
            "patients": self.party, "prescriptions": self.prescription, "referrals": self.referral,
            "providers": self.provider.locator, "clinics": self.clinic, "members": self.party,
            "erasure": self.party, "booked": self.appointment,
        }  # fmt: skip

    def locator(self, kind: str) -> str:
        """The locator that stands in an address behind this word."""
        assert kind in self.words, f"/{kind}/<locator>: say in Scene.words (tests/disclosure/conftest.py) what it is of"
        return self.words[kind]


@pytest.fixture
def scene(god: Actor) -> Scene:
    """All of it; the record was restricted last."""
    patient, clinic = make.a_patient(god), make.a_clinic(god)
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    episode = make.an_episode(god, patient, care_type="MENTAL_HEALTH", reason=f"{MARK} complaint")
    slot = make.a_slot(god, provider, clinic=clinic)
    booked = make.an_appointment(god, episode, slot, reason=f"{MARK} visit", notes=f"{MARK} notes")
    ordered = prescriptions.issue(
        god, episode.locator, medication=Medication(text=f"{MARK} drug"), dosage=f"{MARK} dose",
        provider_locator=make.a_provider(god).locator,
    )  # fmt: skip
    referred = referrals.refer(
        god, episode.locator, type="IMAGING", reason=f"{MARK} why", facility=f"{MARK} place", priority="STAT"
    )
    facts.add_fact(god, patient.locator, kind="ALLERGY", text=f"{MARK} allergy")
    facts.add_fact(god, patient.locator, kind="CONDITION", text=f"{MARK} condition")
    confidentiality.restrict(god, patient.locator, reason="Works here himself")
    free = make.a_slot(god, provider, hours=30, clinic=clinic)
    return Scene(
        patient.locator, episode.locator, booked.locator, ordered.locator, referred.locator, slot.locator,
        free.locator, clinic.locator, provider,
    )  # fmt: skip


@pytest.fixture
def stranger(god: Actor) -> Actor:
    """A clinician who has nothing to do with the patient."""
    return make.a_person(god, Role.CLINICIAN)


@pytest.fixture
def portal(app: APIFlask, god: Actor, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The member portal of this test's tenant."""
    monkeypatch.setitem(app.extensions, CREDENTIALS, [(god.tenant_key, sha256(b"portal").digest())])
    return Api(app, {HEADER: "portal"}, base="/internal")


@pytest.fixture
def people(god: Actor) -> Callable[[Role], Actor]:
    """people(Role.ADMIN) is somebody of that role who has nothing to do with the patient."""
    return lambda role: make.a_person(god, role)
