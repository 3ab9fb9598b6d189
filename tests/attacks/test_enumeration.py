"""Who has an account is not to be found out: a stranger costs, and is told, what somebody known is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import event
from werkzeug.test import TestResponse

from careapp import clock
from careapp.access import Actor
from careapp.db import db
from careapp.identity import passwords, users
from tests.identity.people import PASSWORD, a_user, address
from tests.identity.test_sign_in import PEERS
from tests.looking import execute
from tests.rules.pages import ask, csrf_token, without_numbers

WRONG = "eight blue herons over Inle"
KNOWN_ONLY = "INSERT INTO care.audit_event", "INSERT INTO audit_event", "INSERT INTO audit_patients"


class Counted:
    """The hasher, counting."""

    def __init__(self, real: Any) -> None:
        self.real, self.checks = real, 0

    def __getattr__(self, name: str) -> Any:
        self.checks += name == "verify"
        return getattr(self.real, name)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The statements sent until the block ends, without their values."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        seen.append(" ".join(statement.split())[:60])

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def try_as(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], dict[str, Any]]:
    """try_as(e-mail address, password) is all that somebody at a network address of his own can see of a refusal."""

    def attempt(email: str, password: str) -> dict[str, Any]:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = next(PEERS)
        counted = Counted(passwords._hasher.real if isinstance(passwords._hasher, Counted) else passwords._hasher)
        monkeypatch.setattr(passwords, "_hasher", counted)
        form = {"csrf_token": csrf_token(app, client), "email": email, "password": password}
        with statements() as seen:
            answer: TestResponse = ask(app, client, "POST", "/sign-in", data=form)
        return {
            "status": answer.status_code,
            "text": without_numbers(answer.text.replace(email, "")),
            "headers": sorted(answer.headers.keys()),
            "checks": counted.checks,
            "statements": [one for one in seen if not one.startswith(KNOWN_ONLY) and "rate_limits" not in one],
        }

    return attempt


def test_the_sign_in_form(app: APIFlask, god: Actor, try_as: Callable[[str, str], dict[str, Any]]) -> None:
    """What differs: a row of the audit for somebody known, which the tenant is owed (one INSERT)."""
    known, disabled, without = a_user(god), a_user(god), a_user(god)
    users.disable(god, disabled.id)
    execute(god, "UPDATE users SET password_hash = NULL WHERE id = :id", id=without.id)
    try_as(address(), WRONG)  # the first makes what later ones find: a hash for strangers, built statements
    stranger = try_as(address(), WRONG)
    assert (stranger["status"], stranger["checks"]) == (422, 1)
    assert try_as(known.email, WRONG) == stranger
    assert try_as(disabled.email, WRONG) == stranger
    assert try_as(disabled.email, PASSWORD) == stranger
    assert try_as(without.email, PASSWORD) == stranger


def test_waiting_is_the_same_for_a_stranger(
    app: APIFlask, god: Actor, try_as: Callable[[str, str], dict[str, Any]]
) -> None:
    ends = []
    for email in (address(), a_user(god).email):
        with clock.at(clock.now()):  # the wait is a second long, in which a machine may stand still
            tried = [try_as(email, WRONG) for _ in range(6)]
        ends.append([(one["status"], one["checks"], one["headers"]) for one in tried])
    assert ends[0] == ends[1]
    assert ends[0][-1][:2] == (429, 0)
