"""A restricted record in a crowd: emergencies declared, ended and reviewed at once, and a care team two people keep."""

from functools import partial

from careapp.access import Actor, Role
from careapp.disclosure import emergency, team
from careapp.patients import confidentiality
from tests import factories as make
from tests.looking import events, newest, one
from tests.races.crowd import Crowd, done, refused

WHY = "Found unconscious at the gate"


def test_an_emergency_declared_by_many_hands_is_one(god: Actor, crowd: Crowd) -> None:
    patient, clinician = make.a_restricted_patient(god).locator, make.a_person(god, Role.CLINICIAN)
    before = newest(god)
    outcomes = crowd([partial(emergency.declare, clinician, patient, reason=WHY)] * 6)
    assert (refused(outcomes), len(set(outcomes))) == ([], 1)
    assert one(god, "SELECT count(*) FROM emergency_accesses") == 1
    assert len(events(god, after=before["events"])) == 1
    ended = crowd([partial(emergency.end, clinician, patient)] * 6)
    assert (len(done(ended)), set(refused(ended))) == (1, {"NOT_FOUND"})
    assert emergency.get_present(clinician, patient) is None


def test_an_emergency_is_reviewed_once(god: Actor, crowd: Crowd) -> None:
    patient, clinician = make.a_restricted_patient(god).locator, make.a_person(god, Role.CLINICIAN)
    emergency.declare(clinician, patient, reason=WHY)
    access = one(god, "SELECT id FROM emergency_accesses")
    outcomes = crowd([partial(emergency.review, god, access)] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"REVIEWED"})


def test_somebody_is_entered_in_a_care_team_once_and_taken_out_once(god: Actor, crowd: Crowd) -> None:
    patient, nurse = make.a_patient(god).locator, make.a_person(god, Role.CLINICIAN)
    outcomes = crowd([partial(team.add_member, god, patient, who=f"user:{nurse.user_id}", role="Nurse")] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"VALIDATION_FAILED"})
    member = one(god, "SELECT id FROM care_team_members")
    outcomes = crowd([partial(team.remove_member, god, patient, member=member)] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"NOT_FOUND"})


def test_a_record_is_restricted_once(god: Actor, crowd: Crowd) -> None:
    patient = make.a_patient(god).locator
    outcomes = crowd([partial(confidentiality.restrict, god, patient, reason="Known to the staff")] * 6)
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"ALREADY_SO"})
