"""The episode page: what it shows to whom, its moves, closing and cancelling."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from careapp import clock, commands
from careapp.access import Actor, Role
from careapp.clinics.models import CLINICS
from careapp.clinics.views import ClinicView
from careapp.db import db
from careapp.episodes.queries import get_episode
from careapp.referrals.queries import get_referral
from careapp.scheduling import appointments
from careapp.scheduling.queries import get_appointment
from careapp.scheduling.states import CANCEL_CATEGORIES
from careapp.scheduling.views import AppointmentView
from careapp.web.times import local_date, local_datetime
from tests import factories as make
from tests.conftest import everything
from tests.web.checks import forms_of, parsed, years_since
from tests.web.conftest import Desk


def test_it_shows_patient_contents_and_history(god: Actor, doctor: Desk) -> None:
    patient = make.a_patient(god)
    episode = make.an_episode(god, patient, reason="Cough since Monday")
    booked = make.an_appointment(god, episode, status="CONFIRMED")
    make.a_prescription(god, episode)
    make.a_referral(god, episode)
    page = doctor.get(f"/episodes/{episode.locator}").text
    for text in (
        patient.name.text, f"17 May 1980 ({years_since(1980, 5, 17)} years)", "No allergies recorded",
        "Cough since Monday", booked.locator, "Amoxicillin 500 mg capsule", "Full blood count",
        "Appointment: confirmed", "Referral: Laboratory", "not filled yet",
        "times: Asia/Yangon, UTC+06:30",
    ):  # fmt: skip
        assert text in page, text


def test_front_desk_sees_that_things_exist_and_an_admin_not_even_that(
    god: Actor, front: Desk, desk: Callable[..., Desk]
) -> None:
    episode = make.an_episode(god)
    prescription = make.a_prescription(god, episode, status="VOID")
    referral = make.a_referral(god, episode)
    seen = front.get(f"/episodes/{episode.locator}").text
    assert prescription.locator in seen
    assert referral.locator in seen
    assert "Amoxicillin" not in seen
    assert "blood" not in seen
    hidden = desk(Role.ADMIN).get(f"/episodes/{episode.locator}").text
    assert prescription.locator not in hidden
    assert referral.locator not in hidden


@pytest.mark.parametrize("htmx", [False, True])
def test_a_move_and_its_undo(god: Actor, front: Desk, htmx: bool) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    page = f"/episodes/{booked.episode_locator}"
    done = front.fill(page, f"/appointments/{booked.locator}/arrive", htmx=htmx)
    assert done.status_code == (200 if htmx else 303)
    if htmx:
        assert f"Status of {booked.locator}: Arrived." in done.text
        assert "data-focus" in done.text
        undo = f"/appointments/{booked.locator}/undo"
        assert f'hx-post="{undo}" hx-target="#{booked.episode_locator}" hx-swap="keep"' in done.text
    assert get_appointment(god, booked.locator).status == "ARRIVED"
    front.fill(page, f"/appointments/{booked.locator}/undo", htmx=htmx)
    assert get_appointment(god, booked.locator).status == "CONFIRMED"


@pytest.mark.parametrize("htmx", [False, True])
def test_a_move_refused_shows_the_present_state(god: Actor, front: Desk, htmx: bool) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    form = front.forms(f"/episodes/{booked.episode_locator}")[f"/appointments/{booked.locator}/arrive"]
    appointments.act(god, booked.locator, action="cancel", category="PATIENT")
    refused = front.send(form, htmx=htmx)
    assert refused.status_code == 409
    assert "somebody else changed this" in refused.text
    assert 'data-status="CANCELLED"' in refused.text
    assert refused.text.lstrip().startswith("<div" if htmx else "<!doctype")


def test_cancelling_asks_for_a_reason(god: Actor, front: Desk) -> None:
    booked = make.an_appointment(god, status="BOOKED")
    page, action = f"/episodes/{booked.episode_locator}", f"/appointments/{booked.locator}/cancel"
    assert front.fill(page, action).status_code == 422
    front.fill(page, action, reason="Bus was late", category="PATIENT")
    assert get_appointment(god, booked.locator).status == "CANCELLED"
    assert "Bus was late" in front.get(page).text


def test_close_is_refused_naming_what_is_open_and_keeps_the_summary(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    referral = make.a_referral(god, episode)
    page, close = f"/episodes/{episode.locator}", f"/episodes/{episode.locator}/close"
    refused = doctor.fill(page, close, summary="Better after rest")
    assert refused.status_code == 409
    again = {form.action: form for form in forms_of(parsed(refused.text))}[close]
    assert again.values["summary"] == "Better after rest"
    doctor.fill(page, f"/referrals/{referral.locator}/book", scheduled_for="2026-11-23T10:30", facility="City Lab")
    booked = get_referral(god, referral.locator)
    assert (booked.facility, booked.scheduled_for.isoformat()) == ("City Lab", "2026-11-23T04:00:00+00:00")
    doctor.fill(page, f"/referrals/{referral.locator}/complete", outcome="Normal")
    assert doctor.send(again).status_code == 303
    closed = get_episode(god, episode.locator)
    assert (closed.status, closed.summary) == ("CLOSED", "Better after rest")
    assert "Better after rest" in doctor.get(page).text


def test_what_cancels_says_what_it_cancels(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    visit = make.an_appointment(god, episode)
    referral = make.a_referral(god, episode)
    presses = {
        form.get("action"): ["".join(press.itertext()).split()[:2] for press in form.iter("button")]
        for form in parsed(doctor.get(f"/episodes/{episode.locator}").text).iter("form")
    }
    named = {
        f"/appointments/{visit.locator}/cancel": ["Cancel", "visit"],
        f"/referrals/{referral.locator}/cancel": ["Cancel", "referral"],
        f"/episodes/{episode.locator}/cancel": ["Cancel", "episode"],
    }
    assert {action: presses[action] for action in named} == {action: [words] for action, words in named.items()}


def test_a_refused_close_says_what_stands_open_and_leads_to_it(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    provider = make.a_provider(god, name="Dr Khin Than Nu")
    visit = make.an_appointment(god, episode, make.a_slot(god, provider=provider))
    referral = make.a_referral(god, episode)
    page = f"/episodes/{episode.locator}"
    refused = doctor.fill(page, f"{page}/close", summary="Better after rest")
    (told,) = [one for one in parsed(refused.text).iter() if one.get("data-error-summary") is not None]
    when = local_datetime(visit.starts_at, "Asia/Yangon")
    assert {link.get("href"): "".join(link.itertext()) for link in told.iter() if link.get("href")} == {
        f"#open-{visit.locator}": f"Appointment on {when} with Dr Khin Than Nu",
        f"#open-{referral.locator}": f"Referral of {local_date(clock.now(), 'Asia/Yangon')}: Laboratory",
    }
    assert "cannot be closed while something in it is open" in "".join(told.itertext())
    for locator in (visit.locator, referral.locator):
        assert locator not in "".join(told.itertext())
        assert f'id="open-{locator}"' in refused.text


def test_a_stale_close_names_nothing_that_stands_open(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    page = f"/episodes/{episode.locator}"
    form = doctor.forms(page)[f"{page}/close"]
    make.a_referral(god, episode)
    refused = doctor.send(form, summary="Better after rest", version="7")
    assert refused.status_code == 409
    assert "somebody else changed this" in refused.text
    assert "something in it is open" not in refused.text


def test_a_referral_is_booked_on_the_clock_its_form_names(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    clinic = make.a_clinic(god, name="Silom Clinic", time_zone="Asia/Bangkok")
    make.an_appointment(god, episode, make.a_slot(god, clinic=clinic))
    referral = make.a_referral(god, episode)
    page = f"/episodes/{episode.locator}"
    assert "Asia/Bangkok time</p>" in doctor.get(page).text
    doctor.fill(page, f"/referrals/{referral.locator}/book", scheduled_for="2026-11-23T09:00")
    assert get_referral(god, referral.locator).scheduled_for.isoformat() == "2026-11-23T02:00:00+00:00"
    assert "23 Nov 2026, 09:00" in doctor.get(page).text


@pytest.mark.parametrize("typed", ["0001-01-01T09:00", "9999-12-31T23:59"])
def test_a_referral_in_a_year_nobody_means_is_refused(god: Actor, doctor: Desk, typed: str) -> None:
    referral = make.a_referral(god)
    page = f"/episodes/{referral.episode_locator}"
    refused = doctor.fill(page, f"/referrals/{referral.locator}/book", scheduled_for=typed)
    assert refused.status_code == 422
    assert "The year must lie between 1900 and 2200." in refused.text


def test_a_referral_booked_neither_at_a_time_nor_at_a_place_is_refused(god: Actor, doctor: Desk) -> None:
    referral = make.a_referral(god)
    page, book = f"/episodes/{referral.episode_locator}", f"/referrals/{referral.locator}/book"
    refused = doctor.fill(page, book, facility=" ", scheduled_for="")
    assert refused.status_code == 422
    assert "Say when or where it is booked." in refused.text
    assert get_referral(god, referral.locator).status == "REFERRED"
    doctor.fill(page, book, facility="City Lab")
    assert get_referral(god, referral.locator).status == "BOOKED"


def test_nothing_open_is_said_only_where_nothing_is(god: Actor, desk: Callable[..., Desk], doctor: Desk) -> None:
    near, far = make.a_clinic(god), make.a_clinic(god, name="Far Clinic")
    episode = make.an_episode(god)
    page = f"/episodes/{episode.locator}"
    assert "Nothing: this episode can be closed." in doctor.get(page).text
    make.an_appointment(god, episode, make.a_slot(god, clinic=far, hours=5))
    scoped = desk(Role.CLINICIAN, clinic_ids=[_id_of(god, near)])
    assert "<li>1 thing that you may not see.</li>" in scoped.get(page).text
    make.a_referral(god, episode)
    assert "<li>1 thing that you may not see.</li>" in scoped.get(page).text
    assert "<li>1 thing that you may not see.</li>" in desk(Role.ADMIN).get(page).text
    assert "may not see" not in doctor.get(page).text


def _id_of(god: Actor, clinic: ClinicView) -> int:
    with commands.system_transaction(god.tenant_id):
        found: int = db.session.execute(select(CLINICS.id).where(CLINICS.locator == clinic.locator)).scalar_one()
    return found


def test_a_long_reason_is_not_cut_by_the_browser(god: Actor, front: Desk) -> None:
    booked = make.an_appointment(god, status="BOOKED")
    page = front.get(f"/episodes/{booked.episode_locator}").text
    assert [area for area in re.findall("<textarea[^>]*>", page) if "maxlength" in area] == []
    form = front.forms(f"/episodes/{booked.episode_locator}")[f"/appointments/{booked.locator}/cancel"]
    assert form.choices["category"] == list(CANCEL_CATEGORIES)


def test_close_needs_a_summary(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    refused = doctor.fill(f"/episodes/{episode.locator}", f"/episodes/{episode.locator}/close")
    assert refused.status_code == 422
    assert f"<title>Error: {episode.locator}" in refused.text
    assert '<a href="#summary">' in refused.text


def test_a_stale_close_can_be_pressed_again(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    close = f"/episodes/{episode.locator}/close"
    form = doctor.forms(f"/episodes/{episode.locator}")[close]
    form.values["version"] = "7"
    refused = doctor.send(form, summary="Well again")
    assert refused.status_code == 409
    again = {form.action: form for form in forms_of(parsed(refused.text))}[close]
    assert doctor.send(again).status_code == 303


def test_who_may_not_close_has_no_form_and_is_refused(god: Actor, doctor: Desk, front: Desk) -> None:
    episode = make.an_episode(god)
    close = f"/episodes/{episode.locator}/close"
    assert close not in front.forms(f"/episodes/{episode.locator}")
    form = doctor.forms(f"/episodes/{episode.locator}")[close]
    form.values["csrf_token"] = front.forms("/patients")["/patients"].values["csrf_token"]
    plain, htmx = front.send(form, summary="x"), front.send(form, htmx=True, summary="x")
    assert plain.status_code == htmx.status_code == 403
    assert htmx.headers["HX-Retarget"] == "#alerts"


def test_cancelling_the_episode_ends_what_is_open(god: Actor, front: Desk) -> None:
    booked = make.an_appointment(god, status="BOOKED")
    page = f"/episodes/{booked.episode_locator}"
    front.fill(page, f"{page}/cancel", reason="Went to another clinic")
    assert get_episode(god, booked.episode_locator).status == "CANCELLED"
    assert get_appointment(god, booked.locator).status == "CANCELLED"
    ended = front.get(page).text
    assert "because the episode ended" in ended
    assert f"{page}/cancel" not in ended


def test_a_referral_is_made(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    address = f"/episodes/{episode.locator}/referrals/new"
    assert doctor.fill(address, reason="Chest X-ray", type="IMAGING", priority="STAT").status_code == 303
    page = doctor.get(f"/episodes/{episode.locator}").text
    assert "Chest X-ray" in page
    assert "At once" in page
    assert doctor.fill(address, reason="").status_code == 422


def test_nothing_new_is_written_into_an_ended_episode(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    address = f"/episodes/{episode.locator}/referrals/new"
    form = doctor.forms(address)[address]
    doctor.fill(f"/episodes/{episode.locator}", f"/episodes/{episode.locator}/close", summary="Done")
    refused = doctor.send(form, reason="Too late")
    assert refused.status_code == 409
    assert "Open a new episode" in refused.text


def test_an_appointment_moves_to_another_time(god: Actor, front: Desk) -> None:
    provider = make.a_provider(god)
    slot, later = make.a_slot(god, provider, hours=24), make.a_slot(god, provider, hours=30)
    booked = make.an_appointment(god, slot=slot, status="CONFIRMED")
    address = f"/appointments/{booked.locator}/reschedule"
    form = front.forms(address)[address]
    assert "No allergies recorded" in front.get(address).text
    assert form.choices["slot_locator"] == [later.locator]
    assert front.send(form).status_code == 422
    taken = make.an_appointment(god, slot=later)
    refused = front.send(form, slot_locator=later.locator)
    assert refused.status_code == 409
    assert "full" in refused.text
    appointments.act(god, taken.locator, action="cancel")
    assert front.send(form, slot_locator=later.locator, reason="Asked for it").status_code == 303
    assert get_appointment(god, booked.locator).slot_locator == later.locator


def test_an_appointment_at_a_clinic_out_of_scope_is_not_shown(god: Actor, desk: Callable[..., Desk]) -> None:
    near, far = make.a_clinic(god), make.a_clinic(god, name="Far Clinic")
    episode = make.an_episode(god)
    seen = make.an_appointment(god, episode, make.a_slot(god, clinic=near, hours=1))
    hidden = make.an_appointment(god, episode, make.a_slot(god, clinic=far, hours=5))
    front = desk(Role.FRONT_DESK, clinic_ids=[_id_of(god, near)])
    page = front.get(f"/episodes/{episode.locator}").text
    assert seen.locator in page
    assert hidden.locator not in page
    assert "Far Clinic" not in front.get("/calendar").text
    assert front.open("GET", f"/slots/{hidden.slot_locator}/book").status_code == 404
    assert front.open("GET", f"/appointments/{hidden.locator}/reschedule").status_code == 404


def test_foreign_and_unknown_episodes_are_not_found(god: Actor, front: Desk, new_tenant: Callable[..., object]) -> None:
    foreign = make.an_episode(everything(new_tenant()))
    pages = [front.open("GET", f"/episodes/{locator}") for locator in (foreign.locator, "EPI-2026-999999")]
    assert [page.status_code for page in pages] == [404, 404]
    assert front.open("GET", "/episodes/EPI-2026-999999", htmx=True).headers["HX-Retarget"] == "#alerts"


def test_a_visit_that_lies_ahead_is_not_offered_as_had(god: Actor, desk: Callable[..., Desk]) -> None:
    soon, later = (make.an_appointment(god, slot=make.a_slot(god, hours=hours)) for hours in (2, 48))

    def offered(visit: AppointmentView) -> set[str]:
        actions = desk(Role.FRONT_DESK).forms(f"/episodes/{visit.episode_locator}")
        return {action.rpartition("/")[2] for action in actions if action.startswith(f"/appointments/{visit.locator}/")}

    assert offered(later) == {"accept", "confirm", "cancel"}
    assert offered(soon) == {"accept", "confirm", "arrive", "cancel"}
    with clock.at(soon.starts_at):
        assert offered(soon) == {"accept", "confirm", "arrive", "no-show", "cancel"}
    early = appointments.act(god, soon.locator, action="arrive")
    assert offered(early) == {"start", "attend", "cancel", "undo"}  # who is here may be seen before his time
