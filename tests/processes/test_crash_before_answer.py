"""A real server that dies between its commit and its answer: a retry gets the first answer, and there is one effect."""

import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping

import httpx
import pytest
from apiflask import APIFlask

from bench import servers
from bench.servers import Server, web_server
from careapp.access import Actor, Role
from careapp.identity.actors import actor_of_email
from careapp.outbox.crash_points import VARIABLE
from careapp.surface.tokens import own_token
from tests.api.calls import CALLS
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user
from tests.looking import newest, one
from tests.rules.twice import SCENES
from tests.web.checks import forms_of, parsed


def gained(god: Actor, before: dict[str, int]) -> dict[str, int]:
    """How many moves and events there are since, and which answers are kept."""
    return {
        "moves": one(god, "SELECT count(*) FROM status_changes WHERE id > :after", after=before["history"]),
        "events": one(god, "SELECT count(*) FROM outbox WHERE id > :after", after=before["events"]),
        "answers": one(god, "SELECT count(*) FROM idempotency_key WHERE status IS NOT NULL"),
    }


@pytest.fixture(scope="module")
def environment(database: TestDatabase, app: APIFlask, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a web server of one worker needs to serve this application's database and take its tokens."""
    servers.VAR.mkdir(parents=True, exist_ok=True)
    return {
        "DATABASE_URL": database.app, "DATABASE_OWNER_URL": database.owner, "DATABASE_RELAY_URL": database.relay,
        "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path_factory.mktemp("var")), "WEB_WORKERS": "1",
        "JWT_SECRET": app.config["SETTINGS"].jwt_secret.get_secret_value(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def living(environment: dict[str, str]) -> Iterator[Server]:
    """A server that nothing happens to: all retries go there."""
    with web_server(environment) as running:
        yield running


def dies_before_it_answers(environment: dict[str, str], send: Callable[[int], httpx.Response]) -> None:
    """Send something to a server that ends between commit and answer."""
    with web_server({**environment, VARIABLE: "before_answer"}) as dying:
        with pytest.raises(httpx.RemoteProtocolError):
            send(dying.port)
        os.killpg(dying.leader, signal.SIGKILL)  # asked to end, it would first wait for the worker it begins again


@pytest.mark.parametrize("name", ["api.open_episode", "api.appointment_cancel", "api.book"])
def test_the_retry_gets_the_first_answer(
    environment: dict[str, str], living: Server, app: APIFlask, god: Actor, name: str
) -> None:
    call, before = CALLS[name](god), newest(god)
    headers = {
        "Authorization": f"Bearer {own_token(god, app.config['SETTINGS'])}",
        "Idempotency-Key": str(uuid.uuid4()),
    }
    headers |= {title.replace("_", "-"): value for title, value in call.headers.items()}

    def send(port: int) -> httpx.Response:
        address = f"http://127.0.0.1:{port}/api/v1{call.path}"
        return httpx.request(call.method, address, json=call.body, headers=headers, timeout=30)

    dies_before_it_answers(environment, send)
    done = gained(god, before)
    assert (done["moves"], done["answers"]) == (1, 1), "it had committed"
    answers = [send(living.port) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [call.status] * 2, answers[0].text
    assert answers[0].content == answers[1].content
    assert gained(god, before) == done


@pytest.mark.parametrize("name", ["episodes.open_episode", "slots.book", "registration.register"])
def test_a_form_sent_again_shows_what_the_first_one_made(
    environment: dict[str, str], living: Server, god: Actor, database: TestDatabase, name: str
) -> None:
    email = a_user(god, *(role for role in Role if role is not Role.AUDITOR)).email
    me = actor_of_email(email)
    assert me
    page, goes, typed = SCENES[name](god, me, database)
    assert page
    with httpx.Client(timeout=30) as browser:

        def filled(page: str, goes: str, typed: Mapping[str, str]) -> dict[str, str]:
            shown = browser.get(f"http://127.0.0.1:{living.port}{page}")
            assert shown.status_code == 200, (shown.url, shown.status_code)
            [form] = [one for one in forms_of(parsed(shown.text)) if one.action.partition("?")[0] == goes]
            return {**form.values, **typed}

        def send(port: int) -> httpx.Response:
            return browser.post(f"http://127.0.0.1:{port}{goes}", data=fields)

        signed_in = browser.post(
            f"http://127.0.0.1:{living.port}/sign-in",
            data=filled("/sign-in", "/sign-in", {"email": email, "password": PASSWORD}),
        )
        assert signed_in.status_code == 303, signed_in.text
        fields, before = filled(page, goes.partition("?")[0], typed), newest(god)
        dies_before_it_answers(environment, send)
        done = gained(god, before)
        assert (done["events"] > 0, done["answers"]) == (True, 1), "it had committed"
        answers = [send(living.port) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303], answers[0].text
        assert answers[0].headers["Location"] == answers[1].headers["Location"]
        assert browser.get(f"http://127.0.0.1:{living.port}{answers[0].headers['Location']}").status_code == 200
    assert gained(god, before) == done
