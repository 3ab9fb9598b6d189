"""Two desks at once: one referral is booked once, one person is registered once, one allergy is recorded once."""

from datetime import date

from careapp.access import Actor
from careapp.patients import facts, registering, service
from careapp.patients.queries import get_patient_details
from careapp.patients.views import HumanName
from careapp.referrals import queries as referral_queries
from careapp.referrals import service as referrals
from tests import factories as make
from tests.looking import one
from tests.races.crowd import Crowd, done, refused


def test_two_desks_book_one_referral(god: Actor, crowd: Crowd) -> None:
    for version in (None, 1):
        made = make.a_referral(god)
        acts = [
            lambda where=where, at=made.locator, version=version: referrals.act(
                god, at, action="book", facility=where, version=version
            )
            for where in ("Here", "There")
        ]
        outcomes = crowd(acts)
        [winner] = done(outcomes)
        assert refused(outcomes) == ["ILLEGAL_TRANSITION" if version is None else "STALE_VERSION"]
        assert referral_queries.get_referral(god, made.locator) == winner
        booked = "SELECT count(*) FROM status_changes WHERE locator = :at AND action = 'book'"
        assert one(god, booked, at=made.locator) == 1


def test_many_desks_register_one_person(god: Actor, crowd: Crowd) -> None:
    spelled = ("Daw Hla Hla Win", "Hla Hla Win", "Win Hla Hla")
    acts = [
        lambda given=given: registering.register_unless_known(
            god, looked_at=(), name=HumanName(given=given.split()), birth_date=date(1980, 2, 3), gender="female"
        )
        for given in spelled * 4
    ]
    outcomes = crowd(acts)
    assert len(done(outcomes)) == 1
    assert refused(outcomes) == ["LIKELY_DUPLICATE"] * (len(acts) - 1)


def test_two_record_one_allergy(god: Actor, crowd: Crowd) -> None:
    patient = make.a_patient(god).locator
    acts = [lambda: facts.add_fact(god, patient, kind="ALLERGY", text="Penicillin") for _ in range(8)]
    assert len(done(crowd(acts))) == 1
    assert one(god, "SELECT count(*) FROM patient_facts") == 1


def test_two_change_one_patient(god: Actor, crowd: Crowd) -> None:
    patient = make.a_patient(god)
    acts = [
        lambda family=family: service.update(
            god, patient.locator, version=1, name=HumanName(family=family), birth_date=None, gender="other",
            language=None, identifiers=[], telecom=[],
        )
        for family in ("First", "Second")
    ]  # fmt: skip
    outcomes = crowd(acts)
    [winner] = done(outcomes)
    assert refused(outcomes) == ["STALE_VERSION"]
    assert get_patient_details(god, patient.locator) == winner
    assert one(god, "SELECT count(*) FROM patient_name_words") == 1
