"""The version of a live page changes with all that it shows, and not only with what it is about."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest

from careapp import clock, commands
from careapp.access import Actor, Role
from careapp.disclosure import emergency
from careapp.identity.actors import actor_of_email
from careapp.overviews.marks import QUARTER
from careapp.overviews.referrals import get_version
from careapp.patients import confidentiality
from careapp.patients.views import HumanName
from careapp.referrals import service as referrals
from tests import factories as make
from tests.looking import execute, rows
from tests.web.conftest import Desk
from tests.web.test_polls import Screen


def body(desk: Desk, url: str) -> str:
    return desk.get(url).text


def test_a_referral_changed_by_a_host_whose_clock_is_behind_is_news(god: Actor) -> None:
    first, second = make.a_referral(god), make.a_referral(god)
    now = clock.now()
    with clock.at(now + timedelta(seconds=1)):
        referrals.act(god, first.locator, action="book")
    with clock.at(now + timedelta(seconds=2)):
        seen = get_version(god)
    with clock.at(now + timedelta(seconds=0.5)):  # half a second behind the other host, and later in truth
        referrals.act(god, second.locator, action="book")
    with clock.at(now + timedelta(seconds=3)):
        assert get_version(god) != seen


def test_a_referral_whose_change_is_committed_after_a_later_one_is_news(
    god: Actor, doctor: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands of one clock: the one that began first commits last, and a screen looks in between."""
    first, second = make.a_referral(god), make.a_referral(god)
    held, go_on = Event(), Event()
    commit = commands._commit

    def late(last: Any = None, *, wrote_in: int | None) -> Any:
        if wrote_in == god.tenant_id and not held.is_set():
            held.set()
            assert go_on.wait(30)
        return commit(last, wrote_in=wrote_in)

    monkeypatch.setattr(commands, "_commit", late)

    def slowly() -> None:
        with doctor.app.app_context():
            referrals.act(god, first.locator, action="book")

    thread = Thread(target=slowly)
    thread.start()
    assert held.wait(30)
    with doctor.app.app_context():
        referrals.act(god, second.locator, action="book")
    screen = Screen(doctor, "/referrals")
    columns = body(doctor, "/referrals")
    go_on.set()
    thread.join(30)
    after = body(doctor, "/referrals")
    booked = f'action="/referrals/{first.locator}/complete"'
    assert booked not in columns
    assert booked in after, "the board looks different"
    assert screen.status() == 200


@pytest.mark.parametrize("page", ["board", "episode", "referrals", "today"])
def test_what_is_restricted_leaves_the_screens_that_show_it(god: Actor, desk: Callable[..., Desk], page: str) -> None:
    clinic = make.a_clinic(god)
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    patient = make.a_patient(god, name=HumanName(family="Shown", given=["Ko"]))
    episode = make.an_episode(god, patient, care_type="MENTAL_HEALTH", reason="Zqsecret complaint")
    slot = make.a_slot(god, provider, hours=1, clinic=clinic)
    make.an_appointment(god, episode, slot)
    referrals.refer(god, episode.locator, type="IMAGING", reason="Zqsecret why")
    day = clock.local(slot.starts_at, "Asia/Yangon").date()
    url = {
        "board": "/episodes", "episode": f"/episodes/{episode.locator}", "referrals": "/referrals",
        "today": f"/today?clinic={clinic.locator}&day={day}",
    }[page]  # fmt: skip
    stranger = desk(Role.CLINICIAN)
    screen = Screen(stranger, url)
    mark = {"today": "Mental health", "board": "<span>Mental health</span>"}.get(page, "Zqsecret")
    assert mark in body(stranger, url)
    assert screen.status() == 204
    confidentiality.restrict(god, patient.locator, reason="Works here himself")
    answer = stranger.open("GET", url)
    assert answer.status_code == 403 or mark not in answer.text, "the page does not say it any more"
    assert screen.status() != 204, "the screen is told so"


def test_a_referral_that_becomes_mine_by_a_visit_is_news(god: Actor, desk: Callable[..., Desk]) -> None:
    provider = make.a_provider(god)
    mine = desk(Role.CLINICIAN, provider_id=int(provider.locator.rsplit("-", 1)[1]))
    episode = make.an_episode(god)
    referral = make.a_referral(god, episode)
    screen = Screen(mine, "/referrals?mine=1")
    assert referral.locator not in body(mine, screen.url)
    make.an_appointment(god, episode, make.a_slot(god, provider))
    assert referral.locator in body(mine, screen.url), "the board looks different"
    assert screen.status() == 200


@pytest.mark.parametrize("view", ["day", "week"])
def test_a_slot_that_a_visit_at_another_clinic_closes_is_news(god: Actor, front: Desk, view: str) -> None:
    here, there = make.a_clinic(god, name="Here"), make.a_clinic(god, name="There")
    provider = make.a_provider(god, clinic_locators=[here.locator, there.locator])
    execute(god, "UPDATE tenant_settings SET buffer_minutes = 15")
    hours = make.mid_week()
    slot = make.a_slot(god, provider, hours=hours, clinic=here)
    other = make.a_slot(god, provider, hours=hours + 0.5, clinic=there)
    begins = clock.local(slot.starts_at, "Asia/Yangon")
    when = f"day={begins:%Y-%m-%d}" if view == "day" else f"week={begins:%G-W%V}"
    url = f"/calendar?clinic={here.locator}&{when}"
    screen, before = Screen(front, url), body(front, url)
    make.an_appointment(god, slot=other)
    after = body(front, url)
    free = f'slot slot-free" href="/slots/{slot.locator}'
    assert free in before
    assert free not in after, "the calendar looks different"
    assert screen.status() == 200


def test_a_buffer_that_is_made_longer_is_news(god: Actor, front: Desk) -> None:
    clinic = make.a_clinic(god)
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    hours = make.mid_week()
    slot = make.a_slot(god, provider, hours=hours, clinic=clinic)
    make.an_appointment(god, slot=make.a_slot(god, provider, hours=hours + 0.5, clinic=clinic))
    url = f"/calendar?clinic={clinic.locator}&day={clock.local(slot.starts_at, 'Asia/Yangon'):%Y-%m-%d}"
    screen, before = Screen(front, url), body(front, url)
    execute(god, "UPDATE tenant_settings SET buffer_minutes = 45")
    after = body(front, url)
    free = f'slot slot-free" href="/slots/{slot.locator}'
    assert free in before
    assert free not in after, "the calendar looks different"
    assert screen.status() == 200


def test_an_emergency_that_is_over_leaves_the_screen(god: Actor, desk: Callable[..., Desk]) -> None:
    patient = make.a_restricted_patient(god)
    url = f"/episodes/{make.an_episode(god, patient, reason='Zqsecret complaint').locator}"
    now = clock.now()
    begun = now + timedelta(seconds=QUARTER - now.timestamp() % QUARTER + 60)  # a minute after a quarter
    over = begun + timedelta(hours=1)
    with clock.at(over - timedelta(minutes=1)):
        doctor = desk(Role.CLINICIAN)
    [(email,)] = rows(god, "SELECT email FROM users ORDER BY id DESC LIMIT 1")
    himself = actor_of_email(email)
    assert himself
    with clock.at(begun):
        emergency.declare(himself, patient.locator, reason="Found without consciousness")
    with clock.at(over - timedelta(seconds=20)):
        screen = Screen(doctor, url)
        assert "Zqsecret" in body(doctor, url)
        assert screen.status() == 204
    with clock.at(over + timedelta(minutes=2)):
        assert doctor.open("GET", url).status_code == 403, "it is closed to him"
        assert screen.status() != 204, "the screen is told so"
