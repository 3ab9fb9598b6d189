"""Two web machines and two jobs machines: no request needs the one before it to have come to the same machine."""

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from apiflask import APIFlask

from bench.servers import end_group
from careapp.access import Actor, Role
from careapp.surface.tokens import own_token
from tests import factories as make
from tests.conftest import ROOT, TestTenant, everything
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user
from tests.instance import Instance, shared_settings
from tests.jobs.relays import unsent, wait_until
from tests.jobs.speaking import saying, speak
from tests.looking import events, one
from tests.web.checks import Form, forms_of, parsed

PATIENCE_SECONDS = 60
LIMIT = 40  # requests of a program a minute; so few that twice as many come within one, however busy the machine
PUBLISHED = re.compile(r"^(\S+Z) .*event published .*event_id=(\S+)", re.M)


@pytest.fixture(scope="module")
def machines(app: APIFlask, database: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of two web machines: each has its own port and directory, and they share database and secrets."""
    with ExitStack() as ending:
        addresses = []
        for _ in range(2):
            own = tmp_path_factory.mktemp("machine")
            settings = {**shared_settings(app, database, own), "RATE_LIMIT_SERVICE": str(LIMIT)}
            instance = Instance(settings, own / "web.log")
            ending.callback(end_group, instance.process)
            addresses.append(f"http://127.0.0.1:{instance.port}")
        yield addresses


class Browser:
    """One browser, whose every request goes to the other machine than the one before."""

    def __init__(self, machines: list[str]) -> None:
        self._machines, self._turn = machines, 0
        self._client = httpx.Client(timeout=PATIENCE_SECONDS)

    def ask(self, method: str, path: str, **data: str) -> httpx.Response:
        """One request. Its cookies know hosts and no ports, as those of a name that a balancer answers to."""
        self._turn += 1
        return self._client.request(method, f"{self._machines[self._turn % 2]}{path}", data=data or None)

    def form(self, page: str, action: str) -> Form:
        """A form of a page by where it goes."""
        answer = self.ask("GET", page)
        assert answer.status_code == 200, (page, answer.status_code, answer.headers.get("Location"))
        return {form.action: form for form in forms_of(parsed(answer.text))}[action]

    def fill(self, page: str, action: str, **typed: str) -> httpx.Response:
        """Open a page on one machine and send its form to the other."""
        return self.ask("POST", action, **{**self.form(page, action).values, **typed})

    def close(self) -> None:
        """End its connections."""
        self._client.close()


@pytest.fixture
def browser(machines: list[str], god: Actor) -> Iterator[Browser]:
    """Somebody of the front desk, signed in: the page was shown by one machine, the password came to the other."""
    user = a_user(god, Role.FRONT_DESK)
    with closing(Browser(machines)) as made:
        answer = made.fill("/sign-in", "/sign-in", email=user.email, password=PASSWORD)
        assert answer.status_code == 303
        yield made


def test_a_page_of_one_machine_is_sent_to_the_other(browser: Browser, god: Actor) -> None:
    register = "/patients/new"
    typed = {"family": "Phyu", "given": "Thida", "birth_date": "1980-01-01", "gender": "female"}
    form = browser.form(register, register)
    kept = browser.ask("POST", "/drafts", draft=register, csrf_token=form.values["csrf_token"], version="1",
                       submission="x", family="Phyu")  # fmt: skip
    assert kept.status_code == 200
    draft = f"/drafts/{one(god, 'SELECT id FROM form_drafts')}"
    assert [browser.form(draft, register).values["family"] for _ in range(2)] == ["Phyu", "Phyu"], "on both"
    sent = [browser.ask("POST", register, **{**form.values, **typed}) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [303, 303]
    assert sent[0].headers["Location"] == sent[1].headers["Location"], "sent twice, to two machines: one effect"
    assert one(god, "SELECT count(*) FROM patients WHERE family = 'Phyu'") == 1


def test_signing_out_at_one_ends_it_at_the_other(browser: Browser) -> None:
    assert [browser.ask("GET", "/account").status_code for _ in range(2)] == [200, 200]
    token = browser.form("/account", "/sign-out").values["csrf_token"]
    before = dict(browser._client.cookies)
    assert browser.ask("POST", "/sign-out", csrf_token=token).status_code == 303
    browser._client.cookies.update(before)  # as somebody who kept a copy would
    assert [browser.ask("GET", "/account").status_code for _ in range(2)] == [303, 303]


def test_one_idempotency_key_at_two_machines_has_one_effect(app: APIFlask, god: Actor, machines: list[str]) -> None:
    patient = make.a_patient(god)
    headers = {"Authorization": f"Bearer {own_token(god, app.config['SETTINGS'])}", "Idempotency-Key": "one"}
    body = {"partyLocator": patient.locator, "careType": "GP"}

    def send(number: int) -> httpx.Response:
        return httpx.post(
            f"{machines[number % 2]}/api/v1/episodes", json=body, headers=headers, timeout=PATIENCE_SECONDS
        )

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert one(god, "SELECT count(*) FROM episodes") == 1


def test_a_limit_holds_over_both(app: APIFlask, god: Actor, machines: list[str]) -> None:
    headers = {"Authorization": f"Bearer {own_token(god, app.config['SETTINGS'])}"}
    with ExitStack() as ending:
        clients = [
            ending.enter_context(httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_SECONDS))
            for address in machines
        ]
        answers = Counter(clients[number % 2].get("/api/v1/clinics").status_code for number in range(2 * LIMIT))
    assert set(answers) == {200, 429}
    assert answers[200] <= 2 * LIMIT - 1
    windows = "SELECT count(*) FROM rate_limits"
    assert one(god, windows) >= 1


@pytest.fixture
def jobs(app: APIFlask, database: TestDatabase, tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """jobs(number) starts `flask jobs` on machine `number`, without a broker; its log is tmp_path/jobs-number.log."""
    started: list[subprocess.Popen[bytes]] = []

    def start(number: int) -> subprocess.Popen[bytes]:
        own = {**shared_settings(app, database, tmp_path / f"var-{number}"), "DATABASE_RELAY_URL": database.relay,
               "KAFKA_BOOTSTRAP_SERVERS": ""}  # fmt: skip
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "jobs"]
        with (tmp_path / f"jobs-{number}.log").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own}, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def published(directory: Path) -> list[tuple[str, str, str]]:
    """What the jobs machines have sent, in order of time: when, which event, which machine."""
    logs = {path.stem: path.read_text() for path in directory.glob("jobs-*.log")}
    return sorted((at, event, name) for name, text in logs.items() for at, event in PUBLISHED.findall(text))


def say(speaker: Actor, times: int, keys: int = 8) -> None:
    """Write events of several keys, a few in each transaction."""
    for number in range(times):
        speak(speaker, [saying(f"EPI-2026-{(number + more) % keys:06}") for more in range(3)])


def test_two_jobs_machines_send_each_event_once_and_in_order_also_when_one_is_killed(
    app: APIFlask, new_tenant: Callable[..., TestTenant], jobs: Callable[[int], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    tenant = new_tenant()
    speaker = everything(tenant)
    machines = [jobs(number) for number in range(2)]
    logs = [tmp_path / f"jobs-{number}.log" for number in range(2)]
    wait_until(lambda: all("jobs started" in log.read_text() for log in logs))
    say(speaker, 100)
    wait_until(lambda: unsent(app, tenant.id) == 0)
    mine = {str(event.envelope["id"]): event for event in events(speaker)}
    quiet = Counter(event for _, event, _ in published(tmp_path) if event in mine)
    assert set(quiet.values()) == {1}, "while nobody is killed there is no repeat"
    say(speaker, 100)
    machines[0].kill()
    say(speaker, 100)
    wait_until(lambda: unsent(app, tenant.id) == 0)
    mine = {str(event.envelope["id"]): event for event in events(speaker)}
    first: dict[str, None] = dict.fromkeys(event for _, event, _ in published(tmp_path) if event in mine)
    order: dict[str, list[int]] = defaultdict(list)
    for event in first:
        order[mine[event].key].append(mine[event].sequence)
    assert set(first) == set(mine), "all of it, the dead one's as well"
    assert {key: list(range(1, len(numbers) + 1)) for key, numbers in order.items()} == order
    assert not any("job failed" in log.read_text() or "Traceback" in log.read_text() for log in logs)
