"""The episode page over time: its timeline, what stands open, polling, drafts, and what it costs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor, Role
from careapp.patients.views import ContactPoint
from careapp.prescriptions import service as prescriptions
from careapp.referrals import service as referrals
from careapp.scheduling import appointments
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.identity.people import a_user
from tests.looking import audits, execute, id_of, newest
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk


def part(page: str, wanted: str) -> Element:
    """The element with this id."""
    tree = parsed(page, fragment="<!doctype" not in page)
    return next(one for one in tree.iter() if one.get("id") == wanted)


def text_of(element: Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def poll(desk: Desk, url: str, seen: str) -> TestResponse:
    """What a live region asks by itself."""
    return desk.open("GET", url, htmx=True, headers={"X-Poll": "1", "X-Seen": seen})


def version_in(page: str) -> str:
    return page.split('data-version="')[1].split('"')[0]


def test_one_timeline_of_everything_newest_first_by_day(god: Actor, doctor: Desk) -> None:
    now = clock.now()
    with clock.at(now - timedelta(days=3)):
        episode = make.an_episode(god)
        past = make.an_appointment(god, episode, status="ATTENDED")
    with clock.at(now - timedelta(days=2)):
        prescription = make.a_prescription(god, episode, status="FILLED")
        referral = make.a_referral(god, episode, status="COMPLETED")
    ahead = make.an_appointment(god, episode, make.a_slot(god, hours=100), status="CONFIRMED")
    timeline = part(doctor.get(f"/episodes/{episode.locator}").text, "timeline")
    things = [one.get("id", "").removeprefix("at-") for one in timeline.iter("li") if one.get("class") == "thing"]
    assert things[0] == ahead.locator
    assert set(things[1:3]) == {prescription.locator, referral.locator}
    assert things[3:] == [past.locator]
    days = [text_of(one) for one in timeline.iter("h3")]
    assert days[0].endswith("to come")
    assert any(day.endswith("today") for day in days)
    assert len(days) == len(set(days)) >= 4
    said = text_of(timeline)
    assert "Appointment: confirmed" in said
    assert "Prescription: issued" not in said, "the prescription itself stands there"
    assert "Filled by test:everything" in said


@pytest.mark.parametrize(
    ("kind", "has", "lacks"),
    [
        ("appointment", "Appointment · ", "Amoxicillin"), ("prescription", "Amoxicillin", "Full blood count"),
        ("referral", "Full blood count", "Amoxicillin"), ("change", "Prescription: issued", "by test:"),
    ],
)  # fmt: skip
def test_its_kinds_are_links(god: Actor, doctor: Desk, kind: str, has: str, lacks: str) -> None:
    episode = make.an_episode(god)
    make.an_appointment(god, episode, type="FOLLOW_UP")
    make.a_prescription(god, episode, status="FILLED")
    make.a_referral(god, episode, status="COMPLETED")
    url = f"/episodes/{episode.locator}?kind={kind}"
    assert f'<a href="{url}">' in doctor.get(f"/episodes/{episode.locator}").text
    said = text_of(part(doctor.get(url).text, "timeline"))
    assert has in said
    assert lacks not in said
    assert doctor.open("GET", f"/episodes/{episode.locator}?kind=letters").status_code == 404


def test_a_move_keeps_the_kind_that_is_shown(god: Actor, front: Desk) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    url = f"/episodes/{booked.episode_locator}?kind=appointment"
    form = front.forms(url)[f"/appointments/{booked.locator}/arrive"]
    assert front.send(form).location == url
    undo = front.forms(url)[f"/appointments/{booked.locator}/undo"]
    assert f'hx-get="{url}"' in front.send(undo, htmx=True).text


def test_a_long_one_is_paged(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    made = [make.a_referral(god, episode, status="CANCELLED").locator for _ in range(60)]
    open_one = make.a_referral(god, episode)
    with clock.at(clock.now() - timedelta(days=900)):
        old = make.an_appointment(god, episode)
    url, seen = f"/episodes/{episode.locator}", []
    pages = 0
    other = f"/episodes/{make.an_episode(god).locator}"
    while True:
        page = doctor.get(url).text
        assert f'id="open-{old.locator}"' in page, "what stands open stands on every page"
        assert ("data-live" in page) is (pages == 0)
        timeline = part(page, "timeline")
        shown = [one for one in timeline.iter("li") if one.get("class") in ("thing", "change")]
        assert len(shown) <= 50
        seen += [one.get("id", "").removeprefix("at-") for one in shown if one.get("class") == "thing"]
        pages += 1
        following = [one.get("href") or "" for one in timeline.iter("a") if one.get("rel") == "next"]
        if not following:
            break
        url = following[0]
        cursor = url.split("cursor=")[1]
        for foreign in (f"{other}?cursor={cursor}", f"/episodes/{episode.locator}?kind=change&cursor={cursor}"):
            assert doctor.open("GET", foreign).status_code == 422
    assert pages == 3
    assert seen == [open_one.locator, *made[::-1], old.locator]
    assert doctor.open("GET", f"/episodes/{episode.locator}?cursor=broken").status_code == 422


def test_it_costs_the_same_however_much_is_in_it(god: Actor, doctor: Desk, statements: Callable[[], Any]) -> None:
    episode = make.an_episode(god)

    def cost() -> int:
        with statements() as seen:
            doctor.get(f"/episodes/{episode.locator}")
        return len(seen)

    empty = cost()
    for number in range(4):
        make.an_appointment(god, episode, make.a_slot(god, hours=2 * number))
        make.a_prescription(god, episode)
        make.a_referral(god, episode)
    assert cost() == empty <= 9


def test_an_unchanged_poll_takes_one_statement_and_is_no_read(
    god: Actor, doctor: Desk, statements: Callable[[], Any]
) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    url = f"/episodes/{booked.episode_locator}"
    with clock.at(clock.now()):
        seen_version, before = version_in(doctor.get(url).text), newest(god)["audits"]
        with statements() as seen:
            assert poll(doctor, url, seen_version).status_code == 204
        assert len(seen) == 1, "\n\n".join(seen)
        assert audits(god, after=before) == []
        make.an_appointment(god)
        assert poll(doctor, url, seen_version).status_code == 204, "another episode is none of its business"
        appointments.act(god, booked.locator, action="arrive")
        answer = poll(doctor, url, seen_version)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith(f'<div id="{booked.episode_locator}"')
    assert 'data-status="ARRIVED"' in answer.text
    assert "hx-swap-oob" not in answer.text, "a poll leaves the notices alone"


def test_a_poll_of_what_is_not_there_is_not_found(doctor: Desk, new_tenant: Callable[..., TestTenant]) -> None:
    foreign = make.an_episode(everything(new_tenant()))
    for locator in (foreign.locator, "EPI-2026-999999"):
        assert poll(doctor, f"/episodes/{locator}", "1-2-3").status_code == 404


def test_the_chance_to_undo_ends_by_itself(god: Actor, front: Desk) -> None:
    with clock.at(clock.now() - timedelta(minutes=9)):
        booked = make.an_appointment(god, status="ATTENDED")
    url, undo = f"/episodes/{booked.episode_locator}", f"/appointments/{booked.locator}/undo"
    now = clock.now()
    with clock.at(now):
        page = front.get(url).text
        assert undo in {form.action for form in forms_of(parsed(page))}, "in the row of the timeline"
    with clock.at(now + timedelta(minutes=2)):
        later = poll(front, url, version_in(page))
        assert later.status_code == 200
        assert undo not in later.text


def test_who_and_when_stand_under_a_status(god: Actor, front: Desk, desk: Callable[..., Desk]) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    url = f"/episodes/{booked.episode_locator}"
    nurse = desk(Role.CLINICIAN, name="Nurse Aye")
    nurse.fill(url, f"/appointments/{booked.locator}/arrive")
    row = part(front.get(url).text, f"open-{booked.locator}")
    assert "Checked in by Nurse Aye, " in text_of(row)
    assert "Undo" in text_of(row)


def test_two_people_at_once(god: Actor, front: Desk, doctor: Desk) -> None:
    """The second sees what the first has done, and why his own press did nothing."""
    booked = make.an_appointment(god, status="CONFIRMED")
    url = f"/episodes/{booked.episode_locator}"
    forms = [desk.forms(url)[f"/appointments/{booked.locator}/arrive"] for desk in (front, doctor)]
    assert front.send(forms[0], htmx=True).status_code == 200
    late = doctor.send(forms[1], htmx=True)
    assert late.status_code == 409
    assert "somebody else changed this" in late.text
    assert 'data-status="ARRIVED"' in late.text
    assert 'hx-swap-oob="innerHTML:#alerts"' in late.text
    plain = doctor.send(forms[1])
    assert plain.status_code == 409
    assert f'id="open-{booked.locator}"' in plain.text


def test_what_stands_open_has_its_actions_right_there(god: Actor, doctor: Desk, front: Desk) -> None:
    episode = make.an_episode(god)
    booked = make.an_appointment(god, episode, status="BOOKED")
    referral = make.a_referral(god, episode, status="BOOKED")
    prescription = make.a_prescription(god, episode)
    page = doctor.get(f"/episodes/{episode.locator}").text
    for locator, moves in (
        (booked.locator, {"arrive", "cancel"}), (referral.locator, {"complete", "cancel"}),
        (prescription.locator, {"fill", "void"}),
    ):  # fmt: skip
        row = part(page, f"open-{locator}")
        assert moves <= {(form.get("action") or "").rsplit("/", 1)[1] for form in row.iter("form")}, locator
    assert "not filled yet" in text_of(part(page, f"open-{prescription.locator}"))
    seen = front.get(f"/episodes/{episode.locator}").text
    assert list(part(seen, f"open-{referral.locator}").iter("form")) == []
    assert "Amoxicillin" not in seen


def test_an_unfilled_prescription_refuses_no_close_and_stays_in_the_list(god: Actor, doctor: Desk) -> None:
    prescription = make.a_prescription(god)
    url = f"/episodes/{prescription.episode_locator}"
    assert "Nothing else: this episode can be closed." in doctor.get(url).text
    assert doctor.fill(url, f"{url}/close", summary="Well again").status_code == 303
    closed = doctor.get(url).text
    assert "Not filled yet" in closed
    filled = doctor.fill(url, f"/prescriptions/{prescription.locator}/fill", htmx=True)
    assert filled.status_code == 200
    assert "Not filled yet" not in filled.text
    assert "data-focus" in filled.text


def test_an_overdue_appointment_asks_what_came_of_it(god: Actor, front: Desk) -> None:
    with clock.at(clock.now() - timedelta(days=2)):
        booked = make.an_appointment(god, status="BOOKED")
    assert "Its time is over: what came of it?" in front.get(f"/episodes/{booked.episode_locator}").text


def test_a_draft_of_the_summary_comes_back_and_goes_with_the_close(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    url = f"/episodes/{episode.locator}"
    form = doctor.forms(url)[f"{url}/close"]
    assert form.values["draft"] == f"{url}/close"
    typed = {**form.values, "summary": "Better, not yet well"}
    assert doctor.open("POST", "/drafts", data=typed).status_code == 200
    back = doctor.get(url).text
    assert "Your draft of" in back
    again = {one.action: one for one in forms_of(parsed(back))}[f"{url}/close"]
    assert (again.values["summary"], again.values["version"]) == ("Better, not yet well", "1")
    refused = doctor.send(again, summary="")
    assert refused.status_code == 422
    assert doctor.send(again).status_code == 303
    assert "Your draft" not in doctor.get(url).text


def test_the_close_form_keeps_the_text_when_something_was_opened_meanwhile(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    url = f"/episodes/{episode.locator}"
    form = doctor.forms(url)[f"{url}/close"]
    assert "data-guard" in doctor.get(url).text
    booked = make.an_appointment(god, episode)
    refused = doctor.send(form, summary="All well\nSee in May")
    assert refused.status_code == 409
    assert f'href="#open-{booked.locator}"' in refused.text
    assert f'id="open-{booked.locator}"' in refused.text
    again = {one.action: one for one in forms_of(parsed(refused.text))}[f"{url}/close"]
    assert again.values["summary"].split() == ["All", "well", "See", "in", "May"]


def test_the_banner_tells_none_known_from_none_recorded(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god, telecom=[ContactPoint(system="phone", value="+95 9 000 000 001")])
    url = f"/episodes/{make.an_episode(god, patient).locator}"
    assert "No allergies recorded" in front.get(url).text
    assert 'href="tel:+959000000001"' in front.get(url).text
    fact = (
        "INSERT INTO patient_facts (tenant_id, patient_id, kind, text, code, system)"
        " VALUES (:tenant, :patient, 'ALLERGY', :text, :code, 'http://snomed.info/sct')"
    )
    whose = {"tenant": god.tenant_id, "patient": id_of(god, "patients", patient.locator)}
    execute(god, fact, **whose, text="No known drug allergy", code="409137002")
    page = front.get(url).text
    assert "No known drug allergy" in page
    assert "No allergies recorded" not in page
    execute(god, fact, **whose, text="Penicillin", code="91936005")
    assert "Allergies: Penicillin" in front.get(url).text


def test_a_second_episode_is_warned_of_not_refused(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god)
    address = f"/episodes/new?party={patient.locator}"
    assert "Already open" not in front.get(address).text
    open_one = make.an_episode(god, patient, care_type="GP")
    page = front.get(address).text
    assert "Already open for this patient" in page
    assert f'<a href="/episodes/{open_one.locator}">General practice, since' in page
    assert front.fill(address, care_type="GP").status_code == 303


def test_it_prints_by_whom_and_when(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    page = doctor.get(f"/episodes/{episode.locator}").text
    assert "data-print" in page
    assert "Times: Asia/Yangon, UTC+06:30." in page.split('class="print-only"')[1]
    assert "This is a part of the episode." not in page
    assert "This is a part" in doctor.get(f"/episodes/{episode.locator}?kind=change").text


def test_changes_of_what_somebody_may_not_know_of_are_not_told(god: Actor, desk: Callable[..., Desk]) -> None:
    near, far = make.a_clinic(god), make.a_clinic(god, name="Far Clinic")
    episode = make.an_episode(god)
    make.an_appointment(god, episode, make.a_slot(god, clinic=near, hours=1))
    hidden = make.an_appointment(god, episode, make.a_slot(god, clinic=far, hours=5))
    appointments.act(god, hidden.locator, action="cancel", reason="Bus strike", category="PATIENT")
    voided = make.a_prescription(god, episode)
    prescriptions.act(god, voided.locator, action="void", reason="Wrong dose")
    referred = make.a_referral(god, episode)
    referrals.act(god, referred.locator, action="cancel", reason="Scan not needed")
    url = f"/episodes/{episode.locator}?kind=change"
    scoped = desk(Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", near.locator)]).get(url).text
    assert "Bus strike" not in scoped
    assert "Prescription: voided" in scoped
    assert "Wrong dose" not in scoped
    assert "Scan not needed" not in scoped
    admin = desk(Role.ADMIN).get(url).text
    assert "Bus strike" in admin
    assert "Prescription" not in part_text(admin)
    assert "kind=referral" not in admin


def part_text(page: str) -> str:
    return text_of(part(page, "timeline"))


def test_a_name_of_staff_is_told_and_never_anothers(god: Actor, front: Desk) -> None:
    """A history may hold any actor's name; only one that is a user's key becomes a person's name."""
    somebody = a_user(god, Role.CLINICIAN, name="Nurse Aye")
    episode = make.an_episode(god)
    for who in (f"user:{somebody.id}", f"user:{somebody.id}x", "user:99999999999999999999", "portal"):
        execute(
            god,
            "INSERT INTO status_changes (tenant_id, episode_id, entity, entity_id, locator, action, to_status, actor)"
            " SELECT tenant_id, id, 'episode', id, locator, 'open', 'OPEN', :who FROM episodes"
            " WHERE locator = :locator",
            who=who, locator=episode.locator,
        )  # fmt: skip
    page = front.get(f"/episodes/{episode.locator}").text
    assert page.count("Nurse Aye") == 1
    assert f"user:{somebody.id}x" in page
    assert "user:99999999999999999999" in page
