"""Rotation of keys: every value gets the key that writes now, while people go on writing."""

import threading

import pytest
from apiflask import APIFlask

from careapp import config, crypto
from careapp.access import Actor
from careapp.config import new_encryption_key
from careapp.episodes import service as episodes
from careapp.episodes.queries import get_episode
from careapp.operations import key_rotation
from careapp.operations.key_rotation import PLAIN, count_by_key, rotate
from careapp.scheduling import appointments
from careapp.scheduling import queries as scheduling
from tests import factories as make
from tests.looking import execute, history, one

OLD, NEW = new_encryption_key("old"), new_encryption_key("new")


def use(keys: str) -> None:
    """Let this process have these keys."""
    crypto.init(config.Settings(CAREAPP_ENV="development", encryption_keys=keys))


@pytest.fixture(autouse=True)
def old_key(monkeypatch: pytest.MonkeyPatch, app: APIFlask) -> None:
    """The old key writes; afterwards what the process had."""
    monkeypatch.setattr(crypto, "_ring", crypto._ring)
    use(OLD)


@pytest.fixture
def owner(app: APIFlask) -> str:
    """The owner's address."""
    return str(app.config["DATABASE_OWNER_URL"])


def with_every_value(actor: Actor) -> tuple[str, str]:
    """An episode with its summary, and a visit in it with notes and a reason."""
    episode = make.an_episode(actor)
    visit = appointments.book(actor, episode.locator, slot_locator=make.a_slot(actor).locator, notes="Her notes")
    appointments.act(actor, visit.locator, action="cancel", reason="Ill")
    episodes.close(actor, episode.locator, summary="Well again")
    return episode.locator, visit.locator


def keys_in_use(owner: str, actor: Actor) -> set[str]:
    """The keys that values of the tenant have."""
    return {key for counted in count_by_key(owner, actor.tenant_id).values() for key in counted}


def test_every_value_moves_old_ones_and_plain_ones(god: Actor, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "BATCH", 2)
    made = [with_every_value(god) for _ in range(5)]
    execute(god, "UPDATE episodes SET summary = 'As it was' WHERE locator = :locator", locator=made[0][0])
    assert keys_in_use(owner, god) == {"old", PLAIN}
    versions = "SELECT sum(version) FROM episodes"
    before = one(god, versions)
    use(f"{NEW},{OLD}")
    moved = rotate(owner, god)
    assert (moved.moved, moved.unreadable) == (15, ())
    assert keys_in_use(owner, god) == {"new"}
    assert rotate(owner, god).moved == 0
    use(NEW)
    assert [get_episode(god, episode).summary for episode, _ in made] == ["As it was", *["Well again"] * 4]
    assert {scheduling.get_appointment(god, visit).notes for _, visit in made} == {"Her notes"}
    assert [change.reason for change in history(god) if change.reason] == ["Ill"] * 5
    assert one(god, versions) == before, "nobody has changed anything, so nobody's form is stale"
    assert one(god, "SELECT count(*) FROM audit_event WHERE action = 'keys.rotate'") == 2


def test_without_the_old_key_nothing_is_lost_and_each_value_is_named(god: Actor, owner: str) -> None:
    episode, _ = with_every_value(god)
    use(NEW)
    told = rotate(owner, god)
    assert told.moved == 0
    assert len(told.unreadable) == 3
    assert all("no key 'old'" in one for one in told.unreadable)
    use(OLD)
    assert get_episode(god, episode).summary == "Well again"


def test_people_write_meanwhile(app: APIFlask, god: Actor, owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight episodes are closed while rotation passes again and again: no summary is lost, none keeps the old key."""
    monkeypatch.setattr(key_rotation, "BATCH", 3)
    for _ in range(10):
        with_every_value(god)
    still_open = [make.an_episode(god).locator for _ in range(8)]
    use(f"{NEW},{OLD}")

    def close(locator: str) -> None:
        with app.app_context():
            episodes.close(god, locator, summary=f"Sum of {locator}")

    writers = [threading.Thread(target=close, args=(locator,)) for locator in still_open]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        rotate(owner, god)
    for writer in writers:
        writer.join()
    rotate(owner, god)
    assert keys_in_use(owner, god) == {"new"}
    assert [get_episode(god, locator).summary for locator in still_open] == [f"Sum of {one}" for one in still_open]


def test_a_value_that_was_changed_after_it_was_read_is_left_alone(
    god: Actor, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode, _ = with_every_value(god)
    use(f"{NEW},{OLD}")
    replace = key_rotation._replace

    def late(address: str, tenant: int, place: key_rotation.Place, anew: list[tuple[str, int, str]]) -> int:
        if place.name == "episodes.summary":
            execute(god, "UPDATE episodes SET summary = 'Newer' WHERE locator = :locator", locator=episode)
        return replace(address, tenant, place, anew)

    monkeypatch.setattr(key_rotation, "_replace", late)
    rotate(owner, god)
    assert get_episode(god, episode).summary == "Newer"


def test_the_commands_say_what_is_where(app: APIFlask, god: Actor, owner: str) -> None:
    with_every_value(god)
    use(f"{NEW},{OLD}")
    runner = app.test_cli_runner()
    told = runner.invoke(args=["keys", "status", "--tenant", god.tenant_key])
    assert told.exit_code == 0
    assert f"{god.tenant_key}  episodes.summary  old  1\n" in told.output
    done = runner.invoke(args=["keys", "rotate", "--tenant", god.tenant_key])
    assert (done.exit_code, done.output) == (0, f"{god.tenant_key}: 3 values now have the key new.\n")
    use(OLD)
    told = runner.invoke(args=["keys", "status", "--tenant", god.tenant_key])
    assert told.exit_code == 1
    assert "episodes.summary  new  1  (NOT CONFIGURED)" in told.output
    assert runner.invoke(args=["keys", "rotate", "--tenant", god.tenant_key]).exit_code == 1
    made = runner.invoke(args=["keys", "new", "2027"]).output.strip()
    assert len(config.Settings(CAREAPP_ENV="development", encryption_keys=made).encryption_key_list()) == 1
