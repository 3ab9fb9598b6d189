"""The referral form and the referral board: what each role sees, filters, moves, polls, pages, and what it costs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor, Role
from careapp.patients.views import HumanName
from careapp.referrals import service
from careapp.referrals.queries import get_referral
from careapp.referrals.views import ReferralView
from careapp.scheduling import appointments
from tests import factories as make
from tests.looking import audits, id_of, newest, one
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk


def referred(god: Actor, *, days: float = 0, family: str = "Aung", **fields: Any) -> ReferralView:
    """A referral made so many days ago."""
    patient = make.a_patient(god, name=HumanName(family=family, given=["Ko"]))
    values = {"type": "LAB", "reason": "Full blood count", **fields}
    episode = make.an_episode(god, patient)
    with clock.at(clock.now() - timedelta(days=days, minutes=1)):
        return service.refer(god, episode.locator, **values)


def test_columns_counts_and_ages(god: Actor, doctor: Desk) -> None:
    referred(god, days=9, priority="URGENT", family="Overdue")
    referred(god, days=6, priority="URGENT", family="Soon")
    referred(god, days=9, family="Routine")
    late = referred(god, days=9, family="Report")
    with clock.at(clock.now() - timedelta(days=8)):
        service.act(god, late.locator, action="book", scheduled_for=clock.now() + timedelta(days=3), facility="Imaging")
    done = referred(god, days=3, family="Done")
    with clock.at(clock.now() - timedelta(days=2, minutes=1)):
        service.act(god, done.locator, action="book")
        service.act(god, done.locator, action="complete", outcome="Within range")
    page = doctor.get("/referrals").text
    for text in (
        "9 days, overdue", "6 days, 23 hours left", "5 days past, report missing", "2 days ago",
        "1 overdue", "Within range", "Full blood count", "Times: Asia/Yangon", "Ko Overdue",
    ):  # fmt: skip
        assert text in page, text
    assert page.index("Ko Overdue") < page.index("Ko Soon") < page.index("Ko Routine"), "in the order they are due"
    assert page.count('<span class="count">') == 3


def test_the_front_desk_sees_that_there_are_referrals_and_not_why(
    god: Actor, front: Desk, desk: Callable[..., Desk]
) -> None:
    made = make.a_referral(god, status="BOOKED")
    service.act(god, made.locator, action="complete", outcome="Anaemia")
    make.a_referral(god)
    seen = front.get("/referrals").text
    assert made.locator in seen
    assert "blood" not in seen
    assert "Anaemia" not in seen
    assert "/book" not in seen, "and no buttons for what he may not do"
    assert desk(Role.ADMIN).open("GET", "/referrals").status_code == 403


def test_filters_stand_in_the_address(god: Actor, desk: Callable[..., Desk]) -> None:
    clinic, provider = make.a_clinic(god), make.a_provider(god)
    mine = referred(god, days=2, priority="STAT", type="IMAGING", family="Wanted")
    other = referred(god, family="Other")
    slot = make.a_slot(god, provider, clinic=clinic)
    appointments.book(god, mine.episode_locator, slot_locator=slot.locator)
    doctor = desk(Role.CLINICIAN, provider_id=id_of(god, "providers", provider.locator))
    for query in ("type=IMAGING", "priority=STAT", f"clinic={clinic.locator}", "overdue=1", "mine=1"):
        page = doctor.get(f"/referrals?{query}").text
        assert mine.locator in page, query
        assert other.locator not in page, query
    answer = doctor.get("/referrals?type=IMAGING&priority=&clinic=", htmx=True)
    assert answer.headers["HX-Push-Url"] == "/referrals?type=IMAGING"
    for query in ("type=NONE", "status=CANCELLED"):
        assert doctor.open("GET", f"/referrals?{query}").status_code == 404
    assert doctor.open("GET", "/referrals?clinic=broken").status_code == 422


@pytest.mark.parametrize("htmx", [False, True])
def test_moves_on_the_board_answer_with_the_board(god: Actor, doctor: Desk, htmx: bool) -> None:
    made = referred(god)
    booked = doctor.fill(
        "/referrals?type=LAB", f"/referrals/{made.locator}/book", htmx=htmx, scheduled_for="2027-02-03T10:00",
        facility="Central Laboratory",
    )  # fmt: skip
    assert booked.status_code == (200 if htmx else 303)
    assert (booked.headers.get("Location") == "/referrals?type=LAB") is not htmx
    now = get_referral(god, made.locator)
    assert (now.status, str(now.scheduled_for)) == ("BOOKED", "2027-02-03 03:30:00+00:00"), "in the episode's zone"
    if htmx:
        assert 'id="board"' in booked.text
        assert "Status of" in booked.text
        assert "Ko Aung" in booked.text
    doctor.fill("/referrals", f"/referrals/{made.locator}/complete", htmx=htmx, outcome="Within range")
    assert get_referral(god, made.locator).outcome == "Within range"
    other = referred(god)
    refused = doctor.fill("/referrals", f"/referrals/{other.locator}/cancel", htmx=htmx, reason="")
    assert refused.status_code == 422
    doctor.fill("/referrals", f"/referrals/{other.locator}/cancel", htmx=htmx, reason="Done elsewhere")
    assert get_referral(god, other.locator).status == "CANCELLED"


@pytest.mark.parametrize("htmx", [False, True])
def test_a_second_booking_is_refused_and_says_who_booked_it_when_and_where(
    god: Actor, desk: Callable[..., Desk], htmx: bool
) -> None:
    made = referred(god)
    first, second = desk(Role.CLINICIAN, name="Dr First"), desk(Role.CLINICIAN)
    forms = second.forms("/referrals")
    page = second.forms(f"/episodes/{made.episode_locator}")
    address = f"/referrals/{made.locator}/book"
    first.fill("/referrals", address, scheduled_for="2027-02-03T10:00", facility="Central Laboratory")
    for form in (forms[address], page[address]):
        refused = second.send(form, htmx=htmx, facility="Elsewhere")
        assert refused.status_code == 409
        for text in ("Dr First booked it on", "Wed 3 Feb 2027, 10:00", "Place: Central Laboratory."):
            assert text in refused.text, text
    assert get_referral(god, made.locator).facility == "Central Laboratory"


def test_a_poll_that_has_seen_the_board_gets_nothing_and_leaves_no_audit(god: Actor, doctor: Desk) -> None:
    made = referred(god)
    version = doctor.get("/referrals").text.split('data-version="')[1].split('"')[0]
    seen = newest(god)["audits"]
    poll = {"HX-Request": "true", "X-Poll": "1", "X-Seen": version}
    assert doctor.open("GET", "/referrals", headers=poll).status_code == 204
    assert audits(god, after=seen) == []
    service.act(god, made.locator, action="book")
    changed = doctor.open("GET", "/referrals", htmx=True, headers=poll)
    assert changed.status_code == 200
    assert "HX-Push-Url" not in changed.headers
    assert audits(god, after=seen)[-1].action == "referral.board"


def test_a_change_committed_late_is_noticed(god: Actor, doctor: Desk) -> None:
    referred(god)
    version = doctor.get("/referrals").text.split('data-version="')[1].split('"')[0]
    with clock.at(clock.now() - timedelta(minutes=5)):
        make.a_referral(god)  # as one that began before the newest was stored, and was stored after it
    poll = {"X-Poll": "1", "X-Seen": version}
    assert doctor.open("GET", "/referrals", htmx=True, headers=poll).status_code == 200


def test_a_long_column_comes_by_cursor(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    made = {service.refer(god, episode.locator, type="LAB", reason="x").locator for _ in range(53)}
    board = doctor.get("/referrals").text
    assert 'href="/referrals?status=REFERRED"' in board
    first = doctor.get("/referrals?status=REFERRED").text
    link = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = doctor.get(link).text
    assert "data-live" not in second
    shown = [{locator for locator in made if f'id="{locator}"' in page} for page in (first, second)]
    assert (len(shown[0]), len(shown[1])) == (50, 3)
    assert shown[0] | shown[1] == made
    foreign = [link.replace("REFERRED", "BOOKED"), f"{link}&type=LAB", "/referrals?status=REFERRED&cursor=broken"]
    assert [doctor.open("GET", address).status_code for address in foreign] == [422, 422, 422]


def test_it_takes_five_statements(god: Actor, doctor: Desk, statements: Callable[[], Any]) -> None:
    for family in ("Aung", "Zaw", "Hla"):
        referred(god, family=family)
    with statements() as seen:
        doctor.get("/referrals")
    assert len(seen) <= 5, "\n\n".join(seen)


def test_reading_the_board_is_audited_with_everybody_on_it(god: Actor, doctor: Desk) -> None:
    made = {referred(god, family=family).party_locator for family in ("Aung", "Zaw")}
    doctor.get("/referrals")
    [audit] = [audit for audit in audits(god) if audit.action == "referral.board"]
    assert set(audit.patients) == made


def test_the_form_offers_what_was_ordered_before(god: Actor, doctor: Desk) -> None:
    patient = make.a_patient(god)
    before = service.refer(
        god,
        make.an_episode(god, patient).locator,
        type="IMAGING",
        reason="Knee after a fall",
        facility="City Radiology",
    )
    episode = make.an_episode(god, patient)
    address = f"/episodes/{episode.locator}/referrals/new"
    page = doctor.get(address).text
    assert "Open already for this patient" in page
    assert '<option value="City Radiology">Imaging</option>' in page
    copied = doctor.forms(f"{address}?copy={before.locator}")[address].values
    assert (copied["type"], copied["reason"], copied["facility"]) == ("IMAGING", "Knee after a fall", "City Radiology")
    foreign = make.a_referral(god).locator
    assert doctor.forms(f"{address}?copy={foreign}")[address].values["reason"] == ""


def test_the_form_keeps_a_draft(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    address = f"/episodes/{episode.locator}/referrals/new"
    form = doctor.forms(address)[address]
    typed = {**form.values, "reason": "Chest X-ray", "type": "IMAGING", "priority": "STAT"}
    assert doctor.open("POST", "/drafts", data=typed).status_code == 200
    page = doctor.get(address)
    assert "Your draft of" in page.text
    again = next(one for one in forms_of(parsed(page.text)) if one.action == address)
    assert (again.values["reason"], again.values["priority"]) == ("Chest X-ray", "STAT")
    assert doctor.send(again).status_code == 303
    assert one(god, "SELECT count(*) FROM form_drafts") == 0


def test_a_referral_posted_twice_is_one(god: Actor, doctor: Desk) -> None:
    episode = make.an_episode(god)
    address = f"/episodes/{episode.locator}/referrals/new"
    form = doctor.forms(address)[address]
    for _ in range(2):
        assert doctor.send(form, reason="Chest X-ray").status_code == 303
    assert one(god, "SELECT count(*) FROM diagnostics_referrals") == 1
