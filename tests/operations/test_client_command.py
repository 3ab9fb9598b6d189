"""`flask client`: what is made on the shell is a client like any other, its secret shown once."""

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from click.testing import Result

from careapp.identity.service_clients import authenticate
from tests.conftest import TestTenant

Flask = Callable[..., Result]


@pytest.fixture
def flask(app: APIFlask, tenant: TestTenant) -> Flask:
    """flask("list") runs `flask client list` for this test's tenant."""
    return lambda *words: app.test_cli_runner().invoke(args=["client", *words, "--tenant", tenant.key])


def is_let_in(tenant: TestTenant, client_id: str, secret: str) -> bool:
    return authenticate(tenant.id, client_id, secret, address="127.0.0.1") is not None


def test_the_life_of_a_client(flask: Flask, tenant: TestTenant) -> None:
    made = flask("add", "--name", "Laboratory", "--role", "clinician", "--scope", "patient.read")
    assert made.exit_code == 0, made.output
    line, secret = made.output.splitlines()
    number, client_id, *_ = line.split("  ")
    assert is_let_in(tenant, client_id, secret)
    assert secret not in flask("list").output
    assert "Laboratory" in flask("list").output
    second = flask("rotate", number).output.splitlines()[1]
    assert is_let_in(tenant, client_id, second)
    assert is_let_in(tenant, client_id, secret), "for a day"
    third = flask("rotate", number, "--at-once").output.splitlines()[1]
    assert [is_let_in(tenant, client_id, one) for one in (secret, second, third)] == [False, False, True]
    assert "disabled" in flask("disable", number).output
    assert not is_let_in(tenant, client_id, third)
    assert "enabled" in flask("enable", number).output
    assert is_let_in(tenant, client_id, third)


@pytest.mark.parametrize("given", [["patient.read episode.read"], ["patient.read", "episode.read"]])
def test_scopes_have_blanks_between_them_or_an_option_each(flask: Flask, given: list[str]) -> None:
    options = [word for scope in given for word in ("--scope", scope)]
    made = flask("add", "--name", "Laboratory", "--role", "clinician", *options)
    assert made.exit_code == 0, made.output
    assert "clinician (episode.read, patient.read)" in made.output


def test_a_scope_that_there_is_not_is_named_with_those_that_there_are(flask: Flask) -> None:
    scopes = ("--scope", "patient.read weather.read", "--scope", "patient.steal")
    refused = flask("add", "--name", "x", "--role", "auditor", *scopes)
    assert refused.exit_code == 1
    assert (
        "There is no scope patient.steal, weather.read; these roles reach account.write, audit.read," in refused.output
    )
    beyond = flask("add", "--name", "x", "--role", "front_desk", "--scope", "prescription.write patient.read")
    assert "The roles do not reach prescription.write:" in beyond.output


def test_what_is_wrong_is_said(flask: Flask) -> None:
    for words in (("rotate", "999999"), ("add", "--name", " ", "--role", "clinician", "--scope", "patient.read"),
                  ("add", "--name", "x", "--role", "clinician", "--scope", "weather.read")):  # fmt: skip
        refused = flask(*words)
        assert (refused.exit_code, "Error: " in refused.output) == (1, True), words
    unscoped = flask("add", "--name", "x", "--role", "clinician")
    assert (unscoped.exit_code, "--scope" in unscoped.output) == (2, True)
