"""The dashboard of a clinic: its figures, on which clock, whose they are, and what they cost."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.clinics.views import ClinicView
from careapp.errors import NotFound
from careapp.overviews.dashboard import get_dashboard
from careapp.overviews.dashboard_views import Dashboard, Places, Rate, Visits
from careapp.providers.views import ProviderView
from careapp.scheduling import appointments, slots
from tests import factories as make
from tests.looking import audits, id_of, newest
from tests.web.conftest import Desk

NOON = datetime(2027, 3, 10, 5, 30, tzinfo=UTC)  # a Wednesday, 12:00 in Yangon; the week began on the 8th
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clinic(god: Actor) -> ClinicView:
    """The clinic whose figures are looked at."""
    return make.a_clinic(god)


@pytest.fixture
def provider(god: Actor, clinic: ClinicView) -> ProviderView:
    """Who works there."""
    return make.a_provider(god, clinic_locators=[clinic.locator], name="Dr Myat")


def a_visit(
    god: Actor, provider: ProviderView, clinic: ClinicView | None, at: datetime, status: str = "BOOKED",
    *, capacity: int = 1, minutes: int = 30,
) -> str:  # fmt: skip
    """A visit at that time, in the state it has in the end; returns its episode's locator."""
    with clock.at(at - DAY):
        slot = slots.add_slot(
            god, provider.locator, start=at, end=at + timedelta(minutes=minutes), capacity=capacity,
            clinic_locator=clinic.locator if clinic else None,
        )  # fmt: skip
        episode = make.an_episode(god)
        made = appointments.book(god, episode.locator, slot_locator=slot.locator)
        for action in make.PATHS[status]:
            made = appointments.act(god, made.locator, action=action)
    return episode.locator


def figures(god: Actor, clinic: ClinicView, now: datetime = NOON) -> Dashboard:
    """The dashboard at a moment."""
    with clock.at(now):
        found = get_dashboard(god, clinic=clinic.locator).dashboard
    assert found is not None
    return found


def test_todays_visits_by_hour_and_provider(god: Actor, clinic: ClinicView, provider: ProviderView) -> None:
    other = make.a_provider(god, clinic_locators=[clinic.locator], name="Dr Aye")
    a_visit(god, provider, clinic, NOON - 3 * HOUR, "ATTENDED")
    a_visit(god, provider, clinic, NOON - 2 * HOUR, "NO_SHOW")
    a_visit(god, provider, clinic, NOON - HOUR, "CONFIRMED")
    a_visit(god, other, clinic, NOON - HOUR, "IN_PROGRESS")
    a_visit(god, other, clinic, NOON, "ARRIVED")
    a_visit(god, other, clinic, NOON + HOUR, "BOOKED")
    a_visit(god, other, clinic, NOON + 2 * HOUR, "CANCELLED")
    shown = figures(god, clinic)
    assert shown.visits == Visits(due=2, late=1, waiting=1, in_room=1, done=1, missed=1)
    assert [(one.hour, one.visits.all) for one in shown.hours] == [(9, 1), (10, 1), (11, 2), (12, 1), (13, 1)]
    assert [(one.name, one.visits.all) for one in shown.providers] == [("Dr Aye", 3), ("Dr Myat", 3)]


def test_the_day_is_the_clinics_own(god: Actor, clinic: ClinicView, provider: ProviderView) -> None:
    midnight = NOON - 12 * HOUR  # 17:30 of the day before in UTC
    for at in (midnight - HOUR, midnight, midnight + 23 * HOUR, midnight + 24 * HOUR):
        a_visit(god, provider, clinic, at)
    shown = figures(god, clinic)
    assert shown.today == date(2027, 3, 10)
    assert [one.hour for one in shown.hours if one.visits.all] == [0, 23]


def test_what_stands_at_no_clinic_counts_where_its_provider_works(god: Actor, clinic: ClinicView) -> None:
    elsewhere = make.a_clinic(god, name="Hill Clinic")
    here, there, nowhere = (
        make.a_provider(god, clinic_locators=locators, name=name)
        for name, locators in (("Here", [clinic.locator]), ("There", [elsewhere.locator]), ("Nowhere", []))
    )
    for one in (here, there, nowhere):
        a_visit(god, one, None, NOON + HOUR)
    a_visit(god, here, elsewhere, NOON + 2 * HOUR)
    assert [one.name for one in figures(god, clinic).providers] == ["Here", "Nowhere"]
    assert [one.name for one in figures(god, elsewhere).providers] == ["Here", "Nowhere", "There"]
    assert [one.name for one in figures(god, clinic).capacity] == ["Here", "Nowhere"]


def test_free_places_of_the_week(god: Actor, clinic: ClinicView, provider: ProviderView) -> None:
    a_visit(god, provider, clinic, NOON - 2 * DAY, "ATTENDED", capacity=3)  # Monday: over, two places stayed empty
    a_visit(god, provider, clinic, NOON + HOUR, capacity=10)
    with clock.at(NOON - DAY):
        for hours in (24, 25):
            at = NOON + hours * HOUR
            made = slots.add_slot(
                god, provider.locator, start=at, end=at + HOUR, capacity=2, clinic_locator=clinic.locator
            )
        slots.act(god, made.locator, action="block")
        after = NOON + 5 * DAY  # the next Monday
        slots.add_slot(god, provider.locator, start=after, end=after + HOUR, clinic_locator=clinic.locator)
    [week] = figures(god, clinic).capacity
    assert list(week.days) == [
        Places(offered=3, taken=1), Places(), Places(offered=10, taken=1, free=9), Places(offered=2, free=2, blocked=2),
        Places(), Places(), Places(),
    ]  # fmt: skip
    assert week.total == Places(offered=15, taken=2, free=11, blocked=2)


def test_who_has_left_the_network_has_no_free_place(god: Actor, clinic: ClinicView, provider: ProviderView) -> None:
    a_visit(god, provider, clinic, NOON + HOUR, capacity=4)
    make.providers.act(god, provider.locator, action="deactivate")
    assert figures(god, clinic).places == Places(offered=4, taken=1, free=0)


def test_no_shows_by_week_and_a_week_without_visits_has_no_rate(
    god: Actor, clinic: ClinicView, provider: ProviderView
) -> None:
    a_visit(god, provider, clinic, NOON - 7 * DAY, "NO_SHOW")
    for number in range(3):
        a_visit(god, provider, clinic, NOON - 7 * DAY + (1 + number) * HOUR, "ATTENDED")
    a_visit(god, provider, clinic, NOON - 14 * DAY, "ATTENDED")
    a_visit(god, provider, clinic, NOON - 15 * DAY, "CANCELLED")
    a_visit(god, provider, clinic, NOON - 70 * DAY, "NO_SHOW")
    a_visit(god, provider, clinic, NOON - HOUR, "NO_SHOW")  # this week is not among them
    a_visit(god, provider, clinic, NOON - 90 * DAY, "NO_SHOW")  # nor is the thirteenth before it
    weeks = figures(god, clinic).weeks
    assert [one.monday for one in (weeks[0], weeks[-1])] == [date(2026, 12, 14), date(2027, 3, 1)]
    assert [one.rate for one in weeks] == [None, None, 1.0, *[None] * 7, 0.0, 0.25]
    assert Rate.over(weeks[-4:]) == Rate(missed=1, ended=5)
    assert Rate.over(weeks[:2]).value is None


def test_weeks_begin_at_the_clinics_midnight_when_its_clocks_have_changed(god: Actor) -> None:
    """New York left summer time on Sunday 1 November 2026 at 06:00 UTC."""
    york = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    doctor = make.a_provider(god, clinic_locators=[york.locator])
    for at, status in (
        (datetime(2026, 10, 26, 3, 30, tzinfo=UTC), "NO_SHOW"),  # Sunday, 23:30 in summer time
        (datetime(2026, 10, 26, 4, 0, tzinfo=UTC), "ATTENDED"),  # Monday, 00:00 in summer time
        (datetime(2026, 11, 2, 4, 30, tzinfo=UTC), "NO_SHOW"),  # Sunday, 23:30 in winter time
        (datetime(2026, 11, 2, 5, 0, tzinfo=UTC), "ATTENDED"),  # Monday, 00:00 in winter time
    ):
        a_visit(god, doctor, york, at, status)
    weeks = {one.monday: one for one in figures(god, york, datetime(2026, 11, 11, 15, tzinfo=UTC)).weeks}
    counts = [
        (weeks[day].missed, weeks[day].ended) for day in (date(2026, 10, 19), date(2026, 10, 26), date(2026, 11, 2))
    ]
    assert counts == [(1, 1), (1, 2), (0, 1)]


def test_referrals_by_age_and_overdue_by_priority(god: Actor, clinic: ClinicView, provider: ProviderView) -> None:
    for days, priority in (
        (0, "ROUTINE"),
        (7, "ROUTINE"),
        (8, "URGENT"),
        (20, "STAT"),
        (30, "ROUTINE"),
        (31, "ROUTINE"),
    ):
        episode = a_visit(god, provider, clinic, NOON - days * DAY - HOUR, "ATTENDED")
        with clock.at(NOON - days * DAY):
            make.referrals.refer(god, episode, type="LAB", reason="Full blood count", priority=priority)
    make.a_referral(god)  # of an episode that was at no clinic yet
    ageing = figures(god, clinic).referrals
    assert ageing is not None
    assert [(one.first, one.last, one.all) for one in ageing.ages] == [
        (0, 7, 2),
        (8, 14, 1),
        (15, 30, 2),
        (31, None, 1),
    ]
    assert [(one.priority, one.open, one.overdue) for one in ageing.priorities] == [
        ("STAT", 1, 1), ("URGENT", 1, 1), ("ROUTINE", 4, 1),
    ]  # fmt: skip
    assert (ageing.open, ageing.overdue) == (6, 3)


def test_who_may_not_know_of_referrals_sees_none(god: Actor, clinic: ClinicView, desk: Callable[..., Desk]) -> None:
    page = desk(Role.ADMIN).get("/dashboard").text
    assert "Open referrals" not in page
    assert "No-shows in the last 12 weeks" in page


def test_only_clinics_in_scope(god: Actor, clinic: ClinicView, actor_of: Callable[..., Actor]) -> None:
    other = make.a_clinic(god, name="Another Clinic")
    scoped = actor_of(Role.FRONT_DESK, clinic_ids=frozenset({id_of(god, "clinics", clinic.locator)}))
    choice = get_dashboard(scoped)
    assert [one.locator for one in choice.clinics] == [clinic.locator]
    assert choice.dashboard is not None
    assert choice.dashboard.clinic.locator == clinic.locator
    with pytest.raises(NotFound):
        get_dashboard(scoped, clinic=other.locator)


def test_it_opens_with_ones_own_clinic(god: Actor, clinic: ClinicView, actor_of: Callable[..., Actor]) -> None:
    make.a_provider(god, clinic_locators=[clinic.locator])
    own = make.a_clinic(god, name="Zebra Clinic")
    me = make.a_provider(god, clinic_locators=[own.locator])
    clinician = actor_of(Role.CLINICIAN, provider_id=id_of(god, "providers", me.locator))
    for actor, name in ((clinician, "Zebra Clinic"), (god, "Riverside Clinic")):
        shown = get_dashboard(actor).dashboard
        assert shown is not None
        assert shown.clinic.name == name


def test_clinics_nobody_works_at_are_not_offered(god: Actor, clinic: ClinicView, provider: ProviderView) -> None:
    hospital = make.a_clinic(god, name="A Hospital of long ago")
    assert [one.name for one in get_dashboard(god).clinics] == [clinic.name]
    asked = get_dashboard(god, clinic=hospital.locator)
    assert [one.name for one in asked.clinics] == [hospital.name, clinic.name]


def test_the_page_names_no_patient_and_records_no_read(god: Actor, front: Desk) -> None:
    before_noon = f"Etc/GMT{clock.now().hour - 11:+d}"  # a zone whose clocks show eleven now: the visit is of today
    clinic = make.a_clinic(god, time_zone=before_noon)
    provider = make.a_provider(god, clinic_locators=[clinic.locator])
    make.an_appointment(god, slot=make.a_slot(god, provider, clinic=clinic), status="ARRIVED")
    before = newest(god)["audits"]
    page = front.get(f"/dashboard?clinic={clinic.locator}").text
    assert "Testowa" not in page
    assert audits(god, after=before) == []
    assert page.count("Show as table") == 4
    assert page.count('role="img"') == 4
    for address in (f"/today?clinic={clinic.locator}&amp;provider=all", f"/calendar?clinic={clinic.locator}&amp;week="):
        assert f'href="{address}' in page


def test_an_empty_clinic_and_no_clinic_at_all(god: Actor, front: Desk) -> None:
    assert "There is no clinic to show figures of." in front.get("/dashboard").text
    make.a_clinic(god)
    page = front.get("/dashboard").text
    for sentence in ("No visits today.", "No slots are offered this week.", "No referral is open."):
        assert sentence in page
    assert page.count("no visits") >= 12
    assert "No visit has ended in the last 4 weeks" in page


def test_an_unknown_clinic_is_not_found(front: Desk) -> None:
    assert front.open("GET", "/dashboard?clinic=CLN-2026-999999").status_code == 404
    assert front.open("GET", "/dashboard?clinic=broken").status_code in (404, 422)


def test_auditors_have_no_dashboard(desk: Callable[..., Desk]) -> None:
    assert desk(Role.AUDITOR).open("GET", "/dashboard").status_code == 403


def test_six_statements_however_much_there_is(god: Actor, front: Desk, statements: Callable[[], Any]) -> None:
    counts = []
    for number in range(2):
        clinic = make.a_clinic(god, name=f"Clinic {number}")
        for hours in range(4):
            provider = make.a_provider(god, clinic_locators=[clinic.locator])
            made = make.an_appointment(god, slot=make.a_slot(god, provider, clinic=clinic, hours=hours))
            make.referrals.refer(god, made.episode_locator, type="LAB", reason="Full blood count")
        with statements() as seen:
            front.get("/dashboard")
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 6, "\n\n".join(seen)
