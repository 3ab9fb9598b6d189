"""Prescriptions in a crowd: two orders for one patient, an order against the end of its episode or its prescriber."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from careapp.access import Actor, Role
from careapp.episodes import service as episodes
from careapp.patients import confidentiality, facts
from careapp.prescriptions import favourites
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.views import Medication
from careapp.providers import service as providers
from tests import factories as make
from tests.looking import one, rows
from tests.races.crowd import Crowd, Meanwhile, done, refused

TIMES = 5  # a race that is lost once in a while is lost in one of these


def ordering(god: Actor, episode: str, provider: str, text: str = "Warfarin 5 mg tablet") -> Callable[[], Any]:
    """The act of ordering a medicine in an episode."""
    return lambda: prescriptions.issue(
        god, episode, medication=Medication(text=text), dosage="1 daily", provider_locator=provider
    )


@pytest.mark.parametrize("count", [2, 6])
def test_orders_of_one_medicine_in_several_episodes_see_each_other(god: Actor, crowd: Crowd, count: int) -> None:
    provider = make.a_provider(god).locator
    for _ in range(TIMES):
        patient = make.a_patient(god)
        made = [make.an_episode(god, patient).locator for _ in range(count)]
        issued = crowd([ordering(god, episode, provider) for episode in made])
        assert refused(issued) == []
        warned = (
            "SELECT checks ->> 'state' AS state, jsonb_array_length(checks -> 'findings') AS found"
            " FROM prescriptions WHERE locator = ANY (:these)"
        )
        found = [row.found for row in rows(god, warned, these=[one.locator for one in issued])]
        assert sorted(found) == list(range(count))


def test_an_allergy_is_recorded_while_it_is_ordered_against(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god).locator
    for _ in range(TIMES):
        patient = make.a_patient(god)
        episode = make.an_episode(god, patient).locator
        outcomes = crowd([
            *[ordering(god, episode, provider, "Ibuprofen 200 mg tablet")] * 3,
            lambda at=patient.locator: facts.add_fact(god, at, kind="ALLERGY", text="Ibuprofen"),
        ])  # fmt: skip
        assert refused(outcomes) == []


def test_an_episode_is_ended_while_medicines_are_ordered_and_filled_in_it(god: Actor, crowd: Crowd) -> None:
    provider = make.a_provider(god).locator
    for end in ("cancel", "close"):
        episode = make.an_episode(god)
        there = [make.a_prescription(god, episode).locator for _ in range(3)]
        ending: Callable[[], Any] = (
            (lambda at=episode.locator: episodes.cancel(god, at)) if end == "cancel"
            else (lambda at=episode.locator: episodes.close(god, at, summary="Well"))
        )  # fmt: skip
        outcomes = crowd([
            *[ordering(god, episode.locator, provider)] * 3, ending,
            *[lambda at=at: prescriptions.act(god, at, action="fill") for at in there],
        ])  # fmt: skip
        assert set(refused(outcomes)) <= {"EPISODE_NOT_OPEN", "ILLEGAL_TRANSITION"}
        wrong = (
            "SELECT count(*) FROM prescriptions p JOIN episodes e ON e.id = p.episode_id"
            " WHERE e.status = 'CANCELLED' AND p.status = 'ISSUED'"
        )
        assert one(god, wrong) == 0


def test_a_prescription_is_filled_and_voided_by_many(god: Actor, crowd: Crowd) -> None:
    issued = make.a_prescription(god).locator
    outcomes = crowd([lambda act=act: prescriptions.act(god, issued, action=act) for act in ("fill", "void") * 4])
    assert (len(done(outcomes)), set(refused(outcomes))) == (1, {"ILLEGAL_TRANSITION"})


def test_nothing_is_ordered_by_who_was_deactivated(god: Actor, crowd: Crowd) -> None:
    for _ in range(TIMES):
        provider = make.a_provider(god).locator
        made = [make.an_episode(god).locator for _ in range(6)]
        acts = [ordering(god, episode, provider) for episode in made]
        acts.insert(2, lambda at=provider: providers.act(god, at, action="deactivate"))
        outcomes = crowd(acts)
        assert set(refused(outcomes)) <= {"PROVIDER_NOT_PARTICIPATING"}
        late = (
            "SELECT count(*) FROM status_changes c JOIN prescriptions p ON p.locator = c.locator"
            " JOIN providers v ON v.id = p.provider_id JOIN status_changes d ON d.locator = v.locator"
            " AND d.action = 'deactivate' WHERE c.action = 'issue' AND c.id > d.id"
        )
        assert one(god, late) == 0


def test_who_is_shut_out_of_a_record_meanwhile_orders_nothing_and_is_told_nothing(
    god: Actor, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient, stranger = make.a_patient(god), make.a_person(god, Role.CLINICIAN)
    episode, provider = make.an_episode(god, patient), make.a_provider(god)
    facts.add_fact(god, patient.locator, kind="ALLERGY", text="Ibuprofen")
    order = partial(
        prescriptions.issue, stranger, episode.locator, medication=Medication(text="Ibuprofen 200 mg tablet"),
        dosage="1", provider_locator=provider.locator, interrupt=True,
    )  # fmt: skip
    ordering = Meanwhile(monkeypatch, confidentiality, "lock_record").do(order)
    outcomes = crowd([partial(confidentiality.restrict, god, patient.locator, reason="Works here himself"), ordering])
    assert refused(outcomes) == ["RESTRICTED"]
    assert one(god, "SELECT count(*) FROM prescriptions") == 0


def test_favourites_kept_at_once_are_not_too_many(god: Actor, crowd: Crowd) -> None:
    clinician = make.a_person(god, Role.CLINICIAN)
    keeping = [
        partial(favourites.keep_favourite, clinician, medication=Medication(text=f"Ointment {number}"), dosage="1")
        for number in range(favourites.MOST + 7)
    ]
    for keep in keeping[: favourites.MOST - 1]:
        keep()
    outcomes = crowd(keeping[favourites.MOST - 1 :])
    assert (len(done(outcomes)), refused(outcomes)) == (1, ["TOO_MANY_FAVOURITES"] * 7)
