"""What the processes say: real web and jobs processes, real faults, and not one marked value in all they print.

Names, birth dates, phones, notes, passwords and tokens are sent in every place a request has, through good calls,
refused ones and calls that end in a 500, by a broken statement and by a constraint that shows the whole row.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from apiflask import APIFlask

from careapp.access import Actor
from careapp.localdb import libpq_url
from careapp.surface.tokens import own_token
from tests.conftest import ROOT
from tests.database import TestDatabase
from tests.looking import one
from tools.ports import free_port

MARK, BORN, PHONE = "Xqzv", "1903-04-07", "5550109977"
MARKS = (MARK, BORN, PHONE)
PERSON = {
    "name": {"family": f"{MARK}family", "given": [f"{MARK}given"]}, "birthDate": BORN, "gender": "female",
    "telecom": [{"system": "phone", "value": PHONE}], "identifiers": [{"system": "urn:x", "value": f"{MARK}number"}],
}  # fmt: skip


@contextmanager
def running(command: list[str], environment: dict[str, str], output: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with all it prints in one file; it is ended in order."""
    with output.open("ab") as file:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=file, stderr=file, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)


@pytest.fixture
def environment(app: APIFlask, database: TestDatabase, tmp_path: Path) -> dict[str, str]:
    """What the processes are started with: this worker's database, and the secrets of this run."""
    settings = app.config["SETTINGS"]
    return {
        **os.environ, "CAREAPP_ENV": "development", "CAREAPP_VAR": str(tmp_path), "PORT": str(free_port()),
        "DATABASE_URL": database.app, "DATABASE_OWNER_URL": database.owner, "DATABASE_RELAY_URL": database.relay,
        "JWT_SECRET": settings.jwt_secret.get_secret_value(), "SECRET_KEY": "s" * 40, "WEB_WORKERS": "1",
        "KAFKA_BOOTSTRAP_SERVERS": "", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }  # fmt: skip


def awaited(condition: Any, what: str) -> None:
    """Wait until it holds."""
    end = time.monotonic() + 90
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come about")
        time.sleep(0.1)


def answers(client: httpx.Client) -> bool:
    """Whether the process serves."""
    try:
        return client.get("/sign-in").status_code == 200
    except httpx.TransportError:
        return False


def good_calls(client: httpx.Client) -> None:
    """A patient with a whole episode."""
    patient = client.post("/api/v1/patients", json=PERSON).raise_for_status().json()["locator"]
    client.post("/api/v1/patients/search", json={"name": f"{MARK}family", "birthDate": BORN}).raise_for_status()
    asked = {"partyLocator": patient, "careType": "GP", "reason": f"{MARK} reason"}
    episode = client.post("/api/v1/episodes", json=asked).raise_for_status().json()["locator"]
    order = {"type": "LAB", "reason": f"{MARK} why", "facility": f"{MARK} place"}
    referral = client.post(f"/api/v1/episodes/{episode}/referrals", json=order).raise_for_status().json()["locator"]
    client.patch(f"/api/v1/referrals/{referral}/cancel", json={"reason": f"{MARK} no"}).raise_for_status()
    client.patch(f"/api/v1/episodes/{episode}/close", json={"summary": f"{MARK} summary"}).raise_for_status()


def refused_calls(client: httpx.Client) -> Iterator[httpx.Response]:
    """Marks in path, query, body, headers, cookie, token and password, each refused."""
    yield client.post("/api/v1/patients", json={**PERSON, "birthDate": f"{MARK}{BORN}"})
    yield client.post("/api/v1/patients", json={**PERSON, MARK: MARK})
    yield client.post("/api/v1/patients", content=f'{{"name": "{MARK}', headers={"Content-Type": "application/json"})
    yield client.get(f"/api/v1/patients/{MARK}")
    yield client.get("/api/v1/patients", params={"name": MARK, "birthDate": BORN, "phone": PHONE})
    yield client.get(f"/{MARK}/{PHONE}", params={"q": MARK})
    yield client.get("/api/v1/patients", headers={"Authorization": f"Bearer {MARK}.{MARK}.{MARK}"})
    yield client.get("/api/v1/patients", headers={"Authorization": f"Basic {MARK}"})
    yield client.get("/internal/episodes/EPI-2026-000001", headers={"X-Internal-Token": MARK})
    yield client.post("/api/v1/patients", json=PERSON, headers={"Idempotency-Key": MARK * 100})
    page = client.get("/sign-in", headers={"Authorization": ""})
    [token] = re.findall(r'name="csrf_token" value="([^"]+)"', page.text)[:1]
    sent = {"csrf_token": token, "email": f"{MARK}@clinic.example", "password": f"{MARK} password {PHONE}"}
    browser = {"Authorization": "", "Sec-Fetch-Site": "same-origin", "Referer": str(client.base_url)}
    yield client.post("/sign-in", data={**sent, "email": ""}, headers=browser)
    yield client.post(
        "/patients/new", data={"family": MARK}, headers={"Authorization": "", "Cookie": f"session={MARK}"}
    )


def broken_calls(client: httpx.Client, database: TestDatabase) -> Iterator[httpx.Response]:
    """Two faults of ours: a statement that fails with the patient in its parameters, a constraint nobody named."""
    for breaking, mending in (
        (
            "ALTER TABLE patient_keys RENAME TO keys_gone",
            "ALTER TABLE keys_gone RENAME TO patient_keys",
        ),
        (
            f"ALTER TABLE patients ADD CONSTRAINT unforeseen CHECK (family NOT LIKE '{MARK}%') NOT VALID",
            "ALTER TABLE patients DROP CONSTRAINT unforeseen",
        ),
    ):
        with psycopg.connect(libpq_url(database.owner), autocommit=True) as owner:
            owner.execute(breaking)  # type: ignore[arg-type]
            try:
                yield client.post("/api/v1/patients", json=PERSON)
            finally:
                owner.execute(mending)  # type: ignore[arg-type]


def test_nothing_they_print_names_a_patient(
    environment: dict[str, str], app: APIFlask, god: Actor, database: TestDatabase, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    token = own_token(god, app.config["SETTINGS"])
    web = next(line for line in (ROOT / "Procfile").read_text().splitlines() if line.startswith("web:"))
    command = ["sh", "-c", web.removeprefix("web:").strip()]
    base = f"http://127.0.0.1:{environment['PORT']}"
    with (
        running(command, environment, output),
        httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client,
    ):
        awaited(lambda: answers(client), "the web process")
        good_calls(client)
        refused = list(refused_calls(client))
        broken = list(broken_calls(client, database))
    assert [answer.status_code for answer in broken] == [500, 500]
    assert all(400 <= answer.status_code < 500 for answer in refused), [answer.status_code for answer in refused]
    waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
    with running(shlex.split("flask --app wsgi jobs"), environment, output):
        awaited(lambda: one(god, waiting) == 0, "the last event")
    printed = output.read_text()
    assert "ProgrammingError UndefinedTable" in printed, "the faults were logged, so the file is what they print"
    assert "unforeseen" in printed, "the constraint's name may be"
    assert "care.episode.closed" in printed, "events are printed where there is no Kafka"
    assert [mark for mark in (*MARKS, token) if mark.casefold() in printed.casefold()] == []
    for answer in broken:
        told = answer.text + str(answer.headers)
        assert [mark for mark in (*MARKS, token, "patient_keys", "unforeseen") if mark in told] == []
    for answer in refused:
        assert [mark for mark in (PHONE, token) if mark in str(answer.headers)] == []


def test_the_embedded_server_logs_no_rows_and_no_parameters(database: TestDatabase) -> None:
    """A failing row stands in the DETAIL of PostgreSQL's own log, unless it is told to be brief."""
    if os.environ.get("CAREAPP_TEST_SUPERUSER_URL"):
        pytest.skip("NOT TESTED: CAREAPP_TEST_SUPERUSER_URL names a server whose settings are its operator's")
    wanted = {"log_error_verbosity": "terse", "log_parameter_max_length_on_error": "0", "log_parameter_max_length": "0"}
    with psycopg.connect(libpq_url(database.superuser)) as connection:
        for name, value in wanted.items():
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)
