"""The front desk's home: today's list, its tabs, what is done in its rows, the search, polls, and what it costs."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from markupsafe import escape

from careapp import clock
from careapp.access import Actor, Role
from careapp.clinics.views import ClinicView
from careapp.overviews.today import EVERYBODY, Wanted, get_day, get_day_version
from careapp.patients import confidentiality
from careapp.patients.views import ContactPoint, HumanName
from careapp.providers.views import ProviderView
from careapp.scheduling import appointments, slots
from careapp.scheduling.views import AppointmentView
from tests import factories as make
from tests.looking import audits, execute, id_of, newest, rows
from tests.web.checks import forms_of, parsed
from tests.web.conftest import Desk

NINE = datetime(2027, 3, 10, 2, 30, tzinfo=UTC)  # 09:00 in Yangon, a Wednesday


@pytest.fixture
def clinic(god: Actor) -> ClinicView:
    """The clinic of the list."""
    return make.a_clinic(god)


def a_visit(
    god: Actor, clinic: ClinicView | None, at: datetime, *, status: str = "BOOKED", name: str | None = None,
    provider: ProviderView | None = None, phone: str | None = None, **fields: Any,
) -> AppointmentView:  # fmt: skip
    """A visit that begins then, made two days before."""
    with clock.at(NINE - timedelta(days=2)):
        provider = provider or make.a_provider(god)
        slot = slots.add_slot(
            god, provider.locator, start=at, end=at + timedelta(minutes=30),
            clinic_locator=clinic.locator if clinic else None,
        )  # fmt: skip
        known: dict[str, Any] = {"name": HumanName(family=name, given=["Daw"])} if name else {}
        if phone:
            known["telecom"] = [
                ContactPoint(system="email", value="a@b.example"),
                ContactPoint(system="phone", value=phone),
            ]
        patient = make.a_patient(god, **known)
        made = make.an_appointment(god, make.an_episode(god, patient), slot, status="PENDING", **fields)
        if status == "PENDING":
            return made
        made = appointments.act(god, made.locator, action="accept")
    with clock.at(at):
        for action in {"BOOKED": (), "CONFIRMED": ("confirm",)}.get(status, make.PATHS[status]):
            if action != "accept":
                made = appointments.act(god, made.locator, action=action)
    return made


def here(clinic: ClinicView, **filters: str) -> str:
    """The address of the clinic's list."""
    return "&".join((f"/today?clinic={clinic.locator}", *(f"{name}={value}" for name, value in filters.items())))


def counts(page: str) -> dict[str, int]:
    """The numbers on the tabs."""
    found = re.findall(r"(Due|Arrived|In room|Done|Missed|All) <span class=\"count\">(\d+)</span>", page)
    return {name: int(number) for name, number in found}


@pytest.fixture(autouse=True)
def nine_o_clock() -> Any:
    """It is nine in the morning in Yangon."""
    with clock.at(NINE):
        yield


def test_the_list_has_tabs_with_counts(god: Actor, front: Desk, clinic: ClinicView) -> None:
    for number, status in enumerate(
        ("PENDING", "BOOKED", "CONFIRMED", "ARRIVED", "IN_PROGRESS", "ATTENDED", "CANCELLED", "NO_SHOW")
    ):
        a_visit(god, clinic, NINE + timedelta(hours=number / 2), status=status, name=f"Mya{status.title()}")
    page = front.get(here(clinic)).text
    assert counts(page) == {"Due": 3, "Arrived": 1, "In room": 1, "Done": 1, "Missed": 1, "All": 8}
    assert "Times: Asia/Yangon, UTC+06:30" in page
    due = front.get(here(clinic, tab="due")).text
    assert "MyaPending" in due
    assert "MyaArrived" not in due
    missed = front.get(here(clinic, tab="missed")).text
    assert "MyaNo_Show" in missed
    assert "MyaCancelled" not in missed
    assert page.index("Finished: 3") < page.index("MyaCancelled")
    assert front.open("GET", here(clinic, tab="nonsense")).status_code == 404


def test_a_row_says_who_it_is_and_who_did_what(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE + timedelta(minutes=30), name="Hla", type="FOLLOW_UP")
    front.fill(here(clinic), f"/today/{visit.locator}/arrive?clinic={clinic.locator}")
    with clock.at(NINE + timedelta(minutes=12)):
        page = front.get(here(clinic)).text
    for text in (
        "Daw Hla", "17 May 1980 (46 years)", visit.party_locator, "Follow up", "General practice",
        "Checked in by Ma Thandar Test, 09:00", "Waits 12 min", f'href="/episodes/{visit.episode_locator}"',
    ):  # fmt: skip
        assert text in page, text


@pytest.mark.parametrize(
    ("minutes", "said"), [(9, "Waits 9 min"), (15, "Long wait: 15 min"), (31, "Very long wait: 31 min")]
)
def test_waiting_is_told_by_word(
    god: Actor, desk: Callable[..., Desk], clinic: ClinicView, minutes: int, said: str
) -> None:
    a_visit(god, clinic, NINE, status="ARRIVED")
    with clock.at(NINE + timedelta(minutes=minutes)):
        assert said in desk(Role.FRONT_DESK).get(here(clinic)).text


def test_who_is_late_is_marked(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_visit(god, clinic, NINE - timedelta(minutes=12))
    a_visit(god, clinic, NINE - timedelta(minutes=95))
    page = front.get(here(clinic)).text
    assert "12 min late" in page
    assert "1 h 35 min late" in page
    yesterday = front.get(here(clinic, day="2027-03-09"))
    assert "No visits on this day" in yesterday.text


MOVES = [
    ("BOOKED", "confirm", "CONFIRMED"), ("BOOKED", "arrive", "ARRIVED"), ("PENDING", "accept", "BOOKED"),
    ("ARRIVED", "start", "IN_PROGRESS"), ("IN_PROGRESS", "attend", "ATTENDED"), ("BOOKED", "no-show", "NO_SHOW"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "action", "after"), MOVES)
def test_each_move_is_made_in_the_row_and_taken_back(
    god: Actor, front: Desk, clinic: ClinicView, before: str, action: str, after: str
) -> None:
    visit = a_visit(god, clinic, NINE, status=before, name="Nilar")
    query = f"?clinic={clinic.locator}&tab=due"
    forms = front.forms(here(clinic))
    form = forms[f"/today/{visit.locator}/{action}?clinic={clinic.locator}"]
    answer = front.open("POST", f"/today/{visit.locator}/{action}{query}", htmx=True, data=form.values)
    assert answer.status_code == 200
    assert 'id="desk"' in answer.text
    assert re.search(r"<span>[A-Z][a-z -]+: <strong>Daw Nilar</strong></span>", answer.text)
    assert rows(god, "SELECT status FROM appointments")[0].status == after
    undo = next(one for one in forms_of(parsed(answer.text, fragment=True)) if "/undo" in one.action)
    assert undo.action == f"/today/{visit.locator}/undo{query}"
    back = front.send(undo, htmx=True)
    assert back.status_code == 200
    assert rows(god, "SELECT status FROM appointments")[0].status == before
    assert "Taken back by Ma Thandar Test, 09:00" in front.get(here(clinic)).text


def test_undo_stands_in_the_row_for_ten_minutes(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE)
    front.fill(here(clinic), f"/today/{visit.locator}/arrive?clinic={clinic.locator}")
    undo = f"/today/{visit.locator}/undo?clinic={clinic.locator}"
    with clock.at(NINE + timedelta(minutes=9)):
        assert undo in front.forms(here(clinic))
        stale = front.forms(here(clinic))[undo]
    with clock.at(NINE + timedelta(minutes=11)):
        assert undo not in front.forms(here(clinic))
        late = front.send(stale)
    assert late.status_code == 409
    assert "cannot be taken back" in late.text


def test_cancelling_asks_who_and_why(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE)
    action = f"/today/{visit.locator}/cancel?clinic={clinic.locator}"
    assert front.fill(here(clinic), action).status_code == 422
    done = front.fill(here(clinic), action, htmx=True, reason="Has a fever", category="PATIENT")
    assert "Cancelled" in done.text
    assert "The patient" in done.text
    assert counts(done.text) == {"Due": 0, "Arrived": 0, "In room": 0, "Done": 0, "Missed": 0, "All": 1}


def test_without_a_script_a_move_leads_back_to_the_row(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE, name="Nilar")
    done = front.fill(here(clinic), f"/today/{visit.locator}/arrive?clinic={clinic.locator}")
    assert (done.status_code, done.location) == (303, f"{here(clinic)}#{visit.locator}")
    page = front.get(here(clinic)).text
    assert f"Checked in: {visit.locator}." in page


def test_who_comes_second_sees_what_the_first_has_done(
    god: Actor, desk: Callable[..., Desk], clinic: ClinicView
) -> None:
    visit = a_visit(god, clinic, NINE, name="Nilar")
    first, second = desk(Role.FRONT_DESK, name="Ma Hla"), desk(Role.FRONT_DESK, name="Ko Ko")
    arrive, no_show = (f"/today/{visit.locator}/{name}?clinic={clinic.locator}" for name in ("arrive", "no-show"))
    seen = second.forms(here(clinic))
    first.fill(here(clinic), arrive)
    for form in (seen[no_show], seen[arrive]):
        for htmx in (True, False):
            late = second.send(form, htmx=htmx)
            assert late.status_code == 409
            assert "Not done: Daw Nilar is now “Arrived” (Checked in by Ma Hla, 09:00)." in late.text
            assert counts(late.text)["Arrived"] == 1
    assert rows(god, "SELECT status FROM appointments")[0].status == "ARRIVED"


def test_the_focus_stays_with_the_row_or_goes_to_the_tab(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit, other = (a_visit(god, clinic, NINE + timedelta(hours=hours)) for hours in (0, 1))
    data = front.forms(here(clinic))[f"/today/{visit.locator}/arrive?clinic={clinic.locator}"].values
    done = front.open("POST", f"/today/{visit.locator}/arrive?clinic={clinic.locator}&tab=due", htmx=True, data=data)
    assert other.locator in done.text
    assert done.text.count("data-focus") == 1
    assert re.search(r'aria-current="page" data-focus>Due', done.text)
    data = front.forms(here(clinic))[f"/today/{visit.locator}/start?clinic={clinic.locator}"].values
    done = front.open("POST", f"/today/{visit.locator}/start?clinic={clinic.locator}", htmx=True, data=data)
    assert re.search(r'data-status="IN_PROGRESS" data-focus', done.text)


def test_the_next_due_patient_is_reached_by_keyboard(god: Actor, front: Desk, clinic: ClinicView) -> None:
    for number, status in enumerate(("BOOKED", "ARRIVED", "CONFIRMED", "ATTENDED")):
        a_visit(god, clinic, NINE + timedelta(hours=number), status=status)
    assert front.get(here(clinic)).text.count("data-next-open") == 2


def test_a_burmese_name_says_so_and_no_other(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_visit(god, clinic, NINE, name="Nilar")
    burmese = make.a_patient(god, name=HumanName(family="နီလာ", given=[]))
    with clock.at(NINE - timedelta(days=1)):
        provider = make.a_provider(god).locator
        slot = slots.add_slot(
            god, provider, start=NINE, end=NINE + timedelta(minutes=30), clinic_locator=clinic.locator
        )
        make.an_appointment(god, make.an_episode(god, burmese), slot)
    page = front.get(here(clinic)).text
    assert ' lang="my">နီလာ</a>' in page
    assert page.count('lang="my"') == 1


def test_the_buttons_of_a_row_are_about_its_own_visit_whatever_a_name_holds(
    god: Actor, front: Desk, clinic: ClinicView
) -> None:
    names = ("Aye", "<b>Bo&amp;", "\ue001\ue003")
    visits = [a_visit(god, clinic, NINE + timedelta(hours=hour), name=name) for hour, name in enumerate(names, 1)]
    page = front.get(here(clinic)).text
    for visit, name in zip(visits, names, strict=True):
        for key, action in ((visit.locator, "arrive"), (f"{visit.locator}-more", "cancel")):
            form = page.split(f'<form id="{key}-{action}"')[1].split("</form>")[0]
            assert f'action="/today/{visit.locator}/{action}?clinic={clinic.locator}"' in form
            assert f'name="version" value="{visit.version}"' in form
            assert f'<span class="visually-hidden"> Daw {escape(name)}</span>' in form


def test_a_no_show_is_one_press_once_the_visit_should_have_begun(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE + timedelta(minutes=5))
    openly = f'<form id="{visit.locator}-no-show"'
    assert openly not in front.get(here(clinic)).text
    with clock.at(NINE + timedelta(minutes=5)):
        assert openly in front.get(here(clinic)).text


@pytest.mark.parametrize("status", ["PENDING", "BOOKED", "CONFIRMED"])
def test_what_came_of_a_visit_is_not_asked_before_it_begins(
    god: Actor, desk: Callable[..., Desk], clinic: ClinicView, status: str
) -> None:
    begins, front = NINE + timedelta(hours=2), desk(Role.FRONT_DESK)
    visit = a_visit(god, clinic, begins, status=status, name="Nilar")
    outcomes = {f"/today/{visit.locator}/{move}?clinic={clinic.locator}" for move in ("attend", "no-show")}
    found = front.fill(here(clinic), f"/today/search?clinic={clinic.locator}", q="nilar").text
    for actions in (set(front.forms(here(clinic))), {form.action for form in forms_of(parsed(found))}):
        assert f"/today/{visit.locator}/arrive?clinic={clinic.locator}" in actions
        assert not outcomes & actions
    with clock.at(begins - timedelta(seconds=1)):
        seen = versions(god, clinic)
    with clock.at(begins):
        fresh = desk(Role.FRONT_DESK).open("GET", here(clinic), htmx=True, headers={"X-Poll": "1", "X-Seen": seen})
    offered = outcomes & {form.action for form in forms_of(parsed(fresh.text, fragment=True))}
    assert offered == {one for one in outcomes if status != "PENDING" or "no-show" in one}


def test_who_came_early_may_be_seen_early(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE + timedelta(hours=2))
    for status in ("arrive", "start"):
        appointments.act(god, visit.locator, action=status)
        actions = front.forms(here(clinic))
        assert f"/today/{visit.locator}/attend?clinic={clinic.locator}" in actions
        assert f"/today/{visit.locator}/no-show?clinic={clinic.locator}" not in actions


def test_tomorrow_nobody_is_checked_in_today(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE + timedelta(days=1))
    offered = {
        re.split("[/?]", action)[3]
        for action in front.forms(here(clinic, day="2027-03-11"))
        if action.startswith(f"/today/{visit.locator}/")
    }
    assert offered == {"confirm", "cancel"}


def test_a_row_has_the_number_to_call_and_the_way_to_another_time(god: Actor, front: Desk, clinic: ClinicView) -> None:
    at, later = NINE + timedelta(hours=1), NINE + timedelta(hours=2)
    odd = "(၀၉) 555 <0101>\ue003"
    with_phone = a_visit(god, clinic, at, name="Nilar", phone="+95 9 555 0101")
    others = [
        a_visit(god, clinic, at, name="Odd", phone=odd), a_visit(god, clinic, later, name="Seen", status="ARRIVED"),
    ]  # fmt: skip
    page = front.get(here(clinic)).text
    row, strange, seen = (page.split(f'<tr id="{one.locator}"')[1].split("</tr>")[0] for one in (with_phone, *others))
    assert 'href="tel:+9595550101">Call +95 9 555 0101<span class="visually-hidden"> Daw Nilar</span>' in row
    assert f'href="tel:095550101">Call {escape(odd)}<' in strange
    assert "tel:" not in seen
    back = f"/today%3Fclinic%3D{clinic.locator}"
    assert f'href="/appointments/{with_phone.locator}/reschedule?back={back}"' in row
    assert "/reschedule" not in seen


def test_a_restricted_patient_can_be_called_as_from_his_own_page(
    god: Actor, desk: Callable[..., Desk], clinic: ClinicView
) -> None:
    visit = a_visit(god, clinic, NINE, name="Nilar", phone="09 555 0101")
    confidentiality.restrict(god, visit.party_locator, reason="Works here himself")
    front, before = desk(Role.FRONT_DESK), newest(god)["audits"]
    for address in (f"/patients/{visit.party_locator}", here(clinic)):
        assert "tel:095550101" in front.get(address).text
    read = [one for one in audits(god, after=before) if visit.party_locator in (one.patients or ())]
    assert {"day.list", "patient.read"} <= {one.action for one in read}


def test_who_is_moved_from_the_list_leads_back_to_it(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE + timedelta(hours=1))
    goals = [NINE + timedelta(hours=hours) for hours in range(2, 16)]
    with clock.at(NINE - timedelta(days=1)):
        made = [slots.add_slot(god, visit.provider_locator, start=at, end=at + timedelta(minutes=30)) for at in goals]
    page = f"/appointments/{visit.locator}/reschedule"
    asked = f"{page}?back=/today%3Fclinic%3D{clinic.locator}%26tab%3Ddue"
    [later] = re.findall(rf'href="({page}\?after=[^"]+)"', front.get(asked).text)
    assert f'href="{here(clinic, tab="due").replace("&", "&amp;")}"' in front.get(unescape(later)).text
    done = front.fill(asked, page, slot_locator=made[0].locator)
    assert (done.status_code, done.location) == (303, here(clinic, tab="due"))
    elsewhere = front.forms(f"{page}?back=https://elsewhere.example/")[page]
    assert "back" not in elsewhere.values


def test_repeated_no_shows_are_seen_at_a_glance(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE)
    assert "missed visits" not in front.get(here(clinic)).text
    for days in (30, 60, 400):
        execute(
            god,
            "INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, slot_id, starts_at, ends_at,"
            " busy_until, status) SELECT tenant_id, episode_id, patient_id, provider_id, slot_id,"
            " starts_at - :past, ends_at - :past, busy_until - :past, 'NO_SHOW' FROM appointments WHERE locator = :one",
            past=timedelta(days=days), one=visit.locator,
        )  # fmt: skip
    assert "2 missed visits in a year" in front.get(here(clinic)).text


def test_search_finds_todays_visits_first_and_then_others(god: Actor, front: Desk, clinic: ClinicView) -> None:
    visit = a_visit(god, clinic, NINE, name="Nilarwin")
    other = make.a_patient(god, name=HumanName(family="Nilarsoe", given=["Ma"]))
    search = f"/today/search?clinic={clinic.locator}"
    found = front.fill(here(clinic), search, htmx=True, q="nilar").text
    assert "1 visit on this day. 1 other patient." in found
    assert found.index("Nilarwin") < found.index("Nilarsoe")
    assert f'action="/today/{visit.locator}/arrive?clinic={clinic.locator}"' in found
    assert f'href="/walk-in?clinic={clinic.locator}&amp;party={other.locator}"' in found
    assert f'href="/calendar?clinic={clinic.locator}&amp;party={other.locator}"' in found
    for typed, name in (("17 May 1980", "Nilarwin"), (visit.party_locator, "Nilarwin"), (visit.locator, "Nilarwin")):
        assert name in front.fill(here(clinic), search, htmx=True, q=typed).text, typed
    assert "1 visit on this day. 0 other patients." in front.fill(here(clinic), search, htmx=True, q="nilarw").text
    assert "Nobody is found" in front.fill(here(clinic), search, htmx=True, q="xyz").text
    assert "Type two letters or more" in front.fill(here(clinic), search, htmx=True, q="n").text
    page = front.fill(here(clinic), search, q="nilar").text
    assert "Nilarsoe" in page
    assert 'id="today-list"' in page


def test_a_poll_gets_the_list_only_when_something_changed(
    god: Actor, front: Desk, clinic: ClinicView, statements: Callable[[], Any]
) -> None:
    visit = a_visit(god, clinic, NINE + timedelta(hours=1))

    def poll(seen: str) -> Any:
        return front.open("GET", here(clinic), htmx=True, headers={"X-Poll": "1", "X-Seen": seen})

    version = re.search(r'data-version="([^"]+)"', front.get(here(clinic)).text)
    assert version
    before = newest(god)["audits"]
    with statements() as sent:
        assert poll(version[1]).status_code == 204
    assert len(sent) == 1, sent
    assert audits(god, after=before) == []
    appointments.act(god, visit.locator, action="arrive")
    fresh = poll(version[1])
    assert fresh.status_code == 200
    assert fresh.text.lstrip().startswith('<section id="today-list"')
    assert [one.action for one in audits(god, after=before) if one.action == "day.list"] == ["day.list"]


def versions(god: Actor, clinic: ClinicView, **wanted: Any) -> str:
    """The version of the list, which both ways must give alike."""
    read = get_day(god, Wanted(clinic=clinic.locator, **wanted)).version
    assert read == get_day_version(god, clinic.locator, **wanted)
    return read


def test_the_version_tells_of_changes_and_minutes(god: Actor, clinic: ClinicView) -> None:
    empty = versions(god, clinic)
    visit = a_visit(god, clinic, NINE + timedelta(minutes=5))
    booked = versions(god, clinic)
    assert booked != empty
    with clock.at(NINE + timedelta(minutes=4)):
        assert versions(god, clinic) == booked  # nobody waits, nobody is late
    with clock.at(NINE + timedelta(minutes=6)):
        late = versions(god, clinic)
    with clock.at(NINE + timedelta(minutes=7)):
        assert booked != late != versions(god, clinic)
    appointments.act(god, visit.locator, action="no-show")
    missed = versions(god, clinic)
    with clock.at(NINE + timedelta(minutes=11)):
        assert versions(god, clinic) != missed  # the time to take it back is over
    with clock.at(NINE + timedelta(days=1)):
        assert versions(god, clinic) != missed  # another day
        past = versions(god, clinic, day=date(2027, 3, 10))
    with clock.at(NINE + timedelta(days=1, minutes=3)):
        assert versions(god, clinic, day=date(2027, 3, 10)) == past
    assert get_day_version(god, "CLN-2026-000000") is None


def test_a_day_is_the_clinics_own(god: Actor, front: Desk, clinic: ClinicView) -> None:
    """Yangon's tenth of March begins at 17:30 UTC of the ninth."""
    midnight = datetime(2027, 3, 9, 17, 30, tzinfo=UTC)
    a_visit(god, clinic, midnight - timedelta(minutes=30), name="Before")
    a_visit(god, clinic, midnight, name="First")
    a_visit(god, clinic, midnight + timedelta(hours=23, minutes=30), name="Last")
    page = front.get(here(clinic)).text
    assert "Wed 10 Mar 2027" in page
    assert "Daw First" in page
    assert "Daw Last" in page
    assert "Daw Before" not in page
    assert "Daw Before" in front.get(here(clinic, day="2027-03-09")).text
    assert front.open("GET", here(clinic, day="tomorrow")).status_code == 422
    assert front.open("GET", here(clinic, day="9999-12-31")).status_code == 422


@pytest.mark.parametrize(("day", "hours"), [(date(2027, 3, 14), 23), (date(2027, 11, 7), 25), (date(2027, 6, 1), 24)])
def test_a_day_on_which_clocks_change_is_whole(god: Actor, desk: Callable[..., Desk], day: date, hours: int) -> None:
    york = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    begins, ends = clock.span_of(day, "America/New_York")
    assert ends - begins == timedelta(hours=hours)
    a_visit(god, york, begins, name="First")
    a_visit(god, york, ends - timedelta(minutes=30), name="Last")
    a_visit(god, york, ends, name="Next")
    with clock.at(begins + timedelta(hours=9)):
        page = desk(Role.FRONT_DESK).get(here(york)).text
        assert "Daw First" in page
        assert "Daw Last" in page
        assert "Daw Next" not in page
        assert "23:30" in page
        versions(god, york)


def test_slots_without_a_clinic_belong_to_every_list(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_visit(god, None, NINE, name="Anywhere")
    other = make.a_clinic(god, name="Hill Clinic")
    a_visit(god, other, NINE, name="Elsewhere")
    page = front.get(here(clinic)).text
    assert "Daw Anywhere" in page
    assert "Daw Elsewhere" not in page


def test_the_clinic_is_chosen_by_address_or_by_scope(
    god: Actor, front: Desk, desk: Callable[..., Desk], clinic: ClinicView
) -> None:
    assert clinic.name in front.get("/today").text
    other = make.a_clinic(god, name="Hill Clinic")
    choice = front.get("/today").text
    assert "Which clinic are you at?" in choice
    assert f'href="/today?clinic={other.locator}"' in choice
    scoped = desk(Role.FRONT_DESK, clinic_ids=[id_of(god, "clinics", other.locator)])
    assert "Hill Clinic" in scoped.get("/today").text
    assert scoped.open("GET", here(clinic)).status_code == 404
    hidden = a_visit(god, clinic, NINE)
    refused = scoped.open(
        "POST", f"/today/{hidden.locator}/arrive?clinic={other.locator}",
        data={**next(iter(scoped.forms(here(other)).values())).values, "version": "1"},
    )  # fmt: skip
    assert refused.status_code == 404


def test_a_tenant_without_clinics_is_told_so(front: Desk) -> None:
    assert "There is no clinic yet" in front.get("/today").text


def test_a_clinician_sees_his_own_patients_first(god: Actor, desk: Callable[..., Desk], clinic: ClinicView) -> None:
    himself = make.a_provider(god, clinic_locators=[clinic.locator])
    make.a_clinic(god, name="Hill Clinic")
    a_visit(god, clinic, NINE, name="Mine", provider=himself)
    a_visit(god, clinic, NINE, name="Others")
    doctor = desk(Role.CLINICIAN, provider_id=id_of(god, "providers", himself.locator))
    page = doctor.get("/today").text
    assert "Daw Mine" in page
    assert "Daw Others" not in page
    everybody = doctor.get(here(clinic, provider=EVERYBODY)).text
    assert "Daw Others" in everybody
    assert "Daw Others" not in doctor.get(here(clinic, provider=himself.locator)).text
    assert doctor.open("GET", here(clinic, provider="PRV-2026-000000")).status_code == 404


def test_it_takes_no_more_statements_for_more_rows(
    god: Actor, front: Desk, clinic: ClinicView, statements: Callable[[], Any]
) -> None:
    provider = make.a_provider(god)
    for number in range(4):
        a_visit(god, clinic, NINE + number * timedelta(minutes=30), provider=provider)
    with statements() as few:
        front.get(here(clinic))
    for number in range(4, 40):
        a_visit(god, clinic, NINE + number * timedelta(minutes=10), status="ARRIVED" if number % 3 else "BOOKED")
    with statements() as many:
        page = front.get(here(clinic)).text
    assert counts(page)["All"] + counts(front.get(here(clinic, day="2027-03-11")).text)["All"] == 40
    assert len(many) == len(few) <= 4, "\n\n".join(many)


def test_the_day_sheet_has_its_head(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_visit(god, clinic, NINE)
    page = front.get(here(clinic)).text
    assert "Day sheet: Riverside Clinic, Wed 10 Mar 2027" in page
    assert "As of Wed 10 Mar 2027, 09:00, printed by Ma Thandar Test." in page
    assert "data-print" in page


def test_each_role_begins_where_it_works(desk: Callable[..., Desk], clinic: ClinicView) -> None:
    for role in (Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN):
        assert desk(role).open("GET", "/").location == "/today"
    auditor = desk(Role.AUDITOR)
    assert auditor.open("GET", "/").location == "/admin/audit"
    assert auditor.open("GET", "/today").status_code == 403
    assert auditor.open("GET", here(clinic)).status_code == 403


def test_a_desk_keeps_to_its_clinic(front: Desk, god: Actor) -> None:
    first, second = make.a_clinic(god, name="First"), make.a_clinic(god, name="Second")
    for clinic in (first, second):
        make.a_provider(god, clinic_locators=[clinic.locator])
    front.get(f"/today?clinic={second.locator}")
    assert ">Second</h1>" in front.get("/today").text
    front.get(f"/today?clinic={first.locator}")
    assert ">First</h1>" in front.get("/today").text
    front.client.set_cookie("desk-clinic", "CLN-2026-999999")
    page = front.get("/today").text
    assert first.locator in page
    assert second.locator in page


def test_what_pages_say_themselves_is_ascii_and_names_are_kept(god: Actor, front: Desk, clinic: ClinicView) -> None:
    a_visit(god, clinic, NINE, name="Nilar")
    page = front.get(here(clinic))
    assert page.data.isascii()
    assert "–09:30" in unescape(page.text)
    a_visit(god, clinic, NINE + timedelta(hours=1), name="Jérôme နီလာ")
    page = front.get(here(clinic))
    assert "Jérôme နီလာ" in page.text
    assert page.data.decode() == page.text
