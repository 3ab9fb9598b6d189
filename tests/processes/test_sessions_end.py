"""What ends a session ends it in every process at once: the other one has nothing in memory that would know better,
but for polls of screens that show nothing new, which it may answer for a second from what it saw.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from apiflask import APIFlask

from bench.servers import end_group
from careapp.access import Actor, Role
from careapp.identity import users
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user, peer
from tests.instance import Instance
from tests.looking import execute, one

VERSION = re.compile(r'data-version="([^"]+)"')
TOKEN = re.compile(r'name="csrf-token" content="([^"]+)"')


@pytest.fixture(scope="module")
def other(app: APIFlask, database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a web server in a process of its own, on the same database."""
    var = tmp_path_factory.mktemp("other")
    settings = app.config["SETTINGS"]
    environment = {
        "CAREAPP_ENV": "development", "CAREAPP_VAR": str(var), "DATABASE_URL": database.app, "TRUSTED_PROXIES": "1",
        "SECRET_KEY": settings.secret_key.get_secret_value(), "JWT_SECRET": settings.jwt_secret.get_secret_value(),
        "ENCRYPTION_KEYS": settings.encryption_keys.get_secret_value(),
    }  # fmt: skip
    server = Instance(environment, var / "web.log")
    yield f"http://127.0.0.1:{server.port}"
    end_group(server.process)


def signed_in(address: str, email: str) -> httpx.Client:
    client = httpx.Client(base_url=address, timeout=30, headers={"X-Forwarded-For": peer()})
    token = TOKEN.search(client.get("/sign-in").text)
    assert token
    answer = client.post("/sign-in", data={"csrf_token": token[1], "email": email, "password": PASSWORD})
    assert answer.status_code == 303
    return client


def change_roles(admin: Actor, user: users.UserView) -> None:
    users.change_user(admin, user.id, version=user.version, name=user.name, roles=[Role.FRONT_DESK])


ENDS: dict[str, Callable[[Actor, users.UserView], object]] = {
    "password": lambda admin, user: users.set_password(admin, user.id, password="quite another sentence"),
    "roles": change_roles,
    "disabled": lambda admin, user: users.disable(admin, user.id),
    "signed out": lambda admin, user: users.end_sessions(admin, user.id),
}


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_in_another_process_with_the_next_request(app: APIFlask, god: Actor, other: str, end: str) -> None:
    user = a_user(god, Role.CLINICIAN)
    with closing(signed_in(other, user.email)) as here, closing(signed_in(other, user.email)) as there:
        assert [browser.get("/account").status_code for browser in (here, there)] == [200, 200]
        ENDS[end](god, user)
        answers = [browser.get("/account") for browser in (here, there)]
        assert [answer.status_code for answer in answers] == [303, 303]
        assert all(answer.headers["Location"].startswith("/sign-in") for answer in answers)
    assert one(god, "SELECT count(*) FROM user_session WHERE user_id = :id AND ended_at IS NULL", id=user.id) == 0


def test_a_poll_of_another_process_learns_of_it_within_a_second(app: APIFlask, god: Actor, other: str) -> None:
    user = a_user(god, Role.CLINICIAN)
    with closing(signed_in(other, user.email)) as browser:
        seen = VERSION.search(browser.get("/episodes").text)
        assert seen
        poll = {"HX-Request": "true", "X-Poll": "1", "X-Seen": seen[1]}
        assert [browser.get("/episodes", headers=poll).status_code for _ in range(20)] == [204] * 20
        users.disable(god, user.id)
        time.sleep(app.config["SETTINGS"].poll_memory_seconds)
        assert browser.get("/episodes", headers=poll).status_code == 401


def test_polls_of_another_process_do_not_keep_a_session(app: APIFlask, god: Actor, other: str) -> None:
    user = a_user(god, Role.CLINICIAN)
    seen = "SELECT last_seen_at FROM user_session WHERE user_id = :id"
    with closing(signed_in(other, user.email)) as browser:
        execute(god, "UPDATE user_session SET last_seen_at = now() - interval '14 minutes'")
        before = one(god, seen, id=user.id)
        assert browser.get("/account", headers={"HX-Request": "true", "X-Poll": "1"}).status_code == 200
        assert one(god, seen, id=user.id) == before
        assert browser.get("/account").status_code == 200
        assert one(god, seen, id=user.id) > before
        execute(god, "UPDATE user_session SET last_seen_at = now() - interval '16 minutes'")
        assert browser.get("/account").status_code == 303
