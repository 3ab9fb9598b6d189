"""Emergency access: for clinicians, with a reason, for one patient and an hour; every look is marked and reviewed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from apiflask import APIFlask

from careapp import clock
from careapp.access import Actor, Role
from careapp.disclosure import emergency, team
from careapp.episodes.queries import get_episode
from careapp.errors import Conflict, Forbidden, Invalid, NotFound, Restricted
from careapp.patients import confidentiality
from careapp.patients.queries import get_patient, list_facts
from tests import factories as make
from tests.api.client import is_problem, speaking_for
from tests.disclosure.conftest import MARK, Scene
from tests.looking import audits, events, execute, newest, one
from tests.rules.pages import ask, csrf_token, signed_in_as

WHY = "Found unconscious at home"


def test_it_opens_one_record_for_an_hour_and_marks_every_look(god: Actor, scene: Scene, stranger: Actor) -> None:
    other = make.a_restricted_patient(god).locator
    before = newest(god)
    opened = emergency.declare(stranger, scene.party, reason=WHY)
    assert opened.ends_at - opened.started_at == timedelta(minutes=60)
    assert get_episode(stranger, scene.episode).reason == f"{MARK} complaint"
    assert get_patient(stranger, scene.party).confidentiality == "RESTRICTED"
    assert list_facts(stranger, scene.party)
    rows = audits(god, after=before["audits"])
    assert {row.action for row in rows} >= {"patient.emergency_access", "episode.read", "patient.read", "patient.facts"}
    assert {row.purpose for row in rows} == {"ETREAT"}
    with pytest.raises(Restricted):
        list_facts(stranger, other)
    [told] = events(god, after=before["events"])
    assert (told.topic, told.key) == ("care.patient.emergency_access", scene.party)
    assert told.envelope["data"].keys() == {"partyLocator", "startedAt", "endsAt"}
    get_patient(stranger, make.a_patient(god).locator)
    assert audits(god)[-1].purpose == "TREAT", "another patient is no emergency"


@pytest.mark.parametrize("reason", ["", "urgent", "   short   ", "x" * 9, "y" * 1001])
def test_without_a_reason_it_is_refused(god: Actor, scene: Scene, stranger: Actor, reason: str) -> None:
    with pytest.raises(Invalid):
        emergency.declare(stranger, scene.party, reason=reason)
    assert one(god, "SELECT count(*) FROM emergency_accesses") == 0


def test_it_is_over_when_the_hour_is(
    god: Actor, scene: Scene, stranger: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    emergency.declare(stranger, scene.party, reason=WHY)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=59))
    assert list_facts(stranger, scene.party)
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=60))
    with pytest.raises(Restricted):
        list_facts(stranger, scene.party)
    assert emergency.get_present(stranger, scene.party) is None


def test_it_ends_when_he_says_so(god: Actor, scene: Scene, stranger: Actor) -> None:
    emergency.declare(stranger, scene.party, reason=WHY)
    emergency.end(stranger, scene.party)
    with pytest.raises(Restricted):
        list_facts(stranger, scene.party)
    with pytest.raises(NotFound):
        emergency.end(stranger, scene.party)


def test_it_is_for_clinicians_and_where_it_is_needed(god: Actor, scene: Scene, people: Callable[[Role], Actor]) -> None:
    for role in (Role.FRONT_DESK, Role.ADMIN, Role.AUDITOR):
        with pytest.raises(Forbidden):
            emergency.declare(people(role), scene.party, reason=WHY)
    with pytest.raises(Forbidden):
        emergency.declare(god, scene.party, reason=WHY)  # no user: nobody to ask about it
    doctor = people(Role.CLINICIAN)
    with pytest.raises(Conflict):
        emergency.declare(doctor, make.a_patient(god).locator, reason=WHY)
    with pytest.raises(NotFound):
        emergency.declare(doctor, "PTY-2026-999999", reason=WHY)
    first = emergency.declare(doctor, scene.party, reason=WHY)
    assert emergency.declare(doctor, scene.party, reason=f"{WHY}, again") == first, "it is open already"
    assert one(god, "SELECT count(*) FROM emergency_accesses") == 1


def test_it_gives_no_say_in_who_may_see_the_record(god: Actor, scene: Scene, stranger: Actor) -> None:
    emergency.declare(stranger, scene.party, reason=WHY)
    with pytest.raises(Restricted):
        team.add_member(stranger, scene.party, who=stranger.name, role="Doctor")
    with pytest.raises(Restricted):
        confidentiality.lift(stranger, scene.party, reason="It is in the way")


def test_it_is_reviewed_by_somebody_else_once(god: Actor, scene: Scene, stranger: Actor) -> None:
    emergency.declare(stranger, scene.party, reason=WHY)
    auditor, both = make.a_person(god, Role.AUDITOR), make.a_person(god, Role.CLINICIAN, Role.ADMIN)
    emergency.declare(both, scene.party, reason=WHY)
    own, first = emergency.list_emergencies(auditor).items
    assert (first.reason, first.within_a_day, first.too_many) == (WHY, 1, False)
    with pytest.raises(Forbidden):
        emergency.review(both, own.id, remark="Mine was fine")
    emergency.review(both, first.id, remark="Confirmed with the ward")
    with pytest.raises(Conflict):
        emergency.review(auditor, first.id)
    with pytest.raises(NotFound):
        emergency.review(auditor, 999_999_999)
    assert [entry.id for entry in emergency.list_emergencies(auditor, only_open=True).items] == [own.id]
    assert emergency.list_emergencies(auditor).items[1].remark == "Confirmed with the ward"
    with pytest.raises(Forbidden):
        emergency.list_emergencies(stranger)


def test_more_than_five_a_day_stand_out(god: Actor, stranger: Actor) -> None:
    parties = [make.a_restricted_patient(god).locator for _ in range(7)]
    emergency.declare(stranger, parties[0], reason=WHY)
    execute(
        god, "UPDATE emergency_accesses SET started_at = started_at - interval '25 hours',"
        " ends_at = ends_at - interval '25 hours'",
    )  # fmt: skip
    for party in parties[1:]:
        emergency.declare(stranger, party, reason=WHY)
    listed = emergency.list_emergencies(make.a_person(god, Role.AUDITOR)).items
    assert [entry.within_a_day for entry in listed] == [6, 5, 4, 3, 2, 1, 1]
    assert [entry.too_many for entry in listed] == [True] + [False] * 6


def test_pages_offer_it_say_how_long_it_lasts_and_end_it(
    app: APIFlask, god: Actor, scene: Scene, stranger: Actor
) -> None:
    client = signed_in_as(app, stranger)
    token = csrf_token(app, client)
    asked = f"/episodes/{scene.episode}"
    assert ask(app, client, "GET", asked).status_code == 403
    address = f"/patients/{scene.party}/emergency?next={asked}"
    short = ask(app, client, "POST", address, data={"csrf_token": token, "reason": "urgent"})
    assert short.status_code == 422
    assert f"next={asked}" in short.text.replace("%2F", "/"), "what was asked for is kept"
    done = ask(app, client, "POST", address, data={"csrf_token": token, "reason": WHY})
    assert (done.status_code, done.headers["Location"]) == (303, asked)
    for page in (asked, f"/patients/{scene.party}", f"/prescriptions/{scene.prescription}/paper",
                 f"/episodes/{scene.episode}/prescriptions/new", f"/episodes/{scene.episode}/referrals/new",
                 f"/appointments/{scene.appointment}/reschedule", f"/patients/{scene.party}/prescriptions",
                 f"/patients/{scene.party}/edit", f"/episodes/new?party={scene.party}",
                 f"/calendar?episode={scene.episode}", f"/calendar?party={scene.party}",
                 f"/calendar?move={scene.appointment}", f"/next-free?party={scene.party}"):  # fmt: skip
        shown = ask(app, client, "GET", page)
        assert "data-emergency" in shown.text, page
        assert f'action="/patients/{scene.party}/emergency/end"' in shown.text, page
    ended = ask(app, client, "POST", f"/patients/{scene.party}/emergency/end", data={"csrf_token": token})
    assert ended.status_code == 303
    assert ask(app, client, "GET", asked).status_code == 403
    elsewhere = ask(app, client, "POST", f"/patients/{scene.party}/emergency?next=https://evil.example",
                    data={"csrf_token": token, "reason": WHY})  # fmt: skip
    assert elsewhere.headers["Location"] == f"/patients/{scene.party}"


def test_a_token_of_the_user_reads_what_he_opened(app: APIFlask, scene: Scene, stranger: Actor) -> None:
    client = speaking_for(app, stranger)
    is_problem(client.get(f"/episodes/{scene.episode}"), 403, "RESTRICTED")
    emergency.declare(stranger, scene.party, reason=WHY)
    assert client.get(f"/episodes/{scene.episode}").json["reason"] == f"{MARK} complaint"


def test_the_pages_of_review_and_of_the_record(app: APIFlask, god: Actor, scene: Scene, stranger: Actor) -> None:
    emergency.declare(stranger, scene.party, reason=f"{WHY} <b>")
    auditor = signed_in_as(app, make.a_person(god, Role.AUDITOR))
    listed = ask(app, auditor, "GET", "/admin/emergency-access?open").text
    assert f"{WHY} &lt;b&gt;" in listed
    number = one(god, "SELECT id FROM emergency_accesses")
    sent = {"csrf_token": csrf_token(app, auditor), "remark": "Fine"}
    assert ask(app, auditor, "POST", f"/admin/emergency-access/{number}/review", data=sent).status_code == 303
    assert ask(app, auditor, "POST", f"/admin/emergency-access/{number}/review", data=sent).status_code == 409
    admin = signed_in_as(app, make.a_person(god, Role.ADMIN))
    page = ask(app, admin, "GET", f"/patients/{scene.party}/access")
    assert page.status_code == 200
    token = csrf_token(app, admin)
    for path, fields, status in (
        ("care-team", {"who": stranger.name, "role": "Nurse"}, 303),
        ("care-team", {"who": stranger.name, "role": "Nurse"}, 422),
        ("care-team", {"role": "Nurse"}, 422),
        ("care-team/remove", {"member": "999999"}, 404),
        ("consent", {"decision": "DENY"}, 303),
        ("consent", {"decision": "PERHAPS"}, 422),
        ("restrict", {"reason": "Once more"}, 409),
        ("lift", {"reason": ""}, 422),
        ("lift", {"reason": "Not needed any more"}, 303),
        ("lift", {"reason": "Not needed any more"}, 409),
    ):
        answer = ask(app, admin, "POST", f"/patients/{scene.party}/{path}", data={"csrf_token": token, **fields})
        assert answer.status_code == status, (path, fields, answer.text[:200])
