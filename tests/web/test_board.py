"""The episode board: columns, cards, filters, paging, and what it costs."""

from collections.abc import Callable
from typing import Any

from careapp.access import Actor, Role
from careapp.patients.views import HumanName
from tests import factories as make
from tests.web.conftest import Desk


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


def test_it_takes_four_statements(god: Actor, front: Desk, statements: Callable[[], Any]) -> None:
    for _ in range(3):
        make.an_appointment(god, status="CONFIRMED")
    with statements() as seen:
        front.get("/episodes")
    assert len(seen) <= 4, "\n\n".join(seen)


def test_care_type_narrows_it(god: Actor, front: Desk) -> None:
    patients = [make.a_patient(god, name=HumanName(family=family, given=["Ko"])) for family in ("Aung", "Zaw")]
    make.an_episode(god, patients[0], care_type="GP")
    make.an_episode(god, patients[1], care_type="MENTAL_HEALTH")
    page = front.get("/episodes?care_type=MENTAL_HEALTH").text
    assert "Ko Zaw" in page
    assert "Ko Aung" not in page
    assert front.open("GET", "/episodes?care_type=NONE").status_code == 404


def test_further_cards_come_by_cursor(god: Actor, front: Desk) -> None:
    patient = make.a_patient(god)
    made = {make.an_episode(god, patient).locator for _ in range(15)}
    board = front.get("/episodes").text
    link = board.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    more = front.get(link).text
    assert {one for one in made if one in board} | {one for one in made if one in more} == made
    assert not {one for one in made if one in board} & {one for one in made if one in more}
    assert front.get(link, htmx=True).text.lstrip().startswith('<li class="board-item">')
    assert front.open("GET", "/episodes?stage=NEW&cursor=broken").status_code == 422


def test_who_may_not_see_referrals_sees_none_on_the_board(god: Actor, desk: Callable[..., Desk], front: Desk) -> None:
    make.a_referral(god)
    assert "1 referral" in front.get("/episodes").text
    assert "1 referral" not in desk(Role.ADMIN).get("/episodes").text


def test_home_is_the_board_and_an_auditors_a_plain_page(desk: Callable[..., Desk], front: Desk) -> None:
    assert front.open("GET", "/").location == "/episodes"
    auditor = desk(Role.AUDITOR)
    assert "Your role looks after the records" in auditor.get("/").text
    assert "come later" in auditor.get("/").text
    assert auditor.open("GET", "/episodes").status_code == 403


def test_further_times_name_their_zone_where_the_list_does_not(god: Actor, front: Desk) -> None:
    """The fetched cards may all be of one zone while the list they go into has two."""
    york = make.a_clinic(god, name="Hudson Clinic", time_zone="America/New_York")
    for number in range(13):
        make.an_appointment(god, slot=make.a_slot(god, hours=number), status="CONFIRMED")

    def more_link() -> str:
        board = front.get("/episodes").text
        return board.split('hx-get="')[1].split('"')[0].replace("&amp;", "&")

    named = '<span class="quiet">Asia/Yangon</span>'
    assert "Times: Asia/Yangon" in front.get("/episodes").text
    assert named not in front.get(more_link(), htmx=True).text
    make.an_appointment(god, slot=make.a_slot(god, clinic=york), status="CONFIRMED")
    assert "named beside it" in front.get("/episodes").text
    assert named in front.get(more_link(), htmx=True).text
