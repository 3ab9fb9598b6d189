"""Pages of the outbox desk: figures, parked and late events, and what can be done about them."""

import html
import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask

from careapp import localdb
from careapp.access import Actor, Role
from careapp.cli import outbox as outbox_commands
from careapp.errors import Conflict, Invalid
from careapp.operations import outbox_desk
from careapp.web.admin import outbox as outbox_pages
from tests import factories as make
from tests.database import TestDatabase
from tests.looking import audits, events, one
from tests.web.conftest import Desk


@pytest.fixture
def office(desk: Callable[..., Desk]) -> Desk:
    """An administrator's browser."""
    return desk(Role.ADMIN)


@pytest.fixture
def parked(god: Actor, database: TestDatabase) -> str:
    """An event that the relay has parked five minutes ago, beside one that has just come; its id."""
    make.an_episode(god)
    event = events(god)[-1]
    make.an_episode(god)
    with psycopg.connect(localdb.libpq_url(database.relay)) as relay:
        relay.execute(
            "UPDATE outbox SET parked_at = now(), attempts = 1, last_error = 'MessageSizeTooLargeError',"
            " created_at = now() - interval '5 minutes' WHERE tenant_id = %s AND id = %s",
            [god.tenant_id, event.id],
        )
    return str(event.envelope["id"])


def test_the_desk_shows_figures_and_what_is_parked(office: Desk, parked: str, statements: Callable[[], Any]) -> None:
    with statements() as seen:
        page = office.get("/admin/outbox").text
    assert len(seen) == 2, seen
    assert "MessageSizeTooLargeError" in page
    assert "(5 minutes)" in page
    assert page.count("/retry") == 2, "only the parked one: action and hx-post"
    assert "Sent in the last hour" in page


@pytest.fixture
def many(god: Actor, database: TestDatabase) -> list[str]:
    """Six events five minutes old, in the order the desk lists them: parked, tried twice, tried once, never tried."""
    for _ in range(6):
        make.an_episode(god)
    ids = [str(event.envelope["id"]) for event in events(god)[-6:]]
    with psycopg.connect(localdb.libpq_url(database.relay)) as relay:
        relay.execute("DELETE FROM outbox WHERE tenant_id = %s AND event_id <> ALL(%s::uuid[])", [god.tenant_id, ids])
        for event_id, parked, attempts in zip(ids, (0, 0, 1, 0, 0, 1), (0, 2, 1, 1, 0, 1), strict=True):
            relay.execute(
                "UPDATE outbox SET parked_at = CASE WHEN %s = 1 THEN now() END, attempts = %s,"
                " created_at = now() - interval '5 minutes' WHERE event_id = %s",
                [parked, attempts, event_id],
            )
    return [ids[number] for number in (2, 5, 1, 3, 0, 4)]


@pytest.mark.parametrize("size", [1, 2, 4, 6])
def test_pages_of_the_list_follow_on_one_another(god: Actor, many: list[str], size: int) -> None:
    found: list[str] = []
    cursor = None
    while page := outbox_desk.list_unsent(god, limit=size, cursor=cursor):
        found += [str(event.event_id) for event in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == many
    with pytest.raises(Invalid):
        outbox_desk.list_unsent(god, cursor="bm90IG91cnM")


def test_the_page_leads_to_the_next_one(office: Desk, many: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_pages, "SHOWN", 4)
    first = office.get("/admin/outbox").text
    assert '<span class="count">4+</span>' in first
    [further] = re.findall(r'rel="next" href="([^"]+)"', first)
    last = office.get(html.unescape(further)).text
    shown = [re.findall(r'scope="row"><a href="/admin/outbox/([0-9a-f-]+)"', page) for page in (first, last)]
    assert shown == [many[:4], many[4:]]
    assert 'rel="next"' not in last


@pytest.mark.parametrize("htmx", [False, True])
def test_what_is_pressed_on_a_further_page_shows_that_page_again(
    office: Desk, many: list[str], monkeypatch: pytest.MonkeyPatch, htmx: bool
) -> None:
    monkeypatch.setattr(outbox_pages, "SHOWN", 1)
    [further] = re.findall(r'rel="next" href="([^"]+)"', office.get("/admin/outbox").text)
    page, kept = html.unescape(further), many[1]  # the second of the two that are parked
    forms = {form.action.partition("?")[0]: form for form in office.forms(page).values()}
    retry, withhold = (forms[f"/admin/outbox/{kept}/{act}"] for act in ("retry", "withhold"))
    assert f'hx-post="{html.escape(withhold.action)}"' in office.get(page).text

    def refused(status: int, reason: str) -> None:
        answer = office.send(withhold, reason=reason, htmx=htmx)
        assert answer.status_code == status
        [opened] = re.findall(r"<details open>.*?</details>", answer.text, re.S)
        assert f'id="reason-{kept}"' in opened
        assert f'value="{reason.strip()}"' in opened

    refused(422, "  ")

    def left(*_: object, **__: object) -> None:
        raise Conflict("That event has left already.", code="EVENT_PUBLISHED")

    with monkeypatch.context() as patch:
        patch.setattr(outbox_desk, "withhold", left)
        refused(409, "too large")
    done = office.send(retry, htmx=htmx)
    if htmx:
        assert re.findall(r'scope="row"><a href="/admin/outbox/([0-9a-f-]+)"', done.text) == [many[2]]
    else:
        assert (done.status_code, done.headers["Location"]) == (303, page)


def test_a_further_page_all_of_which_has_left_is_the_first_one(
    office: Desk, many: list[str], database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_pages, "SHOWN", 5)
    [further] = re.findall(r'rel="next" href="([^"]+)"', office.get("/admin/outbox").text)
    with psycopg.connect(localdb.libpq_url(database.relay)) as relay:
        relay.execute("DELETE FROM outbox WHERE event_id = %s", [many[5]])
    page = office.get(html.unescape(further)).text
    assert re.findall(r'scope="row"><a href="/admin/outbox/([0-9a-f-]+)"', page) == many[:5]


def test_the_command_lists_more_than_a_page_and_says_where_it_stops(
    app: APIFlask, god: Actor, many: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_commands, "MAX_LIMIT", 2)
    runner, listing = app.test_cli_runner(), ["list", "--tenant", god.tenant_key, "--limit"]
    for limit, said in (("5", f"{god.tenant_key} has more: --limit lists them.\n"), ("6", ""), ("100", "")):
        done = runner.invoke(outbox_commands.outbox, [*listing, limit])
        assert [line.split("  ")[1] for line in done.stdout.splitlines()] == many[: int(limit)]
        assert done.stderr == said
    for limit in ("0", "-1"):
        done = runner.invoke(outbox_commands.outbox, [*listing, limit])
        assert (done.exit_code, done.stdout) == (2, "")
        assert "is not in the range x>=1" in done.stderr


def test_an_event_is_shown_as_consumers_would_get_it(office: Desk, parked: str) -> None:
    page = office.get(f"/admin/outbox/{parked}").text
    assert "&#34;specversion&#34;: &#34;1.0&#34;" in page
    assert office.open("GET", "/admin/outbox/00000000-0000-0000-0000-000000000000").status_code == 404


@pytest.mark.parametrize("htmx", [False, True])
def test_a_parked_event_is_sent_again(office: Desk, god: Actor, parked: str, htmx: bool) -> None:
    answer = office.fill("/admin/outbox", f"/admin/outbox/{parked}/retry", htmx=htmx)
    assert answer.status_code == (200 if htmx else 303)
    assert one(god, "SELECT parked_at IS NULL FROM outbox WHERE event_id = :id", id=parked)
    assert audits(god)[-1].action == "outbox.retry"
    if htmx:
        assert "It is sent with the next pass." in answer.text
        assert "Trying again" in answer.text


def test_withholding_asks_for_a_reason(office: Desk, god: Actor, parked: str) -> None:
    form = office.forms("/admin/outbox")[f"/admin/outbox/{parked}/withhold"]
    for htmx in (False, True):
        assert office.send(form, reason="  ", htmx=htmx).status_code == 422
    assert one(god, "SELECT withheld_at IS NULL FROM outbox WHERE event_id = :id", id=parked)
    done = office.send(form, reason="too large for the broker", htmx=True)
    assert "It is sent without its data with the next pass." in done.text
    assert audits(god)[-1].detail["reason"] == "too large for the broker"


def test_what_has_left_meanwhile_is_a_conflict(office: Desk, god: Actor, parked: str, database: TestDatabase) -> None:
    forms = office.forms("/admin/outbox")
    with psycopg.connect(localdb.libpq_url(database.relay)) as relay:
        relay.execute("UPDATE outbox SET published_at = now(), parked_at = NULL WHERE event_id = %s", [parked])
        relay.execute(  # as this version does, where the one before marked as above
            """INSERT INTO outbox_sent
                 (tenant_id, id, event_id, topic, key, sequence, envelope, created_at, published_at)
               SELECT tenant_id, id, gen_random_uuid(), topic, key, sequence + 1, envelope, created_at, now()
               FROM outbox WHERE event_id = %s""",
            [parked],
        )
    for act, typed in (("retry", {}), ("withhold", {"reason": "Never mind"})):
        answer = office.send(forms[f"/admin/outbox/{parked}/{act}"], **typed)
        assert answer.status_code == 409
        assert "has left already" in answer.text
    assert "<dt>Sent in the last hour</dt><dd>2</dd>" in office.get("/admin/outbox").text
