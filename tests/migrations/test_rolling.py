"""An upgrade without a stop: web and jobs of the version before go on while the schema moves, and beside this one."""

import re
import secrets
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import jwt
import psycopg
import pytest

from careapp import localdb
from careapp.operations.tenants import create_tenant
from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.migrations.load import Desk
from tests.migrations.versions import code_before, database_before, jobs, serving, upgrade

SECRET = secrets.token_urlsafe(48)
TENANT = "moving"
SENT = re.compile(r"^(\S+Z) .*event published .*event_id=(\S+)", re.M)  # a relay without a broker says what it sends


def token() -> str:
    """A token of somebody who may do all that the load does."""
    now = int(time.time())
    claims = {
        "iss": "careapp", "aud": "careapp", "iat": now, "exp": now + 3600, "sub": "mover@clinic.example",
        "jti": str(uuid.uuid4()), "tenant": TENANT, "roles": ["admin", "clinician", "front_desk"],
    }  # fmt: skip
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What both versions share."""
    return {
        "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path / "var"), "JWT_SECRET": SECRET,
        "SECRET_KEY": secrets.token_urlsafe(48), "INTERNAL_TOKENS": "", "RATE_LIMIT_SERVICE": "1000000",
    }  # fmt: skip


def test_both_versions_serve_while_the_schema_moves_and_after(
    database: TestDatabase, environment: dict[str, str], tmp_path: Path
) -> None:
    code = code_before(tmp_path / "before")
    logs = [tmp_path / f"jobs-{name}.log" for name in ("before", "before-again", "after")]
    with database_before(database.superuser) as moving:
        create_tenant(moving.owner, key=TENANT, name="Moving", time_zone="Asia/Yangon")
        known = {**environment, "DATABASE_URL": moving.app, "DATABASE_RELAY_URL": moving.relay}
        with ExitStack() as running:
            running.enter_context(jobs(code, known, logs[0]))
            before = running.enter_context(serving(code, known, tmp_path / "before.log"))
            old = [Desk(f"http://127.0.0.1:{before.port}", token(), number) for number in range(2)]
            for desk in old:
                desk.start()
            _visits(old, 3)
            upgrade(moving)
            _visits(old, 3)
            running.enter_context(jobs(code, known, logs[1]))  # its upkeep, too, on the new schema
            running.enter_context(jobs(ROOT, known, logs[2]))
            after = running.enter_context(serving(ROOT, known, tmp_path / "after.log"))
            new = [Desk(f"http://127.0.0.1:{after.port}", token(), number) for number in (2, 3)]
            for desk in new:
                desk.start()
            _visits([*old, *new], 3)
            for log in logs:
                _sends(log)
            for desk in [*old, *new]:
                desk.finish()
            _all_sent(moving)
        answers = Counter(status for desk in [*old, *new] for _, status in desk.answers)
        print(f"answers while versions changed: {dict(answers)}")
        assert set(answers) <= {200, 201}, [desk.answers for desk in old if desk.failed]
        assert _active(moving) == sorted(locator for desk in [*old, *new] for locator in desk.booked)
        assert _without_audit(moving) == []
        _told_in_order(moving, logs)
        assert [line for log in logs for line in log.read_text().splitlines() if "[error" in line] == []


def _sends(log: Path) -> None:
    """Wait until the relay with this log has sent something more."""
    before, deadline = len(SENT.findall(log.read_text())), time.monotonic() + 60
    while len(SENT.findall(log.read_text())) == before:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


def _all_sent(database: TestDatabase) -> None:
    """Wait until nothing waits that a desk did."""
    deadline = time.monotonic() + 60
    waiting_still = "SELECT key FROM care.outbox WHERE published_at IS NULL AND topic <> 'care.audit.anchored'"
    while waiting := _rows(database, waiting_still):
        assert time.monotonic() < deadline, waiting
        time.sleep(0.05)


def _told_in_order(database: TestDatabase, logs: list[Path]) -> None:
    """Each event left, by whichever version, and those of a key one after the other, without a gap.

    An event may leave twice where a relay was rolled back after it had sent (at least once is the promise), so its
    first time counts. What this version has sent stands in a table of its own.
    """
    events = (
        "SELECT event_id, key, sequence FROM care.outbox WHERE published_at IS NOT NULL"
        " UNION ALL SELECT event_id, key, sequence FROM care.outbox_sent"
    )
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        kept = {str(event): (key, sequence) for event, key, sequence in connection.execute(events).fetchall()}
    print(f"events sent while versions changed: {[len(SENT.findall(log.read_text())) for log in logs]}")
    lines = sorted(line for log in logs for line in SENT.findall(log.read_text()))
    told = list(dict.fromkeys(event for _, event in lines))
    assert sorted(told) == sorted(kept)
    last: Counter[str] = Counter()
    for key, sequence in (kept[event] for event in told):
        last[key] += 1
        assert sequence == last[key], key


def _visits(desks: list[Desk], more: int) -> None:
    """Wait until every desk has kept so many more bookings."""
    wanted = {desk: len(desk.booked) + more for desk in desks}
    while any(len(desk.booked) < count for desk, count in wanted.items()):
        for desk in desks:
            if desk.failed:
                raise desk.failed
            assert desk.is_alive()
        time.sleep(0.05)


def _active(database: TestDatabase) -> list[str]:
    """The appointments that hold a place."""
    return _rows(database, "SELECT locator FROM care.appointments WHERE status = 'PENDING' ORDER BY locator")


def _without_audit(database: TestDatabase) -> list[str]:
    """Appointments no audit row speaks of."""
    return _rows(
        database,
        "SELECT locator FROM care.appointments a WHERE NOT EXISTS"
        " (SELECT FROM care.audit_event e WHERE e.subject = a.locator)",
    )


def _rows(database: TestDatabase, statement: str) -> list[str]:
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        return [row[0] for row in connection.execute(statement).fetchall()]
