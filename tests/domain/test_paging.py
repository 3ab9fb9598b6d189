"""Keyset pages: complete and without repeats at every size, over equal keys, while rows are added."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from careapp import clock
from careapp.access import Actor
from careapp.clinics import queries as clinic_queries
from careapp.episodes import queries as episode_queries
from careapp.errors import Invalid
from careapp.paging import decode_cursor, encode_cursor
from careapp.patients import queries as patient_queries
from careapp.patients.views import HumanName
from careapp.prescriptions import queries as prescription_queries
from careapp.providers import queries as provider_queries
from careapp.referrals import queries as referral_queries
from careapp.scheduling import queries as scheduling_queries
from tests import factories as make
from tests.looking import execute

HOW_MANY = 7
LIST = ("clinics",)
EARLY, LATE = "2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"

List = Callable[..., Any]


def walk(listed: List, size: int, meanwhile: Callable[[], Any] = lambda: None) -> list[str]:
    """The locators of all pages of a size; `meanwhile` runs between pages."""
    found, cursor = [], None
    while True:
        page = listed(limit=size, cursor=cursor)
        assert 0 < len(page.items) <= size
        found += [item.locator for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
        meanwhile()


def episodes_of_one_moment(god: Actor) -> tuple[List, Callable[[], Any]]:
    for _ in range(HOW_MANY):
        make.an_episode(god)
    execute(god, f"UPDATE episodes SET opened_at = CASE WHEN id % 3 = 0 THEN '{EARLY}' ELSE '{LATE}' END::timestamptz")
    return lambda **page: episode_queries.list_episodes(god, **page), lambda: make.an_episode(god)


def patients_of_one_name(god: Actor) -> tuple[List, Callable[[], Any]]:
    name = HumanName(family="Aung", given=["Hla"])
    for _ in range(HOW_MANY):
        make.a_patient(god, name=name)
    execute(god, "UPDATE patients SET created_at = timestamptz '2026-01-01' + interval '1 day' * (id % 2)")
    return (
        lambda **page: patient_queries.search_patients(god, name="aung", **page),
        lambda: make.a_patient(god, name=name),
    )


def clinics_of_one_name(god: Actor) -> tuple[List, Callable[[], Any]]:
    for number in range(HOW_MANY):
        make.a_clinic(god, name=("Hill", "Ärztehaus")[number % 2])
    return lambda **page: clinic_queries.list_clinics(god, **page), lambda: make.a_clinic(god, name="A first one")


def providers_of_one_name(god: Actor) -> tuple[List, Callable[[], Any]]:
    for number in range(HOW_MANY):
        make.a_provider(god, name=("Zaw", "aung")[number % 2], active=False)
    return (
        lambda **page: provider_queries.list_providers(god, **page),
        lambda: make.a_provider(god, name="AAA", active=False),
    )


def slots_of_a_provider(god: Actor) -> tuple[List, Callable[[], Any]]:
    provider = make.a_provider(god)
    for hours in range(HOW_MANY):
        make.a_slot(god, provider, hours=60 + hours)
    before = iter(range(59, 0, -1))

    def add_an_earlier_one() -> None:
        make.a_slot(god, provider, hours=next(before))

    return lambda **page: scheduling_queries.list_slots(god, provider.locator, **page), add_an_earlier_one


def appointments_of_an_episode(god: Actor) -> tuple[List, Callable[[], Any]]:
    episode, slot = make.an_episode(god), make.a_slot(god, capacity=100, hours=2)
    for _ in range(HOW_MANY):  # cancelled and booked again: many of the same time
        make.an_appointment(god, episode, slot, status="CANCELLED")
    early = make.a_slot(god, capacity=100, hours=1)
    return (
        lambda **page: scheduling_queries.list_appointments(god, episode.locator, **page),
        lambda: make.an_appointment(god, episode, early, status="CANCELLED"),
    )


def prescriptions_of_an_episode(god: Actor) -> tuple[List, Callable[[], Any]]:
    episode = make.an_episode(god)
    for _ in range(HOW_MANY):
        make.a_prescription(god, episode)
    execute(god, f"UPDATE prescriptions SET issued_at = '{EARLY}'")
    return (
        lambda **page: prescription_queries.list_prescriptions(god, episode.locator, **page),
        lambda: make.a_prescription(god, episode),
    )


def referrals_of_an_episode(god: Actor) -> tuple[List, Callable[[], Any]]:
    episode = make.an_episode(god)
    for _ in range(HOW_MANY):
        make.a_referral(god, episode)
    execute(god, f"UPDATE diagnostics_referrals SET created_at = '{EARLY}'")
    return (
        lambda **page: referral_queries.list_referrals(god, episode.locator, **page),
        lambda: make.a_referral(god, episode),
    )


SCENES = [
    episodes_of_one_moment, patients_of_one_name, clinics_of_one_name, providers_of_one_name, slots_of_a_provider,
    appointments_of_an_episode, prescriptions_of_an_episode, referrals_of_an_episode,
]  # fmt: skip


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_pages_are_complete_and_repeat_nothing(god: Actor, scene: Callable[[Actor], tuple[List, Any]]) -> None:
    listed, add = scene(god)
    whole = [item.locator for item in listed(limit=200).items]
    assert len(set(whole)) == HOW_MANY
    for size in range(1, HOW_MANY + 1):
        assert walk(listed, size) == whole, size
    for size in (1, 2, 3):
        assert walk(listed, size, meanwhile=add)[-HOW_MANY:] == whole, "what is added in front of the cursor is not met"
        whole = [item.locator for item in listed(limit=200).items][-HOW_MANY:]


def test_a_cursor_holds_its_keys_exactly() -> None:
    moment = clock.now().replace(microsecond=123456)
    assert decode_cursor(encode_cursor(LIST, moment, 2**62), LIST, type(moment), int) == (moment, 2**62)
    assert decode_cursor(encode_cursor(LIST, "Ärztehaus မောင်", 1), LIST, str, int) == ("Ärztehaus မောင်", 1)
    later = moment + timedelta(microseconds=1)
    assert decode_cursor(encode_cursor(LIST, later, 1), LIST, type(moment), int)[0] - moment == timedelta(
        microseconds=1
    )


@pytest.mark.parametrize(
    "cursor",
    [
        "", "x", "!!!!", "é", "bnVsbA", "W10", "WzFd", "eyJhIjogMX0", "WyJcdWQ4MDAiLDFd",
        encode_cursor(LIST), encode_cursor(LIST, 1), encode_cursor(LIST, 1, 2, 3), encode_cursor(LIST, "a", "b"),
        encode_cursor(LIST, "a", 2**70), encode_cursor(LIST, "\x00", 1), encode_cursor(("\ud800",), "a", 1),
        "W251bGwsMV0", "W1tdLDFd", "WyJhIix0cnVlXQ", "W" * 400,
    ],
)  # fmt: skip
def test_a_cursor_of_somebody_elses_making_is_refused(god: Actor, cursor: str) -> None:
    for listed in (
        lambda: clinic_queries.list_clinics(god, cursor=cursor),
        lambda: episode_queries.list_episodes(god, cursor=cursor),
    ):
        with pytest.raises(Invalid) as refusal:
            listed()
        assert set(refusal.value.errors) == {"cursor"}
