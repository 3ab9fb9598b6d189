"""The build: the same every time, once only, whole even after it was stopped; and true to its own rules."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from apiflask import APIFlask

from careapp.access import Role
from careapp.demo import build as building
from careapp.demo.blueprints import Blueprint
from careapp.demo.staff import PASSWORD, addresses
from careapp.demo.stories import STORIES
from careapp.identity.actors import actor_of_email
from tests.demo.conftest import WEDNESDAY, WRONG_PLACES, digest, every_story_once, rows

Build = Callable[..., bool]


def test_two_builds_are_the_same(build_at: Build) -> None:
    one, other = every_story_once(), every_story_once()
    assert build_at(one)
    assert build_at(other)
    assert digest(one) == digest(other)


def test_a_week_later_everything_lies_a_week_later(build_at: Build) -> None:
    one, later = every_story_once(), every_story_once()
    build_at(one)
    build_at(later, now=WEDNESDAY + timedelta(days=7))
    assert digest(later, WEDNESDAY + timedelta(days=7)) == digest(one)


def test_another_seed_gives_other_people(build_at: Build) -> None:
    one, other = every_story_once(patients=20), every_story_once(patients=20, seed="another")
    build_at(one)
    build_at(other)
    names = [
        {" ".join((*row.given, row.family)) for row in rows(it, "SELECT given, family FROM patients")}
        for it in (one, other)
    ]
    assert len(names[0] & names[1]) < len(names[0])


def test_what_stands_is_left_alone(build_at: Build) -> None:
    blueprint = every_story_once()
    build_at(blueprint)
    before = digest(blueprint)
    assert build_at(blueprint, now=WEDNESDAY + timedelta(days=3)) is False
    assert digest(blueprint) == before


def test_a_build_that_was_stopped_goes_on_and_gives_the_same(build_at: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = every_story_once(), every_story_once()
    monkeypatch.setattr(building, "STORIES_AT_ONCE", 5)
    build_at(whole)
    with monkeypatch.context() as broken:
        broken.setitem(STORIES, "ready", _power_cut)
        with pytest.raises(KeyboardInterrupt):
            build_at(stopped)
    assert build_at(stopped)
    assert digest(stopped) == digest(whole)


def _power_cut(scene: object) -> None:
    raise KeyboardInterrupt


def test_two_builds_at_once_make_one_tenant(app: APIFlask, build_at: Build) -> None:
    blueprint, alone = every_story_once(), every_story_once()
    failures: list[BaseException] = []

    def once() -> None:
        try:
            with app.app_context():
                build_at(blueprint)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    build_at(alone)
    assert digest(blueprint) == digest(alone)


@pytest.mark.parametrize("hours", range(-72, 96, 28))
def test_it_can_be_built_at_any_hour_of_the_week(build_at: Build, hours: int) -> None:
    blueprint, moment = every_story_once(), WEDNESDAY + timedelta(hours=hours)
    build_at(blueprint, now=moment)
    _check(blueprint)
    ahead = "SELECT 1 FROM status_changes WHERE entity IN ('episode', 'appointment', 'prescription') AND at > :now"
    assert rows(blueprint, ahead, now=moment) == []


def _check(blueprint: Blueprint) -> None:
    """The rules no demo may break: places counted right, nobody in two places, the board's counters true."""
    wrong_counters = """SELECT e.locator FROM episodes e WHERE e.open_referrals <> (SELECT count(*)
        FROM diagnostics_referrals r WHERE r.episode_id = e.id AND r.status IN ('REFERRED', 'BOOKED'))
        OR e.seen <> (SELECT count(*) FROM appointments a
        WHERE a.episode_id = e.id AND a.status IN ('ARRIVED', 'IN_PROGRESS', 'ATTENDED'))"""
    assert rows(blueprint, WRONG_PLACES) == []
    assert rows(blueprint, wrong_counters) == []
    assert rows(blueprint, "SELECT 1 FROM episodes WHERE closed_at < opened_at") == []


def test_the_users_can_sign_in_and_the_clinician_is_a_provider(app: APIFlask, build_at: Build) -> None:
    blueprint = every_story_once()
    build_at(blueprint)
    found = {role: actor_of_email(email) for role, email in addresses(blueprint).items()}
    assert {role: actor and actor.roles for role, actor in found.items()} == {role: {role} for role in Role}
    clinician = found[Role.CLINICIAN]
    assert clinician is not None
    assert rows(blueprint, "SELECT id FROM providers ORDER BY id LIMIT 1")[0].id == clinician.provider_id
    assert PASSWORD == "careapp demo clinic"  # fixed: written in the README
