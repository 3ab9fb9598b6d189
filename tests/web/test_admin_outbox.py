"""Pages of the outbox desk: figures, parked and late events, and what can be done about them."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from careapp import localdb
from careapp.access import Actor, Role
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
