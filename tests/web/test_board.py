"""The episode board: columns, cards, filters, paging, polling, and what it costs."""

from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor, Role
from careapp.episodes import service as episodes
from careapp.overviews.overdue import Overdue, why_overdue
from careapp.patients.views import HumanName
from careapp.scheduling import appointments, changes
from tests import factories as make
from tests.conftest import TestTenant, everything
from tests.looking import audits, execute, id_of, newest
from tests.web.checks import parsed
from tests.web.conftest import Desk


def cards(page: str, stage: str | None = None) -> list[str]:
    """The locators on the cards, of one column or of all."""
    tree = parsed(page, fragment="<!doctype" not in page)
    places = [one for one in tree.iter() if stage is None or one.get("id") == f"column-{stage}"]
    found = [(one.get("id") or "") for place in places for one in place.iter("li")]
    return list(dict.fromkeys(one.removeprefix("card-") for one in found if one.startswith("card-")))


def version_in(page: str) -> str:
    return page.split('data-version="')[1].split('"')[0]


def poll(desk: Desk, url: str, seen: str) -> TestResponse:
    """What a live region asks by itself."""
    return desk.open("GET", url, htmx=True, headers={"X-Poll": "1", "X-Seen": seen})


def test_each_stage_has_its_column_and_count(god: Actor, front: Desk) -> None:
    make.an_episode(god)
    make.an_appointment(god, status="CONFIRMED")
    make.an_appointment(god, status="ARRIVED")
    make.an_appointment(god, status="ATTENDED")
    page = front.get("/episodes").text
    for stage in ("New", "Scheduled", "In care", "Ready to close"):
        assert stage in page
    assert page.count('<span class="count">1</span>') == 4
    assert "1 appointment" in page
    assert "Times: Asia/Yangon, UTC+06:30" in page


def test_it_takes_four_statements_and_an_unchanged_poll_one(
    god: Actor, front: Desk, statements: Callable[[], Any]
) -> None:
    booked = [make.an_appointment(god, status="CONFIRMED") for _ in range(3)]
    with statements() as seen:
        page = front.get("/episodes").text
    assert len(seen) == 4, "\n\n".join(seen)
    every = f"/episodes?clinician={booked[0].provider_locator}&care_type=GP"
    with statements() as seen:
        front.get(every)
    assert len(seen) == 4, "\n\n".join(seen)
    before = newest(god)["audits"]
    with statements() as seen:
        assert poll(front, "/episodes", version_in(page)).status_code == 204
    assert len(seen) == 1, "\n\n".join(seen)
    assert audits(god, after=before) == [], "a poll that shows nobody is no read"
    appointments.act(god, booked[0].locator, action="arrive")
    with statements() as seen:
        assert poll(front, "/episodes", version_in(page)).status_code == 200
    assert len(seen) == 6, "\n\n".join(seen)


def test_whatever_happens_to_care_changes_the_version(god: Actor, front: Desk) -> None:
    provider = make.a_provider(god)
    slot, later = make.a_slot(god, provider, hours=24), make.a_slot(god, provider, hours=30)
    episode = make.an_episode(god)
    steps: list[Callable[[], Any]] = [
        lambda: make.an_episode(god),
        lambda: appointments.book(god, episode.locator, slot_locator=slot.locator),
        lambda: appointments.act(god, booked(), action="confirm"),
        lambda: changes.undo(god, booked()),
        lambda: changes.reschedule(god, booked(), slot_locator=later.locator),
        lambda: make.a_referral(god, episode),
        lambda: episodes.cancel(god, episode.locator, reason="Moved away"),
    ]

    def booked() -> str:
        return front.get(f"/episodes/{episode.locator}").text.split("/appointments/")[1].split("/")[0]

    with clock.at(clock.now()):
        for step in steps:
            seen = version_in(front.get("/episodes").text)
            assert poll(front, "/episodes", seen).status_code == 204
            step()
            assert poll(front, "/episodes", seen).status_code == 200


def test_a_change_of_another_tenant_changes_nothing_here(front: Desk, new_tenant: Callable[..., TestTenant]) -> None:
    seen = version_in(front.get("/episodes").text)
    make.an_episode(everything(new_tenant()))
    assert poll(front, "/episodes", seen).status_code == 204


def test_a_poll_says_what_is_new(god: Actor, front: Desk) -> None:
    booked = make.an_appointment(god, status="CONFIRMED")
    gone = make.an_episode(god)
    page = front.get("/episodes").text
    assert 'id="board-news" role="status"></p>' in page
    with clock.at(clock.now()):
        seen = version_in(front.get("/episodes").text)
        appointments.act(god, booked.locator, action="arrive")
        make.an_episode(god)
        make.an_episode(god, care_type="PREVENTIVE")
        episodes.cancel(god, gone.locator)
        said = poll(front, "/episodes", seen).text
        assert "1 episode changed. 2 new episodes. 1 episode ended." in said
        assert 'hx-swap-oob="innerHTML:#board-news"' in said
        assert "1 new episode." in poll(front, "/episodes?care_type=PREVENTIVE", seen).text
        his = poll(front, f"/episodes?clinician={booked.provider_locator}", seen).text
        assert '<div hx-swap-oob="innerHTML:#board-news">1 episode changed.</div>' in his
    for odd in ("", "x", "-1", "9" * 40, "٣"):
        assert poll(front, "/episodes", odd).status_code == 200


def test_a_late_commit_below_a_seen_number_is_noticed(god: Actor, front: Desk) -> None:
    """Numbers are given out before the commit: the highest one says nothing of what comes in below it."""

    make.an_episode(god)
    seen = version_in(front.get("/episodes").text)
    execute(
        god,
        "INSERT INTO status_changes (tenant_id, id, episode_id, entity, entity_id, locator, action, to_status, actor)"
        " OVERRIDING SYSTEM VALUE SELECT tenant_id, -1 - id, episode_id, entity, entity_id, locator, 'undo', 'OPEN',"
        " 'x' FROM status_changes WHERE tenant_id = :tenant ORDER BY id LIMIT 1",
        tenant=god.tenant_id,
    )
    assert poll(front, "/episodes", seen).status_code == 200


def test_the_fragment_has_stable_ids_and_polls_its_own_filter(god: Actor, front: Desk) -> None:
    """By its ids a morph finds each card again, so focus stays where it is while the board is renewed."""
    episode = make.an_episode(god)
    answer = front.open("GET", "/episodes?care_type=GP&clinic=", htmx=True)
    assert answer.headers["HX-Push-Url"] == "/episodes?care_type=GP"
    assert answer.text.lstrip().startswith('<section id="board"')
    assert 'hx-get="/episodes?care_type=GP" hx-trigger="live" hx-swap="keep"' in answer.text
    assert f'id="card-{episode.locator}"' in answer.text
    assert "HX-Push-Url" not in poll(front, "/episodes?care_type=GP", "").headers


def test_care_type_narrows_it(god: Actor, front: Desk) -> None:
    patients = [make.a_patient(god, name=HumanName(family=family, given=["Ko"])) for family in ("Aung", "Zaw")]
    make.an_episode(god, patients[0], care_type="GP")
    make.an_episode(god, patients[1], care_type="MENTAL_HEALTH")
    page = front.get("/episodes?care_type=MENTAL_HEALTH").text
    assert "Ko Zaw" in page
    assert "Ko Aung" not in page


def test_an_episode_is_with_its_open_appointments_else_with_the_last_one(god: Actor, front: Desk) -> None:
    first, second = make.a_provider(god), make.a_provider(god)
    episode = make.an_episode(god)

    def of(provider: Any) -> list[str]:
        return cards(front.get(f"/episodes?clinician={provider.locator}").text)

    assert (of(first), of(second)) == ([], [])
    one = make.an_appointment(god, episode, make.a_slot(god, first, hours=24))
    two = make.an_appointment(god, episode, make.a_slot(god, second, hours=48))
    assert (of(first), of(second)) == ([episode.locator], [episode.locator])
    appointments.act(god, one.locator, action="no-show")
    assert (of(first), of(second)) == ([], [episode.locator])
    appointments.act(god, two.locator, action="cancel")
    assert (of(first), of(second)) == ([episode.locator], []), "the last that was not cancelled"
    changes.undo(god, two.locator)
    assert (of(first), of(second)) == ([], [episode.locator])


def test_who_prescribes_before_anybody_was_seen_has_the_episode(god: Actor, front: Desk) -> None:
    made = make.a_prescription(god)
    assert cards(front.get(f"/episodes?clinician={made.provider_locator}").text) == [made.episode_locator]


def test_filters_combine(god: Actor, front: Desk) -> None:
    near, far = make.a_clinic(god), make.a_clinic(god, name="Far Clinic")
    provider, other = make.a_provider(god), make.a_provider(god)
    wanted = make.an_appointment(god, slot=make.a_slot(god, provider, clinic=near, hours=5))
    done = make.an_appointment(god, slot=make.a_slot(god, provider, clinic=near, hours=9), status="ATTENDED")
    make.an_appointment(god, slot=make.a_slot(god, provider, clinic=far, hours=20))
    make.an_appointment(god, slot=make.a_slot(god, other, clinic=near, hours=5))
    urgent = make.an_appointment(
        god, make.an_episode(god, care_type="URGENT_CARE"), make.a_slot(god, provider, clinic=near, hours=30)
    )
    url = f"/episodes?clinician={provider.locator}&clinic={near.locator}"
    page = front.get(url).text
    assert set(cards(page)) == {one.episode_locator for one in (wanted, done, urgent)}
    assert cards(page, "READY_TO_CLOSE") == [done.episode_locator]
    assert cards(front.get(f"{url}&care_type=URGENT_CARE").text) == [urgent.episode_locator]
    assert f'<option value="{near.locator}" selected>' in page
    assert len(cards(front.get(f"/episodes?clinic={near.locator}").text)) == 4
    stage = front.get(f"{url}&stage=SCHEDULED").text
    assert set(cards(stage)) == {wanted.episode_locator, urgent.episode_locator}


def test_in_care_comes_from_both_sides_in_order(god: Actor, front: Desk) -> None:
    """With an open referral an episode is in care without an appointment, too."""
    provider = make.a_provider(god)
    made = []
    for number in range(4):
        booked = make.an_appointment(god, slot=make.a_slot(god, provider, hours=2 * number), status="ATTENDED")
        episode = episodes_of(booked)
        if number % 2:
            make.a_referral(god, episode)
        else:
            make.an_appointment(god, episode, make.a_slot(god, provider, hours=50 + 2 * number))
        made.append(booked.episode_locator)
    page = front.get(f"/episodes?clinician={provider.locator}").text
    assert cards(page, "IN_CARE") == made[::-1]
    assert '<span class="count">4</span>' in page


def episodes_of(booked: Any) -> Any:
    """Whatever has the episode's locator is enough of an episode for a factory."""
    return type("Episode", (), {"locator": booked.episode_locator})


def test_mine_is_the_clinicians_own(god: Actor, desk: Callable[..., Desk], front: Desk) -> None:
    provider = make.a_provider(god)
    doctor = desk(Role.CLINICIAN, provider_id=id_of(god, "providers", provider.locator))
    own = make.an_appointment(god, slot=make.a_slot(god, provider))
    make.an_appointment(god)
    page = doctor.get("/episodes?clinician=mine").text
    assert cards(page) == [own.episode_locator]
    assert '<option value="mine" selected>Mine</option>' in page
    assert '<a href="/episodes?clinician=mine"' in page, "where his menu leads"
    assert '<a href="/episodes?clinician=mine"' not in front.get("/episodes").text
    assert front.open("GET", "/episodes?clinician=mine").status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "care_type=NONE", "stage=CLOSED", "clinician=PRV-2026-999999", "clinician=CLN-2026-000001", "clinician=0",
        "clinic=CLN-2026-999999", "clinic=mine", "clinic=%00", "clinician=%F0%9F%98%80",
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_not_found(front: Desk, query: str) -> None:
    assert front.open("GET", f"/episodes?{query}").status_code == 404


def test_filters_of_another_tenant_or_out_of_scope_are_not_found(
    god: Actor, front: Desk, desk: Callable[..., Desk], new_tenant: Callable[..., TestTenant]
) -> None:
    other = everything(new_tenant())
    near, far = make.a_clinic(god), make.a_clinic(god, name="Far Clinic")
    for name, locator in (
        ("clinician", make.a_provider(other).locator), ("clinic", make.a_clinic(other).locator),
    ):  # fmt: skip
        assert front.open("GET", f"/episodes?{name}={locator}").status_code == 404
    scoped = desk(Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", near.locator)])
    provider = make.a_provider(god)
    make.an_appointment(god, slot=make.a_slot(god, provider, clinic=far, hours=4))
    assert "Far Clinic" not in scoped.get("/episodes").text
    assert scoped.open("GET", f"/episodes?clinic={far.locator}").status_code == 404
    assert cards(scoped.get(f"/episodes?clinician={provider.locator}").text) == []
    assert len(cards(front.get(f"/episodes?clinician={provider.locator}").text)) == 1


def test_further_cards_stand_on_the_stages_own_pages(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god)
    made = [make.an_episode(god, patient).locator for _ in range(55)]
    board = front.get("/episodes?care_type=GP").text
    assert cards(board) == made[:-13:-1]
    assert "All of “New”" in unescape(board)
    link = "/episodes?stage=NEW&amp;care_type=GP"
    assert f'<a href="{link}">' in board
    first = front.get(link.replace("&amp;", "&")).text
    assert 'data-live="15"' in first
    more = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    second = front.get(more).text
    assert "data-live" not in second, "a page further down does not ask by itself"
    assert cards(first) + cards(second) == made[::-1]
    for other in ("stage=NEW", "stage=SCHEDULED&care_type=GP"):
        assert front.open("GET", f"/episodes?{other}&{more.split('&')[-1]}").status_code == 422, other
    before_they_named_their_list = "WyIyMDI2LTExLTIwVDEyOjAwOjAwKzAwOjAwIiwgMV0"
    for cursor in ("broken", before_they_named_their_list):
        assert front.open("GET", f"/episodes?stage=NEW&cursor={cursor}").status_code == 422


def test_who_may_not_see_referrals_sees_none_on_the_board(god: Actor, desk: Callable[..., Desk], front: Desk) -> None:
    make.a_referral(god)
    assert "1 referral" in front.get("/episodes").text
    assert "1 referral" not in desk(Role.ADMIN).get("/episodes").text


def test_an_auditor_has_no_board(desk: Callable[..., Desk]) -> None:
    assert desk(Role.AUDITOR).open("GET", "/episodes").status_code == 403


def test_times_name_their_zone_where_clinics_differ(god: Actor, front: Desk) -> None:
    york = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    make.an_appointment(god, status="CONFIRMED")
    named = '<span class="quiet">Asia/Yangon</span>'
    assert "Times: Asia/Yangon" in front.get("/episodes").text
    assert named not in front.get("/episodes").text
    make.an_appointment(god, slot=make.a_slot(god, clinic=york), status="CONFIRMED")
    assert "named beside it" in front.get("/episodes").text
    assert named in front.get("/episodes").text


def test_what_is_overdue_says_so(god: Actor, front: Desk) -> None:
    made = [make.an_appointment(god, status="BOOKED"), make.an_appointment(god, status="ARRIVED")]
    made.append(make.an_appointment(god, status="ATTENDED"))
    make.an_episode(god)
    assert "urgent" not in front.get("/episodes").text
    with clock.at(clock.now() - timedelta(days=16)):
        for status in ("BOOKED", "ARRIVED", "ATTENDED"):
            make.an_appointment(god, status=status)
        make.an_episode(god)
    page = front.get("/episodes").text
    assert page.count('class="whole urgent"') == 4
    for text in (
        "The appointment is over and still says: Booked.", "The appointment should have ended and still says: Arrived.",
        "Ready to close for 16 days.", "Nothing has been booked for 16 days.",
    ):  # fmt: skip
        assert page.count(text) == 1, text


def test_why_an_episode_is_overdue() -> None:
    now = clock.now()
    ago = {days: now - timedelta(days=days) for days in (1, 13, 15)}
    assert why_overdue("NEW", now=now, opened_at=ago[13]) is None
    assert why_overdue("NEW", now=now, opened_at=ago[15]) is Overdue.NOT_BOOKED
    assert why_overdue("IN_CARE", now=now, opened_at=ago[15]) is None
    assert why_overdue("READY_TO_CLOSE", now=now, opened_at=ago[15], quiet_since=ago[13]) is None
    assert why_overdue("READY_TO_CLOSE", now=now, opened_at=ago[15], quiet_since=ago[15]) is Overdue.NOT_CLOSED
    for status, hours, reason in (
        ("BOOKED", -1, None), ("BOOKED", 1, Overdue.VISIT_NOT_MARKED), ("PENDING", 1, Overdue.VISIT_NOT_MARKED),
        ("ARRIVED", 1, None), ("IN_PROGRESS", 3, Overdue.VISIT_NOT_ENDED),
    ):  # fmt: skip
        ended = now - timedelta(hours=hours)
        found = why_overdue("SCHEDULED", now=now, opened_at=ago[15], visit_status=status, visit_ends_at=ended)
        assert found is reason, status
