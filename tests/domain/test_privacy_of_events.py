"""Events leave the house: no name, no birth date and no free text may be in any of them, or in an audit row."""

import json
from datetime import date

from careapp.access import Actor, Role
from careapp.disclosure import emergency
from careapp.episodes import service as episodes
from careapp.erasure.erase import erase_patient
from careapp.outbox import topics
from careapp.patients import confidentiality
from careapp.patients import service as patients
from careapp.patients.views import ContactPoint, HumanName, Identifier
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.views import Medication
from careapp.providers import service as providers
from careapp.referrals import service as referrals
from careapp.scheduling import appointments, changes, slots
from tests import factories as make
from tests.looking import audits, events

MARK = "Zqxmark"


def run_everything(god: Actor) -> None:
    """Publish every topic, with a marked text wherever somebody may write one."""
    clinic = make.a_clinic(god, name=f"{MARK} Clinic")
    patient = patients.register(
        god, name=HumanName(family=f"{MARK}family", given=[f"{MARK}given"]),
        birth_date=date(1931, 3, 7), gender="other",
        identifiers=[Identifier(system=f"urn:{MARK}", value=f"{MARK}-id")],
        telecom=[ContactPoint(system="phone", value=f"{MARK}-phone")],
    )  # fmt: skip
    provider = make.a_provider(god, name=f"Dr {MARK}", clinic_locators=[clinic.locator])
    slot, later = (make.a_slot(god, provider, hours=hours, clinic=clinic) for hours in (1, 3))
    for action in ("block", "unblock"):
        slots.act(god, slot.locator, action=action, reason=f"{MARK} blocked")
    for ending in ("close", "cancel"):
        episode = make.an_episode(god, patient, reason=f"{MARK} complaint")
        booked = appointments.book(
            god, episode.locator, slot_locator=slot.locator, reason=f"{MARK} visit", notes=f"{MARK} notes"
        )
        changes.reschedule(god, booked.locator, slot_locator=later.locator, reason=f"{MARK} moved")
        appointments.act(god, booked.locator, action="arrive", reason=f"{MARK} came")
        changes.undo(god, booked.locator, reason=f"{MARK} wrong row")
        medicine = Medication(text=f"{MARK} drug", code=f"{MARK}-code", system=f"urn:{MARK}")
        issued = [
            prescriptions.issue(
                god, episode.locator, medication=medicine, dosage=f"{MARK} dose", provider_locator=provider.locator
            )
            for _ in range(2)
        ]
        referral = referrals.refer(god, episode.locator, type="LAB", reason=f"{MARK} why", facility=f"{MARK} place")
        if ending == "close":
            appointments.act(god, booked.locator, action="confirm")
            appointments.act(god, booked.locator, action="attend")
            prescriptions.act(god, issued[0].locator, action="fill")
            prescriptions.act(god, issued[1].locator, action="void", reason=f"{MARK} void")
            referrals.act(god, referral.locator, action="book", facility=f"{MARK} place")
            referrals.act(god, referral.locator, action="complete", outcome=f"{MARK} outcome")
            episodes.close(god, episode.locator, summary=f"{MARK} summary")
            later = make.a_slot(god, provider, hours=5)
        else:
            episodes.cancel(god, episode.locator, reason=f"{MARK} cancelled")
    confidentiality.restrict(god, patient.locator, reason=f"{MARK} known to the staff")
    stranger = make.a_person(god, Role.CLINICIAN)
    emergency.declare(stranger, patient.locator, reason=f"{MARK} found unconscious")
    entry = emergency.list_emergencies(god).items[0]
    emergency.review(god, entry.id, remark=f"{MARK} remark")
    providers.act(god, provider.locator, action="deactivate", reason=f"{MARK} left")
    mistaken = make.a_patient(god, name=HumanName(family=f"{MARK} twice"))
    given = {"category": "ENTERED_IN_ERROR", "reason": f"{MARK} erased", "version": 1}
    erase_patient(god, mistaken.locator, **given)


def test_no_event_and_no_audit_row_holds_a_name_or_free_text(god: Actor) -> None:
    run_everything(god)
    told = events(god)
    elsewhere = {topics.AUDIT_ANCHORED, topics.TENANT_DELETED}  # by jobs; by an operator (test_tenant_life.py)
    assert {event.topic for event in told} == set(topics.ALL) - elsewhere, "every topic is published here"
    for event in told:
        text = json.dumps(event.envelope)
        assert MARK.lower() not in text.lower(), event.topic
        assert "1931-03-07" not in text, event.topic
    for audit in audits(god):
        assert MARK.lower() not in json.dumps([audit.subject, audit.detail, list(audit.patients)]).lower(), audit.action


def test_every_envelope_is_whole(god: Actor) -> None:
    run_everything(god)
    sequences: dict[str, list[int]] = {}
    for event in events(god):
        envelope = event.envelope
        assert set(envelope) == {
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "tenant", "sequence",
            "priority", "data",
        }  # fmt: skip
        assert (envelope["specversion"], envelope["source"]) == ("1.0", "/careapp")
        assert (envelope["type"], envelope["tenant"]) == (event.topic, god.tenant_key)
        assert envelope["sequence"] == f"{event.sequence:010d}"
        assert envelope["priority"] == ("HIGH" if event.topic.endswith((".cancelled", ".voided")) else "NORMAL")
        sequences.setdefault(event.key, []).append(event.sequence)
    for key, found in sequences.items():
        assert found == list(range(1, len(found) + 1)), key
