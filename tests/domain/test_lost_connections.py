"""A connection that is lost in the middle of a command: it runs once more, unless it was the commit that was lost."""

import psycopg
import pytest
from apiflask import APIFlask
from sqlalchemy import text

from careapp import commands
from careapp.access import Actor, Permission
from careapp.commands import command
from careapp.db import db
from careapp.errors import OutcomeUnknown
from careapp.localdb import libpq_url
from careapp.surface.problems import problem_of
from tests.database import TestDatabase
from tests.jobs.speaking import at_commit


@pytest.fixture
def attempts() -> list[int]:
    """One entry for each time the command below ran."""
    return []


def end_own_session(database: TestDatabase) -> None:
    """End the session this thread's transaction runs in, from another one of the same role."""
    pid = db.session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with psycopg.connect(libpq_url(database.app), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])


def rows_of(actor: Actor, outcome: str) -> int:
    """How many audit rows of the test's command there are."""
    db.session.rollback()
    with commands.system_transaction(actor.tenant_id):
        found = db.session.execute(
            text("SELECT count(*) FROM audit_event WHERE tenant_id = :tenant AND outcome = :outcome"),
            {"tenant": actor.tenant_id, "outcome": outcome},
        ).scalar_one()
    return int(found)


def test_it_runs_once_more_where_it_was_lost_before_the_commit(
    god: Actor, database: TestDatabase, attempts: list[int]
) -> None:
    @command(Permission.EPISODE_OPEN)
    def act(actor: Actor) -> None:
        attempts.append(1)
        commands.record("test.act")
        if len(attempts) == 1:
            end_own_session(database)
        db.session.execute(text("SELECT 1"))

    act(god)
    assert (len(attempts), rows_of(god, "done")) == (2, 1)


def test_it_is_not_tried_for_ever(app: APIFlask, god: Actor, database: TestDatabase, attempts: list[int]) -> None:
    @command(Permission.EPISODE_OPEN)
    def act(actor: Actor) -> None:
        attempts.append(1)
        end_own_session(database)
        db.session.execute(text("SELECT 1"))

    with pytest.raises(Exception, match="terminating connection") as lost:
        act(god)
    assert len(attempts) == 2
    with app.test_request_context("/api/v1/episodes"):
        answer = problem_of(lost.value)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert b"Nothing was changed" in answer.data


def test_lost_in_the_commit_its_outcome_is_told_as_unknown(
    app: APIFlask, god: Actor, database: TestDatabase, attempts: list[int]
) -> None:
    @command(Permission.EPISODE_OPEN)
    def act(actor: Actor) -> None:
        attempts.append(1)
        commands.record("test.act")

    with at_commit(lambda: end_own_session(database)), pytest.raises(OutcomeUnknown) as lost:
        act(god)
    assert len(attempts) == 1, "it may have been done: only who asked may decide to do it again"
    assert rows_of(god, "refused") == 0
    with app.test_request_context("/api/v1/episodes"):
        answer = problem_of(lost.value)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert b"OUTCOME_UNKNOWN" in answer.data
    assert b"Nothing was changed" not in answer.data
